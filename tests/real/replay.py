"""Replay of real enrollments: 22 course databases follow three years of a university.

`PYREPLCTL_OULAD` names the registrations of the Open University Learning Analytics
Dataset as a CSV file with the columns code_module, code_presentation, id_student,
date_registration and date_unregistration (Kuzilek, Hlosta, Zdrahal, Sci Data 2017,
doi:10.1038/sdata.2017.171, CC BY 4.0). Dates are days from the start of a presentation.
Run it with `python -m tests.real.replay`.
"""

from __future__ import annotations

import csv
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from pyreplctl.core.config import USER_COLUMNS, Config
from pyreplctl.core.db import Connection, connect, value
from pyreplctl.courses import register
from pyreplctl.courses.request import Request
from pyreplctl.delivery import wait
from pyreplctl.delivery.worker import Worker
from pyreplctl.install import portal
from pyreplctl.verify import data

FILE = "PYREPLCTL_OULAD"
START = datetime(2013, 10, 1, 12, tzinfo=UTC)
AT_ONCE = 100  # events in one transaction

NewCourse = Callable[[str, bool], str]
Talk = Callable[[str], object]

_USERS: LiteralString = (
    "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
    " is_staff, is_active, is_superuser, last_login, date_joined)"
    " SELECT i, 'student' || i, 'First', 'Last', i || '@example.org', md5(i::text),"
    " false, true, false, %(at)s, %(at)s FROM unnest(%(users)s::integer[]) i"
)
_PROFILES: LiteralString = (
    "INSERT INTO auth_userprofile (user_id, name, meta, courseware, language, location,"
    " gender) SELECT i, 'Student No. ' || i, '', 'course.xml', 'en', '', 'o'"
    " FROM unnest(%(users)s::integer[]) i"
)
_ENROLL: LiteralString = (
    "INSERT INTO student_courseenrollment (user_id, course_id, created)"
    " SELECT n.student, n.course, %(at)s"
    " FROM unnest(%(users)s::integer[], %(courses)s::text[]) n(student, course)"
)
_UNENROLL: LiteralString = (
    "DELETE FROM student_courseenrollment e"
    " USING unnest(%(users)s::integer[], %(courses)s::text[]) n(student, course)"
    " WHERE e.user_id = n.student AND e.course_id = n.course"
)
_EDITS: tuple[LiteralString, ...] = (
    "UPDATE auth_user SET email = %(day)s || '@example.org' WHERE id = ANY (%(users)s)",
    "UPDATE auth_userprofile SET location = %(day)s WHERE user_id = ANY (%(users)s)",
)


@dataclass(frozen=True, order=True)
class Event:
    """A student registers for a course presentation, or (later that day) leaves it."""

    day: int
    leaves: bool
    student: int
    course: str


