"""What the owner of a database sets or plants changes nothing of our sessions."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from psycopg import sql

from pyreplctl.core import databases, session
from pyreplctl.core.db import connect, value
from pyreplctl.delivery.worker import Worker
from pyreplctl.sandbox.embedded import Cluster
from tests.cli.run import Cli, Ran
from tests.conftest import NewCourse, NewPortal
from tests.integration.trust.attacks import Attacker, attacker
from tests.support.platform import Connection, Platform
from tests.support.polling import until

# Signature and what is returned, of operators and functions that shadow, or fit better
# than, those of pg_catalog.
OPERATORS = (
    ("*", "double precision", "numeric", "double precision", "1.0"),
    ("||", "name", "name", "text", "'x'"),
    ("||", "name", "text", "text", "'x'"),
    ("||", "text", "text", "text", "'x'"),
    ("=", "text", "text", "boolean", "true"),
    ("=", "name", "text", "boolean", "true"),
    ("=", "name", "name", "boolean", "true"),
    ("=", "oid", "oid", "boolean", "true"),
    ("<>", "text", "text", "boolean", "true"),
    ("<>", "integer", "integer", "boolean", "true"),
    (">", "integer", "integer", "boolean", "true"),
    ("<", "timestamptz", "timestamptz", "boolean", "true"),
    ("~~", "text", "text", "boolean", "true"),
    ("~~", "name", "text", "boolean", "true"),
)
FUNCTIONS = (
    ("has_schema_privilege", "text, text, text", "boolean", "true"),
    ("has_table_privilege", "text, text, text", "boolean", "true"),
    ("to_regclass", "text", "regclass", "NULL"),
    ("to_regnamespace", "text", "regnamespace", "NULL"),
    ("to_regrole", "text", "regrole", "NULL"),
    ("to_regproc", "text", "regproc", "NULL"),
    ("current_setting", "text", "text", "'x'"),
    ("set_config", "text, text, boolean", "text", "'x'"),
    ("pg_is_in_recovery", "", "boolean", "false"),
    ("pg_try_advisory_lock", "integer, integer", "boolean", "true"),
    ("clock_timestamp", "", "timestamptz", "pg_catalog.now()"),
    ("format_type", "oid, integer", "text", "'x'"),
    ("unnest", "text[]", "SETOF text", ""),
    ("postgres_fdw_disconnect", "text", "boolean", "true"),
)


def plant(owner: Attacker) -> None:
    """Make them all; each would make its owner a superuser, where one calls it."""
    owner.session.execute("CREATE TABLE public.ran (what text, who text)")
    owner.session.execute("GRANT ALL ON public.ran TO PUBLIC")
    for name, arguments, returned, result in FUNCTIONS:
        _function(owner, name, arguments, returned, result)
    for number, (name, left, right, returned, result) in enumerate(OPERATORS):
        function = f"operator_{number}"
        _function(owner, function, f"{left}, {right}", returned, result)
        owner.session.execute(
            f"CREATE OPERATOR public.{name} (LEFTARG = {left}, RIGHTARG = {right},"
            f" FUNCTION = public.{function})".encode()
        )


def _function(
    owner: Attacker, name: str, arguments: str, returned: str, result: str
) -> None:
    alter = f"ALTER ROLE {owner.name} SUPERUSER"
    body = sql.Literal(
        f"BEGIN INSERT INTO public.ran VALUES ('{name}', current_user);"
        f" BEGIN EXECUTE '{alter}'; EXCEPTION WHEN OTHERS THEN NULL; END;"
        f" RETURN {result}; EXCEPTION WHEN OTHERS THEN RETURN {result}; END"
    ).as_string()
    owner.session.execute(
        f"CREATE FUNCTION public.{name}({arguments}) RETURNS {returned}"
        f" LANGUAGE plpgsql AS {body}".encode()
    )


def first_in_path(owner: Attacker) -> None:
    """Let everybody's sessions of this database look into public first."""
    name = sql.Identifier(owner.administrator.info.dbname)
    owner.session.execute(
        sql.SQL("ALTER DATABASE {} SET search_path = public, pg_catalog").format(name)
    )


