from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import pytest
from psycopg.errors import LockNotAvailable, QueryCanceled

from pyreplctl.core.config import Config
from pyreplctl.core.locks import LOCK_CLASS
from pyreplctl.verify import data, digests
from pyreplctl.verify.data import Result
from pyreplctl.verify.digests import Range, SessionPair
from tests.support.platform import Connection, Course, Platform
from tests.support.polling import until

TOY = "edX/toy/2012_Fall"
STALE = "UPDATE auth_user SET email = 'x' WHERE id = ANY (%s)"


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.members(100, TOY)
    platform.deliver()
    return made


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare ten ids at a time."""
    for name in ("FIRST", "WIDTH", "NARROWEST"):
        monkeypatch.setattr(digests, name, 10)


def verified(platform: Platform, *, resume: bool = False) -> Result:
    (found,) = data.verify(platform.dsn, Config(), [], target=1e-6, resume=resume)
    return found


def interrupted(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Verify, and be interrupted in the range after so many."""
    compare = digests._compare
    ranges = 0

    def counting(*args: object, **options: object) -> Range:
        nonlocal ranges
        ranges += 1
        if ranges > after:
            raise KeyboardInterrupt
        return compare(*args, **options)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(digests, "_compare", counting)
        with pytest.raises(KeyboardInterrupt):
            verified(platform)


