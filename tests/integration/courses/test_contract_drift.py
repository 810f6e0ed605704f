"""Tables change under a contract: writers go on, deliveries wait, nothing is lost."""

from __future__ import annotations

from typing import Any, LiteralString

import msgspec
import pytest

from pyreplctl.core import databases
from pyreplctl.core.config import USER_COLUMNS, Config
from pyreplctl.core.errors import DatabaseError, NotInstalled, NotSuitable
from pyreplctl.courses import refresh, state
from pyreplctl.delivery import status
from pyreplctl.delivery.status import Database
from pyreplctl.install import portal
from tests.support.platform import Course, Platform

TOY, OTHER = "edX/toy/2012_Fall", "MITx/6.002x/2012_Fall"


@pytest.fixture
def toy(platform: Platform) -> Course:
    """A course database with four members, one of them without a profile."""
    course = platform.course(TOY)
    for user in (1, 2, 3):
        platform.member(user, TOY)
    platform.user(4, profile=False)
    platform.enroll(4, TOY)
    assert platform.deliver() == {}
    return course


def write_everywhere(platform: Platform, names: dict[str, LiteralString]) -> None:
    """INSERT, UPDATE and DELETE in each table, whatever its columns are called now."""
    uid = names.get("auth_user.id", "id")
    pid = names.get("auth_userprofile.id", "id")
    owner = names.get("auth_userprofile.user_id", "user_id")
    eid = names.get("student_courseenrollment.id", "id")
    student = names.get("student_courseenrollment.user_id", "user_id")
    key = names.get("student_courseenrollment.course_id", "course_id")
    platform.connection.execute(
        f"""
        INSERT INTO auth_user
        SELECT (jsonb_populate_record(u, '{{"{uid}": 20, "username": "twenty"}}')).*
        FROM auth_user u WHERE {uid} = 1;
        UPDATE auth_user SET first_name = 'Meanwhile' WHERE {uid} = 1;
        INSERT INTO auth_userprofile
        SELECT (jsonb_populate_record(p, '{{"{pid}": 1020, "{owner}": 20}}')).*
        FROM auth_userprofile p WHERE {owner} = 1;
        UPDATE auth_userprofile SET name = 'Meanwhile' WHERE {owner} = 2;
        DELETE FROM auth_userprofile WHERE {owner} = 3;
        INSERT INTO student_courseenrollment
        SELECT (jsonb_populate_record(e, '{{"{eid}": 20, "{student}": 20}}')).*
        FROM student_courseenrollment e WHERE {student} = 1;
        UPDATE student_courseenrollment SET {key} = '{OTHER}' WHERE {student} = 2;
        DELETE FROM student_courseenrollment WHERE {student} = 4;
        DELETE FROM auth_user WHERE {uid} = 4""".encode()
    )


def assert_arrived(course: Course) -> None:
    """What was written meanwhile is at the course, told without the columns' names."""
    assert course.rows("SELECT username FROM auth_user ORDER BY 1") == [
        ("twenty",),
        ("user1",),
        ("user2",),
        ("user3",),
    ]
    assert course.rows("SELECT username FROM auth_user WHERE first_name = 'Meanwhile'")
    assert course.rows("SELECT count(*) FROM auth_userprofile") == [(3,)]
    assert course.rows("SELECT name FROM auth_userprofile WHERE name = 'Meanwhile'")
    assert course.rows("SELECT count(*) FROM student_courseenrollment") == [(3,)]


def shown(platform: Platform, name: str) -> Database:
    """The row of a course database in status."""
    rows = {d.name: d for d in status.read(platform.connection).databases}
    return rows[name]


def assert_waits_for(platform: Platform, course: Course, *words: str) -> None:
    """The database waits for its contract, and says which column it is about."""
    try:
        why = " ".join(platform.deliver()[course.name])
    except DatabaseError as error:  # without this column nothing can be routed
        why = f"{error} {error.hint}"
    found = shown(platform, course.name)
    assert found.health == "waiting_contract"
    assert words[0] in why
    for word in words:
        assert word in str(found.last_error)


