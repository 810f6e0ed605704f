"""What does a frozen course server cost the portal and the other courses?

Queued mode, three course databases on two servers, all users in all of them. pgbench
edits users at the portal while a worker delivers; in every second run the server of the
third database is frozen (SIGSTOP) from beginning to end. Runs are paired, and the order
within a pair alternates, so that what the machine does besides hits both alike. Printed
are the portal's transactions per second, the lag of the two other databases (from the
return of COMMIT to the row being visible at the course), and the ratios.

    python -m benchmarks.frozen [--seconds 20] [--pairs 3] [--clients 2] [--rate TPS]

fsync is on. Files go to a new directory below TMPDIR, which is removed. While it is
frozen, that server does no work either, so ratios a little in favour of the frozen runs
are no wonder.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from pyreplctl.core.config import Config
from pyreplctl.core.db import value
from pyreplctl.courses import register, state
from pyreplctl.courses.request import Request
from pyreplctl.delivery import wait
from pyreplctl.install import portal
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.schema.sql_files import root

Connection = psycopg.Connection[TupleRow]

USERS = 3000
SENTINEL = USERS + 1
NAMES = ("alpha", "beta", "frozen")
EDIT = (
    f"\\set user random(1, {USERS})\n"
    "UPDATE auth_user SET email = md5(random()::text) WHERE id = :user;\n"
)


@dataclass(frozen=True)
class Run:
    """What was measured: transactions per second, lags in seconds."""

    tps: float
    lags: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.lags)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.lags, n=20)[-1]


@dataclass
class Ground:
    """The servers, and a superuser's session in each database."""

    portal: Cluster
    near: Cluster
    far: Cluster
    directory: Path
    sessions: dict[str, Connection] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Ground]:
        with ExitStack() as stack:
            directory = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="pyreplctl-"))
            )
            directory.chmod(0o711)  # the server's user enters its own only
            here, near, far = (
                stack.enter_context(Cluster.create(directory / name))
                for name in ("portal", "near", "far")
            )
            ground = cls(here, near, far, directory)
            stack.callback(ground.far.thaw)
            for name in ("portal", *NAMES):
                ground.create(name, stack)
            ground.fill()
            yield ground

    def server_of(self, name: str) -> Cluster:
        return {"portal": self.portal, "frozen": self.far}.get(name, self.near)

    def create(self, name: str, stack: ExitStack) -> None:
        server = self.server_of(name)
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        session = psycopg.connect(server.conninfo(name), autocommit=True)
        self.sessions[name] = stack.enter_context(session)
        session.execute((root("sql") / "demo" / "edx_2012.sql").read_bytes())

    def fill(self) -> None:
        here = self.sessions["portal"]
        portal.install(self.portal.conninfo("portal"), Config())
        here.execute(
            f"""
            INSERT INTO auth_user (id, username, first_name, last_name, email, password,
                is_staff, is_active, is_superuser, last_login, date_joined)
            SELECT n, 'user' || n, '', '', '', '', false, true, false, now(), now()
            FROM generate_series(1, {SENTINEL}) n""".encode()
        )
        for name in NAMES:
            dsn = self.server_of(name).conninfo(name)
            register.register(here, Config(), Request((f"edX/{name}",), dsn))
            here.execute(
                "INSERT INTO student_courseenrollment (user_id, course_id)"
                " SELECT id, %s FROM auth_user",
                (f"edX/{name}",),
            )


@contextmanager
def worker(ground: Ground) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pyreplctl", "--quiet", "run", "--jobs", "3"],
        env=os.environ | {"PYREPLCTL_PORTAL": ground.portal.conninfo("portal")},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def settle(ground: Ground) -> None:
    """Return when every database has everything."""
    here = ground.sessions["portal"]
    state.resume(here, NAMES)
    done = wait.wait(here, [], None, timeout=600)
    if done.left or done.unrouted:
        raise SystemExit(f"not delivered in ten minutes: {done}")


