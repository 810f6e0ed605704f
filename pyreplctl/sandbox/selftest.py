"""Self-test: whether verify finds what is wrong, and nothing else.

On servers of its own, made for it and gone afterwards: real data is never touched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, value
from pyreplctl.courses import links, refresh, register
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from pyreplctl.install import portal
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.sandbox.planted import DATA, STRUCTURE, Damage
from pyreplctl.schema.sql_files import root
from pyreplctl.verify import repair_data
from pyreplctl.verify import run as runs
from pyreplctl.verify.run import Looking, Run

COURSE = "edX/toy/2012_Fall"
USERS = 40

Found = frozenset[str]


@dataclass(frozen=True)
class Tried:
    """What was planted, what should have been found, and what was."""

    planted: str
    expected: list[str]
    found: list[str]

    @property
    def ok(self) -> bool:
        """Whether all was found, and nothing else."""
        return self.expected == self.found

    def document(self) -> dict[str, Any]:
        """Return it as `verify --self-test --json` has it."""
        return asdict(self) | {"ok": self.ok}

    @property
    def line(self) -> str:
        """Say it."""
        if self.ok:
            return f"ok      {self.planted}: found {'; '.join(self.found) or 'nothing'}"
        return (
            f"FAILED  {self.planted}: found {'; '.join(self.found) or 'nothing'},"
            f" expected {'; '.join(self.expected) or 'nothing'}"
        )


@dataclass(frozen=True)
class Scratch:
    """A portal and a course database that nobody else knows."""

    portal_dsn: str
    course_dsn: str
    portal: Connection
    course: Connection

    def look(self, looking: Looking) -> Found:
        """Verify, and return what was found, a line each."""
        return _found(self.run(looking))

    def run(self, looking: Looking) -> Run:
        """Verify."""
        return runs.look(self.portal_dsn, Config(), [], looking)

    def deliver(self) -> None:
        """Deliver all that waits."""
        batches.until_empty(self.portal, databases.numbers(self.portal, []))


def run(say: Callable[[str], None]) -> list[Tried]:
    """Plant each difference, verify, and repair; return what was found of each."""
    say("starting a server for the test")
    with scratch() as made:
        say("portal and course are ready; planting")
        tried = [_tried("nothing planted", (), made.look(Looking()))]
        plant(made)
        found = made.run(Looking(examples=1000))
        tried += judged(found)
        repair_data.repair(made.portal_dsn, repair_data.plan(found.results))
        tried.append(_tried("after a repair", (), made.look(Looking())))
        for damage in STRUCTURE:
            tried.append(_structure(made, damage))
            _mend(made, damage)
        left = made.look(Looking())
        return [*tried, _tried("after all was repaired", (), left)]


def _tried(name: str, expected: tuple[str, ...], found: Found) -> Tried:
    return Tried(name, sorted(expected), sorted(found))


def plant(made: Scratch) -> None:
    """Plant all differences of data at once: each must be found beside the others."""
    for each in DATA:
        with made.course.transaction():
            # The guard lets nobody else.
            made.course.execute(
                "SELECT set_config('role', pg_get_userbyid(nspowner), true)"
                " FROM pg_namespace WHERE nspname = 'pyrepl'"
            )
            made.course.execute(each.statement)
    # On its way, and no difference, either.
    made.portal.execute("UPDATE auth_user SET email = 'new' WHERE id = 11")


def judged(found: Run) -> list[Tried]:
    """Compare what was found with what was planted, and with nothing besides."""
    lines = _found(found)
    tried = [
        _tried(each.name, each.found, lines & frozenset(each.found))
        for each in DATA
        if each.found
    ]
    expected = frozenset(line for each in DATA for line in each.found)
    quiet = [each.name for each in DATA if not each.found]
    besides = f"besides, with {', '.join(quiet)} and a change on its way"
    return [*tried, _tried(besides, (), lines - expected)]


def _structure(made: Scratch, damage: Damage) -> Tried:
    side = made.course if damage.where == "course" else made.portal
    side.execute(damage.statement)
    found = made.look(Looking(data=False))
    return _tried(damage.name, damage.found, found)


def _mend(made: Scratch, damage: Damage) -> None:
    if damage.undo:
        side = made.course if damage.where == "course" else made.portal
        side.execute(damage.undo)
    if damage.where == "portal":
        portal.install(made.portal_dsn, Config())
    else:
        refresh.refresh(made.portal, Config(), "course", made.course_dsn)
    if damage.where == "link":
        links.rotate_password(made.portal, "course", made.course_dsn)


def _found(run: Run) -> Found:
    lines = [f"{item.object} {item.state}" for item in run.wrong]
    for each in run.databases:
        lines += [f"{item.object} {item.state}" for item in each.wrong]
        # Without the link there is no data to look at: that is its own finding.
        if each.error and not each.wrong:
            lines.append(each.error)
        for found in each.data.examples if each.data else ():
            columns = f" {', '.join(found.columns)}" if found.columns else ""
            lines.append(f"user {found.user_id} {found.kind} {found.table}{columns}")
    return frozenset(lines)


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Run a server with a portal and a course database, equal and with some people."""
    directory = Path(tempfile.mkdtemp(prefix="pyreplctl-self-test-"))
    directory.chmod(0o711)  # the server's user must get through to its own
    try:
        with Cluster.create(directory / "server", settings={"fsync": "off"}) as server:
            portal_dsn, course_dsn = (
                _database(server, n) for n in ("portal", "course")
            )
            portal.install(portal_dsn, Config())
            with connect(portal_dsn) as here, connect(course_dsn) as there:
                # What is planted is written as a platform and a course would.
                for session in (here, there):
                    session.execute("SET search_path = public")
                made = Scratch(portal_dsn, course_dsn, here, there)
                _people(here)
                request = Request((COURSE,), course_dsn)
                register.register(here, Config(), request)
                made.deliver()
                yield made
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _database(server: Cluster, name: str) -> str:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {}")
        connection.execute(create.format(sql.Identifier(name)))
    dsn = server.conninfo(name)
    with psycopg.connect(dsn) as connection:
        connection.execute((root("sql") / "demo" / "edx_2012.sql").read_bytes())
    return dsn


def _people(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " SELECT n, 'user' || n, 'First', 'Łast', 'user' || n || '@example.com', '!',"
        " false, true, false, now(), now() FROM generate_series(1, %s) n",
        (USERS,),
    )
    connection.execute(
        "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware, language,"
        " location) SELECT id, id, 'Näme', '', 'course.xml', '', '' FROM auth_user"
    )
    connection.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id, created)"
        " SELECT id, %s, now() FROM auth_user",
        (COURSE,),
    )
    assert value(connection, "SELECT count(*) FROM auth_user") == USERS
