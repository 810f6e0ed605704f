"""The functions that register course databases: their arguments, and who may call."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from pyreplctl.core.db import value
from pyreplctl.schema.sql_files import root, texts
from tests.support.logins import logged_in
from tests.support.platform import Connection, Platform
from tests.support.polling import until

NOBODY = "PR040"  # no such course database
WRONG = "PR041"  # an argument that is not acceptable
NO_CONTRACT = "PR042"

COURSES = sorted(texts("functions/portal/courses"))
BINDING = sorted(texts("functions/course/binding"))
RECORDS = ["record_objects", "forget_objects"]


@pytest.fixture
def portal(platform: Platform) -> Connection:
    """The superuser's connection to a portal with a database number 1, never linked."""
    platform.execute(
        "SELECT pyrepl.add_database('forum', c.fingerprint, 'host=a', 'host=b', false,"
        " 'reject') FROM pyrepl.contract c"
    )
    return platform.connection


@pytest.fixture
def course(platform: Platform) -> Connection:
    return platform.course("c").connection


def refused(connection: Connection, call: str) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(f"SELECT pyrepl.{call}".encode())
    return raised.value


OF_A_DATABASE = [
    "begin_chain({}, gen_random_uuid())",
    "set_database_state(ARRAY[{}], 'paused')",
    "retry_databases(ARRAY[{}])",
    "host_courses({}, '{{c}}')",
    "end_hosting({}, 'c')",
    "queue_courses({}, '{{c}}')",
    "queue_members(ARRAY[{}], NULL)",
    "adopt_accounts({})",
    "set_delivery({}, 'queued')",
    "set_guard({}, 'warn')",
    "set_contract({}, '')",
    "set_administrator({}, 'host=a')",
    "retry_dead_letters({}, '{{1}}')",
    "discard_dead_letters({}, '{{1}}')",
    "forget_database({}, '{{}}')",
]


@pytest.mark.parametrize("number", ["2", "NULL::integer"])
def test_a_number_that_nobody_has_is_refused(portal: Connection, number: str) -> None:
    for call in OF_A_DATABASE:
        error = refused(portal, call.format(number))
        assert error.sqlstate == NOBODY, call
        assert error.diag.message_hint, call
    assert value(portal, "SELECT count(*) FROM pyrepl.database") == 1
    assert value(portal, "SELECT count(*) FROM pyrepl.change") == 0


NAMES = "'wiki', repeat('0', 32)"
ARRAYS = "'{user,profile,enrollment}', '{a,b,c}', '{a,b,c}'"


