from __future__ import annotations

from pathlib import Path
from typing import LiteralString, NamedTuple

import msgspec
import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.install.portal import check, install
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.verify import repair_structure, structure
from pyreplctl.verify.findings import Finding
from tests.conftest import NewCluster, NewCourse
from tests.support.logins import as_login, new_login
from tests.support.platform import Course, Platform, owner_of
from tests.support.tables import file_of, migrated

TOY = "edX/toy/2012_Fall"


def wrong(platform: Platform, given: Config | None = None) -> dict[str, str]:
    """Return what is not current, on the portal and at its courses: object, state."""
    return {item.object: item.state for item in items(platform, given)}


def items(platform: Platform, given: Config | None = None) -> list[Finding]:
    found = structure.verify(platform.dsn, [], given=given, jobs=1)
    every = [*found.portal, *(i for d in found.databases.values() for i in d.items)]
    return [item for item in every if item.state != "current"]


def repair(platform: Platform) -> dict[str, str]:
    """Repair all that is found; returns what failed."""
    found = structure.verify(platform.dsn, [], jobs=1)
    return repair_structure.repair(platform.dsn, repair_structure.plan(found)).failed


@pytest.fixture
def course(
    platform: Platform,
    portal_cluster: Cluster,
    course_cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Course:
    """A course database whose administrator libpq finds the password of."""
    passwords = tmp_path / "pgpass"
    passwords.touch(0o600)
    lines = [f"*:{c.port}:*:*:{c.password}\n" for c in (portal_cluster, course_cluster)]
    passwords.write_text("".join(lines))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    made = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    return made


class Damage(NamedTuple):
    """What somebody does, and what is found of it."""

    where: str
    statement: LiteralString
    found: dict[str, str]


MENDED: dict[str, Damage] = {
    "a trigger disabled": Damage(
        "portal",
        "ALTER TABLE auth_user DISABLE TRIGGER pyrepl_update",
        {"triggers public.auth_user": "disabled"},
    ),
    "a trigger that replicas skip": Damage(
        "portal",
        "ALTER TABLE auth_user ENABLE TRIGGER pyrepl_update",
        {"triggers public.auth_user": "disabled"},
    ),
    "a trigger dropped": Damage(
        "portal",
        "DROP TRIGGER pyrepl_insert ON student_courseenrollment",
        {"triggers public.student_courseenrollment": "missing"},
    ),
    "all triggers of a table dropped": Damage(
        "portal",
        "DROP TRIGGER pyrepl_insert ON auth_user;"
        " DROP TRIGGER pyrepl_update ON auth_user;"
        " DROP TRIGGER pyrepl_delete ON auth_user;"
        " DROP TRIGGER pyrepl_truncate ON auth_user",
        {"triggers public.auth_user": "missing"},
    ),
    "a function edited": Damage(
        "portal",
        "ALTER FUNCTION pyrepl.members(integer) RESET search_path",
        {"function members": "edited"},
    ),
    "a function with another signature beside it": Damage(
        "portal",
        "CREATE FUNCTION pyrepl.members(text) RETURNS void LANGUAGE sql AS ''",
        {"function members": "edited"},
    ),
    "a function dropped": Damage(
        "portal",
        "DROP FUNCTION pyrepl.unrouted(pg_snapshot)",
        {"function unrouted": "missing"},
    ),
    "an older function": Damage(
        "portal",
        "UPDATE pyrepl.object SET source_hash = 'old' WHERE name = 'members'",
        {"function members": "outdated"},
    ),
    "a function that is used no more": Damage(
        "portal",
        "CREATE FUNCTION pyrepl.once() RETURNS void LANGUAGE sql AS '';"
        " INSERT INTO pyrepl.object VALUES ('function', 'once', '', '')",
        {"function once": "orphan"},
    ),
    "a grant to PUBLIC": Damage(
        "portal",
        "GRANT EXECUTE ON FUNCTION pyrepl.route() TO PUBLIC",
        {"function route": "edited"},
    ),
    "a grant to a role of ours": Damage(
        "portal",
        "GRANT EXECUTE ON FUNCTION pyrepl.route() TO pyrepl_monitor",
        {"function route": "edited"},
    ),
    "a grant taken away": Damage(
        "portal",
        "REVOKE EXECUTE ON FUNCTION pyrepl.route() FROM pyrepl_worker",
        {"function route": "edited"},
    ),
    "a function given away": Damage(
        "portal",
        "ALTER FUNCTION pyrepl.route() OWNER TO CURRENT_USER",
        {"function route": "edited"},
    ),
    "a table that PUBLIC may read": Damage(
        "portal",
        "GRANT SELECT ON pyrepl.change TO PUBLIC",
        {"table change": "edited"},
    ),
    "a column that PUBLIC may write": Damage(
        "portal",
        "GRANT UPDATE (name) ON pyrepl.database TO PUBLIC",
        {"table database": "edited"},
    ),
    "a table given away": Damage(
        "portal",
        "ALTER TABLE pyrepl.outbox OWNER TO CURRENT_USER",
        {"table outbox": "edited"},
    ),
    "a schema in which all may create": Damage(
        "portal",
        "GRANT CREATE ON SCHEMA pyrepl TO PUBLIC",
        {"schema pyrepl": "edited"},
    ),
    "an index dropped": Damage(
        "portal",
        "DROP INDEX pyrepl.outbox_claim",
        {"index outbox_claim of table outbox": "missing"},
    ),
    "another index of that name": Damage(
        "portal",
        "DROP INDEX pyrepl.outbox_claim;"
        " CREATE INDEX outbox_claim ON pyrepl.outbox (id)",
        {"index outbox_claim of table outbox": "edited"},
    ),
    "a constraint dropped": Damage(
        "portal",
        "ALTER TABLE pyrepl.outbox DROP CONSTRAINT outbox_priority_check",
        {"constraint outbox_priority_check of table outbox": "missing"},
    ),
    "a right on the portal's table taken away": Damage(
        "portal",
        "REVOKE SELECT ON auth_user FROM pyrepl_reader",
        {"grant public.auth_user": "missing"},
    ),
    "another version": Damage(
        "portal",
        "UPDATE pyrepl.settings SET version = 'old'",
        {"settings": "outdated"},
    ),
    "a time-out lost": Damage(
        "portal",
        "ALTER SERVER pyrepl_{number} OPTIONS (DROP connect_timeout)",
        {"server pyrepl_{number}": "edited"},
    ),
    "a time-out of nothing": Damage(
        "portal",
        "ALTER SERVER pyrepl_{number} OPTIONS (SET tcp_user_timeout '0')",
        {"server pyrepl_{number}": "edited"},
    ),
    "remote time-outs lost": Damage(
        "portal",
        "ALTER SERVER pyrepl_{number} OPTIONS (SET options '-c lock_timeout=7s')",
        {"server pyrepl_{number}": "edited"},
    ),
    "a server that others may use": Damage(
        "portal",
        "GRANT USAGE ON FOREIGN SERVER pyrepl_{number} TO pyrepl_worker",
        {"server pyrepl_{number}": "edited"},
    ),
    "a link that was dropped": Damage(
        "portal",
        "DROP SERVER pyrepl_{number} CASCADE",
        {
            "server pyrepl_{number}": "missing",
            "mapping pyrepl_{number}": "missing",
            "foreign table inbox_{number}": "missing",
            "foreign table unsettled_{number}": "missing",
            "foreign table digest_{number}": "missing",
            "foreign table account_{number}": "missing",
            "foreign table structure_{number}": "missing",
        },
    ),
    "no mapping": Damage(
        "portal",
        "DROP USER MAPPING FOR pyrepl_owner SERVER pyrepl_{number}",
        {"mapping pyrepl_{number}": "missing"},
    ),
    "a mapping without a password": Damage(
        "portal",
        "ALTER USER MAPPING FOR pyrepl_owner SERVER pyrepl_{number}"
        " OPTIONS (DROP password)",
        {"mapping pyrepl_{number}": "edited"},
    ),
    "a mapping with a wrong password": Damage(
        "portal",
        "ALTER USER MAPPING FOR pyrepl_owner SERVER pyrepl_{number}"
        " OPTIONS (SET password 'wrong')",
        {"mapping pyrepl_{number}": "edited"},
    ),
    "a mapping for everybody": Damage(
        "portal",
        "CREATE USER MAPPING FOR PUBLIC SERVER pyrepl_{number}",
        {"mapping pyrepl_{number}": "edited"},
    ),
    "a foreign table altered": Damage(
        "portal",
        "ALTER FOREIGN TABLE pyrepl.digest_{number} ADD COLUMN more text",
        {"foreign table digest_{number}": "edited"},
    ),
    "a guard trigger disabled": Damage(
        "course",
        "ALTER TABLE auth_user DISABLE TRIGGER pyrepl_guard",
        {"triggers public.auth_user": "disabled"},
    ),
    "a guard trigger dropped": Damage(
        "course",
        "DROP TRIGGER pyrepl_guard_truncate ON auth_userprofile",
        {"triggers public.auth_userprofile": "missing"},
    ),
    "no inbox": Damage("course", "DROP VIEW pyrepl.inbox", {"view inbox": "missing"}),
    "the inbox without its trigger": Damage(
        "course", "DROP TRIGGER pyrepl_apply ON pyrepl.inbox", {"view inbox": "edited"}
    ),
    "a view that PUBLIC may read": Damage(
        "course",
        "GRANT SELECT ON pyrepl.account TO PUBLIC",
        {"view account": "edited"},
    ),
    "apply edited": Damage(
        "course",
        "ALTER FUNCTION pyrepl.apply() RESET row_security",
        {"function apply": "edited"},
    ),
    "the course's own report gone": Damage(
        "course", "DROP VIEW pyrepl.structure", {"view structure": "edited"}
    ),
    "a type altered": Damage(
        "course",
        "ALTER TYPE pyrepl.user_row ADD ATTRIBUTE more text",
        {"type user_row": "edited"},
    ),
    "a right on the course's table taken away": Damage(
        "course",
        "REVOKE UPDATE ON auth_userprofile FROM {owner}",
        {"grant public.auth_userprofile": "missing"},
    ),
    "a registry that all may write": Damage(
        "course",
        "GRANT INSERT ON pyrepl.copy TO PUBLIC",
        {"table copy": "edited"},
    ),
    "another guard than agreed on": Damage(
        "course",
        "UPDATE pyrepl.binding SET guard = 'off'",
        {"binding: guard": "edited"},
    ),
    "a role that may all": Damage(
        "portal",
        "ALTER ROLE pyrepl_monitor SUPERUSER LOGIN",
        {"role pyrepl_monitor": "edited"},
    ),
    "a worker that owns": Damage(
        "portal",
        "GRANT pyrepl_owner TO pyrepl_worker",
        {"role pyrepl_worker": "edited"},
    ),
    "an owner that passes policies": Damage(
        "course",
        "ALTER ROLE {owner} BYPASSRLS CREATEROLE",
        {"role {owner}": "edited"},
    ),
    "a contract that another program agreed on": Damage(
        "course",
        "UPDATE pyrepl.binding SET fingerprint = 'other'",
        {"binding: contract": "edited"},
    ),
    "an index of the course dropped": Damage(
        "course",
        "DROP INDEX pyrepl.chain_before",
        {"index chain_before of table chain": "missing"},
    ),
}


# What nobody but a person can decide, and the words in which the remedy is told.
LEFT: dict[str, tuple[Damage, str]] = {
    "a function of nobody": (
        Damage(
            "portal",
            "CREATE FUNCTION pyrepl.mine() RETURNS void LANGUAGE sql AS ''",
            {"function mine": "orphan"},
        ),
        'DROP ROUTINE pyrepl."mine"',
    ),
    "a trigger of nobody": (
        Damage(
            "portal",
            "CREATE TABLE other (); CREATE TRIGGER pyrepl_mine AFTER INSERT ON other"
            " EXECUTE FUNCTION pyrepl.capture_user()",
            {"triggers public.other": "orphan"},
        ),
        'DROP TRIGGER "pyrepl_mine" ON "public"."other"',
    ),
    "a table of nobody": (
        Damage("course", "CREATE TABLE pyrepl.mine ()", {"table mine": "orphan"}),
        'DROP TABLE pyrepl."mine"',
    ),
    "a server of nobody": (
        Damage(
            "portal",
            "CREATE SERVER pyrepl_old FOREIGN DATA WRAPPER postgres_fdw",
            {"server pyrepl_old": "orphan"},
        ),
        'DROP SERVER "pyrepl_old"',
    ),
    "a column more": (
        Damage(
            "portal",
            "ALTER TABLE pyrepl.clock ADD COLUMN more text",
            {"column more of table clock": "orphan"},
        ),
        "ALTER TABLE pyrepl.clock DROP COLUMN more",
    ),
    "a column of another type": (
        Damage(
            "portal",
            "ALTER TABLE pyrepl.retry ALTER attempts TYPE smallint",
            {"column attempts of table retry": "edited"},
        ),
        "is smallint NOT NULL, a migration has made it integer NOT NULL",
    ),
    "a table gone": (
        Damage(
            "course",
            "DROP TABLE pyrepl.receipt CASCADE",
            {
                "table receipt": "missing",
                "view unsettled": "missing",
            },
        ),
        "restore it from a backup",
    ),
    "another portal": (
        Damage(
            "course",
            "UPDATE pyrepl.binding SET portal = '1/2'",
            {"binding: portal": "edited"},
        ),
        "course refresh --rebind",
    ),
    "a column added on the portal": (
        Damage(
            "portal",
            "ALTER TABLE auth_userprofile ADD COLUMN bio text",
            {"contract": "outdated"},
        ),
        "new on the portal: public.auth_userprofile.bio",
    ),
    "a column of the contract dropped on the portal": (
        Damage(
            "portal",
            "ALTER TABLE auth_user DROP COLUMN last_name",
            {"contract": "outdated", "delivery": "outdated"},
        ),
        "no column last_name",
    ),
    "a column retyped at the course": (
        Damage(
            "course",
            "ALTER TABLE auth_userprofile ALTER location TYPE text",
            {"contract agreed columns": "outdated"},
        ),
        "repair the table at the course",
    ),
    "a dead letter": (
        Damage(
            "portal",
            "INSERT INTO pyrepl.retry (database_id, user_id, attempts, sqlstate,"
            " message) VALUES ({number}, 1, 9, '23505', 'why')",
            {"dead letters": "outdated"},
        ),
        "dead list",
    ),
    "a change that nothing routes": (
        Damage(
            "portal",
            "INSERT INTO pyrepl.change (users, at) VALUES ('{1}', now() - '1 h'"
            "::interval)",
            {"changes": "outdated", "clock": "missing"},
        ),
        "pyreplctl run",
    ),
    "a dossier that nothing delivers": (
        Damage(
            "portal",
            "INSERT INTO pyrepl.outbox (database_id, user_id, priority, at)"
            " VALUES ({number}, 1, 0, now() - '1 h'::interval);"
            " UPDATE pyrepl.database SET state = 'active'",
            {"outbox": "outdated"},
        ),
        "the oldest for 60 min",
    ),
}


def do(platform: Platform, course: Course, damage: Damage) -> dict[str, str]:
    """Do it, and return what is to be found."""
    (number,) = platform.rows("SELECT id FROM pyrepl.databases()")[0]
    owner = owner_of(course.connection)

    def named(text: str) -> str:
        return text.replace("{number}", str(number)).replace("{owner}", owner)

    statement = named(damage.statement).encode()
    side = platform.connection if damage.where == "portal" else course.connection
    side.execute(statement)
    return {named(k): v for k, v in damage.found.items()}


def test_what_was_just_installed_is_current(platform: Platform, course: Course) -> None:
    found = structure.verify(platform.dsn, [])
    assert found.ok
    assert found.databases[course.name].ok
    assert len(found.portal) > 90
    assert len(found.databases[course.name].items) > 60
    assert wrong(platform) == {}


@pytest.mark.parametrize("what", MENDED)
def test_damage_is_named_and_mended(
    platform: Platform, course: Course, what: str
) -> None:
    expected = do(platform, course, MENDED[what])
    found = items(platform)
    assert {item.object: item.state for item in found} == expected
    assert all(item.detail for item in found)
    assert repair(platform) == {}
    assert wrong(platform) == {}
    platform.execute("UPDATE auth_user SET email = 'new'")
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "new"


@pytest.mark.parametrize("what", LEFT)
def test_what_a_person_must_decide_is_named_and_left(
    platform: Platform, course: Course, what: str
) -> None:
    damage, said = LEFT[what]
    expected = do(platform, course, damage)
    found = items(platform)
    assert {item.object: item.state for item in found} == expected
    assert any(said in item.detail for item in found), found


def test_a_monitor_sees_all_of_it(platform: Platform, course: Course) -> None:
    do(platform, course, MENDED["a time-out lost"])
    do(platform, course, MENDED["a mapping without a password"])
    do(platform, course, LEFT["a column added on the portal"][0])
    do(platform, course, MENDED["apply edited"])
    platform.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    with new_login(platform.connection, "pyrepl_monitor") as name:
        seen = structure.verify(as_login(platform.dsn, name), [])
    assert seen == structure.verify(platform.dsn, [])
    assert seen.ok is False


def test_a_database_that_is_down_is_never_well(
    platform: Platform, new_cluster: NewCluster
) -> None:
    server = new_cluster()
    course = platform.course(TOY, cluster=server)
    server.stop()
    found = structure.verify(platform.dsn, []).databases[course.name]
    assert found.ok is None
    assert found.error


def test_a_tuned_time_out_is_nobodys_mistake_and_another_host_is_told(
    platform: Platform, course: Course
) -> None:
    (number,) = platform.rows("SELECT id FROM pyrepl.databases()")[0]
    statement = f"ALTER SERVER pyrepl_{number} OPTIONS (SET connect_timeout '9')"
    platform.execute(statement)
    assert wrong(platform) == {}
    statement = f"ALTER SERVER pyrepl_{number} OPTIONS (SET host 'localhost')"
    platform.execute(statement)
    assert wrong(platform) == {f"server pyrepl_{number}": "edited"}


def test_a_configuration_that_is_not_installed_is_told_of(
    platform: Platform, course: Course
) -> None:
    assert wrong(platform, Config()) == {}
    other = msgspec.convert({"policy": {"on_unenroll": "freeze"}}, Config)
    assert wrong(platform, other) == {"settings": "outdated"}


def test_a_repair_keeps_to_the_configuration_that_is_installed(
    platform: Platform, course: Course
) -> None:
    other = msgspec.convert({"policy": {"on_unenroll": "freeze"}}, Config)
    install(platform.dsn, other)
    assert wrong(platform, other) == {}
    do(platform, course, MENDED["a function edited"])
    assert repair(platform) == {}
    assert wrong(platform, other) == {}


def test_a_plan_changes_nothing(platform: Platform, course: Course) -> None:
    do(platform, course, MENDED["a function edited"])
    do(platform, course, MENDED["apply edited"])
    before = wrong(platform)
    steps = repair_structure.plan(structure.verify(platform.dsn, []))
    assert [(s.place, s.item.object, s.action) for s in steps] == [
        ("", "function members", "install"),
        (course.name, "function apply", "course refresh"),
    ]
    assert wrong(platform) == before


def test_a_renamed_table_takes_its_triggers_from_the_old_one(
    platform: Platform, course: Course
) -> None:
    platform.execute("CREATE TABLE other_user (LIKE auth_user INCLUDING ALL)")
    other = msgspec.convert({"tables": {"user": {"name": "public.other_user"}}}, Config)
    assert {c.object for c in check(platform.dsn, other)} > {
        "triggers public.auth_user"
    }
    install(platform.dsn, other)
    assert check(platform.dsn, other) == []
    assert platform.rows(
        "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
        " WHERE tgname LIKE 'pyrepl%' AND tgrelid <> 'pyrepl.change'::regclass"
        " ORDER BY 1"
    ) == [("auth_userprofile",), ("other_user",), ("student_courseenrollment",)]


@pytest.mark.parametrize("side", ["portal", "course"])
def test_the_file_of_tables_is_what_the_migrations_make(
    new_course: NewCourse, platform: Platform, side: str
) -> None:
    with psycopg.connect(new_course(), autocommit=True) as connection:
        found = migrated(connection, side)
    assert found == file_of(side).read_text(encoding="utf-8"), 'run "make expected"'