@contextmanager
def planted(dsn: str) -> Iterator[Attacker]:
    """Let the owner of a database make it a trap."""
    with (
        psycopg.connect(dsn, autocommit=True) as administrator,
        attacker(administrator) as owner,
    ):
        owner.owns_database()
        plant(owner)
        first_in_path(owner)
        yield owner


def ran(owner: Attacker) -> list[tuple[object, ...]]:
    """Return what was run of it, and as whom."""
    query = "SELECT DISTINCT what, who FROM public.ran ORDER BY 1, 2"
    return owner.administrator.execute(query).fetchall()


@pytest.fixture
def traps(
    bare_cli: Cli, new_portal: NewPortal, new_course: NewCourse
) -> Iterator[tuple[Cli, str, str, list[Attacker]]]:
    portal, course = new_portal(), new_course("trap")
    bare_cli.at(portal)
    with planted(portal) as here, planted(course) as there:
        yield bare_cli, portal, course, [here, there]


def all_commands(cli: Cli, portal: str, course: str) -> list[Ran]:
    """Run everything that a superuser would run."""
    done = [
        cli("install"),
        cli("install", "--check"),
        cli("course", "register", "c", "--dsn", course),
        cli("course", "register", "d", "--dsn", course),
        cli("deliver", "--until-empty"),
        cli("status"),
        cli("wait"),
        cli("verify"),
        cli("verify", "--repair"),
        cli("course", "refresh", "trap", "--dsn", course),
        cli("course", "set", "trap", "--guard", "warn", "--dsn", course),
        cli("course", "pause", "trap"),
        cli("course", "resume", "trap"),
        cli("course", "rotate-password", "trap", "--dsn", course),
        cli("backfill"),
        cli("dead", "list"),
        cli("sql"),
        cli("schedule"),
    ]
    work(portal)
    done += [
        cli("course", "unregister", "trap", "--purge", "--dsn", course),
        cli("uninstall", "--yes"),
    ]
    return done


def work(portal: str) -> None:
    """Run a worker until it has looked around, and let it close a link."""
    worker = Worker(portal, jobs=1)
    thread = threading.Thread(target=worker.run)
    thread.start()
    with psycopg.connect(portal, autocommit=True) as connection:
        query = "SELECT pg_catalog.count(*) FROM pyrepl.clock"
        until(lambda: connection.execute(query).fetchone() != (0,))
    worker.stop()
    thread.join()
    with connect(portal, "the portal") as connection:
        number = databases.numbers(connection, ["trap"])["trap"]
        worker._disconnect(connection, number)


def test_nothing_of_a_databases_owner_is_run(
    traps: tuple[Cli, str, str, list[Attacker]],
) -> None:
    cli, portal, course, owners = traps
    done = all_commands(cli, portal, course)
    for owner in owners:
        assert ran(owner) == []
        assert not owner.is_superuser
    assert [each.code for each in done if each.code] == [1], done  # no pg_cron


def test_without_the_pinned_path_it_would_be(
    new_portal: NewPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "pin", lambda _: None)
    dsn = new_portal()
    with planted(dsn) as owner:
        with connect(dsn, "the portal") as connection:
            role = "pg_monitor"
            query = "SELECT has_schema_privilege(%s::text, %s::text, %s::text)"
            value(connection, query, role, "public", "USAGE")
        assert ran(owner) == [("has_schema_privilege", "postgres")]
        assert owner.is_superuser


def test_serve_is_not_led_astray_by_the_callers_path(platform: Platform) -> None:
    course = platform.course("c")
    platform.member(1, "c")
    with attacker(platform.connection) as owner:
        owner.owns_database()
        plant(owner)
        first_in_path(owner)
        with psycopg.connect(platform.dsn, autocommit=True) as caller:
            caller.execute("CALL pyrepl.serve('1 s')")
            caller.execute("CALL pyrepl.poll('0.1 s')")
        assert course.users == [1]
        assert ran(owner) == []
        assert not owner.is_superuser


