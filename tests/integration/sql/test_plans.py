from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import LiteralString

import pytest

from pyreplctl.core import databases
from pyreplctl.core.db import value
from pyreplctl.sandbox.embedded import Cluster
from tests.support.platform import Connection, Course, Platform
from tests.support.polling import until

USERS = 20_000
DOSSIER: dict[str, LiteralString] = {
    "ids": "bigint[]",
    "generations": "bigint[]",
    "members": "boolean[]",
    "frozen": "boolean[]",
    "users": "text",
    "profiles": "text",
    "enrollments": "text",
}
PUSHED: dict[str, LiteralString] = {
    "v_portal": "text",
    "v_contract": "text",
    "p_prev": "uuid",
    "p_tag": "uuid",
    "p_epoch": "uuid",
    "v_xid": "xid8",
    "p_settled": "bigint[]",
    "p_adopt": "boolean",
    **{f"v_dossiers.{name}": kind for name, kind in DOSSIER.items()},
}
EXPLAIN = "EXPLAIN (VERBOSE, COSTS OFF) EXECUTE push"


def update_of_push(platform: Platform) -> str:
    """Return the UPDATE of the installed push function, its variables as parameters."""
    source: str = value(
        platform.connection,
        "SELECT prosrc FROM pg_proc WHERE oid = 'pyrepl.push_1'::regproc",
    )
    (found,) = re.findall(r'(UPDATE pyrepl\."inbox_1".*?again) INTO', source, re.DOTALL)
    text: str = found
    for number, name in enumerate(PUSHED, 1):
        text, count = re.subn(rf"\b{re.escape(name)}\b", f"${number}", text)
        assert count == 1, name
    return text


def plan(platform: Platform, statement: str, types: list[str]) -> str:
    """Return the plan of a prepared statement as the owner's functions see it."""
    session = platform.session()
    session.execute("SET LOCAL ROLE pyrepl_owner")
    session.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE push ({', '.join(types)}) AS {statement}".encode())
    nothing = ", ".join("NULL" for _ in types)
    rows = session.execute(f"{EXPLAIN} ({nothing})".encode()).fetchall()
    return "\n".join(row[0] for row in rows)


def test_a_push_is_one_direct_foreign_update(platform: Platform) -> None:
    platform.course("c")
    found = plan(platform, update_of_push(platform), list(PUSHED.values()))
    assert "Foreign Update on pyrepl.inbox_1" in found
    assert "Remote SQL: UPDATE pyrepl.inbox SET" in found
    assert "ctid" not in found
    assert "SELECT" not in found


def test_with_rows_of_our_own_types_it_would_not_be(platform: Platform) -> None:
    """The negative control: why rows travel as text."""
    platform.course("c")
    rows: str = value(
        platform.connection,
        "SELECT 'pyrepl.' || relname || '[]' FROM pg_class"
        " WHERE relname ~ '^user_row_'",
    )
    types = [rows if name == "v_dossiers.users" else t for name, t in PUSHED.items()]
    number = list(PUSHED).index("v_dossiers.users") + 1
    statement = update_of_push(platform).replace(f"${number},", f"${number}::text,")
    found = plan(platform, statement, types)
    assert "Foreign Update" not in found
    assert "ctid" in found


def test_a_push_is_three_remote_statements(
    platform: Platform, course_cluster: Cluster
) -> None:
    course = platform.course("c")
    role = value(platform.connection, "SELECT link_role FROM pyrepl.database")
    course.connection.execute(f"ALTER ROLE {role} SET log_statement = 'all'".encode())
    session = platform.session(autocommit=True)  # so that its link is new
    for number in (1, 2):  # the first one connects
        platform.member(number, "c")
        before = len(course_cluster.log_file.read_text())
        deliver(session)
    assert course.users == [1, 2]
    log = course_cluster.log_file.read_text()[before:]
    said = re.findall(r"LOG:  (?:statement|execute [^:]+): (\w+)", log)
    assert said == ["START", "UPDATE", "COMMIT"]