def configured(platform: Platform, **tables: dict[str, Any]) -> None:
    platform.config = msgspec.convert({"tables": tables}, Config)


def refreshed(platform: Platform, course: Course) -> None:
    refresh.refresh(platform.connection, platform.config, course.name, course.dsn)


def repair(platform: Platform, course: Course) -> None:
    """What a deployment runs."""
    portal.install(platform.dsn, platform.config)
    refreshed(platform, course)
    assert platform.deliver() == {}


def without_email(*more: str) -> dict[str, Any]:
    return {"columns": [c for c in USER_COLUMNS if c != "email"] + list(more)}


@pytest.mark.parametrize(
    ("alter", "column", "tables"),
    [
        (
            "ALTER TABLE auth_user RENAME email TO mail",
            "email",
            {"user": without_email("mail")},
        ),
        (
            "ALTER TABLE auth_user DROP email",
            "email",
            {"user": without_email()},
        ),
        ("ALTER TABLE auth_user ALTER email TYPE text", "email", {}),
        ("ALTER TABLE auth_userprofile RENAME goals TO aims", "goals", {}),
        ("ALTER TABLE auth_userprofile DROP goals", "goals", {}),
        (
            "ALTER TABLE auth_userprofile ALTER year_of_birth TYPE text",
            "year_of_birth",
            {},
        ),
        (
            "ALTER TABLE student_courseenrollment RENAME created TO made",
            "created",
            {},
        ),
        ("ALTER TABLE student_courseenrollment DROP created", "created", {}),
        (
            "ALTER TABLE student_courseenrollment ALTER created TYPE date",
            "created",
            {},
        ),
    ],
    ids=lambda value: value[12:] if str(value).startswith("ALTER") else "",
)
def test_a_column_changes_on_the_portal_before_install(
    platform: Platform,
    toy: Course,
    alter: LiteralString,
    column: str,
    tables: dict[str, Any],
) -> None:
    platform.execute(alter)
    write_everywhere(platform, {})
    assert_waits_for(platform, toy, column, alter.split()[2])

    toy.execute(alter)
    configured(platform, **tables)
    repair(platform, toy)
    assert shown(platform, toy.name).health == "ok"
    assert_arrived(toy)
    platform.assert_equal()


@pytest.mark.parametrize(
    ("table", "column", "tables"),
    [
        (
            "auth_user",
            "id",
            {"user": {"key": "moved", "columns": ["moved", *USER_COLUMNS[1:]]}},
        ),
        ("auth_userprofile", "id", {"profile": {"key": "moved"}}),
        ("auth_userprofile", "user_id", {"profile": {"user": "moved"}}),
        ("student_courseenrollment", "id", {"enrollment": {"key": "moved"}}),
        ("student_courseenrollment", "user_id", {"enrollment": {"user": "moved"}}),
        ("student_courseenrollment", "course_id", {"enrollment": {"course": "moved"}}),
    ],
)
def test_a_key_column_is_renamed_on_the_portal_before_install(
    platform: Platform,
    toy: Course,
    table: LiteralString,
    column: LiteralString,
    tables: dict[str, Any],
) -> None:
    alter = "ALTER TABLE " + table + " RENAME " + column + " TO moved"
    platform.execute(alter)
    write_everywhere(platform, {f"{table}.{column}": "moved"})
    assert_waits_for(platform, toy, column, table)

    toy.execute(alter)
    configured(platform, **tables)
    repair(platform, toy)
    assert shown(platform, toy.name).health == "ok"
    assert_arrived(toy)
    platform.assert_equal()


