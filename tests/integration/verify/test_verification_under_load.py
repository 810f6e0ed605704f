"""Verification while others write: no false drift, and no difference overlooked.

PYREPLCTL_VERIFICATIONS says how many in a row; `make verify-load` takes a hundred.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from pyreplctl.verify import data, digests
from pyreplctl.verify.data import Result
from tests.support.clocks import working
from tests.support.platform import Course, Platform
from tests.support.polling import until

TIMES = int(os.environ.get("PYREPLCTL_VERIFICATIONS", "5"))
TOY = "edX/toy/2012_Fall"
USERS = 300
UNTOUCHED = USERS + 1  # a member whom no writer writes
WRITERS = 2


@dataclass
class Load:
    """Writers at the portal, and how much they have written."""

    dsn: str
    written: int = 0
    error: Exception | None = None

    @contextmanager
    def running(self) -> Iterator[None]:
        over = threading.Event()
        threads = [
            threading.Thread(target=self.write, args=(number, over))
            for number in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()
        if self.error:
            raise self.error

    def write(self, number: int, over: threading.Event) -> None:
        """Edit users and profiles, enroll and unenroll, each user by one writer."""
        chance = random.Random(number)
        users = range(1 + number, USERS + 1, WRITERS)
        try:
            with psycopg.connect(self.dsn, autocommit=True) as session:
                while not over.is_set():
                    self.edit(session, chance.choice(users), chance)
                    self.written += 1
        except psycopg.Error as error:
            self.error = error

    def edit(
        self,
        session: psycopg.Connection[tuple[object, ...]],
        user: int,
        chance: random.Random,
    ) -> None:
        mark = f"{chance.random()}"
        match chance.randrange(4):
            case 0:
                session.execute(
                    "UPDATE auth_user SET last_name = %s WHERE id = %s", (mark, user)
                )
            case 1:
                session.execute(
                    "UPDATE auth_userprofile SET meta = %s WHERE user_id = %s",
                    (mark, user),
                )
            case 2:
                session.execute(
                    "DELETE FROM student_courseenrollment WHERE user_id = %s", (user,)
                )
            case _:
                session.execute(
                    "INSERT INTO student_courseenrollment (user_id, course_id, created)"
                    " VALUES (%s, %s, now()) ON CONFLICT DO NOTHING",
                    (user, TOY),
                )


@pytest.fixture(params=["as it is", "as if large"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the whole course at once, as it is small; or as if it were large.

    Then sums come first, and two sessions look at suspects.
    """
    if request.param == "as if large":
        monkeypatch.setattr(digests, "FIRST", 32)
        monkeypatch.setattr(data, "MANY", 2)


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.members(UNTOUCHED, TOY)
    platform.deliver()
    return made


@contextmanager
def under_load(platform: Platform) -> Iterator[Load]:
    """Write and deliver while the block runs."""
    load = Load(platform.dsn)
    with ExitStack() as stack:
        stack.enter_context(working(platform.dsn))
        stack.enter_context(load.running())
        until(lambda: load.written > 50)
        yield load


def verified(platform: Platform) -> Result:
    (found,) = data.verify(platform.dsn, platform.config, [])
    return found


def test_what_is_on_its_way_is_never_drift(platform: Platform, course: Course) -> None:
    with under_load(platform) as load:
        before, started = load.written, time.monotonic()
        for _ in range(TIMES):
            found = verified(platform)
            assert found.ok, found
        assert load.written > before
        rate = (load.written - before) / (time.monotonic() - started)
        print(f"{TIMES} verifications, {rate:.0f} writes a second")  # noqa: T201
    platform.deliver()
    platform.assert_equal()


def test_without_a_look_at_what_waits_it_would_be(
    platform: Platform, course: Course
) -> None:
    platform.execute(
        "CREATE OR REPLACE FUNCTION pyrepl.pending_users("
        "p_database integer, p_users bigint[]) RETURNS TABLE (user_id bigint)"
        " LANGUAGE sql AS 'SELECT 1::bigint WHERE false'"
    )
    with under_load(platform):
        until(lambda: verified(platform).ok is False)


def test_a_difference_is_found_by_the_first_verification(
    platform: Platform, course: Course
) -> None:
    course.tamper("UPDATE auth_user SET email = 'x' WHERE id = %s", UNTOUCHED)
    with under_load(platform):
        found = verified(platform)
    assert found.drifted == [UNTOUCHED]
    assert found.examples[0].columns == ["email"]