def deliver(session: Connection) -> None:
    """Route, and deliver once to the only course database."""
    session.execute("SELECT pyrepl.route()")
    (number,) = databases.numbers(session, []).values()
    row = session.execute("SELECT outcome FROM pyrepl.deliver(%s)", (number,))
    assert row.fetchone() == ("delivered",)


def populate(platform: Platform, users: int = USERS) -> None:
    """Create many members, in a few statements."""
    platform.execute(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " SELECT i, 'user' || i, '', '', '', '', false, true, false, now(), now()"
        " FROM generate_series(1, %s) i",
        users,
    )
    platform.execute(
        "INSERT INTO auth_userprofile (user_id, name, meta, courseware, language,"
        " location) SELECT i, 'N', '', '', '', '' FROM generate_series(1, %s) i",
        users,
    )
    platform.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id, created)"
        " SELECT i, 'c', now() FROM generate_series(1, %s) i",
        users,
    )


def read(connection: Connection) -> Counter[str]:
    """Return tuples read by index so far, and sequential scans, for each table."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    rows = connection.execute(
        "SELECT t.relname::text, t.seq_scan::bigint, coalesce(("
        " SELECT sum(i.idx_tup_read)::bigint FROM pg_stat_user_indexes i"
        " WHERE i.relid = t.relid), 0) FROM pg_stat_user_tables t"
    ).fetchall()
    found: Counter[str] = Counter()
    for table, scans, tuples in rows:
        found[f"{table}: scans"] += scans
        found[table] += tuples
    return found


def linked(course: Course) -> bool:
    return bool(
        course.rows(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'pyreplctl link%%' AND %s",
            True,
        )
    )


def delivery(platform: Platform, course: Course) -> tuple[Counter[str], Counter[str]]:
    """Deliver in a session of its own; return what was read at portal and course."""
    here, there = read(platform.connection), read(course.connection)
    session = platform.session(autocommit=True)
    deliver(session)
    session.execute("SELECT pg_stat_force_next_flush()")
    session.close()
    until(lambda: not linked(course))  # it has told its numbers then
    return read(platform.connection) - here, read(course.connection) - there


LARGE = {
    *("auth_user", "auth_userprofile", "student_courseenrollment"),
    *("copy", "placement", "departure", "change", "outbox"),
}


def test_a_delivery_reads_in_proportion_to_what_changed(platform: Platform) -> None:
    """No scan of a large table, by sequence or by a whole index."""
    course = platform.course("c")
    for connection in (platform.connection, course.connection):
        unanalysed(connection)
    populate(platform)
    platform.deliver()
    platform.connection.execute("SELECT pyrepl.postgres_fdw_disconnect_all()")
    assert value(course.connection, "SELECT count(*) FROM auth_user") == USERS
    for analysed in (False, True):
        if analysed:
            platform.execute("ANALYZE")
            course.execute("ANALYZE")
        for batch in (1, 50, 2000):
            for table, key in (("auth_user", "id"), ("auth_userprofile", "user_id")):
                column = "email" if key == "id" else "location"
                platform.connection.execute(
                    f"UPDATE {table} SET {column} = {column} || 'x'"
                    f" WHERE {key} <= {batch}".encode()
                )
            for side in delivery(platform, course):
                assert side["auth_user"] >= batch, side
                for table in LARGE:
                    assert side[f"{table}: scans"] == 0, (analysed, batch, side)
                    assert side[table] <= 20 * batch + 100, (analysed, batch, side)


def test_a_session_that_met_empty_tables_reads_in_proportion_later(
    platform: Platform,
) -> None:
    """It keeps the plans that it made then."""
    course = platform.course("c")
    for connection in (platform.connection, course.connection):
        unanalysed(connection)
    platform.execute("VACUUM ANALYZE")  # says how empty they are
    platform.member(USERS + 1, "c")
    session = platform.session(autocommit=True)
    deliver(session)
    populate(platform)
    platform.deliver()
    platform.execute("UPDATE auth_user SET email = 'x' WHERE id <= 10")
    before = read(platform.connection)
    deliver(session)
    session.execute("SELECT pg_stat_force_next_flush()")
    session.close()
    found = read(platform.connection) - before
    assert found["auth_user"] >= 10, found
    for table in LARGE:
        assert found[table] <= 20 * 10 + 100, found


def test_a_scan_would_be_seen(platform: Platform) -> None:
    """The negative control of the counters, by sequence and by a whole index."""
    platform.member(1)
    before = read(platform.connection)
    platform.rows("SELECT count(*) FROM auth_user")
    found = read(platform.connection) - before
    assert found["auth_user: scans"] == 1
    before = read(platform.connection)
    platform.execute("SET enable_seqscan = off")
    platform.rows("SELECT id FROM auth_user ORDER BY id")
    assert (read(platform.connection) - before)["auth_user"] == 1


def unanalysed(connection: Connection) -> None:
    """Keep autovacuum from analysing in between."""
    tables = connection.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace IN ('public'::regnamespace, 'pyrepl'::regnamespace)"
    ).fetchall()
    for (table,) in tables:
        statement = f"ALTER TABLE {table} SET (autovacuum_enabled = off)"
        connection.execute(statement.encode())


CHANGES = 2000
PAIRS = 6000


def pin(platform: Platform, how: str) -> Connection:
    """Keep vacuum from removing rows that were deleted after this."""
    holder = platform.session()
    if how == "snapshot":
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT FROM pyrepl.change")
    else:
        holder.execute("INSERT INTO pyrepl.clock VALUES ('a', 'forgotten', now())")
    return holder


def polled(platform: Platform) -> Counter[str]:
    """Return what one poll reads that finds nothing to do."""
    before = read(platform.connection)
    assert platform.rows("SELECT pyrepl.route()") == [(0,)]
    assert platform.rows("SELECT pyrepl.due()") == []
    return read(platform.connection) - before


@pytest.mark.parametrize("how", ["snapshot", "forgotten writer"])
def test_a_poll_reads_no_dead_rows(platform: Platform, how: str) -> None:
    platform.course("c")
    unanalysed(platform.connection)
    populate(platform, 500)
    platform.deliver()
    holder = pin(platform, how)
    session = platform.session(autocommit=True)
    write: LiteralString = "UPDATE auth_user SET email = %s WHERE id <= %s"
    for number in range(CHANGES):
        session.execute(write, (str(number), 1))
        if number % (CHANGES * 500 // PAIRS) == 0:
            session.execute(write, (str(number), 500))
            platform.deliver()
    platform.deliver()

    def mark_has_moved() -> bool:
        found = polled(platform)
        # Marks move once a second, that of the outbox also after a thousand rows.
        return found["change"] < 10 and found["outbox"] < 2 * 1000

    until(mark_has_moved)
    # The control: without the marks every dead row is read.
    platform.execute("DELETE FROM pyrepl.route_mark")
    platform.execute("DELETE FROM pyrepl.outbox_mark")
    found = polled(platform)
    assert found["change"] >= CHANGES
    assert found["outbox"] >= PAIRS
    holder.rollback()


STATISTICS: list[LiteralString] = [
    "SELECT 'none were ever made'",
    "VACUUM pyrepl.outbox",
    "ANALYZE pyrepl.outbox",
    "VACUUM ANALYZE pyrepl.outbox",
]
LOOKS: dict[str, LiteralString] = {
    "route": "SELECT pyrepl.route()",
    "due": "SELECT pyrepl.due()",
    "deliver": "SELECT pyrepl.deliver(id) FROM pyrepl.database",
}


def looked(platform: Platform) -> Counter[str]:
    """Return how many blocks and index entries of the outbox each look reads.

    For ten users, in a session of its own: its plans are those of the statistics now.
    It is given a backlog of 500 pairs after it has made them.
    """
    found: Counter[str] = Counter()
    session = platform.session(autocommit=True)
    write: LiteralString = "UPDATE auth_user SET email = email || 'x' WHERE id > %s"

    def so_far() -> int:
        session.execute("SELECT pg_stat_force_next_flush()")
        session.execute("SELECT")  # numbers are told between statements
        blocks: int = value(
            platform.connection,
            "SELECT heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read"
            " FROM pg_statio_user_tables WHERE relname = 'outbox'",
        )
        return blocks + read(platform.connection)["outbox"]

    def look(name: str, after: str = "") -> None:
        before = so_far()
        session.execute(LOOKS[name])
        found[name + after] = so_far() - before

    for _ in range(2):  # plans are made at first, and the mark moves
        platform.execute("UPDATE pyrepl.outbox_mark SET saved_at = '-infinity'")
        session.execute(write, (490,))
        for name in LOOKS:
            look(name)
        look("due", ", nothing waits")
    session.execute(write, (0,))
    session.execute(LOOKS["route"])
    session.execute(write, (490,))
    look("route", ", behind a backlog")
    platform.execute("UPDATE pyrepl.outbox_mark SET saved_at = '-infinity'")
    look("deliver", ", of a backlog")
    platform.execute("ANALYZE pyrepl.outbox")  # the next one begins with a backlog's
    session.close()
    platform.deliver()
    return found


def heighten(platform: Platform, index: str, conditions: bool) -> None:
    """Build the outbox's indexes again, one of them higher, so that it seems dearer."""
    for name in ("outbox_claim", "outbox_coalesce"):
        found: str = value(
            platform.connection,
            "SELECT pg_get_indexdef(%s::regclass)",
            f"pyrepl.{name}",
        )
        definition, condition = found.split(" WHERE ")
        fill = 10 if name == index else 90
        platform.connection.execute(
            f"DROP INDEX pyrepl.{name}; {definition} WITH (fillfactor = {fill})"
            f" WHERE {condition if conditions else 'true'}".encode()
        )


