"""How fast is verify, against COPY into md5sum and against reladiff?

One course database with all users of the portal: a row each in auth_user,
auth_userprofile and student_courseenrollment, delivered by the pipeline. Timed in
turns, so that what the machine does besides hits all alike: the command verify --data,
as a process; COPY of the columns that it compares, ordered by key (or equal tables
would have other sums), piped into md5sum, from both sides at the same time and from one
after the other; and reladiff, table by table, in a virtual environment of its own. Then
rows are made to differ at the course, as many in each table, and verify must name these
users and nobody else.

    python -m benchmarks.verify [--users 1000000] [--differing 1000] [--runs 5]

Two servers on disk with fsync on, in a new directory below TMPDIR, which is removed.
Fails if the differing users are not those that were planted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pyreplctl.core import databases
from pyreplctl.core.config import USER_COLUMNS, Config
from pyreplctl.courses import register
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from pyreplctl.install import portal
from pyreplctl.sandbox.embedded import Cluster, find_bin_dir
from pyreplctl.schema.sql_files import root

SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB"}
COURSE = "edX/large/2012_Fall"
COMPARED = ", ".join(c for c in USER_COLUMNS if c != "last_login")
TABLES = {
    "auth_user": COMPARED,
    "auth_userprofile": "id, user_id, name, meta, courseware, language, location,"
    " year_of_birth, gender, level_of_education, mailing_address, goals",
    "student_courseenrollment": "id, user_id, course_id, created",
}
FILL = (
    """INSERT INTO auth_user SELECT n, 'user' || n, 'First' || n % 1000,
        'Last' || n % 5000, 'user' || n || '@example.com',
        'pbkdf2_sha256$10000$' || md5(n::text) || '$' || md5((n * 7)::text),
        false, true, false, timestamptz '2012-09-01 12:00+00' + n * interval '1 s',
        timestamptz '2012-08-01 12:00+00' + n * interval '1 s'
    FROM generate_series(1, {users}) n""",
    """INSERT INTO auth_userprofile SELECT n + 1000, n, 'Full Name ' || n,
        '{{"x": "' || md5(n::text) || '"}}', 'course.xml', '', '', 1960 + n % 40,
        CASE n % 3 WHEN 0 THEN 'm' WHEN 1 THEN 'f' END, 'b',
        CASE WHEN n % 5 = 0 THEN n || ' Main Street, Springfield' END, NULL
    FROM generate_series(1, {users}) n""",
    """INSERT INTO student_courseenrollment SELECT n + 5000, n, '{course}',
        timestamptz '2012-09-02 12:00+00' + n * interval '1 s'
    FROM generate_series(1, {users}) n""",
)
PLANTED = (
    "UPDATE auth_user SET email = 'x' || email WHERE id = ANY (%s)",
    "UPDATE auth_userprofile SET meta = meta || ' ' WHERE user_id = ANY (%s)",
    "UPDATE student_courseenrollment SET created = NULL WHERE user_id = ANY (%s)",
)


@contextmanager
def ground(directory: Path, users: int) -> Iterator[dict[str, str]]:
    """Two servers with a portal and a course database, filled and equal."""
    with ExitStack() as stack:
        dsns = {}
        for name in ("portal", "course"):
            server = Cluster.create(directory / name, settings=SETTINGS)
            stack.enter_context(server)
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            dsns[name] = server.conninfo(name)
            with psycopg.connect(dsns[name], autocommit=True) as connection:
                connection.execute((root("sql") / "demo" / "edx_2012.sql").read_bytes())
        portal.install(dsns["portal"], Config())
        with psycopg.connect(dsns["portal"], autocommit=True) as here:
            request = Request((COURSE,), dsns["course"], backfill=False)
            register.register(here, Config(), request)
            for statement in FILL:
                here.execute(statement.format(users=users, course=COURSE).encode())
            here.execute("VACUUM ANALYZE")
            batches.until_empty(here, databases.numbers(here, []))
        for dsn in dsns.values():
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        yield dsns


def verify(dsn: str, differing: int) -> tuple[float, float, dict[str, Any]]:
    """Return seconds, megabytes of the client, and what was found."""
    command = [sys.executable, "-m", "pyreplctl", "verify", "--data", "--json"]
    command += ["--max-examples", str(2 * differing + 20)]
    environment = os.environ | {"PYREPLCTL_PORTAL": dsn}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as it is once installed
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(command, env=environment, stdout=said)
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        found = json.load(said)["databases"][0]
    return took, usage.ru_maxrss / 1024, found


def copy(dsns: dict[str, str], *, at_once: bool) -> float:
    """Return the seconds for both sides; their sums must be the same."""
    started = time.monotonic()
    running = []
    sums = set()
    for dsn in dsns.values():
        psql = shlex.quote(str(find_bin_dir() / "psql"))
        copies = " ".join(
            f"-c 'COPY (SELECT {columns} FROM {table} ORDER BY id) TO STDOUT'"
            for table, columns in TABLES.items()
        )
        command = f'{psql} -qAtX "$DSN" {copies} | md5sum'
        running.append(
            subprocess.Popen(
                ["/bin/sh", "-c", command],
                env=os.environ | {"DSN": dsn},
                stdout=subprocess.PIPE,
            )
        )
        if not at_once:
            sums.add(running[-1].communicate()[0])
    if at_once:
        sums = {process.communicate()[0] for process in running}
    if len(sums) != 1:
        raise SystemExit("the sums differ: the databases are not equal")
    return time.monotonic() - started


def reladiff(program: Path, dsns: dict[str, str]) -> float:
    started = time.monotonic()
    ways = [_uri(dsn) for dsn in dsns.values()]
    for table, columns in TABLES.items():
        listed = [f"-c{name.strip()}" for name in columns.split(",")[1:]]
        command: list[str | Path] = [program, ways[0], table, ways[1], table, "-kid"]
        command += [*listed, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        if done.stdout.strip():
            raise SystemExit(f"reladiff found differences in {table}")
    return time.monotonic() - started


def _uri(dsn: str) -> str:
    given = conninfo_to_dict(dsn)
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**given)


def installed(directory: Path) -> Path | None:
    """Install reladiff; return its program, or None where that cannot be done."""
    venv.create(directory, with_pip=True)
    pip: list[str | Path] = [
        directory / "bin" / "pip",
        "install",
        "--quiet",
        "reladiff[postgresql]",
    ]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"reladiff cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        return None
    return directory / "bin" / "reladiff"


def plant(dsn: str, users: int, differing: int) -> set[int]:
    """Make rows of so many users differ, as many in each table; return the users."""
    chosen = random.Random(1).sample(range(1, users + 1), differing)
    with psycopg.connect(dsn) as course:
        course.execute(
            "SELECT set_config('role', pg_get_userbyid(nspowner), false)"
            " FROM pg_namespace WHERE nspname = 'pyrepl'"
        )
        for number, statement in enumerate(PLANTED):
            course.execute(statement.encode(), (chosen[number::3],))
    return set(chosen)


def told(name: str, times: list[float], against: list[float] | None = None) -> None:
    said = " ".join(f"{seconds:.2f}" for seconds in times)
    spread = f"{min(times):.2f}-{max(times):.2f}"
    line = f"{name:22} {said}   {spread}, median {statistics.median(times):.2f} s"
    if against:
        ratios = [mine / other for mine, other in zip(against, times, strict=True)]
        line += f"; verify takes {statistics.median(ratios):.2f} of it"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--differing", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="pyreplctl-"))
        )
        directory.chmod(0o711)  # the server's user enters its own only
        program = installed(directory / "venv")
        dsns = stack.enter_context(ground(directory, options.users))
        with psycopg.connect(dsns["portal"]) as here:
            version = here.info.server_version // 10000
        print(
            f"{os.cpu_count()} CPUs, PostgreSQL {version}, fsync on, on disk,"
            f" {options.users} members, {3 * options.users} rows a side",
            flush=True,
        )
        compare(dsns, options, program)


def compare(
    dsns: dict[str, str], options: argparse.Namespace, program: Path | None
) -> None:
    rivals: dict[str, Callable[[], float]] = {
        "COPY, both at once": lambda: copy(dsns, at_once=True),
        "COPY, one by one": lambda: copy(dsns, at_once=False),
    }
    if program:
        rivals["reladiff"] = lambda: reladiff(program, dsns)
    equal: list[float] = []
    others: dict[str, list[float]] = {name: [] for name in rivals}
    memory: list[float] = []
    for _ in range(options.runs):
        seconds, megabytes, found = verify(dsns["portal"], options.differing)
        if not found["ok"]:
            raise SystemExit(f"not equal to begin with: {found}")
        equal.append(seconds)
        memory.append(megabytes)
        for name, rival in rivals.items():
            others[name].append(rival())
    told("verify, equal", equal)
    for name, times in others.items():
        told(name, times, equal)

    planted = plant(dsns["course"], options.users, options.differing)
    drifted: list[float] = []
    for _ in range(options.runs):
        seconds, megabytes, found = verify(dsns["portal"], options.differing)
        drifted.append(seconds)
        memory.append(megabytes)
        if {each["user_id"] for each in found["examples"]} != planted:
            raise SystemExit("the users named are not those that were planted")
    told(f"verify, {options.differing} differ", drifted)
    ratio = statistics.median(drifted) / statistics.median(equal)
    print(f"with differences: {ratio:.2f} times as long, all named and nobody else")
    print(f"client: {max(memory):.0f} MB at the most")


if __name__ == "__main__":
    main()
