"""DDL that changes data without a trigger is noticed, and everybody is queued."""

from __future__ import annotations

from typing import LiteralString

import pytest

from pyreplctl.core.config import Config
from pyreplctl.courses.refresh import refresh
from pyreplctl.delivery import status
from pyreplctl.install.portal import check, install
from pyreplctl.verify import structure
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"

# What is done to the portal's tables, and what is said of it.
UNSEEN: dict[str, tuple[LiteralString, LiteralString]] = {
    "expand and contract": (
        (
            "ALTER TABLE auth_user ADD mail varchar(75);"
            " UPDATE auth_user SET mail = 'new-' || email;"
            " ALTER TABLE auth_user ALTER mail SET NOT NULL;"
            " ALTER TABLE auth_user DROP email;"
            " ALTER TABLE auth_user RENAME mail TO email"
        ),
        "its column email is another one",
    ),
    "names exchanged": (
        (
            "ALTER TABLE auth_user RENAME first_name TO x;"
            " ALTER TABLE auth_user RENAME last_name TO first_name;"
            " ALTER TABLE auth_user RENAME x TO last_name"
        ),
        "its column first_name is another one",
    ),
    "dropped and added": (
        (
            "ALTER TABLE auth_userprofile DROP name;"
            " ALTER TABLE auth_userprofile"
            " ADD name varchar(255) NOT NULL DEFAULT 'none'"
        ),
        "its column name is another one",
    ),
    "rewritten": (
        "ALTER TABLE auth_user ALTER username TYPE varchar(30) USING upper(username)",
        "its column username may have been rewritten",
    ),
    "rebuilt": (
        (
            "CREATE TABLE rebuilt (LIKE student_courseenrollment INCLUDING ALL);"
            " INSERT INTO rebuilt SELECT * FROM student_courseenrollment"
            " WHERE user_id > 1;"
            " ALTER TABLE student_courseenrollment RENAME TO old;"
            " ALTER TABLE rebuilt RENAME TO student_courseenrollment"
        ),
        "is another table than before",
    ),
    "all triggers off and on": (
        (
            "ALTER TABLE auth_userprofile DISABLE TRIGGER ALL;"
            " UPDATE auth_userprofile SET name = 'unseen';"
            " ALTER TABLE auth_userprofile ENABLE TRIGGER ALL"
        ),
        "its trigger pyrepl_update was disabled",
    ),
    "off and always on": (
        (
            "ALTER TABLE auth_user DISABLE TRIGGER pyrepl_update;"
            " UPDATE auth_user SET email = 'unseen';"
            " ALTER TABLE auth_user ENABLE ALWAYS TRIGGER pyrepl_update"
        ),
        "its trigger pyrepl_update was disabled",
    ),
    "a trigger gone": (
        (
            "DROP TRIGGER pyrepl_delete ON student_courseenrollment;"
            " DELETE FROM student_courseenrollment WHERE user_id = 1"
        ),
        "its trigger pyrepl_delete is not there",
    ),
}

# Also changes of the catalog, by which no value changes.
HARMLESS: list[LiteralString] = [
    "VACUUM FULL auth_user",
    "CLUSTER auth_user USING auth_user_pkey",
    "ALTER TABLE auth_user ALTER email SET STATISTICS 500",
    "ANALYZE auth_user",
    "REINDEX TABLE auth_user",
    "ALTER TABLE auth_user ADD more text DEFAULT random()::text",
    "GRANT SELECT (email) ON auth_user TO pyrepl_worker",
    "ALTER TABLE auth_user SET (fillfactor = 90)",
    "CREATE INDEX ON auth_user (last_name)",
    "ALTER TABLE auth_user RENAME TO away; ALTER TABLE away RENAME TO auth_user",
]


@pytest.fixture
def course(platform: Platform) -> Course:
    course = platform.course(TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return course


def found(platform: Platform) -> list[str]:
    """What status says somebody must do."""
    return status.read(platform.connection).actions()


@pytest.mark.parametrize("name", UNSEEN)
def test_what_no_trigger_has_seen_is_noticed_and_delivered(
    platform: Platform, course: Course, name: str
) -> None:
    done, said = UNSEEN[name]
    platform.execute(done)
    assert platform.deliver() == {}
    assert not platform.verify()[course.name].ok

    [told] = [line for line in found(platform) if said in line]
    assert 'run "pyreplctl install"' in told
    items = structure.verify(platform.dsn, []).portal
    assert [said in item.detail for item in items if item.object.startswith("rows ")]
    assert any(
        change.object.startswith("rows ") for change in check(platform.dsn, Config())
    )

    changes = [c for c in install(platform.dsn, Config()) if c.state != "unchanged"]
    assert "missed changes" in {change.object for change in changes}
    refresh(platform.connection, Config(), course.name, course.dsn)
    assert platform.deliver() == {}
    platform.assert_equal()
    assert found(platform) == []
    again = [c for c in install(platform.dsn, Config()) if c.state != "unchanged"]
    assert again == []


def test_what_changes_no_value_is_not_noticed(
    platform: Platform, course: Course
) -> None:
    for statement in HARMLESS:
        for one in statement.split(";"):
            platform.connection.execute(one.encode())
        assert platform.rows("SELECT * FROM pyrepl.missed_changes()") == [], statement
        platform.execute("SELECT pyrepl.keep_table_states()")
    assert platform.rows("SELECT * FROM pyrepl.change") == []
    # Of both together nobody can tell: the column may have been rewritten as well.
    platform.connection.execute(HARMLESS[2].encode())
    platform.connection.execute(HARMLESS[0].encode())
    assert len(found(platform)) == 1


def test_install_of_a_newer_version_queues_nobody(
    platform: Platform, course: Course
) -> None:
    platform.execute(
        "UPDATE pyrepl.object SET source_hash = 'old' WHERE kind = 'triggers'"
    )
    install(platform.dsn, Config())
    assert platform.rows("SELECT * FROM pyrepl.change") == []


def test_without_what_was_kept_nothing_would_be_noticed(
    platform: Platform, course: Course
) -> None:
    """The control."""
    platform.execute("DELETE FROM pyrepl.table_state")
    platform.execute(UNSEEN["off and always on"][0])
    assert found(platform) == []
    install(platform.dsn, Config())
    assert platform.deliver() == {}
    assert platform.verify()[course.name].stale == 2


THERE: dict[str, tuple[LiteralString, LiteralString]] = {
    "rewritten": (
        "ALTER TABLE auth_user ALTER email TYPE varchar(75) USING upper(email)",
        "its column email may have been rewritten",
    ),
    "names exchanged": UNSEEN["names exchanged"],
    "the guard off and on": (
        (
            "ALTER TABLE auth_user DISABLE TRIGGER ALL;"
            " UPDATE auth_user SET email = 'unseen';"
            " ALTER TABLE auth_user ENABLE TRIGGER ALL"
        ),
        "was disabled",
    ),
}


@pytest.mark.parametrize("name", THERE)
def test_the_same_at_a_course_is_noticed_and_delivered_again(
    platform: Platform, course: Course, name: str
) -> None:
    done, said = THERE[name]
    course.execute(done)
    items = structure.verify(platform.dsn, []).databases[course.name].items
    [item] = [item for item in items if item.object == "rows public.auth_user"]
    assert said in item.detail
    assert f"course refresh {course.name}" in item.detail

    changes = refresh(platform.connection, Config(), course.name, course.dsn)
    assert "missed changes" in {change.object for change in changes}
    assert platform.deliver() == {}
    platform.assert_equal()
    assert refresh(platform.connection, Config(), course.name, course.dsn) == []
