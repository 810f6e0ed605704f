"""The databases that the other tests are given."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import Clone, NewCluster, NewCourse, NewPortal, drop

INSERT_USER = """
    INSERT INTO auth_user
        (id, username, first_name, last_name, email, password, is_staff, is_active,
         is_superuser, last_login, date_joined)
    VALUES
        (1, 'ada', 'Ada', 'King', 'ada@example.org', '!', false, true, false,
         now(), now())
"""
COLUMNS = """
    SELECT count(*), count(*) FILTER (WHERE is_nullable = 'NO')
    FROM information_schema.columns
    WHERE table_name = 'auth_user'
"""


@pytest.mark.parametrize(
    ("schema", "columns"), [("edx_2012", (11, 11)), ("openedx_2026", (11, 10))]
)
def test_portal_has_the_tables(
    new_portal: NewPortal, schema: str, columns: tuple[int, int]
) -> None:
    with psycopg.connect(new_portal(schema=schema)) as portal:
        assert portal.execute(COLUMNS).fetchone() == columns
        portal.execute(INSERT_USER)


def test_askbot_adds_25_columns(new_course: NewCourse) -> None:
    with psycopg.connect(new_course(askbot=True)) as course:
        assert course.execute(COLUMNS).fetchone() == (36, 34)
        course.execute(INSERT_USER)


def test_bare_askbot_refuses_a_copy(new_course: NewCourse) -> None:
    with (
        psycopg.connect(new_course(askbot="bare")) as course,
        pytest.raises(errors.NotNullViolation),
    ):
        course.execute(INSERT_USER)


def test_databases_are_independent(new_course: NewCourse) -> None:
    first, second = new_course("edX/toy/2012_Fall"), new_course()
    assert conninfo_to_dict(first)["dbname"] == "edX/toy/2012_Fall"
    with psycopg.connect(first) as course:
        course.execute(INSERT_USER)
    with psycopg.connect(second) as course:
        assert course.execute("SELECT * FROM auth_user").fetchone() is None


def test_portal_links_to_a_course_with_a_password(
    new_portal: NewPortal, new_course: NewCourse
) -> None:
    link = conninfo_to_dict(new_course())
    with psycopg.connect(new_portal()) as portal:
        portal.execute("CREATE EXTENSION postgres_fdw")
        portal.execute(
            sql.SQL(
                "CREATE SERVER course FOREIGN DATA WRAPPER postgres_fdw"
                " OPTIONS (host {host}, port {port}, dbname {dbname});"
                "CREATE USER MAPPING FOR CURRENT_USER SERVER course"
                " OPTIONS (user {user}, password {password});"
                "IMPORT FOREIGN SCHEMA public LIMIT TO (student_courseenrollment)"
                " FROM SERVER course INTO pg_temp"
            ).format(**{name: sql.Literal(str(value)) for name, value in link.items()})
        )
        rows = portal.execute("SELECT * FROM pg_temp.student_courseenrollment")
        assert rows.fetchall() == []


@pytest.mark.failure
def test_databases_go_from_a_server_left_frozen_or_down(
    new_cluster: NewCluster, clone: Clone
) -> None:
    cluster = new_cluster()
    with psycopg.connect(clone(cluster, "held", ("edx_2012",))):
        cluster.freeze()
        drop(cluster, "held")
    clone(cluster, "left", ("edx_2012",))
    cluster.stop()
    drop(cluster, "left")
    with psycopg.connect(cluster.conninfo(), autocommit=True) as connection:
        names = connection.execute("SELECT datname FROM pg_database").fetchall()
    assert {name for (name,) in names}.isdisjoint({"held", "left"})
