"""A course that goes on after its time-out is named, and takes nobody else's time."""

from __future__ import annotations

import logging

import pytest

from pyreplctl.delivery import worker as workers
from tests.integration.trust.hostile import refuse
from tests.integration.trust.test_one_stops_others import working
from tests.support.platform import Course, Platform
from tests.support.polling import until

FAR, NEAR = "edX/far", "edX/near"

# What a statement_timeout of the link does not end.
STUBBORN = """
    DECLARE
        v_until timestamptz := clock_timestamp() + interval '8 s';
    BEGIN
        WHILE clock_timestamp() < v_until LOOP
            BEGIN
                PERFORM pg_sleep(1);
            EXCEPTION WHEN query_canceled THEN NULL;
            END;
        END LOOP;
    END;
"""


@pytest.fixture
def courses(platform: Platform) -> tuple[Course, Course]:
    """A course that survives its time-outs, and one that is well."""
    far, near = platform.course(FAR), platform.course(NEAR)
    refuse(far, STUBBORN)
    return far, near


def named(caplog: pytest.LogCaptureFixture, course: Course) -> bool:
    return f"{course.name}: does not answer" in caplog.messages


def test_the_worker_names_it_cancels_and_serves_the_others(
    platform: Platform,
    courses: tuple[Course, Course],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    far, near = courses
    monkeypatch.setattr(workers, "TOO_LONG", 2.0)
    caplog.set_level(logging.WARNING, "pyreplctl.worker")
    with working(platform):
        platform.member(1, FAR, NEAR)
        until(lambda: near.users == [1])
        until(lambda: named(caplog, far))
        platform.member(2, NEAR)
        until(lambda: near.users == [1, 2])
        until(
            lambda: platform.rows(
                "SELECT 1 FROM pyrepl.health WHERE failed_at IS NOT NULL"
            ),
        )


def test_control_without_the_limit_nobody_says_so(
    platform: Platform, courses: tuple[Course, Course], caplog: pytest.LogCaptureFixture
) -> None:
    far, near = courses
    caplog.set_level(logging.WARNING, "pyreplctl.worker")
    with working(platform):
        platform.member(1, FAR, NEAR)
        until(lambda: near.users == [1])
        until(lambda: far.users == [1])
    assert not named(caplog, far)