def test_it_would_be_if_it_did_not_set_its_own(platform: Platform) -> None:
    with attacker(platform.connection) as owner:
        owner.owns_database()
        plant(owner)
        first_in_path(owner)
        body = value(
            platform.connection,
            "SELECT pg_catalog.pg_get_functiondef('pyrepl.serve'::regproc)",
        )
        without = body.replace("PERFORM pg_catalog.set_config(", "PERFORM concat(")
        platform.connection.execute(without.encode())
        with (
            psycopg.connect(platform.dsn, autocommit=True) as caller,
            suppress(psycopg.errors.QueryCanceled),
        ):
            # It may never end: its clock is theirs, too.
            caller.execute("SET statement_timeout = '3s'")
            caller.execute("CALL pyrepl.serve('1 s')")
        assert owner.is_superuser


# What an owner may set for all sessions of his database.
HOSTILE = {
    "search_path": "public, pg_catalog",
    "datestyle": "SQL, DMY",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Kathmandu",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    "transform_null_equals": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "250ms",
    "lock_timeout": "10ms",
    "idle_in_transaction_session_timeout": "200ms",
    "idle_session_timeout": "200ms",
    "client_encoding": "LATIN1",
    "row_security": "on",
    "check_function_bodies": "off",
    "exit_on_error": "on",
    "synchronous_commit": "off",
    "plpgsql.extra_errors": "all",
    "session_replication_role": "replica",
    "xmloption": "document",
    "default_text_search_config": "pg_catalog.german",
    "enable_indexscan": "off",
    "jit_above_cost": "0",
}


# A superuser's to set: where it is, no view takes a push, and the course says so.
AT_THE_PORTAL = ("session_replication_role",)


def set_all(administrator: Connection, *, course: bool = False) -> None:
    name = sql.Identifier(administrator.info.dbname)
    for setting, text in HOSTILE.items():
        if course and setting in AT_THE_PORTAL:
            continue
        parts = text.split(", ") if "," in text else [text]
        administrator.execute(
            sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                name,
                sql.SQL(".").join(map(sql.Identifier, setting.split("."))),
                sql.SQL(", ").join(map(sql.Literal, parts)),
            )
        )


def test_every_session_is_pinned(new_portal: NewPortal) -> None:
    dsn = new_portal()
    with psycopg.connect(dsn, autocommit=True) as administrator:
        set_all(administrator)
    with connect(dsn, "the portal") as connection:
        version = connection.info.server_version
        for each in session.SETTINGS:
            if each.since(version):
                held = value(connection, "SELECT current_setting(%s)", each.name)
                assert held.replace('"', "") == each.value, each
        for name, text in (
            ("session_replication_role", "origin"),
            ("synchronous_commit", "on"),
            ("transaction_isolation", "read committed"),
            ("transaction_read_only", "off"),
        ):
            assert value(connection, "SELECT current_setting(%s)", name) == text


def test_durability_is_never_lowered(new_portal: NewPortal) -> None:
    dsn = new_portal()
    with psycopg.connect(dsn, autocommit=True) as administrator:
        name = sql.Identifier(administrator.info.dbname)
        statement = "ALTER DATABASE {} SET synchronous_commit = remote_apply"
        administrator.execute(sql.SQL(statement).format(name))
    with connect(dsn, "the portal") as connection:
        query = "SELECT current_setting('synchronous_commit')"
        assert value(connection, query) == "remote_apply"


def test_a_role_that_a_database_sets_is_not_taken(new_portal: NewPortal) -> None:
    dsn = new_portal()
    with psycopg.connect(dsn, autocommit=True) as administrator:
        name = sql.Identifier(administrator.info.dbname)
        statement = "ALTER DATABASE {} SET role = pg_monitor"
        administrator.execute(sql.SQL(statement).format(name))
    with connect(dsn, "the portal") as connection:
        assert value(connection, "SELECT current_user = session_user")


