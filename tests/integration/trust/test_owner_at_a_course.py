"""A member of the owner at a course has no code run by whoever refreshes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pyreplctl.core.db import value
from pyreplctl.core.errors import Error, NotSuitable
from pyreplctl.courses import guard, move, preflight, refresh, unregister
from pyreplctl.install import migrations, roles, strangers
from pyreplctl.verify import repair_structure, row_values
from pyreplctl.verify.data import Difference
from pyreplctl.verify.findings import Remedy
from tests.integration.trust.attacks import Attacker, attacker
from tests.integration.trust.hostile import read_and_call_plainly
from tests.support.platform import Course, Platform, owner_of

TOY = "edX/toy/2012_Fall"

# It tries all ways out of the role that it runs as; what fails leaves no trace.
_EVIL: LiteralString = """
    CREATE FUNCTION pyrepl.evil() RETURNS integer LANGUAGE plpgsql AS $evil$
    BEGIN
        BEGIN
            EXECUTE 'RESET ROLE';
        EXCEPTION WHEN OTHERS THEN NULL; END;
        BEGIN
            EXECUTE 'DECLARE held CURSOR WITH HOLD FOR SELECT pyrepl.become()';
        EXCEPTION WHEN OTHERS THEN NULL; END;
        RETURN pyrepl.become();
    END $evil$;
    CREATE FUNCTION pyrepl.evil_trigger() RETURNS trigger LANGUAGE plpgsql AS $evil$
    BEGIN
        PERFORM pyrepl.evil();
        RETURN coalesce(NEW, OLD);
    END $evil$;
"""
_BECOME = """
    CREATE FUNCTION pyrepl.become() RETURNS integer LANGUAGE plpgsql AS $become$
    BEGIN
        EXECUTE 'ALTER ROLE {} SUPERUSER';
        RETURN 1;
    EXCEPTION WHEN OTHERS THEN RETURN 0;
    END $become$;
