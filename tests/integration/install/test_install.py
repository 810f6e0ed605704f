from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import errors

from pyreplctl.core.config import Config
from pyreplctl.core.db import connect
from pyreplctl.core.errors import DatabaseError, NotSuitable
from pyreplctl.core.locks import INSTALL_LOCK, LOCK_CLASS, Patience
from pyreplctl.courses import unregister as courses
from pyreplctl.courses.refresh import refresh
from pyreplctl.install import removal
from pyreplctl.install.portal import check, install
from pyreplctl.sandbox.embedded import Cluster, find_bin_dir
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import OWNERS
from tests.cli.run import Cli
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.support.logins import as_login, new_login
from tests.support.platform import FOR_GOOD, Connection, Platform
from tests.support.polling import until

TABLES = ("auth_user", "auth_userprofile", "student_courseenrollment")
HASTY = Patience(lock_timeout=0.05, attempts=2)


def changed(changes: list[ObjectChange]) -> dict[str, str]:
    return {c.object: c.state for c in changes if c.state != "unchanged"}


def wanting(platform: Platform) -> dict[str, str]:
    return {c.object: c.state for c in check(platform.dsn, Config())}


def test_a_second_install_changes_nothing(new_portal: NewPortal) -> None:
    dsn = new_portal()
    assert changed(install(dsn, Config()))
    again = install(dsn, Config())
    assert changed(again) == {}
    assert len(again) > 50
    assert check(dsn, Config()) == []


def test_with_courses_an_install_and_a_refresh_change_nothing(
    platform: Platform,
) -> None:
    course = platform.course("c")
    assert changed(install(platform.dsn, Config())) == {}
    assert refresh(platform.connection, Config(), course.name, course.dsn) == []


def test_a_check_says_what_an_install_would_do_and_does_nothing(
    new_portal: NewPortal,
) -> None:
    dsn = new_portal()
    before = dump(dsn)
    states = {c.object: c.state for c in check(dsn, Config())}
    assert states["function route"] == "missing"
    assert states["triggers public.auth_user"] == "missing"
    assert states["schema pyrepl"] == "missing"
    assert dump(dsn) == before
    assert states.keys() == changed(install(dsn, Config())).keys()


