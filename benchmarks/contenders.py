"""Who is compared: a small class each, that sets itself up on a site of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import LiteralString

from psycopg import sql

from benchmarks.ground import Connection, Ground, Site, key_of
from benchmarks.options import told
from pyreplctl.core import databases
from pyreplctl.core.config import USER_COLUMNS, Config, Mode
from pyreplctl.courses import delivery_mode
from pyreplctl.courses import register as registration
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches, wait
from pyreplctl.install import portal

TRIGGERS = Path(__file__).with_name("foreign_triggers.sql")
PATIENCE = 600.0  # seconds, for what was written to arrive

_SUM: LiteralString = (
    "SELECT count(*), sum(hashtext(concat(id, email, first_name, last_name)))"
    " FROM auth_user u"
)
_MEMBERS: LiteralString = (
    " WHERE %s OR EXISTS (SELECT FROM student_courseenrollment e"
    " WHERE e.user_id = u.id AND e.course_id = %s)"
)


class Contender:
    """No replication at all; the others differ from it."""

    name = "no replication"
    replicates = False
    everybody = False  # is replicated, members or not
    settings: Mapping[str, str] = MappingProxyType({})  # of the portal's server
    course_settings: Mapping[str, str] = MappingProxyType({})

    def __init__(self, ground: Ground, names: tuple[str, ...] = ("one", "two")) -> None:
        label = f"{type(self).__name__.lower()}-{len(list(ground.directory.iterdir()))}"
        self.site = ground.site(label, names, self.settings, self.course_settings)
        begun = time.monotonic()
        self.set_up()
        self.settle()
        self.site.tidy()
        self.site.checkpoint()
        told(f"{self.name} is set up, in {time.monotonic() - begun:.0f} s")

    def set_up(self) -> None:
        """Begin to replicate."""

    @contextmanager
    def at_work(self, jobs: int = 2) -> Iterator[None]:
        """Run what must run beside the servers; `jobs` are those of our worker."""
        del jobs
        yield

    def settle(self) -> float:
        """Return when everything written has arrived; says after how many seconds."""
        return 0.0

    def check(self) -> None:
        """Make sure that what was to arrive is there: who is fast must be right."""
        if difference := self.difference():
            raise SystemExit(f"{self.name}: {difference}")

    def difference(self) -> str:
        """Return how a course differs from what it should have, if one does."""
        for name in self.site.names if self.replicates else ():
            members = (self.everybody, key_of(name))
            wanted = self.site.session().execute(_SUM + _MEMBERS, members).fetchone()
            found = self.site.session(name).execute(_SUM).fetchone()
            if found != wanted:
                return f"{name} has {found}, not {wanted}"
        return ""

    def stop(self) -> None:
        """Stop the servers; nothing can be measured any more."""
        self.site.close()


class Ours(Contender):
    """Queued delivery; outside of `at_work` no worker runs."""

    name = "pyreplctl"
    replicates = True
    mode: Mode = "queued"

    def set_up(self) -> None:
        portal.install(self.site.dsn(), Config())
        for name in self.site.names:
            self.register(name)
        with self.worker():  # it copies two at once
            self.settle()
        if self.mode == "immediate":
            self._deliver_at_once()

    def register(self, name: str, *, backfill: bool = True) -> int:
        # In a session of its own, which keeps a link to what it rehearses with.
        with self.site.open() as session:
            request = Request((key_of(name),), self.site.dsn(name), backfill=backfill)
            registration.register(session, Config(), request)
            return databases.numbers(session, [name])[name]

    def _deliver_at_once(self) -> None:
        with self.site.open() as session:
            for name in self.site.names:
                delivery_mode.set_delivery(
                    session, Config(), name, self.mode, self.site.dsn(name)
                )

    @contextmanager
    def at_work(self, jobs: int = 2) -> Iterator[None]:
        with self.worker(jobs):
            yield

    @contextmanager
    def worker(self, jobs: int = 2) -> Iterator[subprocess.Popen[bytes]]:
        """Run a worker, from the moment that it has been seen."""
        process = subprocess.Popen(
            [sys.executable, "-m", "pyreplctl", "--quiet", "run", "--jobs", str(jobs)],
            env=os.environ | {"PYREPLCTL_PORTAL": self.site.dsn()},
            stdout=subprocess.DEVNULL,
        )
        try:
            name = f"%:{process.pid}"
            query = "SELECT FROM pyrepl.clocks() WHERE name LIKE %s"
            session = self.site.session()
            until(
                lambda: (
                    _runs(process) and bool(session.execute(query, (name,)).rowcount)
                )
            )
            yield process
        finally:
            process.terminate()
            process.wait()

    def settle(self) -> float:
        """Deliver what waits, or wait for the worker to."""
        begun = time.monotonic()
        session = self.site.session()
        if self._served(session):
            done = wait.wait(session, [], None, PATIENCE)
            if done.left or done.unrouted:
                raise SystemExit(f"not delivered: {done}")
        else:
            with self.site.open() as own:
                chosen = databases.numbers(own, [])
                if stuck := batches.until_empty(own, chosen):
                    raise SystemExit(f"not delivered: {stuck}")
        return time.monotonic() - begun

    @staticmethod
    def _served(session: Connection) -> bool:
        query = (
            "SELECT FROM pg_stat_activity WHERE application_name = 'pyreplctl'"
            " AND datname = current_database()"
        )
        return bool(session.execute(query).fetchall())


class Immediate(Ours):
    """Delivery in the writer's COMMIT, a worker beside it for what is left."""

    name = "pyreplctl, immediate"
    mode: Mode = "immediate"

    def queued(self) -> int:
        """Return how many dossiers have gone into the queue, ever."""
        query = "SELECT coalesce(pg_sequence_last_value('pyrepl.outbox_id_seq'), 0)"
        row = self.site.session().execute(query).fetchone()
        assert row is not None
        return int(row[0])


