"""Ranges where most users are members: sums of rows first, users where they differ."""

from __future__ import annotations

from typing import Any

import pytest

from pyreplctl.verify import digests
from pyreplctl.verify.digests import DigestRequest
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"
MEMBERS = 3000


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """See after a hundred users what the others are like."""
    monkeypatch.setattr(digests, "FIRST", 100)


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.members(MEMBERS, TOY)
    platform.deliver()
    return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[DigestRequest]:
    """All that the two sides are asked for."""
    both = digests._both
    seen = []

    def seeing(sides: Any, asked: DigestRequest) -> Any:
        seen.append(asked)
        return both(sides, asked)

    monkeypatch.setattr(digests, "_both", seeing)
    return seen


def test_nobody_is_looked_at_where_the_sums_are_equal(
    platform: Platform, course: Course, asked: list[DigestRequest]
) -> None:
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, MEMBERS, 0)
    assert [each.shift for each in asked] == [4, 63]


def test_users_who_are_not_members_are_taken_away_from_the_total(
    platform: Platform, course: Course, asked: list[DigestRequest]
) -> None:
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id % 5 = 0")
    course.tamper(
        "SELECT pyrepl.erase(array_agg(i)) FROM generate_series(5, 3000, 5) i"
    )
    platform.execute("DELETE FROM pyrepl.placement WHERE user_id % 5 = 0")
    platform.execute("DELETE FROM pyrepl.change")
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, 2400, 0)
    assert [each.shift for each in asked] == [4, 63]


def test_only_the_bucket_of_somebody_who_is_not_a_member_is_looked_at(
    platform: Platform, course: Course, asked: list[DigestRequest]
) -> None:
    """Of whom the first ids show nothing, in a database of one course."""
    forget(platform, course, 2500)
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, MEMBERS - 1, 0)
    assert [each.shift for each in asked] == [4, 63, 4, 0]
    assert asked[-1].users == list(range(2496, 2512))


def test_nobody_is_a_member_twice_who_is_enrolled_twice(
    platform: Platform, asked: list[DigestRequest]
) -> None:
    other = "edX/other/2012_Fall"
    course = platform.course(TOY, other)
    platform.members(MEMBERS, TOY)
    platform.execute(
        "INSERT INTO student_courseenrollment SELECT 10000 + i, i, %s, now()"
        " FROM generate_series(1, 3000, 2) i",
        other,
    )
    platform.deliver()
    forget(platform, course, 2500)
    forget(platform, course, 2501)
    asked.clear()
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, MEMBERS - 2, 0)
    assert [each.shift for each in asked] == [4, 63]


def forget(platform: Platform, course: Course, user: int) -> None:
    """Make somebody who is at the portal a stranger to the course."""
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id = %s", user)
    course.tamper(f"SELECT pyrepl.erase(ARRAY[{user}::bigint])")
    platform.execute("DELETE FROM pyrepl.placement WHERE user_id = %s", user)
    platform.execute("DELETE FROM pyrepl.change")


PLANTED = (
    "UPDATE auth_user SET email = 'x' WHERE id = 500",
    "UPDATE auth_userprofile SET goals = '' WHERE user_id = 600",
    "DELETE FROM auth_userprofile WHERE user_id = 700",
    "DELETE FROM student_courseenrollment WHERE user_id = 800",
    "INSERT INTO student_courseenrollment VALUES (100000, 900, 'edX/other')",
    "SELECT pyrepl.erase(ARRAY[1000::bigint])",
    "INSERT INTO pyrepl.copy (user_id, generation) VALUES (5000, 0)",
    "DELETE FROM pyrepl.copy WHERE user_id = 1100",
    "UPDATE auth_user SET email = 'x' WHERE id = 3000",
    # What two users of a bucket have exchanged is the same in all.
    "UPDATE auth_user SET email = 4003 - id || '@example.com' WHERE id IN (2001, 2002)",
    # As is what two tables, or two columns, have.
    """UPDATE auth_userprofile SET language = location, location = language
        WHERE user_id = 2500""",
)


def test_each_kind_of_difference_changes_the_total(
    platform: Platform, course: Course
) -> None:
    everybody = "UPDATE auth_userprofile SET language = 'en', location = 'Bern'"
    platform.execute(everybody)
    platform.deliver()
    ask = "SELECT pyrepl.digest_total(0, 10000, 7) AS total"
    here = "SELECT digests FROM pyrepl.truth_total_1(0, 10000, 7, '{}')"
    (mine,) = platform.rows(here)
    (theirs,) = course.rows(ask)
    assert mine == theirs
    totals = [theirs]
    for planted in PLANTED:
        course.tamper(planted)
        totals += course.rows(ask)
    assert len(set(totals)) == len(PLANTED) + 1


def test_each_kind_of_difference_makes_a_sum_differ(
    platform: Platform, course: Course
) -> None:
    for planted in PLANTED[:-1]:
        course.tamper(planted)
    (found,) = platform.verify().values()
    assert found.drifted == [
        *(500, 600, 700, 800, 900, 1000, 1100, 2001, 2002, 3000, 5000)
    ]


def test_who_has_left_is_looked_at_by_user(
    platform: Platform, course: Course, asked: list[DigestRequest]
) -> None:
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id IN (700, 900)")
    platform.deliver()
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, MEMBERS - 2, 2)
    assert [each.shift for each in asked[:3]] == [4, 63, 4]
    assert [len(each.users or []) for each in asked] == [0, 0, 0, 32]


def test_where_many_have_left_all_are_looked_at_by_user(
    platform: Platform, course: Course, asked: list[DigestRequest]
) -> None:
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id % 10 = 0")
    platform.deliver()
    (found,) = platform.verify().values()
    assert (found.ok, found.users, found.former) == (True, 2700, 300)
    assert [each.sums for each in asked] == [False, True, False]


def test_a_member_who_nobody_knows_was_copied_is_found(
    platform: Platform, course: Course
) -> None:
    platform.execute("DELETE FROM pyrepl.placement WHERE user_id = 700")
    course.tamper("DELETE FROM pyrepl.copy WHERE user_id = 700")
    (found,) = platform.verify().values()
    assert found.drifted == [700]