@pytest.mark.parametrize(
    ("call", "sqlstate"),
    [
        ("set_database_state('{1}', 'active')", WRONG),
        ("set_database_state('{1}', NULL)", WRONG),
        ("set_database_state(NULL, 'paused')", NOBODY),
        ("queue_members(NULL, NULL)", NOBODY),
        ("queue_members('{1}', '{7,NULL}')", WRONG),
        ("host_courses(1, NULL)", WRONG),
        ("host_courses(1, '{c,NULL}')", WRONG),
        ("host_courses(1, ARRAY[''])", WRONG),
        ("host_courses(1, ARRAY[repeat('x', 256)])", WRONG),
        ("queue_courses(1, ARRAY[''])", WRONG),
        ("set_delivery(1, 'soon')", WRONG),
        ("set_delivery(1, NULL)", WRONG),
        ("set_guard(1, 'maybe')", WRONG),
        ("set_guard(1, NULL)", WRONG),
        ("set_contract(1, 'unknown')", NO_CONTRACT),
        ("set_contract(1, NULL)", NO_CONTRACT),
        ("set_administrator(1, 'host=a password=x')", WRONG),
        ("set_administrator(1, NULL)", WRONG),
        ("begin_chain(1, NULL)", WRONG),
        ("set_configuration('1', '{}', 0)", WRONG),
        ("set_configuration('1', '{}', NULL)", WRONG),
        ("set_configuration(NULL, '{}', 1)", WRONG),
        ("set_configuration('1', NULL, 1)", WRONG),
        (f"add_database({NAMES}, 'host=a', 'host=b', false, 'reject')", NO_CONTRACT),
        (f"add_database({NAMES}, 'host=a', 'host=b', false, 'maybe')", WRONG),
        (f"add_database({NAMES}, 'password=a', 'host=b', false, 'off')", WRONG),
        (f"add_database({NAMES}, 'host=a', 'password = b', false, 'off')", WRONG),
        ("add_database('forum', '', 'host=a', 'host=b', false, 'off')", WRONG),
        ("add_database('', '', 'host=a', 'host=b', false, 'off')", WRONG),
        (f"store_contract('short', {ARRAYS}, '{{a,b,c}}')", WRONG),
        (f"store_contract(repeat('0', 32), {ARRAYS}, '{{a,b}}')", WRONG),
        (f"store_contract(repeat('0', 32), {ARRAYS}, '{{a,b,NULL}}')", WRONG),
        ("store_contract(repeat('0', 32), '{user}', '{a}', '{a}', '{a}')", WRONG),
        ("store_contract(repeat('0', 32), NULL, '{a}', '{a}', '{a}')", WRONG),
        ("store_contract(repeat('0', 32), '{}', '{}', '{}', '{}')", WRONG),
        ("record_objects('{function}', '{a,b}', '{x}')", WRONG),
        ("record_objects(NULL, '{a}', '{x}')", WRONG),
        ("forget_objects('table', '{a}')", WRONG),
    ],
)
def test_a_wrong_argument_is_refused(
    portal: Connection, call: str, sqlstate: str
) -> None:
    before = rows(portal)
    error = refused(portal, call)
    assert error.sqlstate == sqlstate
    assert error.diag.message_hint
    assert rows(portal) == before


def rows(connection: Connection) -> list[object]:
    tables = ("database", "settings", "contract", "contract_column", "change", "object")
    query = "SELECT {0}::text FROM pyrepl.{0} ORDER BY 1"
    return [connection.execute(query.format(t).encode()).fetchall() for t in tables]


FINGERPRINT = "repeat('0', 32)"


@pytest.mark.parametrize(
    "call",
    [
        "set_guard('maybe')",
        "set_guard(NULL)",
        "purge_copies(0)",
        "purge_copies(NULL)",
        f"bind('portal', 1, 'r', {FINGERPRINT}, gen_random_uuid(), 'off')",
        f"bind('1/1', NULL, 'r', {FINGERPRINT}, gen_random_uuid(), 'off')",
        f"bind('1/1', 1, '', {FINGERPRINT}, gen_random_uuid(), 'off')",
        "bind('1/1', 1, 'r', 'short', gen_random_uuid(), 'off')",
        f"bind('1/1', 1, 'r', {FINGERPRINT}, NULL, 'off')",
        f"bind('1/1', 1, 'r', {FINGERPRINT}, gen_random_uuid(), 'maybe')",
        f"set_contract({FINGERPRINT}, {ARRAYS}, '{{a,b,c}}', '{{a,b}}')",
        f"set_contract('short', {ARRAYS}, '{{a,b,c}}', '{{a,b,c}}')",
    ],
)
def test_a_course_refuses_a_wrong_argument(course: Connection, call: str) -> None:
    before = course.execute("SELECT * FROM pyrepl.binding").fetchall()
    error = refused(course, call)
    assert error.sqlstate == WRONG
    assert error.diag.message_hint
    assert course.execute("SELECT * FROM pyrepl.binding").fetchall() == before


MAY: LiteralString = """
    SELECT p.proname::text FROM pg_proc p
    WHERE p.pronamespace = 'pyrepl'::regnamespace AND p.proname = ANY (%s)
        AND has_function_privilege(%s, p.oid, 'EXECUTE')
    ORDER BY 1"""


def may(connection: Connection, role: str, names: list[str]) -> list[str]:
    return [row[0] for row in connection.execute(MAY, (names, role))]


