from __future__ import annotations

import psycopg

from pyreplctl.core.config import Config
from pyreplctl.courses import register
from pyreplctl.courses.request import Request
from pyreplctl.install.portal import install
from tests.cli.run import Cli
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.support.clocks import working
from tests.support.polling import until
from tests.support.standbys import copy_of

TOY = "edX/toy/2012_Fall"
MEMBER = """
    INSERT INTO auth_user (id, username, first_name, last_name, email, password,
        is_staff, is_active, is_superuser, last_login, date_joined)
    VALUES (1, 'ada', '', '', '', '', false, true, false, now(), now())"""
ENROLLED = "INSERT INTO student_courseenrollment (user_id, course_id) VALUES (1, %s)"


def test_what_delivers_waits_for_a_promotion_or_says_why_not(
    cli: Cli,
    new_cluster: NewCluster,
    new_portal: NewPortal,
    new_course: NewCourse,
) -> None:
    primary = new_cluster()
    dsn, course = new_portal(cluster=primary), new_course()
    install(dsn, Config())
    with psycopg.connect(dsn, autocommit=True) as portal:
        register.register(portal, Config(), Request((TOY,), course, name="toy"))
        dbname = portal.info.dbname
        portal.execute(MEMBER)
        portal.execute(ENROLLED, (TOY,))
    with copy_of(primary, standby=True) as standby:
        here = standby.conninfo(dbname)
        for command in (["wait"], ["deliver", "--until-empty"], ["backfill"]):
            done = cli("--portal", here, *command)
            assert done.code == 1
            assert "the portal is a standby" in done.err
        with working(here), psycopg.connect(course, autocommit=True) as there:
            told: list[str] = []

            def waits() -> bool:
                told.append(cli.capture.readouterr().err)
                return "waiting until it is promoted" in "".join(told)

            until(waits)
            primary.kill()
            with psycopg.connect(here, autocommit=True) as session:
                session.execute("SELECT pg_promote()")
            until(lambda: there.execute("SELECT FROM auth_user").fetchone() is not None)
