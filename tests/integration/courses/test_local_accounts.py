"""A course's own accounts survive everything that the portal does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.core.errors import NotSuitable
from pyreplctl.delivery import status
from tests.conftest import NewCourse
from tests.support.platform import Course, Platform

TOY, OWN = "edX/toy/2012_Fall", "local/training/2012"
ADMIN = 5  # the id of the course's own account


@dataclass
class Local:
    """A course database with an account, a profile and enrollments of its own."""

    course: Course
    before: list[TupleRow]

    @classmethod
    def at(cls, course: Course) -> Local:
        add_account(course.connection)
        return cls(course, rows_of(course))

    def assert_untouched(self) -> None:
        """Nothing of the account's was rewritten, not even with the same values."""
        assert rows_of(self.course) == self.before


def add_account(
    connection: psycopg.Connection[TupleRow],
    number: int = ADMIN,
    username: str = "course_admin",
) -> None:
    connection.execute(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (%s, %s, 'Course', 'Admin', 'a@course', 'local', true, true, true,"
        " '2012-01-01', '2012-01-01')",
        (number, username),
    )
    connection.execute(
        "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware, language,"
        " location) VALUES (%s, %s, 'Local Name', 'm', 'c', 'l', 'p')",
        (90_000 + number, number),
    )
    connection.execute(
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (%s, %s, %s), (%s, %s, %s)",
        (90_000 + number, number, OWN, 91_000 + number, number, TOY),
    )


def rows_of(course: Course) -> list[TupleRow]:
    return course.rows(
        """
        SELECT tableoid::regclass::text, ctid::text, xmin::text, to_jsonb(t)
        FROM auth_user t WHERE id = 5
        UNION ALL
        SELECT tableoid::regclass::text, ctid::text, xmin::text, to_jsonb(t)
        FROM auth_userprofile t WHERE user_id = 5
        UNION ALL
        SELECT tableoid::regclass::text, ctid::text, xmin::text, to_jsonb(t)
        FROM student_courseenrollment t WHERE user_id = 5
        ORDER BY 1, 2"""
    )


def set_aside(platform: Platform) -> list[TupleRow]:
    """Whose dossiers failed, and with what SQLSTATE."""
    return platform.rows("SELECT user_id, sqlstate FROM pyrepl.retry ORDER BY 1")


def test_a_member_with_the_id_of_a_local_account_is_set_aside_and_named(
    platform: Platform,
) -> None:
    course = platform.course(TOY, askbot=True)
    local = Local.at(course)
    for user in (4, ADMIN, 6):
        platform.member(user, TOY)
    [why] = platform.deliver()[course.name]
    assert "user 5 of the course is not a copy" in why
    assert set_aside(platform) == [(ADMIN, "PR020")]
    assert course.users == [4, ADMIN, 6]
    assert [course.user(user)["username"] for user in (4, 6)] == ["user4", "user6"]
    local.assert_untouched()
    assert [
        (d.health, d.dead, d.pending)
        for d in status.read(platform.connection).databases
    ] == [("ok", 1, 0)]
    [found] = platform.verify().values()
    assert (found.ok, found.missing, found.drifted) == (False, 1, [ADMIN])


def test_a_member_with_the_name_of_a_local_account_is_set_aside_and_named(
    platform: Platform,
) -> None:
    course = platform.course(TOY, askbot=True)
    local = Local.at(course)
    platform.member(4, TOY)
    platform.member(6, TOY, username="course_admin")
    platform.member(7, TOY)
    [why] = platform.deliver()[course.name]
    assert why.startswith("user 6: ")
    assert "auth_user_username_key" in why
    assert set_aside(platform) == [(6, "PR020")]
    assert course.users == [4, ADMIN, 7]
    local.assert_untouched()


@pytest.mark.parametrize("table", ["auth_userprofile", "student_courseenrollment"])
def test_a_member_with_a_rows_id_of_a_local_account_is_set_aside_and_named(
    platform: Platform, table: str
) -> None:
    course = platform.course(TOY, askbot=True)
    Local.at(course)
    platform.member(6, TOY)
    platform.execute(f"UPDATE {table} SET id = 5000")
    course.execute(f"UPDATE {table} SET id = 5000 WHERE id = 90005")
    [why] = platform.deliver()[course.name]
    assert "user 5 of the course holds a value" in why
    assert f"{table}_pkey" in why
    assert set_aside(platform) == [(6, "PR020")]


def test_control_an_upsert_by_id_would_take_the_local_account_over(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    local = Local.at(course)
    course.execute("INSERT INTO pyrepl.copy (user_id, generation) VALUES (5, 0)")
    platform.member(ADMIN, TOY)
    assert platform.deliver() == {}
    assert course.user(ADMIN)["is_superuser"] is False
    with pytest.raises(AssertionError):
        local.assert_untouched()


def delete(platform: Platform) -> None:
    for query in (
        b"DELETE FROM student_courseenrollment WHERE user_id = 5",
        b"DELETE FROM auth_userprofile WHERE user_id = 5",
        b"DELETE FROM auth_user WHERE id = 5",
    ):
        platform.connection.execute(query)


def rekey(platform: Platform, old: int, new: int) -> None:
    with platform.connection.transaction():
        platform.execute("UPDATE auth_user SET id = %s WHERE id = %s", new, old)
        platform.execute(
            "UPDATE auth_userprofile SET user_id = %s WHERE user_id = %s", new, old
        )
        platform.execute(
            "UPDATE student_courseenrollment SET user_id = %s WHERE user_id = %s",
            new,
            old,
        )


def backfill(platform: Platform) -> None:
    databases.backfill(platform.connection, [1])


def key_comes(platform: Platform) -> None:
    delete(platform)
    rekey(platform, 1, ADMIN)


def other_person(platform: Platform) -> None:
    delete(platform)
    platform.member(ADMIN, TOY, username="another")


DEEDS: dict[str, Callable[[Platform], object]] = {
    "delete": delete,
    "truncate users": lambda p: p.execute("TRUNCATE auth_user CASCADE"),
    "truncate profiles": lambda p: p.execute("TRUNCATE auth_userprofile"),
    "truncate enrollments": lambda p: p.execute("TRUNCATE student_courseenrollment"),
    "key goes": lambda p: rekey(p, ADMIN, 15),
    "key comes": key_comes,
    "unenroll": lambda p: p.unenroll(ADMIN, TOY),
    "backfill": backfill,
    "edit": lambda p: p.execute("UPDATE auth_user SET email = 'new@x'"),
    "its name taken": lambda p: p.execute(
        "UPDATE auth_user SET username = 'course_admin' WHERE id = 1"
    ),
    "profile": lambda p: p.execute("UPDATE auth_userprofile SET name = 'New'"),
    "profile's key taken": lambda p: p.execute(
        "UPDATE auth_userprofile SET id = 90005 WHERE user_id = 1"
    ),
    "enrollment's key taken": lambda p: p.execute(
        "UPDATE student_courseenrollment SET id = 90005 WHERE user_id = 1"
    ),
    "other person": other_person,
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("enrolled", [True, False])
def test_a_local_account_survives(
    platform: Platform, deed: str, enrolled: bool
) -> None:
    course = platform.course(TOY, askbot=True)
    local = Local.at(course)
    for user in (1, 2):
        platform.member(user, TOY)
    platform.user(ADMIN)
    if enrolled:
        platform.enroll(ADMIN, TOY)
    platform.deliver()
    DEEDS[deed](platform)
    platform.deliver()
    local.assert_untouched()
    # What the portal does to others arrives nevertheless.
    platform.member(30, TOY)
    platform.deliver()
    assert course.user(30)["username"] == "user30"
    local.assert_untouched()


@pytest.mark.parametrize(
    ("obstacle", "remedy"),
    [
        (
            {"number": ADMIN},
            """UPDATE auth_userprofile SET user_id = 77 WHERE user_id = 5;
            UPDATE student_courseenrollment SET user_id = 77 WHERE user_id = 5;
            UPDATE auth_user SET id = 77 WHERE id = 5""",
        ),
        (
            {"number": 6, "username": "user5"},
            "UPDATE auth_user SET username = 'renamed' WHERE id = 6",
        ),
    ],
    ids=["id", "name"],
)
def test_once_the_obstacle_is_gone_the_next_change_is_delivered(
    platform: Platform, obstacle: dict[str, Any], remedy: str
) -> None:
    course = platform.course(TOY)
    add_account(course.connection, **obstacle)
    platform.member(ADMIN, TOY)
    assert list(platform.deliver()) == [course.name]
    platform.execute("UPDATE auth_user SET email = 'still@x'")
    assert list(platform.deliver()) == [course.name]

    course.connection.execute(f"BEGIN; {remedy}; COMMIT".encode())
    platform.execute("UPDATE auth_user SET email = 'at@last'")
    assert platform.deliver() == {}
    assert set_aside(platform) == []
    assert course.user(ADMIN)["email"] == "at@last"
    platform.assert_equal()


def with_account(dsn: str, *accounts: tuple[int, str]) -> None:
    with psycopg.connect(dsn) as connection:
        for number, username in accounts:
            add_account(connection, number, username)


def traces(dsn: str) -> tuple[list[TupleRow], set[str]]:
    """Catalog entries that registration makes, and the roles of the cluster."""
    with psycopg.connect(dsn) as connection:
        objects = connection.execute(
            "SELECT 'schema', nspname::text FROM pg_namespace"
            " UNION ALL SELECT 'server', srvname::text FROM pg_foreign_server"
            " UNION ALL SELECT 'relation', oid::regclass::text FROM pg_class"
            " UNION ALL SELECT 'function', oid::regprocedure::text FROM pg_proc"
            " UNION ALL SELECT 'right', concat_ws(' ', a.grantee::regrole,"
            "  a.privilege_type, c.relname) FROM pg_class c,"
            "  aclexplode(coalesce(relacl, acldefault('r', relowner))) a"
            "  WHERE c.relnamespace = 'public'::regnamespace"
            " ORDER BY 1, 2"
        ).fetchall()
        roles = connection.execute("SELECT rolname FROM pg_roles").fetchall()
    return objects, {row[0] for row in roles}


def test_registration_refuses_accounts_that_are_there_and_leaves_nothing_behind(
    platform: Platform, new_course: NewCourse
) -> None:
    for user in (1, 2, 3):
        platform.member(user, TOY)
    dsn = new_course()
    with_account(dsn, (1, "user1"), (2, "somebody"), (7, "user3"), (8, "nobody"))
    before = traces(platform.dsn), traces(dsn)
    with pytest.raises(NotSuitable, match=r"1 \(user1\)") as refused:
        platform.register(dsn, TOY)
    assert "2 (somebody)" in str(refused.value)
    assert "7 (user3)" in str(refused.value)
    assert "nobody" not in str(refused.value)
    assert "--adopt" in str(refused.value.hint)

    after = traces(platform.dsn), traces(dsn)
    assert [objects for objects, _ in after] == [objects for objects, _ in before]
    assert after[1][1] <= before[1][1]
    for table in (b"database", b"hosting", b"health", b"chain", b"change"):
        query = b"SELECT count(*) FROM pyrepl." + table
        left = platform.connection.execute(query).fetchone()
        assert left == ((3 * 3,) if table == b"change" else (0,))


@pytest.mark.parametrize("adopt", [True, False])
def test_a_name_that_a_local_account_has_is_named_at_registration(
    platform: Platform, new_course: NewCourse, adopt: bool
) -> None:
    platform.member(1, TOY)
    dsn = new_course()
    with_account(dsn, (7, "user1"))
    if adopt:
        _, done = platform.register(dsn, TOY, adopt=True)
        assert done.in_the_way == ("7 (user1)",)
        assert set_aside(platform) == [(1, "PR020")]
    else:
        with pytest.raises(NotSuitable, match=r"7 \(user1\)"):
            platform.register(dsn, TOY)


def test_adoption_takes_over_the_same_person_only(
    platform: Platform, new_course: NewCourse
) -> None:
    for user in (1, 2, 3):
        platform.member(user, TOY)
    dsn = new_course(askbot=True)
    with_account(dsn, (1, "user1"), (2, "somebody"), (8, "user8"))
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE auth_user SET reputation = 500 + id")
    course, done = platform.register(dsn, TOY, adopt=True)
    assert (done.adopting, done.in_the_way) == (("1 (user1)",), ("2 (somebody)",))

    adopted = course.user(1)
    assert (adopted["password"], adopted["is_superuser"]) == ("secret", False)
    assert course.rows("SELECT id, name FROM auth_userprofile WHERE user_id = 1") == [
        (1001, "Full Name")
    ]
    assert course.rows(
        "SELECT user_id FROM student_courseenrollment WHERE course_id = %s ORDER BY 1",
        OWN,
    ) == [(2,), (8,)]
    assert course.user(2)["username"] == "somebody"
    assert course.user(3)["username"] == "user3"
    assert set_aside(platform) == [(2, "PR020")]
    assert course.rows(
        "SELECT id, reputation FROM auth_user WHERE id <> 3 ORDER BY 1"
    ) == [(1, 501), (2, 502), (8, 508)]


def test_adoption_ends_with_the_backfill(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    platform.member(1, TOY)
    with_account(dsn, (1, "user1"))
    course, _ = platform.register(dsn, TOY, adopt=True)
    platform.assert_equal()
    with_account(dsn, (2, "user2"))
    platform.member(2, TOY)
    assert list(platform.deliver()) == [course.name]
    assert course.user(2)["is_superuser"] is True