DAMAGE: dict[str, tuple[str, str, LiteralString]] = {
    "an edited function": (
        "function members",
        "edited",
        "ALTER FUNCTION pyrepl.members(integer) RESET search_path",
    ),
    "a right too many": (
        "function members",
        "edited",
        "GRANT EXECUTE ON FUNCTION pyrepl.members(integer) TO PUBLIC",
    ),
    "a dropped function": (
        "function members",
        "missing",
        "DROP FUNCTION pyrepl.members(integer) CASCADE",
    ),
    "an outdated function": (
        "function members",
        "outdated",
        "UPDATE pyrepl.object SET source_hash = 'old' WHERE name = 'members'",
    ),
    "an orphan": (
        "function once",
        "orphan",
        """CREATE FUNCTION pyrepl.once() RETURNS void LANGUAGE sql AS '';
        INSERT INTO pyrepl.object VALUES ('function', 'once', '', '')""",
    ),
    "a disabled trigger": (
        "triggers public.auth_user",
        "disabled",
        "ALTER TABLE auth_user DISABLE TRIGGER pyrepl_update",
    ),
    "a trigger that replicas skip": (
        "triggers public.auth_userprofile",
        "disabled",
        "ALTER TABLE auth_userprofile ENABLE TRIGGER pyrepl_update",
    ),
    "a dropped trigger": (
        "triggers public.student_courseenrollment",
        "edited",
        "DROP TRIGGER pyrepl_insert ON student_courseenrollment",
    ),
    "all triggers dropped": (
        "triggers public.auth_user",
        "missing",
        """DROP TRIGGER pyrepl_insert ON auth_user;
        DROP TRIGGER pyrepl_update ON auth_user;
        DROP TRIGGER pyrepl_delete ON auth_user;
        DROP TRIGGER pyrepl_truncate ON auth_user""",
    ),
    "an outdated trigger": (
        "triggers public.auth_user",
        "outdated",
        "UPDATE pyrepl.object SET source_hash = 'old' WHERE name = 'public.auth_user'",
    ),
    "a right taken away": (
        "grant SELECT on public.auth_user",
        "missing",
        "REVOKE SELECT ON auth_user FROM pyrepl_reader",
    ),
    "the schema closed to a role": (
        "grant USAGE on pyrepl",
        "missing",
        "REVOKE USAGE ON SCHEMA pyrepl FROM pyrepl_monitor",
    ),
    "settings of another version": (
        "settings",
        "outdated",
        "UPDATE pyrepl.settings SET version = 'old'",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_check_names_the_damage_and_an_install_mends_it(
    platform: Platform, damage: str
) -> None:
    named, state, statement = DAMAGE[damage]
    before = dump(platform.dsn)
    assert wanting(platform) == {}
    platform.execute(statement)
    assert wanting(platform) == {named: state}
    assert changed(install(platform.dsn, Config())).keys() == {named}
    assert wanting(platform) == {}
    assert dump(platform.dsn) == before


def test_a_refresh_mends_a_course(platform: Platform) -> None:
    course = platform.course("c")
    before = dump(course.dsn)
    course.execute("ALTER FUNCTION pyrepl.apply() RESET search_path")
    course.execute("DROP VIEW pyrepl.digest")
    repaired = refresh(platform.connection, Config(), course.name, course.dsn)
    assert {c.object for c in repaired} == {"function apply", "view digest"}
    assert dump(course.dsn) == before


def test_all_capture_triggers_fire_always(platform: Platform) -> None:
    rows = platform.rows(
        "SELECT tgrelid::regclass::text, tgname::text FROM pg_trigger"
        " WHERE tgname LIKE 'pyrepl%' AND tgenabled = 'A' ORDER BY 1, 2"
    )
    each = ("pyrepl_delete", "pyrepl_insert", "pyrepl_truncate", "pyrepl_update")
    wanted = [(table, name) for table in TABLES for name in each]
    assert rows == sorted([*wanted, ("pyrepl.change", "pyrepl_immediate")])


def waits_for_a_table(platform: Platform) -> bool:
    return bool(
        platform.rows(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'pyreplctl' AND wait_event_type = 'Lock'"
        )
    )


def test_an_install_gives_up_on_a_locked_table_and_a_second_one_finishes(
    new_portal: NewPortal, new_course: NewCourse
) -> None:
    dsn = new_portal()
    with Platform.opened(dsn, new_course) as platform:
        holder = platform.session()
        holder.execute("LOCK TABLE auth_userprofile IN ROW EXCLUSIVE MODE")
        with pytest.raises(DatabaseError, match=f"backend {holder.info.backend_pid} "):
            install(dsn, Config(), HASTY)
        assert wanting(platform) == {
            "triggers public.auth_userprofile": "missing",
            "triggers pyrepl.change": "missing",
            "triggers public.student_courseenrollment": "missing",
        }
        holder.rollback()
        done = changed(install(dsn, Config(), HASTY))
        assert done.keys() == {
            "triggers public.auth_userprofile",
            "triggers pyrepl.change",
            "triggers public.student_courseenrollment",
        }
        assert wanting(platform) == {}


@pytest.mark.parametrize("patient", [False, True], ids=["guarantee", "control"])
def test_a_writer_waits_no_longer_than_the_lock_time_out(
    new_portal: NewPortal, new_course: NewCourse, patient: bool
) -> None:
    """Behind an install that waits for a lock, all writers wait."""
    dsn = new_portal()
    patience = Patience(lock_timeout=60 if patient else 0.05, attempts=200)
    with (
        Platform.opened(dsn, new_course) as platform,
        ThreadPoolExecutor(1) as pool,
    ):
        holder = platform.session()
        holder.execute("LOCK TABLE auth_user IN ROW EXCLUSIVE MODE")
        installing = pool.submit(install, dsn, Config(), patience)
        try:
            until(lambda: waits_for_a_table(platform))
            writer = platform.session(autocommit=True)
            # Ten times what the install waits for.
            writer.execute("SET lock_timeout = '500ms'")
            write: LiteralString = "DELETE FROM auth_user WHERE id = 1"
            if patient:
                with pytest.raises(errors.LockNotAvailable):
                    writer.execute(write)
            else:
                for _ in range(20):
                    writer.execute(write)
            assert not installing.done()
        finally:
            holder.rollback()
        installing.result()
        assert wanting(platform) == {}


@pytest.mark.long
def test_twenty_installs_at_once_all_succeed(new_portal: NewPortal) -> None:
    dsn = new_portal()
    ready = threading.Barrier(20)

    def one(_: int) -> dict[str, str]:
        ready.wait()
        return changed(install(dsn, Config()))

    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(one, range(20)))
    assert sum(bool(changes) for changes in done) == 1
    assert check(dsn, Config()) == []


def test_an_install_waits_for_another_and_names_it_in_the_end(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = platform.session(autocommit=True)
    holder.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_CLASS, INSTALL_LOCK))
    clock = iter(range(0, 1000, 50))
    monkeypatch.setattr("pyreplctl.core.locks.time.monotonic", lambda: next(clock))
    with pytest.raises(DatabaseError, match=f"backend {holder.info.backend_pid}"):
        install(platform.dsn, Config())