@dataclass
class Report:
    """What a replay did; seconds by phase."""

    registrations: int = 0
    unregistrations: int = 0
    students: int = 0
    edits: int = 0
    courses: int = 0
    live: int = 0
    dossiers: int = 0
    rows_compared: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def dossiers_per_second(self) -> float:
        """Dossiers by the time from the first write until nothing waited any more."""
        return self.dossiers / (self.seconds["replay"] + self.seconds["drain"])

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure a phase."""
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started


def events(file: Path, limit: int | None = None) -> list[Event]:
    """Return registrations and unregistrations in day order; of the first rows only.

    A registration without a day counts on the day on which the student left, or else on
    the first day of all. Students and presentations keep their names.
    """
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    first = min(int(r["date_registration"]) for r in rows if r["date_registration"])
    pairs: list[tuple[Event, Event | None]] = []
    for row in rows:
        course = f"OU/{row['code_module']}/{row['code_presentation']}"
        student = int(row["id_student"])
        left = row["date_unregistration"]
        day = int(row["date_registration"] or left or first)
        leaving = Event(int(left), True, student, course) if left else None
        pairs.append((Event(day, False, student, course), leaving))
    pairs.sort(key=lambda pair: pair[0])
    return sorted(e for pair in pairs[:limit] for e in pair if e is not None)


def replay(
    dsn: str,
    happened: list[Event],
    new_course: NewCourse,
    *,
    jobs: int = 2,
    talk: Talk = str,
) -> Report:
    """Play events on an installed portal while a worker delivers; compare at the end.

    `new_course` makes a course database (by name, with Askbot's columns or without) and
    returns the administrator's DSN.
    """
    report = Report()
    keys = sorted({event.course for event in happened})
    report.courses = len(keys)
    with report.phase("register"):
        dsns = dict(_registered(dsn, keys, new_course))
    talk(
        f"registered {len(keys)} course databases in {report.seconds['register']:.1f} s"
    )
    # As the platform connects: its statements name tables without their schema.
    with (
        psycopg.connect(dsn, autocommit=True) as connection,
        working(Worker(dsn, jobs)),
    ):
        with report.phase("replay"):
            _write(connection, happened, report, talk)
        with report.phase("drain"):
            waited = wait.wait(connection, [], None, timeout=600)
        if waited.left or waited.unrouted:
            report.differences.append(f"not delivered: {waited}")
        report.dossiers = value(connection, "SELECT pyrepl.last_queued()")
    with report.phase("verify"):
        found = data.verify(dsn, Config(), [], jobs=jobs)
    report.differences += [
        f"verify: {result}" for result in found if not result.ok or result.pending
    ]
    with report.phase("compare"):
        compare(dsn, dsns, happened, report)
    return report


def compare(
    dsn: str, dsns: dict[str, str], happened: list[Event], report: Report
) -> None:
    """Compare every row of every course database with the portal, without its help.

    A course database holds the enrollments of its course; users and profiles of all its
    students and, as on_unenroll = "keep" has it, of those who have left; nobody else's.
    """
    for key, course_dsn in dsns.items():
        ever = {event.student for event in happened if event.course == key}
        with psycopg.connect(dsn) as here, psycopg.connect(course_dsn) as there:
            copies = [r[0] for r in there.execute("SELECT id FROM auth_user")]
            live = _rows(here, "student_courseenrollment", "course_id", [key])
            for table, column in (
                ("auth_user", "id"),
                ("auth_userprofile", "user_id"),
                ("student_courseenrollment", "course_id"),
            ):
                chosen = [key] if column == "course_id" else copies
                wanted = _rows(here, table, column, chosen)
                held = _rows(there, table)
                report.rows_compared += len(held)
                for row in sorted(wanted ^ held)[:3]:
                    side = "portal" if row in wanted else "course"
                    report.differences.append(f"{key}: only at the {side}: {row}")
            members = {int(row.split("\t")[1]) for row in live}
            report.live += len(live)
            if strangers := set(copies) - ever:
                report.differences.append(f"{key}: never a member: {strangers}")
            if missing := members - set(copies):
                report.differences.append(f"{key}: a member without a copy: {missing}")


@contextmanager
def working(worker: Worker) -> Iterator[None]:
    """Run a worker in a thread for the length of the block."""
    thread = threading.Thread(target=worker.run, name="worker")
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join()


def _registered(
    dsn: str, keys: list[str], new_course: NewCourse
) -> Iterator[tuple[str, str]]:
    # A connection of its own: it keeps a link to every database that it rehearses with.
    with connect(dsn) as connection:
        for number, key in enumerate(keys):
            made = new_course(f"replay_{number}", number % 2 == 1)
            register.register(connection, Config(), Request((key,), made))
            yield key, made


def _write(
    connection: Connection, happened: list[Event], report: Report, talk: Talk
) -> None:
    known: dict[int, None] = {}
    chance = random.Random(2017)
    spoken = time.monotonic()
    for day, of_day in groupby(happened, key=lambda event: event.day):
        at = START + timedelta(days=day)
        listed = list(of_day)
        for start in range(0, len(listed), AT_ONCE):
            some = listed[start : start + AT_ONCE]
            with connection.transaction():
                _write_some(connection, some, known, at, report)
            known |= dict.fromkeys(event.student for event in some)
        edited = chance.sample(list(known), 1 + len(known) // 500)
        with connection.transaction():
            for statement in _EDITS:
                values = {"users": edited, "day": f"day{day}"}
                connection.execute(statement, values)
        report.edits += len(edited)
        if time.monotonic() - spoken > 5:
            spoken = time.monotonic()
            talk(f"day {day}: {report.registrations} registrations")
    report.students = len(known)


def _write_some(
    connection: Connection,
    some: list[Event],
    known: dict[int, None],
    at: datetime,
    report: Report,
) -> None:
    if new := sorted({e.student for e in some} - known.keys()):
        for statement in (_USERS, _PROFILES):
            connection.execute(statement, {"users": new, "at": at})
    for leaves, statement in ((False, _ENROLL), (True, _UNENROLL)):
        if moved := [e for e in some if e.leaves is leaves]:
            connection.execute(
                statement,
                {
                    "users": [e.student for e in moved],
                    "courses": [e.course for e in moved],
                    "at": at,
                },
            )
            if leaves:
                report.unregistrations += len(moved)
            else:
                report.registrations += len(moved)


def _rows(
    connection: Connection,
    table: str,
    column: str | None = None,
    chosen: list[str] | list[int] | None = None,
) -> set[str]:
    """Return rows as COPY writes them, of the columns that travel."""
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in USER_COLUMNS)
    query = sql.SQL("SELECT {} FROM {}").format(
        columns if table == "auth_user" else sql.SQL("*"), sql.Identifier(table)
    )
    if column is not None:
        query += sql.SQL(" WHERE {} = ANY ({})").format(
            sql.Identifier(column), sql.Literal(chosen)
        )
    copied = sql.SQL("COPY ({}) TO STDOUT").format(query)
    with connection.cursor().copy(copied) as rows:
        text = b"".join(bytes(part) for part in rows).decode()
    lines = text.splitlines()
    assert len(lines) == len(set(lines))
    return set(lines)


def main() -> int:
    """Replay the whole file on two embedded servers; print what was done."""
    from tests.conftest import SCHEMA, running_cluster

    if not os.environ.get(FILE):
        print(f"set {FILE} to the CSV file of registrations; see {__file__}")  # noqa: T201
        return 2
    happened = events(Path(os.environ[FILE]))
    with ExitStack() as stack:
        here = stack.enter_context(running_cluster())
        there = stack.enter_context(running_cluster(max_connections="200"))

        def new_database(dsn: str, name: str, *files: str) -> None:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            made = psycopg.conninfo.make_conninfo(dsn, dbname=name)
            with psycopg.connect(made) as connection:
                for file in files:
                    connection.execute((SCHEMA / f"{file}.sql").read_bytes())

        def new_course(name: str, askbot: bool) -> str:
            extra = ("askbot",) if askbot else ()
            new_database(there.conninfo(), name, "edx_2012", *extra)
            return there.conninfo(name)

        new_database(here.conninfo(), "portal", "edx_2012")
        portal.install(here.conninfo("portal"), Config())
        report = replay(
            here.conninfo("portal"), happened, new_course, jobs=4, talk=_talk
        )
    _print(report)
    return 1 if report.differences else 0


def _talk(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _print(report: Report) -> None:
    phases = ", ".join(f"{name} {took:.1f} s" for name, took in report.seconds.items())
    print(  # noqa: T201
        f"{report.registrations} registrations and {report.unregistrations}"
        f" unregistrations of {report.students} students in {report.courses} courses,"
        f" {report.edits} edits of users and profiles\n"
        f"{report.dossiers} dossiers delivered,"
        f" {report.dossiers_per_second:.0f} a second\n"
        f"{report.live} live enrollments; {report.rows_compared} rows compared,"
        f" {len(report.differences)} differences\n{phases}",
        *report.differences,
        sep="\n",
    )


if __name__ == "__main__":
    sys.exit(main())
