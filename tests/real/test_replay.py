from __future__ import annotations

import os
from pathlib import Path

import psycopg
import pytest

from tests.conftest import NewCourse
from tests.real.replay import FILE, Event, Report, compare, events, replay
from tests.support.platform import FOR_GOOD, Platform

ROWS = 2000

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not Path(os.environ.get(FILE, "")).is_file(),
        reason=f"no real enrollments: {FILE} does not name the file",
    ),
]


@pytest.fixture(scope="module")
def happened() -> list[Event]:
    return events(Path(os.environ[FILE]), ROWS)


def test_real_enrollments_end_equal(
    platform: Platform, new_course: NewCourse, happened: list[Event]
) -> None:
    report = replay(platform.dsn, happened, new_course)
    assert report.differences == []
    assert report.registrations == ROWS
    assert report.live == ROWS - report.unregistrations
    assert report.dossiers >= report.students
    assert report.rows_compared > 3 * report.live


def test_the_comparison_sees_a_single_wrong_row(
    platform: Platform, new_course: NewCourse, happened: list[Event]
) -> None:
    few = [e for e in happened if e.course == happened[0].course][:20]
    dsns: dict[str, str] = {}

    def remembered(name: str, askbot: bool) -> str:
        return dsns.setdefault(name, new_course(name, askbot))

    assert replay(platform.dsn, few, remembered).differences == []
    course, (dsn,) = few[0].course, dsns.values()
    with psycopg.connect(dsn) as connection:
        connection.execute(FOR_GOOD)  # or the guard refuses
        connection.execute(
            "DELETE FROM student_courseenrollment"
            " WHERE id = (SELECT min(id) FROM student_courseenrollment)"
        )
    report = Report()
    compare(platform.dsn, {course: dsn}, few, report)
    (line,) = report.differences
    assert line.startswith(f"{course}: only at the portal")


def test_the_file_is_what_was_published() -> None:
    all_events = events(Path(os.environ[FILE]))
    assert sum(not e.leaves for e in all_events) == 32593
    assert sum(e.leaves for e in all_events) == 10072
    assert len({e.student for e in all_events}) == 28785
    assert len({e.course for e in all_events}) == 22