"""


@dataclass(frozen=True)
class Trap:
    """What a member of the owner lays out, and how a test takes it away."""

    name: str
    lay: str
    undo: str


def view(table: str) -> Trap:
    """Put a view over a table of ours."""
    return Trap(
        f"view over {table}",
        f"ALTER TABLE pyrepl.{table} RENAME TO was; CREATE VIEW pyrepl.{table} AS"
        " SELECT w.* FROM pyrepl.was w, (SELECT pyrepl.evil() AS e OFFSET 0) x"
        " WHERE x.e >= 0",
        f"DROP VIEW pyrepl.{table}; ALTER TABLE pyrepl.was RENAME TO {table}",
    )


def function(name: str, signature: str, returns: str) -> Trap:
    """Replace a function of ours by one that runs as its caller, and record that."""
    return Trap(
        f"function {name}",
        f"CREATE OR REPLACE FUNCTION pyrepl.{name}({signature}) RETURNS {returns}"
        " LANGUAGE plpgsql AS $$ BEGIN PERFORM pyrepl.evil(); RETURN"
        f" {'' if returns == 'void' else 'NULL'}; END $$;"
        f" SELECT pyrepl.record_objects('{{function}}', '{{{name}}}', ARRAY("
        f"  SELECT o.source_hash FROM pyrepl.object o WHERE o.name = '{name}'))",
        f"UPDATE pyrepl.object SET source_hash = 'old' WHERE name = '{name}'",
    )


def trigger(table: str) -> Trap:
    """Give a table of ours a trigger; what writes it runs as its owner."""
    return Trap(
        f"trigger on {table}",
        f"CREATE TRIGGER evil BEFORE INSERT OR UPDATE OR DELETE ON pyrepl.{table}"
        " FOR EACH ROW EXECUTE FUNCTION pyrepl.evil_trigger()",
        f"DROP TRIGGER evil ON pyrepl.{table}",
    )


TRAPS = (
    view("binding"),
    view("chain"),
    view("object"),
    view("_yoyo_migration"),
    function("set_guard", "p_guard text", "boolean"),
    function(
        "set_contract",
        "p_fingerprint text, p_parts text[], p_tables text[], p_columns text[],"
        " p_types text[], p_local_types text[]",
        "void",
    ),
    function("keep_table_states", "p_part text DEFAULT NULL", "void"),
    trigger("binding"),
    trigger("contract_column"),
    trigger("table_state"),
)


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    return made


@pytest.fixture
def he(course: Course) -> Iterator[Attacker]:
    """A member of the owner, who acts as it; and no superuser."""
    owner = sql.Identifier(owner_of(course.connection))
    with attacker(course.connection) as made:
        course.connection.execute(sql.SQL("GRANT {} TO {}").format(owner, made.role))
        made.session.execute(sql.SQL("SET ROLE {}").format(owner))
        made.session.execute(_EVIL)
        made.session.execute(_BECOME.format(made.name).encode())
        yield made
        with suppress(psycopg.Error):
            made.session.execute("DROP FUNCTION pyrepl.evil() CASCADE")


def commands(platform: Platform, course: Course) -> None:
    """Run what changes a course, each as the superuser; some are refused."""
    given = (platform.connection, platform.config, course.name, course.dsn)
    with suppress(Error, psycopg.Error):
        refresh.refresh(*given)
    for mode in ("warn", "reject"):
        with suppress(Error, psycopg.Error):
            guard.set_guard(platform.connection, course.name, mode, course.dsn)
    with suppress(Error, psycopg.Error):
        move.set_place(platform.connection, course.name, None, course.dsn)


def caught(platform: Platform, course: Course, he: Attacker) -> list[str]:
    """Lay each trap; return those that have made a superuser."""
    found = []
    for trap in TRAPS:
        he.session.execute(trap.lay.encode())
        commands(platform, course)
        if he.is_superuser:
            found.append(trap.name)
            unmake = sql.SQL("ALTER ROLE {} NOSUPERUSER").format(he.role)
            course.connection.execute(unmake)
        he.session.execute(trap.undo.encode())
    return found


def test_what_he_lays_out_gives_him_nothing(
    platform: Platform, course: Course, he: Attacker
) -> None:
    assert caught(platform, course, he) == []
    # And what the commands are for still works.
    refresh.refresh(platform.connection, platform.config, course.name, course.dsn)
    assert course.rows("SELECT prosecdef FROM pg_proc WHERE proname = 'set_guard'") == [
        (True,)
    ]
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "new"


@pytest.fixture
def unrestricted(monkeypatch: pytest.MonkeyPatch) -> None:
    read_and_call_plainly(monkeypatch)


@pytest.mark.usefixtures("unrestricted")
def test_control_each_would_make_him_a_superuser(
    platform: Platform, course: Course, he: Attacker
) -> None:
    assert caught(platform, course, he) == [trap.name for trap in TRAPS]


# What is left half-way names the roles that are dropped.


def left_half_way(platform: Platform, course: Course, he: Attacker) -> bool:
    """Have a role named as the link; return whether it is there when he is gone."""
    course.execute("CREATE ROLE pyrepl_ab_7")
    he.session.execute("UPDATE pyrepl.binding SET link_role = 'pyrepl_ab_7'")
    unregister.unregister(platform.connection, course.name, forget=True)
    revoke = sql.SQL("REVOKE {} FROM {}")
    owner = sql.Identifier(owner_of(course.connection))
    course.connection.execute(revoke.format(owner, he.role))
    with suppress(Error):
        platform.register(course.dsn, TOY)
    drop = "DROP ROLE IF EXISTS pyrepl_ab_7"
    held = course.rows("SELECT FROM pg_roles WHERE rolname = 'pyrepl_ab_7'")
    course.execute(drop)
    return bool(held)


def test_no_role_is_dropped_because_a_course_names_it(
    platform: Platform, course: Course, he: Attacker
) -> None:
    assert left_half_way(platform, course, he)


def test_control_it_was_the_look_at_who_owns_the_schema(
    platform: Platform,
    course: Course,
    he: Attacker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(roles, "owner_of", lambda _: "pyrepl_ab_7_owner")
    assert not left_half_way(platform, course, he)


# Whoever owns the tables of the course, at a purge.


def purge(platform: Platform, course: Course, he: Attacker) -> None:
    course.execute("ALTER TABLE auth_user OWNER TO CURRENT_USER")
    he.owns("public.auth_user")
    he.administrator.execute(
        sql.SQL("GRANT EXECUTE ON FUNCTION pyrepl.evil_trigger() TO {}").format(he.role)
    )
    he.session.execute("RESET ROLE")
    he.session.execute(
        "CREATE TRIGGER evil AFTER DELETE ON auth_user FOR EACH ROW"
        " EXECUTE FUNCTION pyrepl.evil_trigger()"
    )
    unregister.unregister(platform.connection, course.name, course.dsn, purge=True)
    assert course.users == []


def test_what_a_purge_leaves_for_its_commit_is_refused(
    platform: Platform, course: Course, he: Attacker
) -> None:
    purge(platform, course, he)
    assert not he.is_superuser


@pytest.mark.usefixtures("unrestricted")
def test_control_a_cursor_held_over_the_commit_would_do(
    platform: Platform, course: Course, he: Attacker
) -> None:
    purge(platform, course, he)
    assert he.is_superuser


def test_a_purge_takes_foreign_keys_that_are_deferred(
    platform: Platform, course: Course
) -> None:
    course.execute(
        "ALTER TABLE auth_userprofile ADD FOREIGN KEY (user_id) REFERENCES auth_user"
        " DEFERRABLE INITIALLY DEFERRED; CREATE TABLE post (author integer REFERENCES"
        " auth_user DEFERRABLE INITIALLY DEFERRED); INSERT INTO post VALUES (1)"
    )
    unregister.unregister(platform.connection, course.name, course.dsn, purge=True)
    assert course.users == [1]
    assert course.user(1)["is_active"] is False


# The tables of the course, where values are shown; its sequences.


def show(platform: Platform, course: Course, he: Attacker) -> None:
    he.owns("public.auth_user")
    owner = owner_of(course.connection)
    he.session.execute("RESET ROLE; ALTER TABLE auth_user RENAME TO was")
    he.session.execute(
        "CREATE VIEW auth_user AS SELECT * FROM was WHERE pyrepl.evil() >= 0"
    )
    he.session.execute(f"GRANT SELECT ON auth_user, was TO {owner}".encode())
    password = conninfo_to_dict(course.dsn)["password"]
    stale = Difference(1, "stale", "public.auth_user", ["email"])
    with pytest.MonkeyPatch.context() as patch, suppress(Error):
        patch.setenv("PGPASSWORD", str(password))
        row_values.read(platform.dsn, platform.config, course.name, [stale])


def test_a_view_that_is_shown_gives_him_nothing(
    platform: Platform, course: Course, he: Attacker
) -> None:
    show(platform, course, he)
    assert not he.is_superuser


@pytest.mark.usefixtures("unrestricted")
def test_control_it_would(platform: Platform, course: Course, he: Attacker) -> None:
    show(platform, course, he)
    assert he.is_superuser


def test_a_view_in_the_place_of_a_sequence_is_not_read(
    course: Course, he: Attacker
) -> None:
    he.session.execute("CREATE VIEW pyrepl.ids AS SELECT pyrepl.evil() AS last_value")
    query = sql.SQL("SELECT last_value FROM pyrepl.ids").format()
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        preflight.read_no_view(course.connection, query)
    assert not he.is_superuser
    assert value(course.connection, query) == 1  # the control
    assert he.is_superuser


# Migrations are statements of ours, on tables of his.

ODD = {
    "is no table": view("_yoyo_migration").lay,
    "has rules": "CREATE RULE evil AS ON INSERT TO pyrepl.copy DO ALSO"
    " SELECT pyrepl.evil()",
    "has trigger evil": trigger("_yoyo_log").lay,
    "has policies": "ALTER TABLE pyrepl.chain ENABLE ROW LEVEL SECURITY",
    "is inherited": "CREATE TABLE pyrepl.child () INHERITS (pyrepl.receipt)",
    "of type pyrepl.odd": "CREATE DOMAIN pyrepl.odd AS text CHECK (pyrepl.evil() >= 0);"
    " ALTER TABLE pyrepl.object ADD COLUMN odd pyrepl.odd",
    "uses function pyrepl.evil": "ALTER TABLE pyrepl.object ADD COLUMN odd integer"
    " DEFAULT pyrepl.evil()",
    "calls ts_rewrite": "ALTER TABLE pyrepl.copy ADD CHECK (ts_rewrite('a',"
    " 'SELECT pyrepl.evil(), 1') IS NOT NULL) NOT VALID",
    "uses operator pyrepl.~~>": "CREATE OPERATOR pyrepl.~~> (FUNCTION = int4pl,"
    " LEFTARG = integer, RIGHTARG = integer); ALTER TABLE pyrepl.copy ADD CHECK"
    " (1 OPERATOR(pyrepl.~~>) 1 = 2)",
    "operator === is none of ours": "CREATE OPERATOR pyrepl.=== (FUNCTION = int4pl,"
    " LEFTARG = integer, RIGHTARG = integer)",
    "function now is named": "CREATE FUNCTION pyrepl.now(text) RETURNS text LANGUAGE"
    " sql AS 'SELECT $1'",
}


def test_what_a_migration_would_run_is_refused(course: Course, he: Attacker) -> None:
    with course.connection.transaction(force_rollback=True):
        strangers.refuse_odd_tables(course.connection)  # as registered: nothing
    for said, statement in ODD.items():
        with course.connection.transaction(force_rollback=True):
            course.execute("SELECT set_config('role', %s, true)", "none")
            course.connection.execute(statement.encode())
            with pytest.raises(NotSuitable) as refused:
                strangers.refuse_odd_tables(course.connection)
            assert said in str(refused.value)
    assert not he.is_superuser


def repair(course: Course, he: Attacker) -> None:
    """Repair a check of a table whose column has a type of his, with a cast."""
    he.session.execute(
        "CREATE TYPE pyrepl.odd AS (t text); CREATE FUNCTION pyrepl.as_text(pyrepl.odd)"
        " RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pyrepl.evil(); RETURN"
        " 'reject'; END $$; CREATE CAST (pyrepl.odd AS text) WITH FUNCTION"
        " pyrepl.as_text(pyrepl.odd) AS IMPLICIT"
    )
    he.session.execute(
        "ALTER TABLE pyrepl.binding DROP CONSTRAINT binding_guard_check, ALTER guard"
        " DROP DEFAULT, ALTER guard TYPE pyrepl.odd USING ROW(guard)::pyrepl.odd"
    )
    add = (
        "ALTER TABLE pyrepl.binding ADD CONSTRAINT binding_guard_check CHECK"
        " ((guard = ANY (ARRAY['reject'::text, 'warn'::text, 'off'::text])))"
    )
    remedy = Remedy("", "sql", (add,))
    repair_structure._run_at_course(course.connection, [remedy])


def test_a_repair_of_his_tables_is_refused(course: Course, he: Attacker) -> None:
    with pytest.raises(NotSuitable, match=r"guard of type pyrepl\.odd"):
        repair(course, he)
    assert not he.is_superuser


def test_control_a_repair_would_make_him_a_superuser(
    course: Course, he: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "refuse_odd_tables", lambda _: None)
    repair(course, he)
    assert he.is_superuser


def pending(platform: Platform, course: Course, he: Attacker) -> None:
    """Let the last migration be due, with a trigger where it is noted."""
    last = migrations.files("course")[-1]
    he.session.execute(
        "DELETE FROM pyrepl._yoyo_migration WHERE migration_id = %s", (last.stem,)
    )
    he.session.execute(last.with_suffix(".rollback.sql").read_bytes())
    he.session.execute(trigger("_yoyo_migration").lay.encode())
    with suppress(psycopg.Error):
        refresh.refresh(platform.connection, platform.config, course.name, course.dsn)


def test_a_migration_that_is_due_is_refused(
    platform: Platform, course: Course, he: Attacker
) -> None:
    with pytest.raises(NotSuitable, match="_yoyo_migration has trigger evil"):
        pending(platform, course, he)
    assert not he.is_superuser


def test_control_it_would_make_him_a_superuser(
    platform: Platform,
    course: Course,
    he: Attacker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strangers, "refuse_odd_tables", lambda _: None)
    with suppress(Error):
        pending(platform, course, he)
    assert he.is_superuser