def test_what_differs_is_found_in_every_range(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    users = [1, 10, 11, 20, 21, 55, 100]
    course.tamper(STALE, users)
    found = verified(platform)
    assert (found.users, found.drifted) == (100, users)


def test_an_interrupted_verification_goes_on_where_it_was(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    course.tamper(STALE, [5, 95])
    interrupted(platform, monkeypatch, after=3)
    course.tamper(STALE, [6])
    found = verified(platform, resume=True)
    assert (found.users, found.drifted) == (100, [5, 95])
    # The next begins anew: nothing is left of the one that came to its end.
    assert verified(platform, resume=True).drifted == [5, 6, 95]


def test_without_resume_it_begins_anew(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    interrupted(platform, monkeypatch, after=3)
    course.tamper(STALE, [6])
    found = verified(platform)
    assert (found.users, found.drifted) == (100, [6])


def test_what_was_mended_meanwhile_is_no_drift_when_it_goes_on(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)
    course.tamper(STALE, [5])
    interrupted(platform, monkeypatch, after=3)
    platform.execute("UPDATE auth_user SET last_name = 'New' WHERE id = 5")
    platform.deliver()
    assert verified(platform, resume=True).ok


def test_few_members_among_many_users_are_compared_too(
    platform: Platform, course: Course
) -> None:
    far = platform.course("edX/far")
    platform.member(5_000_000, "edX/far")
    platform.member(5_100_000, "edX/far")
    platform.deliver()
    far.tamper(STALE, [5_100_000])
    found = platform.verify()[far.name]
    assert (found.users, found.drifted) == (2, [5_100_000])


def test_negative_and_large_ids_are_compared_too(
    platform: Platform, course: Course
) -> None:
    edge = platform.course("edX/edge")
    for number in (-7, 2_147_000_000):
        platform.user(number)
        platform.enroll(number, "edX/edge")
    platform.deliver()
    edge.tamper(STALE, [-7, 2_147_000_000])
    assert platform.verify()[edge.name].drifted == [-7, 2_147_000_000]


def test_a_statement_that_times_out_is_tried_with_fewer_users(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[tuple[int, int]] = []

    def compare(sides: SessionPair, way: object, first: int, last: int) -> Range:
        if last - first > 10_000:
            raise QueryCanceled
        compared.append((first, last))
        return Range(last, 0, 0, [])

    monkeypatch.setattr(digests, "_compare", compare)
    monkeypatch.setattr(digests, "_limit", lambda *_: None)
    sides = SessionPair(None, None, None, 1, 1, 0.5)  # type: ignore[arg-type]
    list(digests.ranges(sides, 0, 30_000))
    assert [first for first, _ in compared[1:]] == [last for _, last in compared[:-1]]
    assert (compared[0][0], compared[-1][1]) == (0, 30_001)


SLOW = """CREATE OR REPLACE FUNCTION pyrepl.digest_buckets(
        p_users bigint[], p_first bigint, p_last bigint, p_shift integer, p_seed bigint)
    RETURNS bytea LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(60) WHERE p_last - p_first > {};
        RETURN '';
    END $$"""


def slowed(course: Course, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the course answer in time for so many ids only, and wait 100 ms for it."""
    narrow(monkeypatch)
    monkeypatch.setattr(digests, "FIRST", 200)
    monkeypatch.setattr(digests, "PATIENCE", 0.1)
    course.connection.execute(SLOW.format(most).encode())


def test_a_course_that_is_slow_is_asked_for_less_at_a_time(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed(course, 30, monkeypatch)
    course.tamper(STALE, [77])
    found = verified(platform)
    assert (found.error, found.users, found.drifted) == (None, 100, [77])


def test_a_course_that_does_not_answer_in_time_is_an_error(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed(course, 5, monkeypatch)
    found = verified(platform)
    assert found.ok is None
    assert "timeout" in (found.error or "")


def seen_between_ranges(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> list[int]:
    """Verify; return how many other sessions held a snapshot after each range."""
    narrow(monkeypatch)
    held = []
    note = data._note

    def noting(*args: Any) -> None:
        note(*args)
        rows = platform.rows(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            " AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)"
        )
        held.append(len(rows))

    monkeypatch.setattr(data, "_note", noting)
    assert verified(platform).ok
    return held


def test_no_snapshot_outlives_a_range(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seen_between_ranges(platform, monkeypatch) == [0] * 9


def test_one_that_does_would_be_seen(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = platform.session()
    session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    session.execute("SELECT 1")
    assert seen_between_ranges(platform, monkeypatch) == [1] * 9


def test_ranges_are_as_wide_as_the_target_time_allows(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow(monkeypatch)

    def ends(target: float) -> Iterator[int]:
        with data._sessions(platform.dsn, 1, target) as sides:
            for part in digests.ranges(sides, 1, 100):
                yield part.last

    assert list(ends(1e-6)) == [21, 31, 41, 51, 61, 71, 81, 91, 101]
    monkeypatch.setattr(digests, "WIDTH", 0)
    assert list(ends(1e6)) == [21, 61, 101]


def test_while_suspects_are_looked_at_nobody_delivers(
    platform: Platform, course: Course
) -> None:
    """And no longer: not until the transaction of whoever looks has ended."""
    looking = platform.session()
    take: LiteralString = "SELECT pg_advisory_lock(%s, 1)"
    platform.execute("SET lock_timeout = '1ms'")
    course.execute("BEGIN; LOCK TABLE auth_user")  # here the look waits
    with ThreadPoolExecutor(max_workers=1) as pool:
        query: LiteralString = "SELECT * FROM pyrepl.recheck_users(1, '{1}', 7)"
        asked = pool.submit(looking.execute, query)
        until(lambda: holds_lock(platform, looking))
        with pytest.raises(LockNotAvailable):
            platform.execute(take, LOCK_CLASS)
        course.execute("COMMIT")
        asked.result()
    assert not holds_lock(platform, looking)
    platform.execute(take, LOCK_CLASS)


def holds_lock(platform: Platform, looking: Connection) -> bool:
    query: LiteralString = (
        "SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = %s"
    )
    return bool(platform.rows(query, looking.info.backend_pid))


def test_looks_do_not_wait_for_one_another(platform: Platform, course: Course) -> None:
    for _ in range(2):
        looking = platform.session()
        looking.execute("SET lock_timeout = '1ms'")
        looking.execute("SELECT * FROM pyrepl.recheck_users(1, '{1}', 7)")


def test_a_course_that_cannot_answer_is_not_called_clean(
    platform: Platform, course: Course
) -> None:
    course.execute("ALTER TABLE auth_user DROP COLUMN email")
    found = platform.verify()[course.name]
    assert (found.ok, found.users) == (None, 0)
    assert "email" in (found.error or "")
