"""Open edX as it is today: whoever is unenrolled there is no member."""

from __future__ import annotations

import psycopg
import pytest

from pyreplctl.core.config import Config, load
from pyreplctl.core.examples import Platform as Known
from tests.cli.run import Cli
from tests.conftest import NewCourse, NewPortal

KEY = "course-v1:edX+DemoX+Demo_Course"
ENROLLED = """
    INSERT INTO auth_user (id, password, is_superuser, username, first_name, last_name,
        email, is_staff, is_active, date_joined)
    SELECT n, 'x', false, 'user' || n, '', '', n || '@x', false, true, now()
    FROM generate_series(1, 2) n;
    INSERT INTO student_courseenrollment (is_active, mode, course_id, user_id)
    VALUES (true, 'audit', 'course-v1:edX+DemoX+Demo_Course', 1),
        (false, 'audit', 'course-v1:edX+DemoX+Demo_Course', 2)"""
SAID = "public.student_courseenrollment has a boolean column is_active"


def life(
    cli: Cli, new_portal: NewPortal, new_course: NewCourse
) -> tuple[str, list[int]]:
    """Install and deliver; what install said, and who has a copy."""
    portal = new_portal(schema="openedx_2026")
    course = new_course(schema="openedx_2026")
    cli.at(portal)
    with psycopg.connect(portal, autocommit=True) as connection:
        connection.execute(ENROLLED)
    installed = cli("install")
    assert installed.code == 0, installed
    assert cli("course", "register", KEY, "--dsn", course).code == 0
    assert cli("verify").code == 0
    with psycopg.connect(course) as connection:
        rows = connection.execute("SELECT id FROM auth_user ORDER BY 1").fetchall()
    return installed.err, [row[0] for row in rows]


def test_init_for_openedx_knows_who_is_a_member(
    bare_cli: Cli, new_portal: NewPortal, new_course: NewCourse
) -> None:
    assert bare_cli("init", "--for", "openedx").code == 0
    said, copies = life(bare_cli, new_portal, new_course)
    assert SAID not in said
    assert copies == [1]


def test_without_it_install_says_which_column_looks_like_membership(
    bare_cli: Cli, new_portal: NewPortal, new_course: NewCourse
) -> None:
    said, copies = life(bare_cli, new_portal, new_course)
    assert SAID in said
    assert 'active = "is_active"' in said
    assert copies == [1, 2]


@pytest.mark.parametrize("platform", ["edx2012", "openedx", "django"])
def test_what_init_writes_can_be_read(bare_cli: Cli, platform: Known) -> None:
    assert bare_cli("init", "--for", platform).code == 0
    found = load()
    assert (found == Config()) == (platform == "edx2012")
    if platform == "django":
        assert found.policy.guard_exempt == ("last_login", "password")
        assert found.tables.enrollment.name == "public.courses_enrollment"


def test_another_platform_is_refused_with_those_there_are(bare_cli: Cli) -> None:
    ran = bare_cli("init", "--for", "moodle")
    assert ran.code == 2
    assert "openedx" in ran.err