@pytest.fixture
def deployer(platform: Platform) -> Iterator[str]:
    """A role that is no superuser, owns the tables, and belongs to our owners."""
    with new_login(platform.connection, *OWNERS) as name:
        for table in TABLES:
            statement = f"ALTER TABLE {table} OWNER TO {name}".encode()
            platform.connection.execute(statement)
        yield as_login(platform.dsn, name)
        for table in TABLES:
            statement = f"ALTER TABLE {table} OWNER TO postgres".encode()
            platform.connection.execute(statement)


def test_later_installs_need_no_superuser(platform: Platform, deployer: str) -> None:
    assert check(deployer, Config()) == []
    for damage in ("an edited function", "a dropped trigger", "an orphan"):
        platform.execute(DAMAGE[damage][2])
    platform.execute("ALTER TABLE auth_userprofile ADD COLUMN bio text")
    done = changed(install(deployer, Config()))
    assert done.keys() > {"function members", "function once"}
    assert changed(install(deployer, Config())) == {}
    assert wanting(platform) == {}
    assert platform.member(1, "c") == 1


@pytest.mark.parametrize("installed", [False, True])
def test_what_a_role_lacks_is_named_before_anything_is_changed(
    new_portal: NewPortal, new_course: NewCourse, installed: bool
) -> None:
    dsn = new_portal()
    if installed:
        install(dsn, Config())
    before = dump(dsn)
    with (
        Platform.opened(dsn, new_course) as platform,
        new_login(platform.connection) as name,
    ):
        for attempt in (install, check):
            with pytest.raises(NotSuitable) as refused:
                attempt(as_login(dsn, name), Config())
            message = str(refused.value)
            assert f"role {name}" in message
            assert "membership in pyrepl_owner" in message
            assert ("postgres_fdw" in message) is not installed
            for table in TABLES:
                assert f"ownership of public.{table}" in message
    assert dump(dsn) == before


def dump(dsn: str) -> list[str]:
    """Return the schema of a database, with its rights, as pg_dump writes it."""
    done = subprocess.run(
        [find_bin_dir() / "pg_dump", "--schema-only", "--create", "--dbname", dsn],
        check=True,
        capture_output=True,
        text=True,
    )
    # A key that is random in each run.
    return [
        line
        for line in done.stdout.splitlines()
        if not line.startswith(("\\restrict", "\\unrestrict"))
    ]


def our_roles(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'pyrepl%' ORDER BY 1"
    )
    return [row[0] for row in rows]


