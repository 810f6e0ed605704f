"""Erasing a copy that the course refers to, whatever its constraints allow."""

from __future__ import annotations

import psycopg
import pytest

from pyreplctl.core.errors import NotSuitable
from pyreplctl.delivery import dead_letters
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"
CHECKS = {
    "email": "email ~ '^[^@]+@[^@]+$'",
    "the mail of a domain": "email LIKE '%@example.com'",
    "password": "length(password) >= 6",
    "a long name": "first_name = '' OR length(last_name) > 3",
    "username": "username ~ '^[a-z0-9]+$'",
    "date_joined": "date_joined > '2005-01-01'",
    "last_login": "last_login >= date_joined",
    "is_active": "is_active",
}
IMPOSSIBLE = "email ~ '^user1?[0-9]@example.com$'"


def referring(platform: Platform) -> Course:
    """A course with posts of its own, and a unique e-mail."""
    course = platform.course(TOY)
    course.execute("CREATE TABLE post (author integer NOT NULL REFERENCES auth_user)")
    course.execute("ALTER TABLE auth_user ADD CONSTRAINT mail UNIQUE (email)")
    course.about_owner("GRANT SELECT ON post TO OWNER")
    return course


def author(platform: Platform, course: Course, user: int) -> None:
    platform.member(user, TOY)
    assert platform.deliver() == {}
    course.execute("INSERT INTO post VALUES (%s)", user)


def delete(platform: Platform, user: int) -> None:
    with platform.connection.transaction():
        platform.unenroll(user, TOY)
        platform.execute("DELETE FROM auth_userprofile WHERE user_id = %s", user)
        platform.execute("DELETE FROM auth_user WHERE id = %s", user)


def erased(platform: Platform, course: Course, user: int) -> bool:
    """Delete a user whom the course refers to; whether nothing of him is left."""
    author(platform, course, user)
    person = {"First", "Last", "secret", f"user{user}", f"user{user}@example.com"}
    assert person <= {str(value) for value in course.user(user).values()}
    delete(platform, user)
    platform.deliver()
    return not person & {str(value) for value in course.user(user).values()}


def constrained(course: Course, *checks: str) -> None:
    """Replace the checks of the course."""
    course.execute("ALTER TABLE auth_user DROP CONSTRAINT IF EXISTS odd")
    if checks:
        both = " AND ".join(f"({check})" for check in checks)
        add = f"ALTER TABLE auth_user ADD CONSTRAINT odd CHECK ({both}) NOT VALID"
        course.connection.execute(add.encode())


def test_nothing_of_the_person_stays_whatever_the_checks(platform: Platform) -> None:
    course = referring(platform)
    found = {}
    for user, (name, check) in enumerate(CHECKS.items(), 10):
        constrained(course, check)
        found[name] = erased(platform, course, user)
        assert course.user(user)["is_active"] is (name == "is_active")
    constrained(course, *CHECKS.values())
    found["all of them"] = erased(platform, course, 30)
    assert found == dict.fromkeys(found, True)
    assert platform.rows("SELECT FROM pyrepl.retry") == []
    platform.assert_equal()


def test_what_cannot_be_erased_is_a_dead_letter_with_column_and_constraint(
    platform: Platform,
) -> None:
    course = referring(platform)
    constrained(course, IMPOSSIBLE)
    assert not erased(platform, course, 10)
    [found] = dead_letters.dead(platform.connection)
    assert (found.user_id, found.sqlstate) == (10, "PR023")
    assert found.message == (
        "user 10 cannot be erased: column email of public.auth_user takes no other"
        " value, constraint odd"
    )
    constrained(course)
    dead_letters.retry(platform.connection, dead_letters.dead(platform.connection))
    assert platform.deliver() == {}
    assert course.user(10)["email"] == "~erased~10"


def test_registration_rehearses_what_erasure_writes(platform: Platform) -> None:
    platform.member(1, TOY, username="user1")
    dsn = platform.new_course()
    with psycopg.connect(dsn, autocommit=True) as there:
        there.execute(
            f"ALTER TABLE auth_user ADD CONSTRAINT odd CHECK ({IMPOSSIBLE})".encode()
        )
    with pytest.raises(NotSuitable, match=r"column email .* constraint odd"):
        platform.register(dsn, TOY)


def test_control_with_one_value_for_each_column_the_person_would_stay(
    platform: Platform,
) -> None:
    course = referring(platform)
    course.execute(
        "CREATE OR REPLACE FUNCTION pyrepl.put_value(p_table regclass, p_key name,"
        " p_keys bigint[], p_column name, p_values text[], OUT refused bigint[],"
        " OUT problem text) LANGUAGE sql AS $$SELECT p_keys, 'odd'$$"
    )
    constrained(course, CHECKS["email"])
    assert not erased(platform, course, 10)
