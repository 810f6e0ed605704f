"""Tables with children, parts, or a writer besides: refused, noticed when they come.

A ctid is unique in one table only: an UPDATE by ctid made a copy of a local superuser
in a child table of auth_user, and verify said equal.
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from pyreplctl.core.errors import NotSuitable
from pyreplctl.delivery import status
from pyreplctl.verify import structure
from tests.conftest import NewCourse
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"

CHILD: LiteralString = (
    "CREATE TABLE staff () INHERITS (auth_user);"
    "INSERT INTO staff (id, username, first_name, last_name, email, password, is_staff,"
    " is_active, is_superuser, last_login, date_joined) VALUES (90001, 'root', '', '',"
    " 'root@course', 'own', true, true, true, now(), now())"
)
PARTITIONED: LiteralString = (
    "ALTER TABLE student_courseenrollment RENAME TO first_part;"
    "CREATE TABLE student_courseenrollment (LIKE first_part INCLUDING DEFAULTS,"
    " PRIMARY KEY (id)) PARTITION BY RANGE (id);"
    "ALTER TABLE student_courseenrollment ATTACH PARTITION first_part"
    " FOR VALUES FROM (0) TO (2147483647)"
)
# A table of the platform, how it is made odd, and what is said of it.
ODD: dict[str, tuple[LiteralString, str]] = {
    "children": (
        CHILD,
        "public.auth_user has tables that inherit from it: public.staff",
    ),
    "partitions": (PARTITIONED, "public.student_courseenrollment is partitioned"),
    "a child itself": (
        (
            "CREATE TABLE all_profiles (LIKE auth_userprofile);"
            "ALTER TABLE auth_userprofile INHERIT all_profiles"
        ),
        "public.auth_userprofile inherits from public.all_profiles",
    ),
    "a crash would empty it": (
        "ALTER TABLE student_courseenrollment SET UNLOGGED",
        "public.student_courseenrollment is not logged",
    ),
    "a subscription": (
        (
            "INSERT INTO pg_subscription_rel"
            " VALUES (1, 'auth_userprofile'::regclass, 'r', NULL)"
        ),
        "public.auth_userprofile is written by a logical subscription",
    ),
}
REMEDIES = {
    "children": "ALTER TABLE public.staff NO INHERIT public.auth_user;",
    "a child itself": "ALTER TABLE public.auth_userprofile NO INHERIT"
    " public.all_profiles;",
    "a crash would empty it": "ALTER TABLE public.student_courseenrollment SET LOGGED;",
}


def found(platform: Platform) -> dict[str, str]:
    """Return what verify says of tables of the platform, on both sides."""
    looked = structure.verify(platform.dsn, [], jobs=1)
    every = [*looked.portal, *(i for d in looked.databases.values() for i in d.items)]
    return {i.object: i.detail for i in every if i.state != "current"}


@pytest.mark.parametrize("how", ODD)
def test_refused_at_registration_with_what_ends_it(
    platform: Platform, new_course: NewCourse, how: str
) -> None:
    dsn = new_course()
    damage, said = ODD[how]
    with psycopg.connect(dsn, autocommit=True) as course:
        course.execute(damage)
        with pytest.raises(NotSuitable) as refused:
            platform.register(dsn, TOY)
        assert said in str(refused.value)
        assert course.execute("SELECT to_regnamespace('pyrepl')").fetchone() == (None,)
        if remedy := REMEDIES.get(how):
            assert remedy in str(refused.value.hint)
            course.execute(remedy.encode())
            platform.register(dsn, TOY)


@pytest.mark.parametrize("how", ODD)
@pytest.mark.parametrize("side", ["portal", "course"])
def test_noticed_by_verify_when_it_comes_later(
    platform: Platform, side: str, how: str
) -> None:
    course = platform.course(TOY)
    damage, said = ODD[how]
    assert found(platform) == {}
    (platform.execute if side == "portal" else course.execute)(damage)
    table, _, problem = said.partition(" ")
    held = found(platform)[f"platform table {table}"]
    assert problem.partition(":")[0] in held
    assert "ordinary table" in held


@pytest.fixture
def later(platform: Platform) -> Course:
    """A copy, and a local superuser in a child table, each the first row of its own."""
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    course.execute(CHILD)
    # A rewrite puts the copy where the row of the child is: at (0,1).
    course.execute("VACUUM FULL auth_user")
    assert course.rows("SELECT DISTINCT ctid FROM auth_user") == [("(0,1)",)]
    return course


def change_and_leave(platform: Platform) -> None:
    platform.execute("UPDATE auth_user SET first_name = 'Changed' WHERE id = 1")
    assert platform.deliver() == {}


def test_a_childs_rows_are_nobodys_business(platform: Platform, later: Course) -> None:
    before = later.rows("SELECT * FROM staff")
    change_and_leave(platform)
    assert later.user(1)["first_name"] == "Changed"
    platform.execute(
        "DELETE FROM student_courseenrollment; DELETE FROM auth_userprofile"
    )
    platform.execute("DELETE FROM auth_user")
    assert platform.deliver() == {}
    assert later.rows("SELECT * FROM staff") == before
    platform.assert_equal()


def test_control_without_only_the_local_superuser_is_overwritten(
    platform: Platform, later: Course
) -> None:
    later.execute(
        "DO $$ BEGIN EXECUTE replace(pg_get_functiondef("
        " 'pyrepl.write_users'::regproc), ' ONLY ', ' '); END $$"
    )
    change_and_leave(platform)
    assert later.rows("SELECT first_name FROM staff") == [("Changed",)]


def test_deliveries_wait_for_a_table_that_was_partitioned(platform: Platform) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    course.execute(PARTITIONED)
    platform.execute("UPDATE student_courseenrollment SET created = now()")
    platform.deliver()
    (shown,) = status.read(platform.connection).databases
    assert shown.health == "waiting_contract"
    assert "table public.student_courseenrollment is no ordinary table" in str(
        shown.last_error
    )
