"""The clock of pg_cron; where that extension is not there, only how it is missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from tests.cli.run import Cli
from tests.cli.traces import untouched
from tests.conftest import NewCourse, NewPortal, running_cluster
from tests.support.logins import as_login, new_login
from tests.support.platform import Connection, Platform
from tests.support.polling import until

TOY = "edX/toy/2012_Fall"
MINUTE = "* * * * *"
CALL = "CALL pyrepl.serve('55 s')"


@dataclass
class Scheduled:
    """A platform on a server with pg_cron, whose jobs are in another database."""

    platform: Platform
    server: Cluster
    cron: Connection

    def jobs(self) -> list[tuple[object, ...]]:
        return self.cron.execute(
            "SELECT jobname, schedule, command, database, username FROM cron.job"
        ).fetchall()

    @property
    def portal(self) -> str:
        return str(self.platform.connection.info.dbname)


@pytest.fixture(scope="module")
def server(portal_cluster: Cluster) -> Iterator[Cluster]:
    with psycopg.connect(portal_cluster.conninfo()) as asking:
        query = "SELECT FROM pg_available_extensions WHERE name = 'pg_cron'"
        if not asking.execute(query).fetchall():
            pytest.skip("this PostgreSQL has no pg_cron")
    settings = {
        "shared_preload_libraries": "pg_cron",
        "cron.database_name": "postgres",
        "cron.use_background_workers": "on",
    }
    with running_cluster(**settings) as cluster:
        with psycopg.connect(cluster.conninfo()) as connection:
            connection.execute("CREATE EXTENSION pg_cron")
        yield cluster


@pytest.fixture
def scheduled(
    server: Cluster, new_portal: NewPortal, new_course: NewCourse
) -> Iterator[Scheduled]:
    dsn = new_portal(cluster=server)
    install(dsn, Config())
    with (
        psycopg.connect(server.conninfo(), autocommit=True) as cron,
        Platform.opened(dsn, new_course) as platform,
    ):
        yield Scheduled(platform, server, cron)
    with psycopg.connect(server.conninfo()) as cron:
        cron.execute("DELETE FROM cron.job")


def test_scheduling_twice_changes_nothing(bare_cli: Cli, scheduled: Scheduled) -> None:
    bare_cli.at(scheduled.platform.dsn)
    job = f"pg_cron job pyreplctl serve {scheduled.portal}\n"
    assert bare_cli("schedule").out == f"created {job}"
    wanted = (job[12:-1], MINUTE, CALL, scheduled.portal, "postgres")
    assert scheduled.jobs() == [wanted]
    ran = bare_cli("schedule")
    assert (ran.code, ran.out, ran.err) == (0, f"unchanged {job}", "")
    assert bare_cli("schedule", "--every", "5min").out == f"replaced {job}"
    often, call = "*/5 * * * *", "CALL pyrepl.serve('295 s')"
    assert scheduled.jobs() == [(wanted[0], often, call, *wanted[3:])]
    assert bare_cli("unschedule").out == f"dropped {job}"
    assert scheduled.jobs() == []
    ran = bare_cli("unschedule")
    assert (ran.code, ran.out, ran.err) == (0, "", "nothing was scheduled\n")


def test_the_calls_run_as_a_role_that_may_run_the_clock(
    bare_cli: Cli, scheduled: Scheduled
) -> None:
    bare_cli.at(scheduled.platform.dsn)
    administrator = scheduled.platform.connection
    with (
        new_login(administrator, "pyrepl_worker") as clock,
        new_login(administrator) as stranger,
    ):
        ran = bare_cli("schedule", "--as", stranger)
        assert (ran.code, f"GRANT pyrepl_worker TO {stranger}" in ran.err) == (2, True)
        assert bare_cli("schedule", "--as", "pyrepl_worker").code == 2
        assert bare_cli("schedule", "--as", "nobody_at_all").code == 2
        assert scheduled.jobs() == []
        assert bare_cli("schedule").code == 0
        assert bare_cli("schedule", "--as", clock).code == 0
        assert [job[4] for job in scheduled.jobs()] == [clock]
        assert bare_cli("schedule", "--as", clock).out.startswith("unchanged")
        assert bare_cli("unschedule").code == 0


def test_a_role_without_rights_in_pg_cron_is_told_which(
    bare_cli: Cli, scheduled: Scheduled
) -> None:
    portal = scheduled.platform
    with new_login(portal.connection, "pyrepl_owner", "pyrepl_worker") as name:
        bare_cli.at(as_login(portal.dsn, name))
        ran = bare_cli("schedule")
        assert ran.code == 1
        assert f"GRANT USAGE ON SCHEMA cron TO {name}" in ran.err
        assert scheduled.jobs() == []


@pytest.mark.failure
def test_what_is_scheduled_delivers(bare_cli: Cli, scheduled: Scheduled) -> None:
    portal = scheduled.platform
    course = portal.course(TOY)
    bare_cli.at(portal.dsn)
    portal.member(1, TOY)
    portal.execute("CREATE ROLE clock LOGIN IN ROLE pyrepl_worker")
    assert bare_cli("schedule", "--as", "clock").code == 0
    # The same job, but at once instead of at the next full minute.
    scheduled.cron.execute("UPDATE cron.job SET schedule = '@reboot'")
    scheduled.server.restart()
    until(lambda: course.users == [1])
    with psycopg.connect(portal.dsn) as again:
        clocks = again.execute("SELECT kind FROM pyrepl.clocks()").fetchall()
    assert clocks == [("serve",)]


def test_an_uninstall_removes_the_job(bare_cli: Cli, scheduled: Scheduled) -> None:
    bare_cli.at(scheduled.platform.dsn)
    assert bare_cli("schedule").code == 0
    ran = bare_cli("uninstall", "--yes")
    assert (ran.code, "dropped    pg_cron job" in ran.out) == (0, True)
    assert scheduled.jobs() == []


def test_pg_cron_in_the_portal_itself(bare_cli: Cli, scheduled: Scheduled) -> None:
    bare_cli.at(scheduled.platform.dsn)
    server = scheduled.server
    server.settings["cron.database_name"] = scheduled.portal
    server.restart()
    try:
        ran = bare_cli("schedule")
        create = f"in database {scheduled.portal}: CREATE EXTENSION pg_cron;"
        assert (ran.code, create in ran.err) == (1, True)
        with psycopg.connect(scheduled.platform.dsn, autocommit=True) as portal:
            portal.execute("CREATE EXTENSION pg_cron")
            assert bare_cli("schedule").code == 0
            query = "SELECT database, command FROM cron.job"
            assert portal.execute(query).fetchall() == [(scheduled.portal, CALL)]
            assert bare_cli("unschedule").code == 0
    finally:
        server.settings["cron.database_name"] = "postgres"
        server.restart()


def test_without_pg_cron_it_is_said_what_to_do(cli: Cli, platform: Platform) -> None:
    with untouched(platform.dsn):
        ran = cli("schedule")
        assert (ran.code, ran.out) == (1, "")
        for step in (
            "shared_preload_libraries",
            "CREATE EXTENSION pg_cron;",
            "  pyreplctl run\n",
            f'-c "{CALL}"',
        ):
            assert step in ran.err
        ran = cli("unschedule")
        assert (ran.code, ran.err) == (0, "nothing was scheduled\n")


@pytest.mark.parametrize("every", ["30s", "7min", "90s", "0", "2h", "soon"])
def test_calls_begin_at_whole_minutes_of_an_hour(cli: Cli, every: str) -> None:
    assert cli("schedule", "--every", every).code == 2
