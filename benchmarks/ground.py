"""Where is measured: servers with fsync on, on disk, and a portal full of users."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.schema.sql_files import root

Connection = psycopg.Connection[TupleRow]

# No checkpoint begins by itself during a run: whom it hits would be chance.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "1h",
    "max_connections": "300",
}
PORTAL = "portal"
# The portal's own: nobody replicates it. One of Askbot's columns.
UNLISTED: LiteralString = (
    "ALTER TABLE auth_user ADD COLUMN reputation integer NOT NULL DEFAULT 1"
)
_USERS: LiteralString = """
    INSERT INTO auth_user (id, username, first_name, last_name, email, password,
        is_staff, is_active, is_superuser, last_login, date_joined)
    SELECT n, 'user' || n, 'First' || n %% 997, 'Last' || n %% 4999,
        'user' || n || '@example.org',
        'pbkdf2_sha256$10000$' || md5(n::text) || '$' || md5((-n)::text), false, true,
        false, now() - n * interval '1 minute', now() - n * interval '1 hour'
    FROM generate_series(1, %s::integer) n"""
_PROFILES: LiteralString = """
    INSERT INTO auth_userprofile (id, user_id, name, meta, courseware, language,
        location, year_of_birth, gender, level_of_education, mailing_address, goals)
    SELECT n, n, 'First' || n %% 997 || ' Last' || n %% 4999, '', 'course.xml', 'en',
        'Town ' || n %% 1999, 1940 + n %% 60, (ARRAY['m', 'f', 'o'])[1 + n %% 3],
        (ARRAY['p_se', 'm', 'b', 'hs'])[1 + n %% 4], n || ' Long Street', 'to learn'
    FROM generate_series(1, %s::integer) n"""
_ENROLLMENTS: LiteralString = """
    INSERT INTO student_courseenrollment (user_id, course_id, created)
    SELECT n, %s, now() - n * interval '1 second'
    FROM generate_series(%s::integer, %s::integer) n"""


def key_of(name: str) -> str:
    """Return the course that a course database hosts."""
    return f"edX/{name}/2012_Fall"


@dataclass
class Site:
    """A portal's server, and one with course databases: the place of one contender.

    Each contender has servers of its own, that stand idle while others are measured.
    """

    here: Cluster
    there: Cluster
    users: int
    names: tuple[str, ...]
    stack: ExitStack
    _sessions: dict[str, Connection] = field(default_factory=dict)

    def dsn(self, name: str = PORTAL) -> str:
        server = self.here if name == PORTAL else self.there
        return server.conninfo(name)

    def session(self, name: str = PORTAL) -> Connection:
        """Return a superuser's session in autocommit, the same one each time."""
        if name not in self._sessions:
            self._sessions[name] = self.open(name)
        return self._sessions[name]

    def open(self, name: str = PORTAL) -> Connection:
        return self.stack.enter_context(
            psycopg.connect(self.dsn(name), autocommit=True)
        )

    def create(self, name: str, *, unlisted: bool = False) -> None:
        """Create a database with the real tables, empty."""
        server = self.here if name == PORTAL else self.there
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            connection.execute(statement)
        with psycopg.connect(server.conninfo(name)) as connection:
            connection.execute((root("sql") / "demo" / "edx_2012.sql").read_bytes())
            if unlisted:
                connection.execute(UNLISTED)

    def fill(self) -> None:
        """Give the portal its users, each enrolled in two courses, or in the only one.

        With more than two course databases, each has its share of the users.
        """
        self.create(PORTAL, unlisted=True)
        portal = self.session()
        portal.execute(_USERS, (self.users,))
        portal.execute(_PROFILES, (self.users,))
        pairs = max(len(self.names) // 2, 1)
        for number, name in enumerate(self.names):
            first = number // 2 * self.users // pairs + 1
            self.enroll(name, first, (number // 2 + 1) * self.users // pairs)

    def enroll(self, name: str, first: int = 1, last: int | None = None) -> None:
        """Enroll users, all if none are named, in the course of a database."""
        values = (key_of(name), first, last or self.users)
        self.session().execute(_ENROLLMENTS, values)

    def tidy(self) -> None:
        """Leave nothing for autovacuum to do in somebody else's turn."""
        for name in (PORTAL, *self.names):
            self.session(name).execute("VACUUM ANALYZE")

    def close(self) -> None:
        """Stop both servers: for a site that others shall not suffer from."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self.there.stop()
        self.here.stop()

    def checkpoint(self) -> None:
        for server in (self.here, self.there):
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                connection.execute("CHECKPOINT")


@dataclass
class Ground:
    """Opens sites below one temporary directory, and closes them in the end."""

    directory: Path
    stack: ExitStack
    users: int
    bin_dir: Path | None = None

    @classmethod
    @contextmanager
    def opened(cls, users: int, bin_dir: Path | None = None) -> Iterator[Ground]:
        # timeout(1) sends this; servers and files go away all the same.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
        with ExitStack() as stack:
            made = tempfile.TemporaryDirectory(prefix="pyreplctl-bench-")
            directory = Path(stack.enter_context(made))
            directory.chmod(0o711)  # the server's user enters its own only
            if (kind := filesystem(directory)) in ("tmpfs", "ramfs"):
                raise SystemExit(
                    f"{directory} is on {kind}, where fsync costs nothing:"
                    " set TMPDIR to a directory on a disk"
                )
            yield cls(directory, stack, users, bin_dir)

    def site(
        self,
        label: str,
        names: Sequence[str] = ("one", "two"),
        here: Mapping[str, str] | None = None,
        there: Mapping[str, str] | None = None,
    ) -> Site:
        """Start two servers and fill the portal; settings are added to the common."""
        servers = [
            self._server(self.directory / label / "portal", here or {}),
            self._server(self.directory / label / "courses", there or {}),
        ]
        (self.directory / label).chmod(0o711)
        site = Site(servers[0], servers[1], self.users, tuple(names), self.stack)
        for name in names:
            site.create(name)
        site.fill()
        site.tidy()
        site.checkpoint()
        return site

    def _server(self, directory: Path, settings: Mapping[str, str]) -> Cluster:
        server = Cluster.create(
            directory, bin_dir=self.bin_dir, settings={**SETTINGS, **settings}
        )
        if server.version >= 18 and (slots := settings.get("max_replication_slots")):
            # Until then the one setting was for both.
            server.settings["max_active_replication_origins"] = slots
        return self.stack.enter_context(server)


def filesystem(path: Path) -> str:
    """Return the type of the file system that a path is on."""
    found = ("/", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if path.is_relative_to(point) and len(point) >= len(found[0]):
            found = (point, kind)
    return found[1]


def machine(directory: Path) -> str:
    """Describe the machine in one line."""
    model = _first("/proc/cpuinfo", lambda line: line.startswith("model name"))
    memory = _first("/proc/meminfo", lambda line: line.startswith("MemTotal"))
    gigabytes = int(memory.split()[1]) / 1024**2
    return (
        f"{os.cpu_count()} cores ({model.partition(':')[2].strip()}),"
        f" {gigabytes:.0f} GB, {filesystem(directory)},"
        f" Linux {platform.release().partition('-')[0]}"
    )


def versions(bin_dir: Path) -> str:
    """Return the versions of PostgreSQL and Python."""
    said = subprocess.run(
        [bin_dir / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    number = said.stdout.removeprefix("postgres (PostgreSQL) ").split()[0]
    return f"PostgreSQL {number}, Python {platform.python_version()}, fsync on"


def _first(path: str, chosen: Callable[[str], bool]) -> str:
    return next(filter(chosen, Path(path).read_text().splitlines()), "0 0")
