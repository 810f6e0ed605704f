"""A deployment pipeline, played through the command line while users are at work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

from pyreplctl.cli.output import SETTINGS, Settings
from pyreplctl.delivery.worker import Worker
from pyreplctl.sandbox.embedded import Cluster
from tests.cli.run import Cli
from tests.conftest import NewCourse, NewPortal
from tests.support.platform import Connection, Course, Platform
from tests.support.polling import until

TOY, OTHER = "edX/toy/2012_Fall", "MITx/6.002x/2012_Fall"
MIGRATION: LiteralString = "ALTER TABLE auth_userprofile ADD COLUMN city varchar(99)"


@pytest.fixture
def portal_dsn(new_portal: NewPortal) -> str:
    return new_portal()


@pytest.fixture
def cli(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    portal_dsn: str,
    course_cluster: Cluster,
) -> Iterator[Cli]:
    """The command line as a pipeline has it: passwords are where libpq looks."""
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    passwords.write_text(f"*:{course_cluster.port}:*:*:{course_cluster.password}\n")
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.chdir(tmp_path)
    made = Cli(tmp_path, capsys, monkeypatch)
    made.at(portal_dsn)
    yield made
    vars(SETTINGS).update(vars(Settings()))


@contextmanager
def worker(dsn: str) -> Iterator[None]:
    """Run the clock as a service does."""
    made = Worker(dsn, 2)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield
    finally:
        made.stop()
        thread.join()


class Users(threading.Thread):
    """The platform's users, who edit their names all the time."""

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.dsn, self.edits, self.ending = dsn, 0, threading.Event()

    def run(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while not self.ending.wait(0.01):
                connection.execute(
                    "UPDATE auth_userprofile SET name = %s WHERE user_id = %s",
                    (f"Edit {self.edits}", 1 + self.edits % 20),
                )
                self.edits += 1

    def __enter__(self) -> Users:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.join()


def deliveries_go_on(portal: Connection, courses: list[Course]) -> None:
    """What is written now arrives at every course, by the worker alone."""
    portal.execute("UPDATE auth_user SET email = gen_random_uuid() WHERE id = 1")
    wanted = portal.execute("SELECT email FROM auth_user WHERE id = 1").fetchall()
    query: LiteralString = "SELECT email FROM auth_user WHERE id = 1"
    until(lambda: all(course.rows(query) == wanted for course in courses), 60)


def cities(course: Course) -> list[Any]:
    return course.rows("SELECT DISTINCT city FROM auth_userprofile")


def test_a_migration_is_deployed_while_everything_runs(
    cli: Cli, portal_dsn: str, new_course: NewCourse
) -> None:
    dsns = [new_course(), new_course(askbot=True)]
    assert cli("install", "--check").code == 3
    assert cli("install").code == 0
    assert cli("install", "--check").code == 0

    with Platform.opened(portal_dsn, new_course) as platform:
        for user in range(1, 21):
            platform.member(user, TOY, OTHER)
        for key, dsn in zip((TOY, OTHER), dsns, strict=True):
            assert cli("course", "register", key, "--dsn", dsn).code == 0
        courses = [
            Course(
                connection.info.dbname,
                dsn,
                platform.stack.enter_context(connection),
            )
            for dsn in dsns
            for connection in [psycopg.connect(dsn, autocommit=True)]
        ]
        portal = platform.connection
        with worker(portal_dsn), Users(portal_dsn) as users:
            deliveries_go_on(portal, courses)
            # The migration, on the portal first and then at the courses.
            platform.execute(MIGRATION)
            deliveries_go_on(portal, courses)
            assert cli("install", "--check").code == 3
            for course in courses:
                course.execute(MIGRATION)
            assert cli("install").code == 0
            assert cli("install", "--check").code == 0
            platform.execute("UPDATE auth_userprofile SET city = 'Boston'")
            deliveries_go_on(portal, courses)
            rows = cli("status", "--json").document["databases"]
            assert [row["pending_columns"] for row in rows] == [
                ["public.auth_userprofile.city"]
            ] * 2
            assert [cities(course) for course in courses] == [[(None,)]] * 2

            assert cli("course", "refresh", "--all").code == 0
            assert [cities(course) for course in courses] == [[("Boston",)]] * 2
            deliveries_go_on(portal, courses)
        assert users.edits > 0
        with worker(portal_dsn):
            assert cli("wait", "--timeout", "60s").code == 0
        assert cli("verify").code == 0
        rows = cli("status", "--json").document["databases"]
        assert [row["pending_columns"] for row in rows] == [[], []]
        courses[0].tamper(
            "UPDATE auth_userprofile SET city = 'drift' WHERE user_id = 1"
        )
        assert cli("verify").code == 3
