"""What can happen to a writer, in each delivery mode?

A portal and a server with two course databases, fsync on. One session updates one row
of one user, again and again; printed is what it waited for UPDATE and COMMIT together,
in milliseconds: without us, queued and immediate, with the courses well, down and
frozen; and what it was told where it failed. No worker runs: with immediate delivery a
writer then also does a clock's work, but where a line says that a clock is alive.

    python -m benchmarks.modes [--writes 300] [--freeze 5]

Files go to a new directory below TMPDIR, which is removed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.core.config import Config, Mode
from pyreplctl.courses import delivery_mode, register, state
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from pyreplctl.install import portal
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.schema.sql_files import root

Connection = psycopg.Connection[TupleRow]

NAMES = ("one", "two")


@dataclass
class Ground:
    """A portal, a course server with two databases, and the writer's session."""

    here: Cluster
    there: Cluster
    writer: Connection

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Ground]:
        with ExitStack() as stack:
            directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="pyreplctl-"))
            )
            directory.chmod(0o711)  # the server's user enters its own only
            here, there = (
                stack.enter_context(Cluster.create(directory / name))
                for name in ("portal", "courses")
            )
            stack.callback(there.thaw)
            for server, name in ((here, "portal"), (there, "one"), (there, "two")):
                with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {name}".encode())
                with psycopg.connect(server.conninfo(name)) as connection:
                    schema = root("sql") / "demo" / "edx_2012.sql"
                    connection.execute(schema.read_bytes())
            writer = stack.enter_context(
                psycopg.connect(here.conninfo("portal"), autocommit=True)
            )
            writer.execute(
                "INSERT INTO auth_user (id, username, first_name, last_name, email,"
                " password, is_staff, is_active, is_superuser, last_login, date_joined)"
                " SELECT n, 'u' || n, '', '', '', '', false, true, false, now(), now()"
                " FROM generate_series(1, 1000) n"
            )
            yield cls(here, there, writer)

    def write(self, user: int = 1) -> float:
        """Update a user in a transaction of its own; return milliseconds."""
        begun = time.perf_counter()
        self.writer.execute(
            "UPDATE auth_user SET email = md5(random()::text) WHERE id = %s", (user,)
        )
        return (time.perf_counter() - begun) * 1000

    def install(self) -> None:
        portal.install(self.here.conninfo("portal"), Config())
        for name in NAMES:
            request = Request((name,), self.there.conninfo(name))
            register.register(self.writer, Config(), request)
        self.enroll("one")

    def enroll(self, course: str) -> None:
        self.writer.execute(
            "INSERT INTO student_courseenrollment (user_id, course_id)"
            " SELECT id, %s FROM auth_user",
            (course,),
        )
        self.drain()

    def drain(self) -> None:
        state.resume(self.writer, NAMES)
        batches.until_empty(self.writer, databases.numbers(self.writer, []))

    def deliver(self, mode: Mode, *names: str) -> None:
        self.drain()
        for name in names:
            dsn = self.there.conninfo(name)
            delivery_mode.set_delivery(self.writer, Config(), name, mode, dsn)

    def recover(self) -> None:
        """Begin afresh after a failure: nothing waits, nobody backs off."""
        self.writer.execute(
            "UPDATE pyrepl.health SET retry_at = NULL, stalled_at = NULL"
        )
        self.drain()


def told(what: str, waited: list[float], remark: str = "") -> None:
    """Print one line of the table."""
    median, most = statistics.median(waited), max(waited)
    p99 = statistics.quantiles(waited, n=100)[-1] if len(waited) > 1 else most
    print(f"{what:<58}{median:9.2f}{p99:9.2f}{most:10.1f}  {remark}")


def repeatedly(ground: Ground, writes: int) -> list[float]:
    for _ in range(20):
        ground.write()
    return [ground.write() for _ in range(writes)]


@contextmanager
def clock_alive(ground: Ground) -> Iterator[None]:
    with psycopg.connect(ground.here.conninfo("portal"), autocommit=True) as clock:
        clock.execute("SELECT pyrepl.tick('worker', 'benchmark')")
        yield


def while_frozen(ground: Ground, seconds: float) -> float:
    """Write while the course server is frozen; it is thawed after a while."""
    ground.there.freeze()
    thaw = threading.Timer(seconds, ground.there.thaw)
    thaw.start()
    try:
        return ground.write()
    finally:
        thaw.join()


def between_push_and_commit(ground: Ground) -> str:
    """Kill the course's server once the push is done, then commit."""
    writer = ground.writer
    with writer.transaction():
        writer.execute(
            "SET CONSTRAINTS ALL IMMEDIATE"
        )  # the push is now, not at COMMIT
        ground.write()
        ground.there.kill()
    return "committed"


def failure_of(deed: Callable[[Ground], str], ground: Ground) -> str:
    try:
        return deed(ground)
    except psycopg.Error as error:
        return f"{error.sqlstate}: {str(error).splitlines()[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--writes", type=int, default=300)
    parser.add_argument("--freeze", type=float, default=5.0, metavar="SECONDS")
    given = parser.parse_args()
    with Ground.opened() as ground:
        print(f"{os.cpu_count()} cores, PostgreSQL {ground.here.version}, fsync on")
        print(f"{'milliseconds':<58}{'median':>9}{'p99':>9}{'most':>10}")
        told("no replication", repeatedly(ground, given.writes))
        ground.install()
        told("queued, courses well", repeatedly(ground, given.writes))
        ground.there.stop("immediate")
        told("queued, courses down", repeatedly(ground, given.writes))
        ground.there.start()
        ground.recover()
        ground.there.freeze()
        told("queued, courses frozen", repeatedly(ground, given.writes))
        ground.there.thaw()
        ground.deliver("immediate", "one")
        told("immediate, one database", repeatedly(ground, given.writes))
        with clock_alive(ground):
            told("the same, a clock is alive", repeatedly(ground, given.writes))
            ground.deliver("immediate", "two")
            ground.enroll("two")
            told("immediate, two databases", repeatedly(ground, given.writes))
            ground.there.stop("immediate")
            told("immediate, courses down: the first writer", [ground.write()])
            told("immediate, courses down: later ones", repeatedly(ground, 100))
            ground.there.start()
            ground.recover()
            ground.write()
            waited = while_frozen(ground, given.freeze)
            told("immediate, courses frozen", [waited], f"thawed: {given.freeze} s")
            ground.recover()
            ground.write()
            said = failure_of(between_push_and_commit, ground)
            print(f"immediate, server killed between push and COMMIT: {said}")


if __name__ == "__main__":
    main()
