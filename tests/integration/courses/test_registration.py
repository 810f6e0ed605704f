from __future__ import annotations

import psycopg
import pytest

from pyreplctl.core.errors import NotSuitable, UsageError
from pyreplctl.courses.register import register
from pyreplctl.courses.request import Request
from tests.conftest import NewCourse
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"


def test_registration_tells_how_to_keep_ids_apart(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    _, first = platform.register(dsn, TOY)
    assert [s.split()[2] for s in first.sequences] == [
        "public.auth_user_id_seq",
        "public.auth_userprofile_id_seq",
        "public.student_courseenrollment_id_seq",
    ]


def test_the_statements_it_gives_keep_them_apart(
    platform: Platform, new_course: NewCourse
) -> None:
    _, told = platform.register(new_course(), TOY)
    dsn = new_course()
    with psycopg.connect(dsn, autocommit=True) as course:
        for statement in told.sequences:
            course.execute(statement.encode())
    _, done = platform.register(dsn, "edX/other")
    assert done.sequences == ()


def local_account(dsn: str, number: int, username: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as course:
        course.execute(
            "INSERT INTO auth_user (id, username, first_name, last_name, email,"
            " password, is_staff, is_active, is_superuser, last_login, date_joined)"
            " VALUES (%s, %s, '', '', '', '', false, true, false, now(), now())",
            (number, username),
        )


def test_a_course_that_is_added_meets_the_same_check(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    platform.register(dsn, TOY)
    local_account(dsn, 1, "user1")
    platform.member(1, "edX/other")
    with pytest.raises(NotSuitable, match="user1"):
        platform.register(dsn, "edX/other")
    assert platform.rows("SELECT course FROM pyrepl.hosting") == [(TOY,)]
    course, done = platform.register(dsn, "edX/other", adopt=True)
    assert done.adopting == ("1 (user1)",)
    assert course.enrollments == [(1, "edX/other")]
    platform.assert_equal()


def test_registering_again_with_adopt_clears_dead_letters(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    platform.register(dsn, TOY)
    local_account(dsn, 1, "user1")
    platform.member(1, TOY)
    assert "local account in the way" in str(platform.deliver())
    course, _ = platform.register(dsn, TOY, adopt=True)
    assert platform.rows("SELECT * FROM pyrepl.retry") == []
    assert course.enrollments == [(1, TOY)]
    platform.assert_equal()


def test_registering_again_does_not_change_the_link_in_silence(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    platform.register(dsn, TOY)
    request = Request((TOY,), dsn, link="host=127.0.0.2 port=1")
    with pytest.raises(UsageError, match="--link"):
        register(platform.connection, platform.config, request)


def test_a_key_in_which_nobody_is_enrolled_is_named(
    platform: Platform, new_course: NewCourse
) -> None:
    platform.member(1, TOY)
    _, done = platform.register(new_course(), TOY, "edX/toy/2012_fall")
    assert done.nobody == ("edX/toy/2012_fall",)


def test_a_registered_database_keeps_its_name(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    first = Request((TOY,), dsn, name="wiki")
    register(platform.connection, platform.config, first)
    again = register(platform.connection, platform.config, Request((TOY,), dsn))
    assert (again.name, again.created) == ("wiki", False)
