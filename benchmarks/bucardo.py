"""Bucardo: its daemon beside the portal, one sync from the portal to all courses."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.contenders import PATIENCE, TABLES, Contender, copy_all, until
from benchmarks.ground import PORTAL, UNLISTED, Ground
from pyreplctl.core.config import USER_COLUMNS

SCHEMA = Path("/usr/share/bucardo/bucardo.schema")
SYNC = "people"
# A delta is a change that its trigger wrote down; a track, that a sync has taken it.
_WAITING = sql.SQL(
    "SELECT FROM (SELECT txntime FROM bucardo.{} ORDER BY txntime DESC LIMIT 1) newest"
    " WHERE txntime NOT IN (SELECT txntime FROM bucardo.{})"
)


class Bucardo(Contender):
    """An asynchronous copy by triggers; needs a superuser and PL/Perl."""

    name = "Bucardo"
    replicates = everybody = True
    _works = False

    @property
    def _directory(self) -> Path:
        """Where its daemon keeps what it writes: beside the servers."""
        return self.site.here.directory.parent

    def set_up(self) -> None:
        self._install()
        self._do("set", f"piddir={self._directory}")
        self._do("set", f"reason_file={self._directory / 'reason'}")
        for name in (PORTAL, *self.site.names):
            server = self.site.here if name == PORTAL else self.site.there
            self._do(
                *("add", "db", name, f"dbname={name}", "host=127.0.0.1"),
                *(f"port={server.port}", f"user={server.superuser}"),
                f"pass={server.password}",
            )
        for table in TABLES:
            named = f"public.{table}"
            self._do("add", "table", named, f"db={PORTAL}", f"herd={SYNC}")
        columns = f"SELECT {', '.join(USER_COLUMNS)}"
        self._do("add", "customcols", "public.auth_user", columns)
        for name in self.site.names:
            # It refuses a portal with a column that a course has not, copied or not.
            self.site.session(name).execute(UNLISTED)
            copy_all(self.site, name)
        targets = [f"{name}:target" for name in self.site.names]
        databases = ",".join((f"{PORTAL}:source", *targets))
        self._do("add", "sync", SYNC, f"herd={SYNC}", f"dbs={databases}")

    def _install(self) -> None:
        server = self.site.here
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute("CREATE ROLE bucardo SUPERUSER LOGIN")
            connection.execute(
                sql.SQL("ALTER ROLE bucardo PASSWORD {}").format(
                    sql.Literal(server.password)
                )
            )
            connection.execute("CREATE DATABASE bucardo OWNER bucardo")
        dsn = server.conninfo("bucardo", "bucardo", server.password)
        self._run(server.bin_dir / "psql", "-qX", dsn, "-f", SCHEMA)

    def _do(self, *words: str) -> None:
        server = self.site.here
        self._run(
            *("bucardo", "--no-bucardorc", "--dbname=bucardo", "--dbuser=bucardo"),
            *(f"--dbpass={server.password}", "--dbhost=127.0.0.1"),
            *(f"--dbport={server.port}", f"--log-destination={self._directory}"),
            *words,
        )

    def _run(self, *command: str | Path) -> None:
        # To a file: the daemon would hold a pipe open, and nobody see its end.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                command,
                stdout=said,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=self._directory,
            )
            if done.returncode:
                said.seek(0)
                raise SystemExit(f"{command[0]} {command[-1]}: {said.read()}")

    @contextmanager
    def at_work(self, jobs: int = 2) -> Iterator[None]:
        del jobs
        self._do("start", "--sendmail=0")
        try:
            ready = self._directory / f"bucardo.kid.sync.{SYNC}.pid"
            until(ready.exists)
            self._works = True
            yield
        finally:
            self._works = False
            running = self._running()
            self._do("stop", "--sendmail=0")
            # That has only asked for it.
            until(lambda: not any(map(_lives, running)))

    def _running(self) -> list[int]:
        """Return the processes of its daemon, by the files that they keep."""
        files = self._directory.glob("bucardo.*.pid")
        return [int(file.read_text(encoding="utf-8").split()[0]) for file in files]

    def settle(self) -> float:
        begun = arrived = time.monotonic()
        if self._works:
            until(lambda: not self._waits())
            arrived = time.monotonic()
            # It commits at one database after the other, in any order; to compare
            # takes a while, and is not counted where nothing was amiss.
            while self.difference():
                arrived = time.monotonic()
                if arrived > begun + PATIENCE:
                    raise SystemExit("Bucardo has not delivered")
        return arrived - begun

    def _waits(self) -> bool:
        session = self.site.session()
        return any(
            session.execute(
                _WAITING.format(
                    sql.Identifier(f"delta_public_{table}"),
                    sql.Identifier(f"track_public_{table}"),
                )
            ).rowcount
            for table in TABLES
        )


def _lives(pid: int) -> bool:
    """Say whether a process runs; one that has ended may wait to be collected."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def missing(ground: Ground) -> str:
    """Say why it cannot be measured; nothing if it can."""
    if not shutil.which("bucardo") or not SCHEMA.exists():
        return "no bucardo; Debian: bucardo, libdbd-pg-perl"
    assert ground.bin_dir
    found = (ground.bin_dir.parent / "lib" / "plperl.so").exists()
    return "" if found else "no PL/Perl; Debian: postgresql-plperl-15"