@pytest.fixture
def pinned(platform: Platform) -> Iterator[Platform]:
    """A platform whose outbox has dead rows that no vacuum may remove."""
    platform.course("c")
    unanalysed(platform.connection)
    populate(platform, 500)
    platform.deliver()
    holder = pin(platform, "snapshot")
    for number in range(PAIRS // 500):
        platform.execute("UPDATE auth_user SET email = %s", str(number))
        platform.deliver()
    platform.execute("UPDATE pyrepl.settings SET batch = 20")
    yield platform
    holder.rollback()


@pytest.mark.parametrize("higher", ["outbox_claim", "outbox_coalesce"])
def test_looks_read_what_waits_whatever_the_statistics_say(
    pinned: Platform, higher: str
) -> None:
    heighten(pinned, higher, conditions=True)
    for statement in STATISTICS:
        pinned.connection.execute(statement)
        found = looked(pinned)
        assert max(found.values()) <= 200, (statement, found)
        assert found["due, nothing waits"] <= 15, (statement, found)


@pytest.mark.parametrize(
    ("higher", "look", "least"),
    [
        ("outbox_claim", "due, nothing waits", 30),  # the blocks of PAIRS dead entries
        ("outbox_coalesce", "route, behind a backlog", 10 * 490),
    ],
)
def test_without_the_conditions_of_the_indexes_they_read_more(
    pinned: Platform, higher: str, look: str, least: int
) -> None:
    """The negative control: the lower index is taken, whatever it is for."""
    heighten(pinned, higher, conditions=False)
    pinned.connection.execute("VACUUM ANALYZE pyrepl.outbox")
    assert looked(pinned)[look] >= least


def test_with_bitmaps_a_batch_reads_the_whole_backlog(pinned: Platform) -> None:
    """The negative control: all that waits, to send twenty of it."""
    pinned.execute("ALTER FUNCTION pyrepl.deliver(integer) RESET enable_bitmapscan")
    for statement in STATISTICS[:2]:
        pinned.connection.execute(statement)
        found = looked(pinned)
    assert found["deliver, of a backlog"] >= 490
