"""Whatever a course answers is booked on its database, and the next one is served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
import pytest

from pyreplctl.core import databases
from pyreplctl.delivery import batches, status
from pyreplctl.delivery.worker import Worker
from tests.integration.trust.hostile import altered, lie, refuse
from tests.support.platform import Course, Platform
from tests.support.polling import until

FAR, NEAR = "edX/far", "edX/near"

# What a trigger of the course does instead of a push.
ERRORS = {
    "no ids": "RAISE 'x' USING ERRCODE = 'PR021', DETAIL = '{-}'",
    "commas": "RAISE 'x' USING ERRCODE = 'PR021', DETAIL = '{,}'",
    "a gap": "RAISE 'x' USING ERRCODE = 'PR021', DETAIL = '{1,,2}'",
    "too great": "RAISE 'x' USING ERRCODE = 'PR021', DETAIL = '{99999999999999999999}'",
    "nested": "RAISE 'x' USING ERRCODE = 'PR021', DETAIL = '{{1},{2}}'",
    "huge": "RAISE 'x' USING ERRCODE = 'PR021',"
    " DETAIL = '{1' || repeat(',1', 5000000) || '}'",
    "ours": "RAISE 'x' USING ERRCODE = 'PR009'",
    "own transaction": "RAISE 'x' USING ERRCODE = 'PR001'",
    "cancelled": "RAISE 'x' USING ERRCODE = '57014'",
    "asserted": "ASSERT false",
    "shut down": "RAISE 'x' USING ERRCODE = '57P01'",
    "lost": "RAISE 'x' USING ERRCODE = '08006', DETAIL = repeat('y', 1000000)",
    "internal": "RAISE 'x' USING ERRCODE = 'XX000'",
    "no plan": "RAISE 'x' USING ERRCODE = '42703'",
    "not there": "RAISE 'x' USING ERRCODE = '42P01'",
    "long": "RAISE '%', repeat('x', 50000000)",
    "swallowed": "RETURN NULL",
}
ANSWERS = {
    "nothing": "NEW.copies := NULL; NEW.again := NULL",
    "no row": "RETURN NULL",
}


def attack(course: Course, name: str) -> None:
    if name in ERRORS:
        lie(course, "")
        refuse(course, f"{ERRORS[name]};")
    else:
        refuse(course, "")
        lie(course, f"{ANSWERS[name]};")


def serve(platform: Platform, length: str = "0 s") -> None:
    with platform.session(autocommit=True) as session:
        session.execute("CALL pyrepl.serve(%s)", (length,))


def until_empty(platform: Platform, _: str = "") -> None:
    with platform.session(autocommit=True) as session:
        batches.until_empty(session, databases.numbers(session, []))


@pytest.mark.parametrize("deliver", [serve, until_empty])
def test_it_is_booked_and_the_next_is_served(
    platform: Platform, deliver: Callable[[Platform], None]
) -> None:
    far, near = platform.course(FAR), platform.course(NEAR)
    for user, name in enumerate((*ERRORS, *ANSWERS), 1):
        attack(far, name)
        platform.member(user, FAR, NEAR)
        platform.execute(
            "UPDATE pyrepl.health SET failed_at = NULL, retry_at = NULL, message = NULL"
        )
        deliver(platform)
        assert user in near.users, name
        booked = platform.rows(
            "SELECT failed_at IS NOT NULL, length(message) <= 500"
            " FROM pyrepl.health ORDER BY database_id"
        )
        assert booked == [(True, True), (False, None)], name


@contextmanager
def working(platform: Platform) -> Iterator[None]:
    worker = Worker(platform.dsn, jobs=1)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def test_the_worker_keeps_its_connections(platform: Platform) -> None:
    """It slept for two seconds where a failure could not be booked."""
    far, near = platform.course(FAR), platform.course(NEAR)
    attack(far, "no ids")
    with working(platform):
        for user, name in enumerate((*ERRORS, *ANSWERS), 1):
            attack(far, name)
            platform.member(user, FAR, NEAR)
            until(lambda: len(near.users) == user)  # noqa: B023 - called at once
        until(lambda: failures(platform) > 1)
        before = sessions(platform)
        until(lambda: failures(platform) > 2)
        assert sessions(platform) == before


def sessions(platform: Platform) -> list[int]:
    rows = platform.rows(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'pyreplctl'"
        " AND query LIKE '%%pyrepl.deliver%%' AND datname = current_database()"
        " ORDER BY 1"
    )
    return [row[0] for row in rows]


def failures(platform: Platform) -> int:
    rows = platform.rows("SELECT failures FROM pyrepl.health ORDER BY database_id")
    platform.execute("UPDATE pyrepl.health SET retry_at = NULL")
    return int(rows[0][0])


def test_no_writer_fails_where_delivery_is_immediate(immediate: Platform) -> None:
    far = immediate.course(FAR, delivery="immediate")
    near = immediate.course(NEAR, delivery="immediate")
    for user, name in enumerate((*ERRORS, *ANSWERS), 1):
        attack(far, name)
        immediate.execute("UPDATE pyrepl.health SET stalled_at = NULL, retry_at = NULL")
        immediate.member(user, FAR, NEAR)
        assert user in near.users, name


CONTROLS: dict[str, tuple[LiteralString, LiteralString, LiteralString]] = {
    "no ids": (
        "pyrepl.note_failure",
        "pyrepl.ids_in(p_detail)",
        "CASE WHEN p_sqlstate = 'PR021' THEN p_detail END::bigint[]",
    ),
    "cancelled": (
        "pyrepl.serve",
        "OTHERS OR query_canceled OR assert_failure",
        "OTHERS",
    ),
    "asserted": (
        "pyrepl.serve",
        "OTHERS OR query_canceled OR assert_failure",
        "OTHERS",
    ),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_control_without_what_books_it_the_call_ends(
    platform: Platform, name: str
) -> None:
    far, near = platform.course(FAR), platform.course(NEAR)
    refuse(far, f"{ERRORS[name]};")
    platform.member(1, FAR, NEAR)
    with altered(platform, *CONTROLS[name]), pytest.raises(psycopg.Error):
        serve(platform)
    assert near.users == []


def test_serve_itself_can_still_be_cancelled(platform: Platform) -> None:
    course = platform.course(FAR)
    refuse(course, "PERFORM pg_sleep(3600);")
    platform.member(1, FAR)
    session = platform.session(autocommit=True)
    ended = threading.Event()

    def call() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            session.execute("CALL pyrepl.serve('1 h')")
        ended.set()

    thread = threading.Thread(target=call)
    thread.start()
    active = (
        "SELECT 1 FROM pg_stat_activity WHERE query ~ 'inbox' AND wait_event ~ 'Sleep'"
    )
    until(lambda: course.rows(active))
    session.cancel_safe()
    thread.join(20)
    assert ended.is_set()


COMMIT_FAILS: LiteralString = """
    CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'at the end'; END $$;
    CREATE TABLE public.noted ();
    GRANT INSERT ON public.noted TO PUBLIC;
    CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON public.noted
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.fail();
"""


def test_a_session_whose_call_a_course_has_ended_serves_the_others_in_the_next(
    platform: Platform,
) -> None:
    """An error in COMMIT cannot be caught in SQL; the session lives, unlike a crash."""
    far, near = platform.course(FAR), platform.course(NEAR)
    far.execute(COMMIT_FAILS)
    lie(far, "INSERT INTO public.noted DEFAULT VALUES;")
    platform.member(1, FAR, NEAR)
    session = platform.session(autocommit=True)

    def call() -> bool:
        try:
            session.execute("CALL pyrepl.serve('0 s')")
        except psycopg.Error:
            return False
        return True

    calls = [call() for _ in range(6)]
    assert near.users == [1]
    assert True in calls
    (database, _) = status.read(platform.connection).databases
    assert database.health == "backing_off"