def measure(ground: Ground, options: argparse.Namespace, *, frozen: bool) -> Run:
    settle(ground)
    if frozen:
        ground.far.freeze()
    try:
        lags: list[float] = []
        over = threading.Event()
        probe = threading.Thread(target=watch, args=(ground, lags, over))
        probe.start()
        try:
            tps = pgbench(ground, options)
        finally:
            over.set()
            probe.join()
    finally:
        ground.far.thaw()
    return Run(tps, lags)


def pgbench(ground: Ground, options: argparse.Namespace) -> float:
    script = ground.directory / "edit.sql"
    script.write_text(EDIT)
    server = ground.portal
    command = [
        *(server.bin_dir / "pgbench", "-n", "-M", "prepared", "-f", script),
        *("-c", str(options.clients), "-j", str(options.clients)),
        *("-T", str(options.seconds), "-h", "127.0.0.1", "-p", str(server.port)),
        *(("-R", str(options.rate)) if options.rate else ()),
        *("-U", server.superuser, "portal"),
    ]
    done = subprocess.run(
        command,
        env=os.environ | {"PGPASSWORD": server.password},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if not found:
        raise SystemExit(f"pgbench said:\n{done.stdout}{done.stderr}")
    return float(found[1])


def watch(ground: Ground, lags: list[float], over: threading.Event) -> None:
    """Change one user again and again, and time its way to the other databases."""
    there = [ground.sessions[name] for name in NAMES if name != "frozen"]
    turn = 0
    with psycopg.connect(ground.portal.conninfo("portal"), autocommit=True) as here:
        while not over.is_set():
            turn += 1
            token = f"{time.monotonic_ns()}"
            here.execute(
                "UPDATE auth_user SET last_name = %s WHERE id = %s", (token, SENTINEL)
            )
            began = time.monotonic()
            for course in there[:: -1 if turn % 2 else 1]:
                while not seen(course, token):
                    time.sleep(0.001)
                lags.append(time.monotonic() - began)


def seen(course: Connection, token: str) -> bool:
    row = course.execute(
        "SELECT last_name FROM auth_user WHERE id = %s", (SENTINEL,)
    ).fetchone()
    return row == (token,)


def describe(ground: Ground, options: argparse.Namespace) -> str:
    here = ground.sessions["portal"]
    settings = [
        f"{name} {value(here, f'SHOW {name}'.encode())}"
        for name in ("fsync", "synchronous_commit", "full_page_writes")
    ]
    rate = f"{options.rate}/s" if options.rate else "as fast as they can"
    return (
        f"{os.cpu_count()} CPUs, PostgreSQL {here.info.server_version // 10000},"
        f" {', '.join(settings)}; {USERS} users in {len(NAMES)} databases,"
        f" {options.clients} clients {rate}, {options.seconds} s a run"
    )


def line(name: str, run: Run) -> str:
    return (
        f"{name:8} {run.tps:9.0f} {run.median * 1000:12.1f} {run.p95 * 1000:9.1f}"
        f" {len(run.lags):9}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--rate", type=int, help="transactions per second at most")
    options = parser.parse_args()
    pairs: list[dict[bool, Run]] = []
    with Ground.opened() as ground, worker(ground):
        print(describe(ground, options), flush=True)
        print(f"{'run':8} {'tps':>9} {'lag, ms: p50':>12} {'p95':>9} {'probes':>9}")
        for turn in range(options.pairs):
            pair: dict[bool, Run] = {}
            for frozen in (False, True) if turn % 2 == 0 else (True, False):
                pair[frozen] = measure(ground, options, frozen=frozen)
                print(line("frozen" if frozen else "well", pair[frozen]), flush=True)
            pairs.append(pair)
        settle(ground)
    print("\nfrozen against well, by pair, and their median:")
    for name in ("tps", "median", "p95"):
        ratios = [getattr(p[True], name) / getattr(p[False], name) for p in pairs]
        said = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{name:8} {said}   {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