class Native(Contender):
    """Logical replication with column lists: everybody to every course database."""

    name = "native"
    replicates = everybody = True
    settings: Mapping[str, str] = {
        "wal_level": "logical",
        # Each subscription, and each table that it copies at first, takes one.
        "max_replication_slots": "100",
        "max_wal_senders": "100",
    }
    course_settings: Mapping[str, str] = {
        "max_worker_processes": "60",
        "max_logical_replication_workers": "50",
        "max_replication_slots": "50",
    }

    def set_up(self) -> None:
        listed = sql.SQL(", ").join(map(sql.Identifier, USER_COLUMNS))
        self.site.session().execute(
            sql.SQL(
                "CREATE PUBLICATION people FOR TABLE auth_user ({}), auth_userprofile,"
                " student_courseenrollment"
            ).format(listed)
        )
        for name in self.site.names:
            self.site.session(name).execute(
                sql.SQL(
                    "CREATE SUBSCRIPTION {} CONNECTION {} PUBLICATION people"
                ).format(sql.Identifier(name), sql.Literal(self.site.dsn()))
            )
        for name in self.site.names:
            until(lambda name=name: self._copied(name))  # type: ignore[misc]

    def _copied(self, name: str) -> bool:
        query = "SELECT FROM pg_subscription_rel WHERE srsubstate <> 'r'"
        return not self.site.session(name).execute(query).fetchall()

    def settle(self) -> float:
        begun = time.monotonic()
        session = self.site.session()
        row = session.execute("SELECT pg_current_wal_flush_lsn()::text").fetchone()
        assert row is not None
        query = (
            "SELECT count(*) FROM pg_stat_replication"
            " WHERE state = 'streaming' AND replay_lsn >= %s::pg_lsn"
        )

        def arrived() -> bool:
            found = session.execute(query, row).fetchone()
            return found is not None and found[0] >= len(self.site.names)

        until(arrived)
        return time.monotonic() - begun


class ForeignTriggers(Contender):
    """Triggers by hand, per row, that write to foreign tables at once."""

    name = "foreign-table triggers"
    replicates = True

    def set_up(self) -> None:
        here = self.site.session()
        here.execute("CREATE EXTENSION postgres_fdw")
        for name in self.site.names:
            self._link(here, name)
            copy_all(self.site, name)
            slots = {"db": sql.Identifier(name), "key": sql.Literal(key_of(name))}
            text = TRIGGERS.read_text(encoding="utf-8")
            here.execute(sql.SQL(text).format(**slots))

    def _link(self, here: Connection, name: str) -> None:
        server = self.site.there
        here.execute(
            sql.SQL(
                "CREATE SERVER {0} FOREIGN DATA WRAPPER postgres_fdw"
                " OPTIONS (host '127.0.0.1', port {1}, dbname {2});"
                "CREATE USER MAPPING FOR PUBLIC SERVER {0}"
                " OPTIONS (user {3}, password {4});"
                "CREATE SCHEMA {0};"
                "IMPORT FOREIGN SCHEMA public LIMIT TO (auth_user, auth_userprofile,"
                " student_courseenrollment) FROM SERVER {0} INTO {0}"
            ).format(
                sql.Identifier(name),
                *map(
                    sql.Literal,
                    (str(server.port), name, server.superuser, server.password),
                ),
            )
        )


TABLES: dict[str, sql.Composable] = {
    "auth_user": sql.SQL(", ").join(map(sql.Identifier, USER_COLUMNS)),
    "auth_userprofile": sql.SQL("*"),
    "student_courseenrollment": sql.SQL("*"),
}


def copy_all(site: Site, name: str) -> None:
    """COPY everybody to a course, as one prepares what copies nothing itself."""
    for table, columns in TABLES.items():
        copy(site.session(), site.session(name), table, columns)


def copy(
    here: Connection, there: Connection, table: str, columns: sql.Composable
) -> None:
    """COPY a table from one database into another."""
    into = sql.Identifier(table)
    listed = (
        sql.SQL("")
        if columns == sql.SQL("*")
        else sql.SQL(" (") + columns + sql.SQL(")")
    )
    query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(columns, into)
    fill = sql.SQL("COPY {}{} FROM STDIN").format(into, listed)
    with (
        here.cursor().copy(query) as rows,
        there.cursor().copy(fill) as target,
    ):
        for part in rows:
            target.write(part)


def _runs(process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise SystemExit("the worker has ended by itself")
    return True


def until(arrived: Callable[[], bool]) -> None:
    """Wait for something, looking again every five milliseconds."""
    deadline = time.monotonic() + PATIENCE
    while not arrived():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {PATIENCE:.0f} s in vain")
        time.sleep(0.005)
