"""Ranges where most users are members: sums of rows first, users where they differ."""

from __future__ import annotations

from typing import Any

import pytest

from pyreplctl import comparing
from pyreplctl.comparing import Asked
from tests.platform import Course, Platform

TOY = "edX/toy/2012_Fall"
MEMBERS = 3000


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """See after a hundred users what the others are like."""
    monkeypatch.setattr(comparing, "FIRST", 100)


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.members(MEMBERS, TOY)
    platform.deliver()
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    """All that the two sides are asked for."""
    both = comparing._both
    seen = []

    def seeing(sides: Any, pool: Any, asked: Asked) -> Any:
        seen.append(asked)
        return both(sides, pool, asked)

    monkeypatch.setattr(comparing, "_both", seeing)
    return seen


def test_nobody_is_looked_at_where_the_sums_are_equal(
    platform: Platform, course: Course, asked: list[Asked]
) -> None:
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, MEMBERS, 0)
    assert [each.sums for each in asked] == [False, True]


def test_each_kind_of_difference_makes_a_sum_differ(
    platform: Platform, course: Course
) -> None:
    course.tamper("UPDATE auth_user SET email = 'x' WHERE id = 500")
    course.tamper("UPDATE auth_userprofile SET goals = '' WHERE user_id = 600")
    course.tamper("DELETE FROM auth_userprofile WHERE user_id = 700")
    course.tamper("DELETE FROM student_courseenrollment WHERE user_id = 800")
    course.tamper(
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (100000, 900, 'edX/other')"
    )
    course.tamper("SELECT pyrepl.erase(ARRAY[1000::bigint])")
    course.tamper("INSERT INTO pyrepl.copy (user_id, generation) VALUES (5000, 0)")
    course.tamper("DELETE FROM pyrepl.copy WHERE user_id = 1100")
    course.tamper("UPDATE auth_user SET email = 'x' WHERE id = 3000")
    # What two users of a bucket have exchanged is the same in all.
    course.tamper(
        "UPDATE auth_user SET email = CASE id WHEN 2001 THEN '2002@example.com'"
        " ELSE '2001@example.com' END WHERE id IN (2001, 2002)"
    )
    (found,) = platform.verify().values()
    planted = [500, 600, 700, 800, 900, 1000, 1100, 2001, 2002, 3000, 5000]
    assert found.drifted == planted


def test_who_has_left_is_looked_at_by_user(
    platform: Platform, course: Course, asked: list[Asked]
) -> None:
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id IN (700, 900)")
    platform.deliver()
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, MEMBERS - 2, 2)
    assert [len(each.users or []) for each in asked] == [0, 0, 64]


def test_where_many_have_left_all_are_looked_at_by_user(
    platform: Platform, course: Course, asked: list[Asked]
) -> None:
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id % 10 = 0")
    platform.deliver()
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, 2700, 300)
    assert [each.sums for each in asked] == [False, True, False]
