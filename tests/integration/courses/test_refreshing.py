"""Several course databases that are refreshed at once."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import LiteralString

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.core.db import connect
from pyreplctl.core.errors import DatabaseError
from pyreplctl.core.locks import LOCK_CLASS, REFRESH_LOCK
from pyreplctl.courses.refresh import refresh
from pyreplctl.install.portal import check, install
from pyreplctl.schema.objects import ObjectChange
from tests.support.platform import Course, Platform
from tests.support.polling import until

BIO: LiteralString = "ALTER TABLE auth_userprofile ADD COLUMN bio text"


def refreshed(platform: Platform, course: Course) -> list[ObjectChange]:
    with connect(platform.dsn, "the portal") as connection:
        return refresh(connection, platform.config, course.name, course.dsn)


def waiting(dsn: str) -> bool:
    """Say whether a session of ours waits for a lock in this database."""
    with psycopg.connect(dsn) as connection:
        return bool(
            connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'pyreplctl' AND wait_event_type = 'Lock'"
            ).fetchall()
        )


def test_one_that_hangs_holds_up_installs_but_no_other_refresh(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    forum, wiki = platform.course("c"), platform.course("d")
    wiki.execute("DROP VIEW pyrepl.digest")
    with ThreadPoolExecutor() as pool, psycopg.connect(forum.dsn) as holder:
        holder.execute("LOCK TABLE pyrepl.binding IN SHARE MODE")
        hanging = pool.submit(refreshed, platform, forum)
        until(lambda: waiting(forum.dsn))
        assert [c.object for c in refreshed(platform, wiki)] == ["view digest"]
        with monkeypatch.context() as patch:
            clock = iter(range(0, 1000, 50))
            patch.setattr("pyreplctl.core.locks.time.monotonic", lambda: next(clock))
            with pytest.raises(DatabaseError, match="another install"):
                install(platform.dsn, Config())
        assert not hanging.done()
        holder.rollback()
        assert hanging.result() == []


def test_the_portals_functions_are_replaced_by_one_after_the_other(
    platform: Platform,
) -> None:
    courses = [platform.course(key) for key in "cdefgh"]
    for course in courses:
        course.execute(BIO)
    platform.execute(BIO)
    install(platform.dsn, Config())
    ready = threading.Barrier(len(courses))

    def one(course: Course) -> list[ObjectChange]:
        ready.wait()
        return refreshed(platform, course)

    with ThreadPoolExecutor(len(courses)) as pool:
        done = list(pool.map(one, courses))
    assert all(done)
    assert check(platform.dsn, Config()) == []
    platform.member(1, "c")
    platform.execute("UPDATE auth_userprofile SET bio = 'written' WHERE user_id = 1")
    platform.deliver()
    assert courses[0].rows("SELECT bio FROM auth_userprofile") == [("written",)]


def test_a_refresh_leaves_the_functions_of_other_databases_alone(
    platform: Platform,
) -> None:
    forum, wiki = platform.course("c"), platform.course("d")
    for number in (1, 2):
        platform.execute(
            f"ALTER FUNCTION pyrepl.truth_total_{number}(bigint, bigint, bigint,"
            " bigint[]) COST 7"
        )
    assert [c.object for c in refreshed(platform, forum)] == ["function truth_total_1"]
    assert [c.object for c in refreshed(platform, wiki)] == ["function truth_total_2"]


def test_control_they_wait_for_a_lock_of_their_own(platform: Platform) -> None:
    course = platform.course("c")
    holder = platform.session()
    holder.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, REFRESH_LOCK))
    with ThreadPoolExecutor() as pool:
        hanging: Future[list[ObjectChange]] = pool.submit(refreshed, platform, course)
        until(lambda: waiting(platform.dsn))
        assert not hanging.done()
        holder.rollback()
        assert hanging.result() == []