@pytest.mark.parametrize(
    ("table", "column", "tables"),
    [
        (
            "auth_user",
            "id",
            {"user": {"key": "moved", "columns": ["moved", *USER_COLUMNS[1:]]}},
        ),
        ("auth_userprofile", "user_id", {"profile": {"user": "moved"}}),
        ("student_courseenrollment", "user_id", {"enrollment": {"user": "moved"}}),
    ],
)
def test_a_table_whose_key_column_is_renamed_may_be_truncated(
    platform: Platform,
    toy: Course,
    table: LiteralString,
    column: LiteralString,
    tables: dict[str, Any],
) -> None:
    alter = "ALTER TABLE " + table + " RENAME " + column + " TO moved"
    platform.execute(alter)
    platform.execute("TRUNCATE " + table + " CASCADE")
    toy.execute(alter)
    configured(platform, **tables)
    repair(platform, toy)
    assert toy.connection.execute(b"SELECT FROM " + table.encode()).fetchall() == []
    platform.assert_equal()


def test_what_changed_before_install_is_captured_under_the_old_contract_too(
    platform: Platform, toy: Course
) -> None:
    platform.execute("ALTER TABLE auth_user RENAME email TO mail")
    platform.execute("UPDATE auth_user SET mail = 'nobody compares it' WHERE id = 1")
    assert platform.rows("SELECT users FROM pyrepl.change") == [([1],)]
    platform.execute("ALTER TABLE auth_user RENAME mail TO email")
    assert platform.deliver() == {}
    assert toy.user(1)["email"] == "nobody compares it"
    platform.assert_equal()


def test_refresh_before_install_says_what_to_run_first(
    platform: Platform, toy: Course
) -> None:
    platform.execute("ALTER TABLE auth_userprofile DROP goals")
    with pytest.raises(NotInstalled) as refused:
        refreshed(platform, toy)
    assert "pyreplctl install" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("change", "back", "column"),
    [
        (
            "ALTER TABLE auth_userprofile DROP goals",
            "ALTER TABLE auth_userprofile ADD goals text",
            "goals",
        ),
        (
            "ALTER TABLE auth_userprofile ALTER year_of_birth TYPE text",
            """ALTER TABLE auth_userprofile ALTER year_of_birth TYPE integer
            USING year_of_birth::integer""",
            "year_of_birth",
        ),
        (
            "ALTER TABLE auth_user RENAME email TO mail",
            "ALTER TABLE auth_user RENAME mail TO email",
            "email",
        ),
    ],
    ids=["dropped", "retyped", "renamed"],
)
def test_a_column_changes_at_one_course_and_the_other_goes_on(
    platform: Platform,
    toy: Course,
    change: LiteralString,
    back: LiteralString,
    column: str,
) -> None:
    other = platform.course(OTHER)
    platform.enroll(1, OTHER)
    platform.execute("UPDATE auth_userprofile SET goals = 'g', year_of_birth = 1980")
    assert platform.deliver() == {}
    toy.execute(change)
    platform.execute("UPDATE auth_user SET first_name = 'Meanwhile' WHERE id = 1")
    assert_waits_for(platform, toy, column)
    assert shown(platform, other.name).health == "ok"
    assert other.user(1)["first_name"] == "Meanwhile"

    toy.execute(back)
    state.resume(platform.connection, [toy.name])
    assert platform.deliver() == {}
    assert toy.user(1)["first_name"] == "Meanwhile"
    databases.backfill(platform.connection, [1])  # what a dropped column held is gone
    assert platform.deliver() == {}
    platform.assert_equal()


def test_a_wider_type_at_the_course_is_taken_in_by_refresh(
    platform: Platform, toy: Course
) -> None:
    toy.execute("ALTER TABLE auth_userprofile ALTER year_of_birth TYPE bigint")
    platform.execute("UPDATE auth_userprofile SET year_of_birth = 1980")
    assert_waits_for(platform, toy, "year_of_birth", "bigint")
    repair(platform, toy)
    platform.assert_equal()


