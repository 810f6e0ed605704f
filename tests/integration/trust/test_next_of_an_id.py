"""Whoever gets an id that somebody else had is not sent where only that one was."""

from __future__ import annotations

import pytest

from tests.integration.trust.hostile import altered, lie
from tests.integration.trust.test_ids import number, placed, spy
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"


@pytest.fixture
def course(platform: Platform) -> Course:
    """A course with two members, that keeps all that it is sent."""
    made = platform.course(TOY)
    for user in (1, 5):
        platform.member(user, TOY)
    platform.deliver()
    spy(made)
    return made


def delete(platform: Platform) -> None:
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id = 5")
    platform.execute("DELETE FROM auth_userprofile WHERE user_id = 5")
    platform.execute("DELETE FROM auth_user WHERE id = 5")


def successor(course: Course) -> list[str]:
    """Return what came of the next of that id."""
    rows = course.rows(
        "SELECT users FROM public.seen WHERE users LIKE '%successor%'"
        " OR profiles LIKE '%Successor%'"
    )
    return [row[0] for row in rows]


def come_back(platform: Platform) -> None:
    with platform.connection.transaction():
        delete(platform)
        platform.user(5, username="successor", profile=False)
        platform.profile(5, "Successor")
    platform.deliver()


def test_the_next_of_an_id_is_not_sent_if_he_is_no_member(
    platform: Platform, course: Course
) -> None:
    come_back(platform)
    assert successor(course) == []
    assert course.users == placed(platform) == [1]
    platform.assert_equal()


def test_control_without_the_generation_he_is(
    platform: Platform, course: Course
) -> None:
    with altered(
        platform, f"pyrepl.dossiers_{number(platform)}", "p.generation >=",
        "true OR p.generation >=",
    ):  # fmt: skip
        come_back(platform)
    assert successor(course)


def test_nor_where_the_course_says_that_it_has_the_copy_still(
    platform: Platform, course: Course
) -> None:
    lie(course, "NEW.copies := NEW.ids;")
    delete(platform)
    platform.deliver()
    platform.user(5, username="successor", profile=False)
    platform.profile(5, "Successor")
    platform.deliver()
    platform.execute("UPDATE auth_user SET email = 'x@example.com' WHERE id = 5")
    platform.deliver()
    assert successor(course) == []
    assert placed(platform) == [1]


def test_the_next_of_an_id_is_sent_once_he_is_a_member_and_kept_current_after(
    platform: Platform, course: Course
) -> None:
    come_back(platform)
    platform.enroll(5, TOY)
    platform.deliver()
    assert successor(course)
    platform.unenroll(5, TOY)
    platform.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 5")
    platform.deliver()
    assert course.user(5)["email"] == "new@example.com"
    platform.assert_equal()