def life(cli: Cli, portal: str, course: str) -> list[object]:
    """Install, register, deliver, verify; return what was said, and what arrived."""
    said: list[object] = [
        (ran.code, ran.err)
        for ran in (
            cli("install"),
            cli("install", "--check"),
            cli("course", "register", "c", "--dsn", course),
        )
    ]
    with psycopg.connect(portal, autocommit=True, options=PLAIN) as connection:
        Platform(portal, connection, str, None).member(1, "c")  # type: ignore[arg-type]
    said += [
        (ran.code, ran.err)
        for ran in (cli("deliver", "--until-empty"), cli("verify"), cli("status"))
    ]
    with psycopg.connect(course, autocommit=True, options=PLAIN) as connection:
        query = "SELECT * FROM auth_user u JOIN auth_userprofile p ON p.user_id = u.id"
        said.append(connection.execute(query).fetchall())
    return said


PLAIN = (
    "-c search_path=public -c default_transaction_read_only=off -c datestyle=ISO"
    " -c timezone=UTC -c client_encoding=UTF8 -c statement_timeout=0"
)


def told(said: object) -> str:
    """Return what was said, without names and without roles that were there."""
    usual = re.sub(r"portal_\d+", "portal", str(said).replace("odd", "usual"))
    return re.sub(r"\d+ of (?=\d+ obj)", "", usual)


def test_a_databases_settings_change_nothing(
    bare_cli: Cli,
    new_portal: NewPortal,
    new_course: NewCourse,
    course_cluster: Cluster,
) -> None:
    usual = [new_portal(), new_course("usual")]
    bare_cli.at(usual[0])
    expected = life(bare_cli, *usual)
    odd = [new_portal(), new_course("odd")]
    for dsn in odd:
        with psycopg.connect(dsn, autocommit=True) as administrator:
            set_all(administrator, course=dsn == odd[1])
    bare_cli.at(odd[0])
    found = life(bare_cli, *odd)
    assert [told(each) for each in found] == [told(each) for each in expected]
    assert all(each[0] == 0 for each in found[:-1])  # type: ignore[index]


def test_without_the_pins_they_would(
    bare_cli: Cli,
    new_portal: NewPortal,
    new_course: NewCourse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    odd = [new_portal(), new_course("odd")]
    for dsn in odd:
        with psycopg.connect(dsn, autocommit=True) as administrator:
            set_all(administrator)
    monkeypatch.setattr(session, "pin", lambda _: None)
    bare_cli.at(odd[0])
    assert bare_cli("install").code != 0


# Prepared statements outlive a reading that is taken back: their names are not ours.

_TAKES_THE_NAME = """
    CREATE FUNCTION public.evil() RETURNS integer LANGUAGE plpgsql AS $evil$
    BEGIN
        EXECUTE 'ALTER ROLE {} SUPERUSER';
        RETURN 1;
    END $evil$;
    CREATE FUNCTION public.reading(text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
    AS $reading$
    BEGIN
        IF EXISTS (SELECT FROM pg_prepared_statements WHERE name = '_pg3_0') THEN
            EXECUTE 'DEALLOCATE _pg3_0';
            EXECUTE 'PREPARE _pg3_0 (text) AS SELECT public.evil()';
        END IF;
        RETURN $1;
    END $reading$;
"""


def read_often(mine: Connection) -> None:
    """Ask the same again and again, as a worker does."""
    for _ in range(20):
        mine.execute("SELECT public.reading(%s)", ("x",))


def test_no_statement_of_ours_has_a_name_that_others_can_take(
    platform: Platform,
) -> None:
    with attacker(platform.connection) as he, connect(platform.dsn) as mine:
        he.session.execute(_TAKES_THE_NAME.format(he.name).encode())
        read_often(mine)
        assert not he.is_superuser


def test_control_a_prepared_statement_would_be_his(platform: Platform) -> None:
    with attacker(platform.connection) as he, connect(platform.dsn) as mine:
        he.session.execute(_TAKES_THE_NAME.format(he.name).encode())
        mine.prepare_threshold = 5
        with suppress(psycopg.Error):
            read_often(mine)
        assert he.is_superuser