def test_a_new_column_is_pending_until_refresh_and_deliveries_go_on(
    platform: Platform, toy: Course
) -> None:
    add: LiteralString = "ALTER TABLE auth_userprofile ADD city varchar(99)"
    platform.execute(add)
    platform.execute("UPDATE auth_userprofile SET city = 'Before', name = 'A'")
    assert platform.deliver() == {}
    assert toy.rows("SELECT DISTINCT name FROM auth_userprofile") == [("A",)]

    portal.install(platform.dsn, platform.config)
    assert shown(platform, toy.name).pending_columns == ["public.auth_userprofile.city"]
    platform.execute("UPDATE auth_userprofile SET city = 'After' WHERE user_id = 1")
    platform.execute("UPDATE auth_userprofile SET name = 'B'")
    assert platform.deliver() == {}
    assert toy.rows("SELECT DISTINCT name FROM auth_userprofile") == [("B",)]
    platform.assert_equal()

    with pytest.raises(NotSuitable, match="city") as refused:
        refreshed(platform, toy)
    hint = str(refused.value.hint)
    toy.connection.execute(hint[hint.index("ALTER TABLE") :].encode())
    repair(platform, toy)
    assert shown(platform, toy.name).pending_columns == []
    assert toy.rows("SELECT user_id, city FROM auth_userprofile ORDER BY 1") == [
        (1, "After"),
        (2, "Before"),
        (3, "Before"),
    ]
    platform.assert_equal()


def test_two_databases_are_served_in_different_contracts_at_once(
    platform: Platform, toy: Course
) -> None:
    other = platform.course(OTHER)
    for user in (1, 2):
        platform.enroll(user, OTHER)
    add: LiteralString = "ALTER TABLE auth_userprofile ADD city varchar(99)"
    platform.execute(add)
    other.execute(add)
    repair(platform, other)
    platform.execute("UPDATE auth_userprofile SET city = 'City ' || user_id")
    platform.execute("UPDATE auth_userprofile SET name = 'Named ' || user_id")
    platform.member(5, TOY, OTHER)
    assert platform.deliver() == {}
    assert other.rows("SELECT name, city FROM auth_userprofile ORDER BY user_id") == [
        ("Named 1", "City 1"),
        ("Named 2", "City 2"),
        ("Full Name", None),
    ]
    assert toy.rows("SELECT name FROM auth_userprofile WHERE user_id = 2") == [
        ("Named 2",)
    ]
    assert toy.profiles == [1, 2, 3, 5]
    platform.assert_equal()


def test_one_database_waits_for_its_contract_and_two_are_served_in_different_ones(
    platform: Platform, toy: Course
) -> None:
    refreshed_one, waits = platform.course(OTHER), platform.course("edX/third")
    for key in (OTHER, "edX/third"):
        platform.enroll(1, key)
    platform.execute("UPDATE auth_userprofile SET goals = 'g'")
    assert platform.deliver() == {}
    add: LiteralString = "ALTER TABLE auth_userprofile ADD city varchar(99)"
    for where in (platform.execute, refreshed_one.execute):
        where(add)
    retype: LiteralString = "ALTER TABLE auth_userprofile ALTER goals TYPE varchar(99)"
    waits.execute(retype)
    portal.install(platform.dsn, platform.config)
    refreshed(platform, refreshed_one)
    platform.execute("UPDATE auth_userprofile SET name = 'Named', city = 'City'")
    assert_waits_for(platform, waits, "goals")
    assert refreshed_one.rows("SELECT name, city FROM auth_userprofile") == [
        ("Named", "City")
    ]
    assert toy.rows("SELECT DISTINCT name FROM auth_userprofile") == [("Named",)]
    assert waits.rows("SELECT name FROM auth_userprofile") == [("Full Name",)]
    healths = {d.name: d.health for d in status.read(platform.connection).databases}
    assert healths == {
        toy.name: "ok",
        refreshed_one.name: "ok",
        waits.name: "waiting_contract",
    }

    waits.execute("ALTER TABLE auth_userprofile ALTER goals TYPE text")
    for course in (waits, toy):
        course.execute(add)
        repair(platform, course)
    platform.assert_equal()
