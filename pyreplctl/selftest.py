"""Self-test: whether verify finds what is wrong, and nothing else.

On servers of its own, made for it and gone afterwards: real data is never touched.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from pyreplctl import (
    courses,
    deliveries,
    portal,
    refresh,
    registration,
    repairing,
    runs,
)
from pyreplctl.config import Config
from pyreplctl.db import Connection, connect, value
from pyreplctl.embedded import Cluster
from pyreplctl.registration import Request
from pyreplctl.runs import Looking, Run
from pyreplctl.sources import root

COURSE = "edX/toy/2012_Fall"
USERS = 40
USER = "public.auth_user"
PROFILE = "public.auth_userprofile"
ENROLLMENT = "public.student_courseenrollment"

Found = frozenset[str]


class Plant(NamedTuple):
    """A difference: what is done at the course, and what is to be found of it."""

    name: str
    statement: LiteralString
    found: tuple[str, ...]


# Each about a user of its own; where it says so nothing is to be found.
DATA = (
    Plant(
        "another e-mail",
        "UPDATE auth_user SET email = 'other' WHERE id = 1",
        (f"user 1 stale {USER} email",),
    ),
    Plant(
        "another case",
        "UPDATE auth_user SET username = upper(username) WHERE id = 2",
        (f"user 2 stale {USER} username",),
    ),
    Plant(
        "empty instead of NULL",
        "UPDATE auth_userprofile SET goals = '' WHERE user_id = 3",
        (f"user 3 stale {PROFILE} goals",),
    ),
    Plant(
        "a microsecond",
        "UPDATE student_courseenrollment SET created = created + interval '1 us'"
        " WHERE user_id = 4",
        (f"user 4 stale {ENROLLMENT} created",),
    ),
    Plant(
        "a flag",
        "UPDATE auth_user SET is_staff = NOT is_staff WHERE id = 5",
        (f"user 5 stale {USER} is_staff",),
    ),
    Plant(
        "no profile",
        "DELETE FROM auth_userprofile WHERE user_id = 6",
        (f"user 6 missing {PROFILE}",),
    ),
    Plant(
        "no enrollment",
        "DELETE FROM student_courseenrollment WHERE user_id = 7",
        (f"user 7 missing {ENROLLMENT}",),
    ),
    Plant(
        "nothing of a member",
        "DELETE FROM student_courseenrollment WHERE user_id = 8;"
        " DELETE FROM auth_userprofile WHERE user_id = 8;"
        " DELETE FROM auth_user WHERE id = 8",
        (
            f"user 8 missing {USER}",
            f"user 8 missing {PROFILE}",
            f"user 8 missing {ENROLLMENT}",
        ),
    ),
    Plant(
        "an enrollment that nobody made",
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (900, 9, 'edX/other')",
        (f"user 9 extra {ENROLLMENT}",),
    ),
    Plant(
        "a copy that the portal never had",
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (901, 'ghost', '', '', '', '', false, true, false, now(), now());"
        " INSERT INTO pyrepl.copy (user_id, generation) VALUES (901, 0)",
        (f"user 901 extra {USER}",),
    ),
    Plant(
        "an account of the course's own: nothing",
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (902, 'admin', '', '', '', '', true, true, true, now(), now())",
        (),
    ),
    Plant(
        "a login at the course: nothing",
        "UPDATE auth_user SET last_login = now() WHERE id = 10",
        (),
    ),
)


class Damage(NamedTuple):
    """Something of the structure: where, what is done, what is found, how it ends."""

    name: str
    where: str
    statement: LiteralString
    found: str
    undo: LiteralString = ""


STRUCTURE = (
    Damage(
        "a trigger disabled",
        "portal",
        "ALTER TABLE auth_user DISABLE TRIGGER pyrepl_update",
        "triggers public.auth_user disabled",
    ),
    Damage(
        "a trigger dropped",
        "portal",
        "DROP TRIGGER pyrepl_insert ON student_courseenrollment",
        "triggers public.student_courseenrollment missing",
    ),
    Damage(
        "a function edited",
        "portal",
        "ALTER FUNCTION pyrepl.members(integer) RESET search_path",
        "function members edited",
    ),
    Damage(
        "an older function",
        "portal",
        "UPDATE pyrepl.object SET source_hash = '' WHERE name = 'members'",
        "function members outdated",
    ),
    Damage(
        "a function of nobody",
        "portal",
        "CREATE FUNCTION pyrepl.mine() RETURNS void LANGUAGE sql AS ''",
        "function mine orphan",
        "DROP FUNCTION pyrepl.mine()",
    ),
    Damage(
        "a grant to PUBLIC",
        "portal",
        "GRANT EXECUTE ON FUNCTION pyrepl.route() TO PUBLIC",
        "function route edited",
    ),
    Damage(
        "an index dropped",
        "portal",
        "DROP INDEX pyrepl.outbox_claim",
        "index outbox_claim of table outbox missing",
        "CREATE INDEX outbox_claim ON pyrepl.outbox (database_id, priority, id)",
    ),
    Damage(
        "a time-out of the link lost",
        "link",
        "ALTER SERVER pyrepl_1 OPTIONS (DROP connect_timeout)",
        "server pyrepl_1 edited",
    ),
    Damage(
        "a wrong password",
        "link",
        "ALTER USER MAPPING FOR pyrepl_owner SERVER pyrepl_1"
        " OPTIONS (SET password 'wrong')",
        "mapping pyrepl_1 edited",
    ),
    Damage(
        "a column added on one side",
        "portal",
        "ALTER TABLE auth_userprofile ADD COLUMN bio text",
        "contract outdated",
        "ALTER TABLE auth_userprofile DROP COLUMN bio",
    ),
    Damage(
        "a guard trigger dropped",
        "course",
        "DROP TRIGGER pyrepl_guard ON auth_user",
        "triggers public.auth_user missing",
    ),
    Damage("no inbox", "course", "DROP VIEW pyrepl.inbox", "view inbox missing"),
    Damage(
        "another apply",
        "course",
        "ALTER FUNCTION pyrepl.apply() RESET row_security",
        "function apply edited",
    ),
    Damage(
        "a registry that all may write",
        "course",
        "GRANT INSERT ON pyrepl.copy TO PUBLIC",
        "table copy edited",
    ),
    Damage(
        "a right taken away",
        "course",
        "REVOKE UPDATE ON auth_user FROM pyrepl_owner",
        "grant public.auth_user missing",
    ),
)


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

    @property
    def line(self) -> str:
        """Say it."""
        if self.ok:
            return f"ok      {self.planted}: {'; '.join(self.found) or 'nothing'}"
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
        deliveries.until_empty(self.portal, courses.numbers(self.portal, []))


def run(say: Callable[[str], None]) -> list[Tried]:
    """Plant each difference, verify, and mend; return what was found of each."""
    say("starting a server for the test")
    with _scratch() as scratch:
        say("portal and course are ready; planting")
        clean = Looking()
        tried = [_tried("nothing", (), scratch.look(clean)), *_data(scratch)]
        for damage in STRUCTURE:
            tried.append(_structure(scratch, damage))
            _mend(scratch, damage)
        left = scratch.look(clean)
        return [*tried, _tried("nothing, after all was mended", (), left)]


def _tried(name: str, expected: tuple[str, ...], found: Found) -> Tried:
    return Tried(name, sorted(expected), sorted(found))


def _data(scratch: Scratch) -> list[Tried]:
    """Plant all differences of data at once: each must be found beside the others."""
    for plant in DATA:
        with scratch.course.transaction():
            # The guard lets nobody else.
            scratch.course.execute("SET LOCAL ROLE pyrepl_owner")
            scratch.course.execute(plant.statement)
    # On its way, and gone from the course: no differences, either.
    scratch.portal.execute("UPDATE auth_user SET email = 'new' WHERE id = 11")
    found = scratch.run(Looking(examples=1000))
    lines = _found(found)
    tried = [
        _tried(plant.name, plant.found, lines & frozenset(plant.found))
        for plant in DATA
        if plant.found
    ]
    expected = frozenset(line for plant in DATA for line in plant.found)
    besides = lines - expected
    quiet = [plant.name for plant in DATA if not plant.found]
    tried.append(
        _tried(f"besides: {'; '.join(quiet)}; a change on its way", (), besides)
    )
    repairing.repair(scratch.portal_dsn, repairing.plan(found.results))
    tried.append(_tried("nothing, after a repair", (), scratch.look(Looking())))
    return tried


def _structure(scratch: Scratch, damage: Damage) -> Tried:
    side = scratch.course if damage.where == "course" else scratch.portal
    side.execute(damage.statement)
    found = scratch.look(Looking(data=False))
    return _tried(damage.name, (damage.found,), found)


def _mend(scratch: Scratch, damage: Damage) -> None:
    if damage.undo:
        scratch.portal.execute(damage.undo)
    elif damage.where == "portal":
        portal.install(scratch.portal_dsn, Config())
    else:
        refresh.refresh(scratch.portal, Config(), "course", scratch.course_dsn)
    if damage.where == "link":
        courses.rotate_password(scratch.portal, "course", scratch.course_dsn)


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
def _scratch() -> Iterator[Scratch]:
    directory = Path(tempfile.mkdtemp(prefix="pyreplctl-self-test-"))
    directory.chmod(0o711)  # the server's user must get through to its own
    try:
        with Cluster.create(directory / "server", settings={"fsync": "off"}) as server:
            portal_dsn, course_dsn = (
                _database(server, n) for n in ("portal", "course")
            )
            portal.install(portal_dsn, Config())
            with connect(portal_dsn) as here, connect(course_dsn) as there:
                scratch = Scratch(portal_dsn, course_dsn, here, there)
                _people(here)
                request = Request((COURSE,), course_dsn)
                registration.register(here, Config(), request)
                scratch.deliver()
                yield scratch
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