@pytest.mark.parametrize("role", ["pyrepl_worker", "pyrepl_monitor"])
def test_who_delivers_or_looks_may_call_none_of_them(
    portal: Connection, role: str
) -> None:
    assert may(portal, role, COURSES + RECORDS) == []
    with logged_in(portal_dsn(portal), portal, role) as session:
        for call in OF_A_DATABASE:
            assert refused(session, call.format(1)).sqlstate == (
                InsufficientPrivilege.sqlstate
            )


def portal_dsn(portal: Connection) -> str:
    return f"{portal.info.dsn} password={portal.info.password}"


def test_a_member_of_the_owner_may_call_all_of_them(portal: Connection) -> None:
    """By inheritance: a role that installs needs no other right to register."""
    with logged_in(portal_dsn(portal), portal, "pyrepl_owner") as session:
        user = session.info.user
        assert may(portal, user, COURSES + RECORDS) == sorted(COURSES + RECORDS)
        assert value(session, "SELECT pyrepl.set_guard(1, 'warn')")
        assert not value(session, "SELECT pyrepl.set_guard(1, 'warn')")
        query: LiteralString = "SELECT pyrepl.set_database_state('{1}', %s)"
        assert value(session, query, "paused") == "forum"
        assert value(session, query, "paused") is None
        session.execute("SELECT pyrepl.queue_members('{1}', '{7}')")
        session.execute("SELECT pyrepl.forget_database(1, NULL)")
    assert value(portal, "SELECT count(*) FROM pyrepl.database") == 0
    assert value(portal, "SELECT count(*) FROM pyrepl.change") == 0


def test_the_function_alone_can_be_granted(portal: Connection) -> None:
    """Somebody who may pause, and who can neither read nor write the table."""
    with logged_in(portal_dsn(portal), portal) as session:
        name = session.info.user
        portal.execute(f"GRANT USAGE ON SCHEMA pyrepl TO {name}".encode())
        call = "pyrepl.set_database_state(integer[], text)"
        portal.execute(f"GRANT EXECUTE ON FUNCTION {call} TO {name}".encode())
        session.execute("SELECT pyrepl.set_database_state('{1}', 'paused')")
        for statement in (
            "SELECT FROM pyrepl.database",
            "UPDATE pyrepl.database SET state = 'active'",
        ):
            with pytest.raises(InsufficientPrivilege):
                session.execute(statement)
    assert value(portal, "SELECT state FROM pyrepl.database") == "paused"


def test_the_link_role_may_call_none_of_those_of_a_course(course: Connection) -> None:
    role = value(course, "SELECT link_role FROM pyrepl.binding")
    assert may(course, role, BINDING + RECORDS) == []
    assert may(course, f"{role}_owner", BINDING) == BINDING


def test_all_that_write_for_others_run_as_the_owner() -> None:
    folder = root("sql") / "functions"
    files = [*(folder / "portal" / "courses").glob("*.sql")]
    files += [*(folder / "course" / "binding").glob("*.sql")]
    for path in files:
        text = path.read_text()
        # note_immediate is called by others of them.
        if path.stem != "note_immediate" and "Writes:" in text:
            assert "\nSECURITY DEFINER\n" in text, path


def test_of_two_switches_at_once_the_second_sees_the_first(
    platform: Platform, portal: Connection
) -> None:
    platform.execute(
        "SELECT pyrepl.add_database('wiki', c.fingerprint, 'host=a', 'host=b', false,"
        " 'reject'), pyrepl.set_delivery(1, 'immediate') FROM pyrepl.contract c"
    )
    query: LiteralString = "SELECT pyrepl.set_delivery(%s, %s)"
    first, second = platform.session(), platform.session()
    first.execute(query, (2, "immediate"))
    with ThreadPoolExecutor() as pool:
        switched = pool.submit(second.execute, query, (1, "queued"))
        pid = second.info.backend_pid
        waits: LiteralString = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
        until(lambda: bool(value(portal, waits, pid)))
        first.commit()
        switched.result(timeout=30)
    second.commit()
    assert value(portal, "SELECT immediate FROM pyrepl.settings")
