from __future__ import annotations

from typing import LiteralString

import pytest

from pyreplctl.verify import repair_data
from pyreplctl.verify.data import Difference
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"
USER = "public.auth_user"
PROFILE = "public.auth_userprofile"
ENROLLMENT = "public.student_courseenrollment"

Found = tuple[str, str, list[str] | None]

# What somebody does to user 2 whom the guard lets, and what is found: kind, table and
# columns.
PLANTED: dict[str, tuple[LiteralString, list[Found]]] = {
    "changed": (
        "UPDATE auth_user SET email = 'other@example.com' WHERE id = 2",
        [("stale", USER, ["email"])],
    ),
    "null for empty": (
        "UPDATE auth_userprofile SET goals = '' WHERE user_id = 2",
        [("stale", PROFILE, ["goals"])],
    ),
    "no profile": (
        "DELETE FROM auth_userprofile WHERE user_id = 2",
        [("missing", PROFILE, None)],
    ),
    "no enrollment": (
        "DELETE FROM student_courseenrollment WHERE user_id = 2",
        [("missing", ENROLLMENT, None)],
    ),
    "another enrollment": (
        (
            "INSERT INTO student_courseenrollment (id, user_id, course_id)"
            " VALUES (900, 2, 'edX/other')"
        ),
        [("extra", ENROLLMENT, None)],
    ),
    "nobody": (
        (
            "DELETE FROM student_courseenrollment WHERE user_id = 2;"
            " DELETE FROM auth_userprofile WHERE user_id = 2;"
            " DELETE FROM auth_user WHERE id = 2"
        ),
        [
            ("missing", ENROLLMENT, None),
            ("missing", PROFILE, None),
            ("missing", USER, None),
        ],
    ),
    "two columns": (
        "UPDATE auth_userprofile SET id = 77, gender = 'x' WHERE user_id = 2",
        [("stale", PROFILE, ["id", "gender"])],
    ),
    "another course": (
        "UPDATE student_courseenrollment SET course_id = 'edX/x' WHERE user_id = 2",
        [("stale", ENROLLMENT, ["course_id"])],
    ),
    "another id": (
        "UPDATE student_courseenrollment SET id = 900 WHERE user_id = 2",
        [("missing", ENROLLMENT, None), ("extra", ENROLLMENT, None)],
    ),
    "erased by mistake": (
        "SELECT pyrepl.erase(ARRAY[2])",
        [
            ("missing", ENROLLMENT, None),
            ("missing", PROFILE, None),
            ("missing", USER, None),
        ],
    ),
}


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY, askbot=True)
    for number in (1, 2, 3):
        platform.member(number, TOY)
    platform.deliver()
    return made


@pytest.mark.parametrize("what", PLANTED)
def test_what_differs_is_named_and_mended(
    platform: Platform, course: Course, what: str
) -> None:
    statement, expected = PLANTED[what]
    course.tamper(statement)
    found = platform.verify()[course.name]
    assert found.ok is False
    assert sorted(found.examples, key=str) == sorted(
        (Difference(2, *what) for what in expected), key=str
    )
    assert repair_data.repair(platform.dsn, repair_data.plan([found])) == {}
    platform.assert_equal()


def test_a_copy_that_the_portal_never_had_is_extra(
    platform: Platform, course: Course
) -> None:
    course.execute(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (77, 'ghost', '', '', '', '', false, true, false, now(), now())"
    )
    course.execute("INSERT INTO pyrepl.copy (user_id, generation) VALUES (77, 0)")
    found = platform.verify()[course.name]
    assert found.examples == [Difference(77, "extra", USER)]
    assert repair_data.repair(platform.dsn, repair_data.plan([found])) == {}
    assert course.users == [1, 2, 3]
    platform.assert_equal()


def test_what_waits_is_pending_and_no_drift(platform: Platform, course: Course) -> None:
    platform.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 2")
    found = platform.verify()[course.name]
    assert (found.ok, found.pending) == (True, 1)


def test_who_has_left_is_former_and_no_drift(
    platform: Platform, course: Course
) -> None:
    platform.unenroll(2, TOY)
    platform.deliver()
    found = platform.verify()[course.name]
    assert (found.ok, found.former, found.users) == (True, 1, 2)


def test_last_login_and_local_accounts_are_the_courses_own(
    platform: Platform, course: Course
) -> None:
    course.execute("UPDATE auth_user SET last_login = now() WHERE id = 2")
    course.execute(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (900, 'admin', '', '', '', '', true, true, true, now(), now())"
    )
    assert platform.verify()[course.name].ok


def test_a_database_that_cannot_be_looked_at_is_never_clean(
    platform: Platform, course: Course
) -> None:
    course.execute("ALTER VIEW pyrepl.digest RENAME TO elsewhere")
    found = platform.verify()[course.name]
    assert found.ok is None
    assert found.error