@pytest.fixture
def fresh(new_cluster: NewCluster, new_course: NewCourse) -> Iterator[Platform]:
    """A portal that is not installed, on a cluster without any role of ours."""
    cluster = new_cluster()
    dsn = new_course("portal", cluster=cluster)

    def beside(name: str | None = None, askbot: bool = False) -> str:
        return new_course(name, askbot, cluster)

    with Platform.opened(dsn, beside) as platform:
        yield platform


def cli_for(
    dsn: str,
    cluster: Cluster,
    directory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:
    cli = Cli(directory, capsys, monkeypatch)
    cli.at(dsn)
    monkeypatch.setenv("PGPASSWORD", cluster.password)
    return cli


def test_an_uninstall_leaves_no_trace(fresh: Platform) -> None:
    first, second = fresh.new_course("first"), fresh.new_course("second", True)
    dsns = [fresh.dsn, first, second]
    before = [dump(dsn) for dsn in dsns]
    assert our_roles(fresh.connection) == []

    install(fresh.dsn, Config())
    one, two = fresh.register(first, "a")[0], fresh.register(second, "b", "c")[0]
    fresh.member(1, "a", "b")
    fresh.deliver()
    assert our_roles(fresh.connection)
    assert [dump(dsn) for dsn in dsns] != before

    for course in (one, two):
        courses.unregister(fresh.connection, course.name, course.dsn)
    removal.uninstall(fresh.connection)
    assert [dump(dsn) for dsn in dsns] == before
    assert our_roles(fresh.connection) == []
    assert (one.users, two.users, two.enrollments) == ([1], [1], [(1, "b")])
    fresh.member(2, "a")  # nothing of ours is left to fail


@pytest.mark.long
def test_an_extension_that_was_there_before_stays(new_portal: NewPortal) -> None:
    dsn = new_portal()
    with connect(dsn) as connection:
        connection.execute("CREATE EXTENSION postgres_fdw")
        before = dump(dsn)
        install(dsn, Config())
        changes = removal.uninstall(connection)
    assert dump(dsn) == before
    kept = ObjectChange("extension postgres_fdw", "unchanged", "it was there before")
    assert kept in changes


@pytest.mark.long
def test_an_uninstall_keeps_the_links_of_others(platform: Platform) -> None:
    platform.course("c")
    platform.execute("CREATE SERVER theirs FOREIGN DATA WRAPPER postgres_fdw")
    platform.execute("CREATE FOREIGN TABLE theirs (n int) SERVER theirs")
    changes = removal.uninstall(platform.connection)
    kept = "others use it; now in schema public"
    assert ObjectChange("extension postgres_fdw", "unchanged", kept) in changes
    found = platform.rows("SELECT srvname::text FROM pg_foreign_server")
    assert found == [("theirs",)]
    assert platform.rows("SELECT to_regclass('theirs')::text") == [("theirs",)]
    platform.execute("DROP SERVER theirs CASCADE")
    install(platform.dsn, Config())
    changes = removal.uninstall(platform.connection)
    kept = "it was there before"
    assert ObjectChange("extension postgres_fdw", "unchanged", kept) in changes


@pytest.mark.long
def test_an_extension_that_nobody_else_uses_goes(platform: Platform) -> None:
    platform.course("c")
    changes = removal.uninstall(platform.connection)
    assert ObjectChange("extension postgres_fdw", "dropped") in changes


def test_a_registration_that_ends_leaves_no_trace(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    before = [dump(platform.dsn), dump(dsn)]
    course, _ = platform.register(dsn, "c")
    platform.member(1, "c")
    platform.deliver()
    roles = our_roles(course.connection)
    changes = courses.unregister(platform.connection, course.name, dsn)
    assert ObjectChange(f"course database {course.name}", "dropped") in changes
    assert [dump(platform.dsn), dump(dsn)] == before
    gone = sorted(set(roles) - set(our_roles(course.connection)))
    assert [name.split("_", 2)[2] for name in gone] == ["1", "1_owner"]
    assert course.users == [1]


@pytest.mark.long
def test_purging_erases_the_copies_and_keeps_local_accounts(
    platform: Platform,
) -> None:
    course = platform.course("c", askbot=True)
    for number in (1, 2, 3):
        platform.member(number, "c")
    platform.deliver()
    course.execute(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined) SELECT 900,"
        " 'local', first_name, last_name, email, password, is_staff, is_active,"
        " is_superuser, last_login, date_joined FROM auth_user WHERE id = 1"
    )
    courses.unregister(platform.connection, course.name, course.dsn, purge=True)
    assert (course.users, course.profiles, course.enrollments) == ([900], [], [])


def test_without_a_purge_the_copies_stay(platform: Platform) -> None:
    course = platform.course("c")
    platform.member(1, "c")
    platform.deliver()
    courses.unregister(platform.connection, course.name, course.dsn)
    assert (course.users, course.enrollments) == ([1], [(1, "c")])


def test_an_uninstall_names_the_course_that_it_could_not_reach(
    platform: Platform,
    course_cluster: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near, far = platform.course("a"), platform.course("b")
    before = dump(platform.dsn)
    platform.execute(
        "UPDATE pyrepl.database SET administrator = 'host=127.0.0.1 port=1 dbname=x'"
        " WHERE name = %s",
        far.name,
    )
    cli = cli_for(platform.dsn, course_cluster, tmp_path, capsys, monkeypatch)
    ran = cli("uninstall", "--yes")
    assert ran.code == 1
    assert far.name in ran.err
    assert near.name not in ran.err
    assert near.rows("SELECT to_regnamespace('pyrepl')") == [(None,)]
    assert far.rows("SELECT to_regnamespace('pyrepl')") != [(None,)]
    assert platform.rows("SELECT to_regnamespace('pyrepl')") == [(None,)]
    assert dump(platform.dsn) != before


def test_an_uninstall_without_yes_does_nothing(
    platform: Platform,
    course_cluster: Cluster,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = dump(platform.dsn)
    cli = cli_for(platform.dsn, course_cluster, tmp_path, capsys, monkeypatch)
    assert cli("uninstall").code == 2  # nobody can be asked here
    assert dump(platform.dsn) == before


EARLIER: list[LiteralString] = [
    "CREATE FUNCTION pyrepl.tick(text) RETURNS void LANGUAGE sql AS ''",
    """DROP FUNCTION pyrepl.unrouted;
    CREATE FUNCTION pyrepl.unrouted(pg_snapshot) RETURNS integer
    LANGUAGE sql AS 'SELECT 1'""",
]


@pytest.mark.long
@pytest.mark.parametrize("earlier", EARLIER)
def test_an_earlier_version_with_another_signature_goes(
    platform: Platform, earlier: LiteralString
) -> None:
    ours: LiteralString = (
        "SELECT oid::regprocedure::text, prorettype::regtype::text FROM pg_proc"
        " WHERE pronamespace = 'pyrepl'::regnamespace AND proname IN"
        " ('tick', 'unrouted') ORDER BY 1"
    )
    wanted = platform.rows(ours)
    platform.execute("SET ROLE pyrepl_owner")
    platform.execute(earlier)
    platform.execute("RESET ROLE")
    platform.execute("UPDATE pyrepl.object SET source_hash = 'earlier'")
    assert platform.rows(ours) != wanted
    install(platform.dsn, Config())
    assert platform.rows(ours) == wanted
    assert wanting(platform) == {}


def test_a_view_of_a_course_may_get_other_columns(platform: Platform) -> None:
    course = platform.course("c")
    course.execute(FOR_GOOD)
    course.execute("DROP VIEW pyrepl.inbox")
    course.execute("CREATE VIEW pyrepl.inbox AS SELECT NULL::text AS earlier")
    course.execute("UPDATE pyrepl.object SET source_hash = 'earlier'")
    refresh(platform.connection, platform.config, course.name, course.dsn)
    platform.member(1, "c")
    assert platform.deliver() == {}
    assert course.users == [1]
