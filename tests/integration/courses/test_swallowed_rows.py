"""What a course swallows, or makes something else of, is a failure with a name."""

from __future__ import annotations

from typing import LiteralString

import pytest

from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"

# Name and how it is made; then what of the portal runs into it.
SWALLOWS: dict[str, tuple[LiteralString, LiteralString]] = {
    "trigger mean": (
        (
            "CREATE TRIGGER mean BEFORE UPDATE ON auth_user FOR EACH ROW"
            " EXECUTE FUNCTION swallow()"
        ),
        "UPDATE auth_user SET first_name = 'New' WHERE id = 1",
    ),
    'trigger "In Two"': (
        (
            'CREATE TRIGGER "In Two" BEFORE INSERT ON auth_userprofile FOR EACH ROW'
            " EXECUTE FUNCTION swallow()"
        ),
        (
            "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware,"
            " language, location) VALUES (9, 2, '', '', '', '', '')"
        ),
    ),
    "trigger keeps": (
        (
            "CREATE TRIGGER keeps BEFORE DELETE ON student_courseenrollment"
            " FOR EACH ROW EXECUTE FUNCTION swallow()"
        ),
        "DELETE FROM student_courseenrollment WHERE user_id = 1",
    ),
    "trigger stays": (
        (
            "CREATE TRIGGER stays BEFORE DELETE ON auth_user FOR EACH ROW"
            " EXECUTE FUNCTION swallow()"
        ),
        (
            "DELETE FROM auth_userprofile WHERE user_id = 1;"
            " DELETE FROM student_courseenrollment WHERE user_id = 1;"
            " DELETE FROM auth_user WHERE id = 1"
        ),
    ),
    "trigger lowers": (
        (
            "CREATE TRIGGER lowers BEFORE UPDATE ON auth_user FOR EACH ROW"
            " EXECUTE FUNCTION lower_email()"
        ),
        "UPDATE auth_user SET email = 'Upper@x' WHERE id = 1",
    ),
    "trigger afterwards": (
        (
            "CREATE TRIGGER afterwards AFTER UPDATE ON auth_user FOR EACH ROW"
            " WHEN (NEW.email <> lower(NEW.email)) EXECUTE FUNCTION lower_later()"
        ),
        "UPDATE auth_user SET email = 'Upper@x' WHERE id = 1",
    ),
    "rule nothing": (
        "CREATE RULE nothing AS ON UPDATE TO auth_userprofile DO INSTEAD NOTHING",
        "UPDATE auth_userprofile SET name = 'New' WHERE user_id = 1",
    ),
    "rule elsewhere": (
        (
            "CREATE RULE elsewhere AS ON INSERT TO student_courseenrollment DO INSTEAD"
            " INSERT INTO swallowed VALUES (NEW.id)"
        ),
        (
            "INSERT INTO student_courseenrollment (user_id, course_id)"
            " VALUES (3, 'edX/toy/2012_Fall')"
        ),
    ),
}

FUNCTIONS: LiteralString = """
CREATE TABLE swallowed (id bigint);
CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RETURN NULL; END';
CREATE FUNCTION lower_email() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.email := lower(NEW.email); RETURN NEW; END';
CREATE FUNCTION lower_later() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN UPDATE public.auth_user SET email = lower(email) WHERE id = NEW.id;
    RETURN NULL; END';
CREATE FUNCTION innocent() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN NEW.about := upper(NEW.email); NEW.last_login := now(); RETURN NEW; END';
"""


@pytest.fixture
def course(platform: Platform) -> Course:
    """A course database with members 1, and 2 without profile; 3 is not enrolled."""
    course = platform.course(TOY)
    course.execute(FUNCTIONS)
    platform.member(1, TOY)
    platform.user(2, profile=False)
    platform.enroll(2, TOY)
    platform.user(3)
    assert platform.deliver() == {}
    return course


def drop(course: Course, name: str, made: str) -> None:
    table = next(w for w in made.split() if w.startswith(("auth_", "student_")))
    course.connection.execute(f"DROP {name} ON {table}".encode())


@pytest.mark.parametrize("name", SWALLOWS)
def test_what_is_swallowed_is_a_failure_with_a_name(
    platform: Platform, course: Course, name: str
) -> None:
    made, written = SWALLOWS[name]
    course.execute(made)
    platform.execute(written)
    told = platform.deliver()[course.name]
    assert len(told) == 1
    assert name in told[0]
    assert "written" in told[0]
    assert "disable it" in told[0]
    assert platform.rows("SELECT sqlstate FROM pyrepl.retry") == [("PR022",)]

    # All of it arrives when the course is mended.
    drop(course, name, made)
    platform.execute(
        "SELECT pyrepl.retry_dead_letters(1, ARRAY(SELECT id FROM pyrepl.retry))"
    )
    assert platform.deliver() == {}
    platform.assert_equal()


def test_code_that_lets_agreed_columns_be_is_none_of_our_business(
    platform: Platform, course: Course
) -> None:
    course.execute("ALTER TABLE auth_user ADD about text")
    course.execute(
        "CREATE TRIGGER innocent BEFORE INSERT OR UPDATE ON auth_user FOR EACH ROW"
        " EXECUTE FUNCTION innocent()"
    )
    platform.execute("UPDATE auth_user SET email = 'new@x' WHERE id = 1")
    platform.enroll(3, TOY)
    assert platform.deliver() == {}
    rows = course.rows("SELECT id, about FROM auth_user ORDER BY 1")
    assert rows == [(1, "NEW@X"), (2, None), (3, "USER3@EXAMPLE.COM")]


def test_without_the_look_at_what_was_written_it_would_be_lost(
    platform: Platform, course: Course
) -> None:
    """The control: with that taken out, deliver says well, and verify finds it."""
    course.tamper(
        "CREATE OR REPLACE FUNCTION pyrepl.require_written(p_part text,"
        " p_table regclass, p_key name, p_event text, p_written bigint,"
        " p_rows anyarray) RETURNS void LANGUAGE sql AS ''"
    )
    made, written = SWALLOWS["trigger mean"]
    course.execute(made)
    platform.execute(written)
    assert platform.deliver() == {}
    assert platform.verify()[course.name].stale == 1
