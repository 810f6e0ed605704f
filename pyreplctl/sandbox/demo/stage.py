"""What a step of the story can do: run commands and SQL, narrated, and insist."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, LiteralString, Protocol

import psycopg
from psycopg.rows import TupleRow

from pyreplctl.core.db import Connection
from pyreplctl.core.errors import Error
from pyreplctl.sandbox.demo.ground import Ground
from pyreplctl.sandbox.embedded import processes

PATIENCE = 30.0  # seconds until something that must come about counts as failed


class StoryFailed(Error):
    """A step of the demo did not go as it must."""


class Narrator(Protocol):
    """Tells what happens to whoever watches."""

    def step(self, number: int, steps: int, title: str, why: str) -> None:
        """Begin a step."""

    def ran(self, prompt: str, command: str) -> None:
        """Tell of a command that was entered at a prompt."""

    def said(self, text: str) -> None:
        """Give its answer."""

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Give the rows that it answered with."""

    def noted(self, text: str) -> None:
        """Say what it shows, or what was measured."""


class Stage:
    """The databases and the worker, with a narrator."""

    def __init__(self, ground: Ground, narrator: Narrator) -> None:
        self.ground = ground
        self.narrator = narrator
        self.measured: dict[str, float] = {}
        # Who has left the last course of a database, and keeps a copy there.
        self.former: dict[str, set[int]] = {}
        self._sessions: dict[str, Connection] = {}
        self._worker: subprocess.Popen[str] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    def cli(
        self,
        *arguments: str,
        code: int = 0,
        show: Callable[[list[str]], list[str]] = lambda lines: lines,
        silent: bool = False,
    ) -> str:
        """Run pyreplctl as a user would and return its stdout; insist on an exit code.

        `show` picks the lines to tell from what went to stdout and stderr.
        """
        if not silent:
            self.narrator.ran("$", shlex.join(["pyreplctl", *arguments]))
        code_found, output, errors = self._run(arguments, apart=silent)
        if not silent:
            lines = [line.rstrip() for line in output.splitlines()]
            self.narrator.said("\n".join(show([line for line in lines if line])))
        self.expect(
            code_found == code,
            f"pyreplctl {arguments[0]} ended with {code_found}, not {code}:"
            f"\n{output}{errors}",
        )
        return output

    def _run(self, arguments: tuple[str, ...], *, apart: bool) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr, which are one unless kept apart."""
        process = None
        try:
            with self.ground.interrupts.held():
                process = subprocess.Popen(
                    [sys.executable, "-m", "pyreplctl", "--no-color", *arguments],
                    **self._surroundings(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE if apart else subprocess.STDOUT,
                )
            output, errors = process.communicate()
        except BaseException:
            if process:
                process.kill()
                process.communicate()
            raise
        return process.returncode, output, errors or ""

    def sql(self, database: str, text: LiteralString) -> None:
        """Run SQL as the superuser would in psql."""
        self.narrator.ran(f"{database}=#", text)
        cursor = self.session(database).execute(text)
        while cursor.nextset():  # of several statements, the last one's answer
            pass
        if cursor.description:
            columns = [column.name for column in cursor.description]
            self.narrator.rows(columns, cursor.fetchall())
        elif cursor.statusmessage:
            self.narrator.said(cursor.statusmessage)

    def refused(self, database: str, text: LiteralString, sqlstate: str) -> None:
        """Run SQL that the database must refuse, with this SQLSTATE."""
        self.narrator.ran(f"{database}=#", text)
        try:
            self.session(database).execute(text)
        except psycopg.Error as error:
            self.expect(
                error.sqlstate == sqlstate, f"not refused by {sqlstate}: {error}"
            )
            self.narrator.said(f"ERROR:  {error.diag.message_primary}")
        else:
            raise StoryFailed(f"{database} accepted: {text}")

    def rows(self, database: str, text: LiteralString) -> list[TupleRow]:
        """Return the rows of a query, unseen."""
        return self.session(database).execute(text).fetchall()

    def session(self, database: str) -> Connection:
        """Return the superuser's session, in autocommit."""
        found = self._sessions.get(database)
        if found is None or found.closed:
            found = psycopg.connect(self.ground.dsn(database), autocommit=True)
            self._sessions[database] = found
        return found

    def expect(self, holds: bool, message: str) -> None:
        """Fail the step unless something holds."""
        if not holds:
            raise StoryFailed(message)

    def until(self, database: str, query: LiteralString, wanted: object) -> float:
        """Ask until the first value is as wanted; return the seconds that it took."""
        started = time.perf_counter()
        session = self.session(database)
        while True:
            row = session.execute(query).fetchone()
            elapsed = time.perf_counter() - started
            found = row[0] if row else None
            if found == wanted:
                return elapsed
            if elapsed > PATIENCE:
                raise StoryFailed(
                    f"{database} still says {found!r}, not {wanted!r}, {PATIENCE:.0f} s"
                    f" later, to: {query}"
                )

    def start_worker(self) -> str:
        """Start the worker in the background; return the line that it logs."""
        self.narrator.ran("$", "pyreplctl run &")
        log = self.ground.directory / "worker.log"
        with log.open("w") as file, self.ground.interrupts.held():
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "pyreplctl", "--no-color", "run"],
                **self._surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends it
            )
            # It would otherwise go on for ever when this process is killed.
            self._watchdog = processes.watch(self._worker.pid)
        self.expect(
            processes.wait_for(
                lambda: "serving" in self.worker_log() or not self.worker_runs, PATIENCE
            )
            and self.worker_runs,
            f"the worker did not start:\n{self.worker_log()}",
        )
        return self.worker_log().strip()

    @property
    def worker_runs(self) -> bool:
        """Whether the worker is there."""
        return self._worker is not None and self._worker.poll() is None

    def worker_log(self) -> str:
        """Return what the worker has said."""
        return (self.ground.directory / "worker.log").read_text()

    def stop_worker(self) -> int | None:
        """Ask the worker to finish; return its exit code, None if there was none."""
        if self._worker is None:
            return None
        worker, self._worker = self._worker, None
        if worker.poll() is None:
            worker.terminate()
            try:
                worker.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        if self._watchdog:
            self._watchdog.kill()
            self._watchdog.communicate()
        return worker.returncode

    def leave_course_server(self) -> None:
        """Close the sessions at the course server."""
        for database in [name for name in self._sessions if name != "portal"]:
            self._sessions.pop(database).close()

    def close(self) -> None:
        """End the worker and all sessions."""
        self.stop_worker()
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _surroundings(self) -> dict[str, Any]:
        # Not where the user stands: there may be a pyreplctl.toml.
        return {
            "cwd": self.ground.directory,
            "env": self.ground.environment() | {"COLUMNS": "76"},
            "text": True,
        }
