"""Tables as people name them, ids at the ends of their type, and many columns."""

from __future__ import annotations

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.install.portal import install
from tests.cli.run import Cli
from tests.conftest import NewCourse, NewPortal
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"

VIEW = (
    "ALTER TABLE auth_user RENAME TO person;"
    " CREATE VIEW auth_user AS SELECT * FROM person"
)
# How a table is configured, what is done before, and what is said.
NAMES = {
    '"public.\\"User\\""': ("", "names stand without quotes"),
    '"auth_user"': ("", 'a table is named "schema.table"'),
    '"public.auth_users"': ("", "has no table public.auth_users"),
    '"public.Auth_User"': ("", "There is public.auth_user; case counts"),
    '"public.auth_user"': (
        VIEW,
        "public.auth_user is a view, not an ordinary table",
    ),
    '"public.auth_user_id_seq"': (
        "",
        "public.auth_user_id_seq is a sequence, not an ordinary table",
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_of_a_table_is_so(
    bare_cli: Cli, new_portal: NewPortal, name: str
) -> None:
    statements, said = NAMES[name]
    dsn = new_portal()
    with psycopg.connect(dsn, autocommit=True) as portal:
        portal.execute(statements.encode())
    bare_cli.configure(f"[tables.user]\nname = {name}\n")
    bare_cli.at(dsn)
    ran = bare_cli("install")
    assert ran.code in (1, 2)
    assert said in " ".join(ran.err.split())


def test_names_with_capitals_need_no_quotes(
    new_portal: NewPortal, new_course: NewCourse, bare_cli: Cli
) -> None:
    portal, course = new_portal(), new_course()
    for dsn in (portal, course):
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute('ALTER TABLE auth_user RENAME TO "User"')
    bare_cli.configure('[tables.user]\nname = "public.User"\n')
    bare_cli.at(portal)
    assert bare_cli("install").code == 0
    assert bare_cli("course", "register", TOY, "--dsn", course).code == 0
    with psycopg.connect(portal, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO \"User\" VALUES (1, 'a', '', '', '', '', false, true, false,"
            " now(), now())"
        )
        connection.execute(
            "INSERT INTO student_courseenrollment (user_id, course_id)"
            " VALUES (1, 'edX/toy/2012_Fall')"
        )
    assert bare_cli("deliver", "--until-empty").code == 0
    assert bare_cli("verify").code == 0


ENDS = (-(2**63), -1, 0, 1, 2**63 - 1)
WIDE = [f"a_column_with_a_long_name_{n:03d}" for n in range(400)]


@pytest.fixture
def wide(new_portal: NewPortal, new_course: NewCourse) -> tuple[str, str]:
    """A portal and a course with bigint keys and 400 more columns of the profile."""
    made = new_portal(), new_course()
    columns = ", ".join(f"ADD COLUMN {name} text" for name in WIDE)
    for dsn in made:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for table, key in (
                ("auth_user", "id"),
                ("auth_userprofile", "id"),
                ("auth_userprofile", "user_id"),
                ("student_courseenrollment", "user_id"),
            ):
                alter = f"ALTER TABLE {table} ALTER COLUMN {key} TYPE bigint"
                connection.execute(alter.encode())
            connection.execute(f"ALTER TABLE auth_userprofile {columns}".encode())
    install(made[0], Config())
    return made


def test_ids_at_the_ends_of_bigint_and_four_hundred_columns(
    wide: tuple[str, str], new_course: NewCourse
) -> None:
    portal, dsn = wide
    with Platform.opened(portal, new_course) as platform:
        course, _ = platform.register(dsn, TOY)
        for number in ENDS:
            platform.user(number, f"user{number}", profile=False)
            platform.execute(
                "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware,"
                " language, location) VALUES (%s, %s, '', '', '', '', '')",
                number,
                number,
            )
            platform.enroll(number, TOY)
        assert platform.deliver() == {}
        assert course.users == list(ENDS)
        platform.assert_equal()
        platform.execute(
            "UPDATE auth_userprofile SET a_column_with_a_long_name_399 = 'x'"
        )
        assert platform.deliver() == {}
        [found] = platform.verify().values()
        assert (found.ok, found.users) == (True, len(ENDS))
        course.tamper("UPDATE auth_user SET email = 'x'")
        [found] = platform.verify().values()
        assert sorted(found.drifted) == list(ENDS)


def test_a_negative_id_is_an_id(cli: Cli, platform: Platform) -> None:
    platform.course(TOY)
    platform.member(-5, TOY)
    platform.deliver()
    for arguments in (("explain", "-5"), ("explain", "--", "-5")):
        ran = cli(*arguments)
        assert ran.code == 0, ran
        assert "user-5" in ran.out
    assert cli("explain", str(2**63)).code != 0
    for name in ("backfill", "wait"):
        option = "--users" if name == "backfill" else "--user"
        assert cli(name, option, "-5").code == 0
