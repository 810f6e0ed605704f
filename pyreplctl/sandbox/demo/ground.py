"""Where the demo takes place: a directory with two servers and three databases."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from pyreplctl.core.errors import UsageError
from pyreplctl.sandbox.demo.interrupts import Interrupts
from pyreplctl.sandbox.embedded import Cluster, find_bin_dir
from pyreplctl.sandbox.embedded.binaries import give_to_server, server_user
from pyreplctl.schema.sql_files import root

PORTAL, CIRCUITS, AI = "portal", "circuits", "ai"
# The tables of each database, by name of a file in sql/demo.
SCHEMAS = {
    PORTAL: ("edx_2012",),
    CIRCUITS: ("edx_2012",),
    AI: ("edx_2012", "askbot"),
}

_ENTER_ONLY = 0o711  # the server's user must get through to its own directories


class Ground:
    """Two servers below one directory, and the files by which commands find them."""

    def __init__(self, directory: Path, interrupts: Interrupts) -> None:
        self.interrupts = interrupts
        self.directory = directory
        self.services = directory / "pg_service.conf"
        with interrupts.held():
            self.portal_server = Cluster.create(directory / "portal-server")
        with interrupts.held():
            self.course_server = Cluster.create(directory / "course-server")

    @property
    def version(self) -> int:
        """The servers' major version."""
        return self.portal_server.version

    def server_of(self, database: str) -> Cluster:
        """Return the server that a database is on."""
        return self.portal_server if database == PORTAL else self.course_server

    def dsn(self, database: str) -> str:
        """Return the superuser's DSN."""
        return self.server_of(database).conninfo(database)

    def start(self) -> None:
        """Start the servers, create the databases and write how to reach them."""
        with self.interrupts.held():
            self.portal_server.start()
        self.start_courses()
        for database, files in SCHEMAS.items():
            server = self.server_of(database)
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                connection.execute(
                    sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database))
                )
            with psycopg.connect(self.dsn(database)) as connection:
                for file in files:
                    path = root("sql") / "demo" / f"{file}.sql"
                    connection.execute(path.read_bytes())
        self._write_services()

    def start_courses(self) -> None:
        """Start the course server."""
        with self.interrupts.held():
            self.course_server.start()

    def stop_courses(self) -> None:
        """Stop the course server."""
        with self.interrupts.held():
            self.course_server.stop()

    def environment(self) -> dict[str, str]:
        """Return the environment of commands: nothing of the caller's leads astray."""
        kept = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("PG") and name != "PYREPLCTL_PORTAL"
        }
        return kept | self._variables()

    def stop(self) -> None:
        """Stop both servers."""
        self.portal_server.stop()
        self.course_server.stop()

    def leave(self) -> str:
        """Leave what is needed to start the servers again; return how to."""
        bin_dir = self._keep_binaries()
        user = server_user()
        become = f"runuser -u {user.pw_name} -- " if user else ""
        for verb in ("start", "stop"):
            lines = ["#!/bin/sh", "set -e", "cd /"]
            for server in (self.portal_server, self.course_server):
                server.log_file.touch()
                give_to_server(server.log_file)  # so far, this process opened it
                command = [bin_dir / "pg_ctl", "-D", server.data_dir, "-w", "-s"]
                command += ["-l", server.log_file] if verb == "start" else []
                line = shlex.join([*map(str, command), verb])
                # A server that the story left down would fail to stop.
                lines.append(become + line + ("" if verb == "start" else " || true"))
            path = self.directory / verb
            path.write_text("\n".join(lines) + "\n")
            path.chmod(0o755)
        variables = [
            f"export {k}={shlex.quote(v)}" for k, v in self._variables().items()
        ]
        variables.append(f"export PATH={shlex.quote(str(bin_dir))}:$PATH")
        (self.directory / "env").write_text("\n".join(variables) + "\n")
        where = shlex.quote(str(self.directory))
        return "\n".join(
            (
                f". {where}/env",
                f"{where}/start",
                f"psql service={PORTAL}",
                f"psql service={CIRCUITS}",
                "pyreplctl status",
                f"{where}/stop",
            )
        )

    def _variables(self) -> dict[str, str]:
        return {
            "PGSERVICEFILE": str(self.services),
            "PYREPLCTL_PORTAL": f"service={PORTAL}",
        }

    def _write_services(self) -> None:
        self.services.touch(0o600)
        with self.services.open("w") as file:
            for database in SCHEMAS:
                file.write(f"[{database}]\n")
                info = psycopg.conninfo.conninfo_to_dict(self.dsn(database))
                file.writelines(f"{key}={text}\n" for key, text in info.items())

    def _keep_binaries(self) -> Path:
        """Return binaries that are still there when this process has ended."""
        used = self.portal_server.bin_dir
        if used == find_bin_dir():
            return used
        copies = used.parents[2]
        kept = self.directory / "postgresql"
        shutil.copytree(copies, kept)
        return kept / used.relative_to(copies)


@contextmanager
def directory(keep: Path | None, interrupts: Interrupts) -> Iterator[Path]:
    """Provide an empty directory: the one to keep, or one that goes away afterwards."""
    if keep is not None:
        keep = keep.absolute()
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise UsageError(
                f"{keep} is not an empty directory",
                hint="Name a new directory for --keep.",
            )
        try:
            keep.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot create {keep}: {error.strerror}") from error
        yield keep
        return
    temporary: Path | None = None
    try:
        with interrupts.held():
            temporary = Path(tempfile.mkdtemp(prefix="pyreplctl-demo-"))
            temporary.chmod(_ENTER_ONLY)
        yield temporary
    finally:
        if temporary is not None:
            with interrupts.held():
                shutil.rmtree(temporary, ignore_errors=True)
