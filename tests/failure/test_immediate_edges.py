"""Immediate delivery under interleavings that are rare, and writers that do odd things.

Where a session must stand still, it waits for an advisory lock: of the course in its
push or COMMIT there, or of the portal in a deferred trigger that fires after ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import LiteralString

import pytest
from psycopg import IsolationLevel

from pyreplctl.core.config import Config
from pyreplctl.courses import delivery_mode as mode
from pyreplctl.delivery import batches
from tests.failure.hanging import let_commits_hang, let_go, waiting
from tests.support.platform import Connection, Course, Platform
from tests.support.polling import until

pytestmark = pytest.mark.failure

TOY, OTHER, THIRD = "edX/toy/2012_Fall", "MITx/6.002x/2012_Fall", "BerkeleyX/CS188/1"
ENROLL: LiteralString = (
    "INSERT INTO student_courseenrollment (user_id, course_id) VALUES (1, %s)"
)
EDIT: LiteralString = "UPDATE auth_user SET first_name = 'new' WHERE id = 1"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture
def course(immediate: Platform) -> Course:
    return immediate.course(TOY, delivery="immediate")


def commits(pool: ThreadPoolExecutor, session: Connection) -> Future[None]:
    return pool.submit(session.commit)


def writes(
    pool: ThreadPoolExecutor, platform: Platform, *statements: LiteralString
) -> Future[None]:
    """Let another session write, and COMMIT in the background."""
    session = platform.session()
    session.execute("SET statement_timeout = '20s'")
    for statement in statements:
        session.execute(statement)
    return commits(pool, session)


def queued_write(
    platform: Platform, statement: LiteralString, values: tuple[str, ...] = ()
) -> None:
    """Write in a transaction that is never delivered immediately."""
    with platform.session() as session:
        session.isolation_level = IsolationLevel.REPEATABLE_READ
        session.execute(statement, values)


def let_pushes_hang(course: Course) -> None:
    """Let whatever updates a user hang in its push, until `let_go`."""
    course.execute(
        """
        CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0
        AS $hang$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $hang$;
        CREATE TRIGGER hang AFTER UPDATE ON auth_user
        FOR EACH ROW EXECUTE FUNCTION hang();
        SELECT pg_advisory_lock(1)"""
    )


@contextmanager
def standing_still(
    pool: ThreadPoolExecutor, platform: Platform, *statements: LiteralString
) -> Iterator[None]:
    """While the block runs, a writer stands still in its COMMIT, its pushes made."""
    platform.execute(
        """
        CREATE TABLE pause ();
        CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql
        AS $pause$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $pause$;
        CREATE CONSTRAINT TRIGGER pause AFTER INSERT ON pause
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pause()"""
    )
    holder = platform.session(autocommit=True)
    holder.execute("SELECT pg_advisory_lock(7)")
    writer = writes(pool, platform, *statements, "INSERT INTO pause DEFAULT VALUES")
    try:
        until(lambda: stalls(platform.connection) == 1)
        yield
    finally:
        holder.close()
    writer.result()


def stalls(session: Connection) -> int:
    """How many sessions of the portal wait for a lock."""
    return len(session.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall())


@contextmanager
def one_hangs(
    platform: Platform, pool: ThreadPoolExecutor, course: Course, *more: LiteralString
) -> Iterator[None]:
    """While the block runs, a writer of user 1 hangs in its COMMIT, at this course."""
    let_commits_hang(course)
    try:
        writer = writes(pool, platform, EDIT, *more)
        until(lambda: waiting(course) == 1)
        yield
    finally:
        let_go(course)
    writer.result()


# Lost updates.


@pytest.mark.parametrize("waits", [False, True], ids=["new pair", "pair that waits"])
def test_what_others_have_queued_during_a_push_stays_queued(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor, waits: bool
) -> None:
    immediate.member(1, TOY)
    if waits:
        queued_write(immediate, "UPDATE auth_user SET last_name = 'x' WHERE id = 1")
        batches.route(immediate.connection)
    let_pushes_hang(course)
    writer = writes(pool, immediate, EDIT)
    until(lambda: waiting(course) == 1)
    edit: LiteralString = "UPDATE auth_userprofile SET name = 'y' WHERE user_id = 1"
    queued_write(immediate, edit)
    batches.route(immediate.connection)
    let_go(course)
    writer.result()
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_what_a_transaction_writes_after_it_has_routed_is_routed_later(
    immediate: Platform, course: Course
) -> None:
    """Its own number is not in its snapshot, as if it had ended."""
    for user in range(1, 31):
        immediate.user(user)
        queued_write(immediate, "SELECT")
    immediate.enroll(1, TOY)
    immediate.execute("DELETE FROM pyrepl.route_mark")
    session = immediate.session()
    session.execute("SELECT pg_current_xact_id()")
    immediate.execute("SELECT pg_current_xact_id()")
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    session.execute(EDIT)
    session.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id)"
        " SELECT id, %s FROM auth_user WHERE id > 1",
        (TOY,),
    )
    session.commit()
    assert immediate.deliver() == {}
    assert len(course.users) == 30


def test_a_phantom_that_a_writer_finds_is_repaired(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    immediate.member(2, TOY)
    course.tamper("UPDATE auth_user SET email = 'phantom' WHERE id = 2")
    course.execute(
        "INSERT INTO pyrepl.receipt (xid, epoch, users)"
        " VALUES ('3', gen_random_uuid(), '{2}')"
    )
    immediate.execute("DELETE FROM pyrepl.route_mark")
    immediate.execute("UPDATE pyrepl.health SET settle_at = now()")
    session = immediate.session()
    session.execute(EDIT)
    immediate.execute("SELECT pg_current_xact_id()")
    session.commit()
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_users_in_a_commit_are_not_sent_when_the_last_database_has_become_queued(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    other = immediate.course(OTHER)
    immediate.user(1)
    enrolling = immediate.session()
    enrolling.isolation_level = IsolationLevel.REPEATABLE_READ
    enrolling.execute(ENROLL, (OTHER,))
    with standing_still(pool, immediate, EDIT):
        enrolling.commit()  # the writer has not seen it, and left nothing in the queue
        mode.set_delivery(immediate.connection, Config(), course.name, "queued")
        batches.route(immediate.connection)
        assert batches.deliver(immediate.connection, 2).outcome == "busy"
    assert immediate.deliver() == {}
    assert other.user(1)["first_name"] == "new"


def test_control_without_a_look_at_the_users_locks_the_change_is_lost(
    immediate: Platform, pool: ThreadPoolExecutor
) -> None:
    immediate.course(TOY, delivery="immediate")
    other = immediate.course(OTHER)
    immediate.user(1)
    immediate.execute(
        "CREATE OR REPLACE FUNCTION pyrepl.users_locked_by_writers(p_users bigint[])"
        " RETURNS bigint[] LANGUAGE sql AS 'SELECT ''{}''::bigint[]'"
    )
    with standing_still(pool, immediate, EDIT):
        queued_write(immediate, ENROLL, values=(OTHER,))
        assert immediate.deliver() == {}
    assert immediate.deliver() == {}
    assert other.user(1)["first_name"] == "First"


def test_who_enrolls_while_the_course_is_being_registered_gets_there(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    del course
    immediate.user(1)
    session = immediate.session(autocommit=True)
    with standing_still(pool, immediate, ENROLL.replace("%s", f"'{OTHER}'")):
        registered = pool.submit(immediate.course, OTHER)
        until(lambda: registered.done() or stalls(session) == 2)
    other = registered.result()
    assert immediate.deliver() == {}
    assert other.users == [1]


# A writer that meets a delivery from the queue.


def write_during_a_delivery(
    platform: Platform, pool: ThreadPoolExecutor, until_one_waits: bool
) -> None:
    """Let a session deliver, and another write user 1; end with the former."""
    delivers, watches = platform.session(), platform.session(autocommit=True)
    assert delivers.execute("SELECT outcome FROM pyrepl.deliver(1)").rowcount == 1
    writer = writes(pool, platform, EDIT)
    if until_one_waits:
        until(lambda: stalls(watches) == 1)
        delivers.commit()
    writer.result()
    delivers.rollback()


def test_a_writer_waits_for_a_short_delivery(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    immediate.member(1, TOY)
    # For as long as this test may take to see it.
    immediate.execute(
        "ALTER FUNCTION pyrepl.push_at_commit(integer, bigint[])"
        " SET lock_timeout = '20s'"
    )
    write_during_a_delivery(immediate, pool, until_one_waits=True)
    assert course.user(1)["first_name"] == "new"
    assert immediate.rows("SELECT FROM pyrepl.change") == []


def test_a_writer_does_not_wait_for_a_long_delivery(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    immediate.member(1, TOY)
    write_during_a_delivery(immediate, pool, until_one_waits=False)
    assert course.user(1)["first_name"] == "First"
    assert immediate.deliver() == {}
    assert course.user(1)["first_name"] == "new"


def test_control_a_writer_that_does_not_wait_goes_by_the_queue(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    immediate.member(1, TOY)
    [(source,)] = immediate.rows(
        "SELECT pg_get_functiondef('pyrepl.push_at_commit'::regproc)"
    )
    waits = "PERFORM pg_advisory_xact_lock_shared(1887007344, p_database);"
    assert waits in source
    tries = "IF NOT pg_try_advisory_xact_lock_shared(1887007344, p_database) THEN"
    immediate.connection.execute(
        source.replace(waits, f"{tries} RETURN false; END IF;").encode()
    )
    write_during_a_delivery(immediate, pool, until_one_waits=False)
    assert course.user(1)["first_name"] == "First"
    assert immediate.deliver() == {}


def write_during_a_look(platform: Platform, pool: ThreadPoolExecutor) -> None:
    with platform.session() as looking:
        # What recheck_users begins with; it lets go when it has looked.
        looking.execute("SELECT pyrepl.lock_look(1)")
        writes(pool, platform, EDIT).result()
        looking.rollback()


def test_nothing_is_pushed_while_verify_looks(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    immediate.member(1, TOY)
    write_during_a_look(immediate, pool)
    assert course.user(1)["first_name"] == "First"
    assert immediate.deliver() == {}
    assert course.user(1)["first_name"] == "new"


def test_control_a_look_that_shares_the_lock_meets_a_push(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    immediate.member(1, TOY)
    [(source,)] = immediate.rows(
        "SELECT pg_get_functiondef('pyrepl.lock_look'::regproc)"
    )
    alone = "PERFORM pg_advisory_xact_lock(1887007344, p_database);"
    assert alone in source
    shared = "PERFORM pg_advisory_xact_lock_shared(1887007344, p_database);"
    immediate.connection.execute(source.replace(alone, shared).encode())
    write_during_a_look(immediate, pool)
    assert course.user(1)["first_name"] == "new"


# One database's hanging COMMIT, and the others.


def test_a_writer_that_hangs_keeps_no_other_writer_and_no_database_waiting(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    """The first one after a start of the server, which makes a new epoch."""
    other = immediate.course(OTHER, delivery="immediate")
    immediate.member(1, TOY)
    immediate.member(2, OTHER)
    immediate.execute("DELETE FROM pyrepl.epoch")
    with one_hangs(immediate, pool, course):
        session = immediate.session(autocommit=True)
        session.execute("SET statement_timeout = '5s'")
        session.execute("UPDATE auth_user SET first_name = 'new' WHERE id = 2")
        assert other.user(2)["first_name"] == "new"
        immediate.execute("UPDATE pyrepl.health SET settle_at = now()")
        assert batches.deliver(session, 2).error is None
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_a_database_whose_failure_a_hanging_writer_has_seen_does_not_hang_itself(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    other = immediate.course(OTHER, delivery="immediate")
    queued = immediate.course(THIRD)
    immediate.member(1, TOY, OTHER)
    immediate.member(2, THIRD)
    immediate.member(3, OTHER)
    other.execute("ALTER TABLE auth_user ADD CHECK (first_name <> 'new')")
    immediate.execute("UPDATE pyrepl.health SET last_delivered_at = NULL")
    with one_hangs(immediate, pool, course):
        queued_write(immediate, "UPDATE auth_user SET last_name = 'x' WHERE id = 3")
        session = immediate.session(autocommit=True)
        session.execute("SET statement_timeout = '20s'")
        session.execute("CALL pyrepl.serve('3 s')")
        assert queued.users == [2]
    immediate.execute("UPDATE auth_user SET first_name = 'good' WHERE id = 1")
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_a_hanging_writer_does_not_keep_queued_databases_from_being_routed(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    """Where no clock was alive when it began to hang: it might stand in for one."""
    queued = immediate.course(OTHER)
    immediate.member(1, TOY)
    immediate.member(2)
    with one_hangs(immediate, pool, course):
        immediate.enroll(2, OTHER)
        assert immediate.rows("SELECT pyrepl.route() IS NOT NULL") == [(True,)]
        assert batches.deliver(immediate.connection, 2).users == 1
        assert queued.users == [2]


def test_a_hanging_writer_keeps_only_its_own_users_out_of_small_batches(
    immediate: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    queued = immediate.course(OTHER)
    for user in (1, 2, 3):
        immediate.member(user, TOY, OTHER)
    assert immediate.deliver() == {}
    with one_hangs(immediate, pool, course):
        queued_write(immediate, "UPDATE auth_userprofile SET name = 'x'")
        batches.route(immediate.connection)
        immediate.execute(
            "UPDATE pyrepl.health SET phase = 'isolate', batch = 1, intent = '{1}'"
            " WHERE database_id = 2"
        )
        for _ in range(8):
            batches.deliver(immediate.connection, 2)
        names = queued.rows("SELECT name FROM auth_userprofile ORDER BY user_id")
        assert names == [("Full Name",), ("x",), ("x",)]
    assert immediate.deliver() == {}
    immediate.assert_equal()


# What must not fail a writer.


@pytest.mark.parametrize(
    "oddity",
    [
        "SET pyrepl.delivered_at = 'garbage'",
        "SET LOCAL lock_timeout = '1ms'",
        "SET session_replication_role = replica",
        "SET search_path = pg_temp; CREATE TEMP TABLE change ()",
        "SAVEPOINT a; SELECT 1; RELEASE SAVEPOINT a",
        "SET TRANSACTION READ ONLY",
        "ALTER TABLE student_courseenrollment RENAME course_id TO course_key",
        "ALTER TABLE student_courseenrollment RENAME TO enrollment",
        "ALTER TABLE auth_user RENAME email TO mail",
        "DROP TABLE auth_userprofile",
        "ALTER TABLE student_courseenrollment ENABLE ROW LEVEL SECURITY",
        "REVOKE SELECT ON student_courseenrollment FROM pyrepl_reader",
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM auth_user",
    ],
)
def test_no_oddity_of_a_transaction_fails_it(
    immediate: Platform, course: Course, oddity: LiteralString
) -> None:
    del course
    immediate.member(1, TOY)
    with immediate.session() as session:
        session.execute(EDIT)
        session.execute(oddity)
    assert immediate.rows("SELECT first_name FROM auth_user") == [("new",)]


def test_a_locked_table_holds_no_writer_of_another(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    migration = immediate.session()
    migration.execute("LOCK TABLE student_courseenrollment")
    session = immediate.session(autocommit=True)
    session.execute("SET statement_timeout = '20s'")
    session.execute(EDIT)
    assert course.user(1)["first_name"] == "First"
    migration.rollback()
    assert immediate.deliver() == {}
    immediate.assert_equal()


# Receipts.


def test_sessions_in_different_time_zones_are_of_one_epoch(
    immediate: Platform, course: Course
) -> None:
    for user, zone in ((1, "Asia/Tokyo"), (2, "America/New_York")):
        immediate.user(user)
        with immediate.session() as session:
            session.execute("SELECT set_config('TimeZone', %s, true)", (zone,))
            session.execute(
                "INSERT INTO student_courseenrollment (user_id, course_id)"
                " VALUES (%s, %s)",
                (user, TOY),
            )
    assert course.users == [1, 2]
    immediate.execute("UPDATE pyrepl.health SET settle_at = now()")
    batches.deliver(immediate.connection, 1)
    assert immediate.rows("SELECT FROM pyrepl.change") == []
    assert course.rows("SELECT FROM pyrepl.receipt") == []


def test_receipts_are_settled_as_fast_as_they_come(
    immediate: Platform, course: Course
) -> None:
    course.execute(
        "INSERT INTO pyrepl.receipt (xid, epoch, users)"
        " SELECT '3', gen_random_uuid(), '{}' FROM generate_series(1, 2500)"
    )
    immediate.execute("UPDATE pyrepl.health SET settle_at = now()")

    def settled() -> bool:
        batches.deliver(immediate.connection, 1)
        return course.rows("SELECT FROM pyrepl.receipt") == []

    until(settled)
