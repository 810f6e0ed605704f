"""Locks: ours keep installs apart, those of tables are never waited for long."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import errors as pg

from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import DatabaseError
from pyreplctl.core.names import quoted_table

log = logging.getLogger("pyreplctl.locks")

# 'pyrp': the first key of all our advisory locks, also written in sql/functions/portal.
LOCK_CLASS = 1887007344
ROUTER_LOCK = 0  # databases use their own number, from 1
INSTALL_LOCK = -1
REFRESH_LOCK = -4

INSTALL_PATIENCE = 60.0  # seconds
DELIVERY_PATIENCE = "90s"
TURN_PATIENCE = 60.0  # seconds


@dataclass(frozen=True)
class Patience:
    """How long to wait for the lock of a table, in seconds, and how often to try."""

    lock_timeout: float = 2.0
    attempts: int = 10


@contextmanager
def install_lock(connection: Connection, *, shared: bool = False) -> Iterator[None]:
    """Keep other installs and registrations out; they hold it for seconds.

    Refreshes share it with one another.
    """
    deadline = time.monotonic() + INSTALL_PATIENCE
    key = (LOCK_CLASS, INSTALL_LOCK)
    kind = "_shared" if shared else ""
    attempt = f"SELECT pg_try_advisory_lock{kind}(%s, %s)".encode()
    while not value(connection, attempt, *key):
        if time.monotonic() > deadline:
            raise DatabaseError(
                "another install, registration or refresh is at work:"
                f" {advisory_holders(connection, INSTALL_LOCK)}",
                hint="Wait until it has finished and run the command again. If it is"
                " nothing of pyreplctl's: SELECT pg_terminate_backend(its number).",
            )
        time.sleep(0.2)
    try:
        yield
    finally:
        if not connection.broken:
            release = f"SELECT pg_advisory_unlock{kind}(%s, %s)"
            connection.execute(release.encode(), key)


def under_lock_timeout(
    connection: Connection, table: str, patience: Patience, act: Callable[[], None]
) -> None:
    """Run `act` in a transaction that waits for no lock longer than the time-out.

    Tries again with growing pauses, in which writers go on; then raises `DatabaseError`
    that says who held the table.
    """
    blockers = ""
    for attempt in range(patience.attempts):
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('lock_timeout', %s, true)",
                    (f"{max(int(patience.lock_timeout * 1000), 1)}ms",),
                )
                act()
        except pg.LockNotAvailable:
            blockers = _holders(connection, table) or blockers
            log.debug("%s is locked by %s: attempt %s", table, blockers, attempt + 1)
            time.sleep(min(0.1 * 2**attempt, 2.0))
        else:
            return
    raise DatabaseError(
        f"{table} stayed locked: {patience.attempts} attempts of"
        f" {patience.lock_timeout:g} s each; held by {blockers or 'sessions now gone'}",
        hint="Run the command again when they have finished, or end them; what was done"
        " so far stays and is not done again.",
    )


class Queueing:
    """Waits by trying for an advisory lock of ours that others hold by turns.

    Raises `DatabaseError` that names the holder where one and the same transaction, or
    session, has had it for TURN_PATIENCE.
    """

    def __init__(self, connection: Connection, key: int, what: str) -> None:
        self._connection, self._key, self._what = connection, key, what
        self._holders: list[Any] = []
        self._since = self._looked = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Pause before the next attempt."""
        time.sleep(seconds)
        now = time.monotonic()
        if now - self._looked < min(1.0, TURN_PATIENCE / 3):
            return
        self._looked = now
        rows = fetch(
            self._connection,
            f"SELECT l.pid, l.virtualtransaction {_ADVISORY} ORDER BY 1, 2",
            LOCK_CLASS,
            self._key,
        )
        if not rows or rows != self._holders:
            self._holders, self._since = rows, now
        elif now - self._since > TURN_PATIENCE:
            raise DatabaseError(
                f"{self._what} is held up:"
                f" {advisory_holders(self._connection, self._key)}",
                hint="If that is nothing of pyreplctl's, end it: SELECT"
                f" pg_terminate_backend({rows[0]['pid']})",
            )


_ADVISORY: LiteralString = (
    "FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
    " AND l.classid = %s AND l.objid = (%s::bigint & 4294967295)::oid"
    " AND l.database = (SELECT d.oid FROM pg_database d"
    "  WHERE d.datname = current_database()) AND a.pid <> pg_backend_pid()"
)


def advisory_holders(connection: Connection, key: int) -> str:
    """Return who holds one of our advisory locks: any login can take it."""
    rows = fetch(
        connection,
        "SELECT DISTINCT a.pid, a.usename, a.application_name, a.state,"
        " date_trunc('second', clock_timestamp() - a.xact_start)::text AS age"
        f" {_ADVISORY}",
        LOCK_CLASS,
        key,
    )
    return _named(rows) or "sessions now gone"


def _holders(connection: Connection, table: str) -> str:
    rows = fetch(
        connection,
        "SELECT DISTINCT a.pid, a.usename, a.application_name, a.state,"
        " date_trunc('second', clock_timestamp() - a.xact_start)::text AS age"
        " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.relation = to_regclass(%s) AND l.granted"
        " AND a.pid <> pg_backend_pid()",
        quoted_table(table),
    )
    return _named(rows)


def _named(rows: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"backend {row['pid']} ({row['usename']}, {row['application_name']},"
        f" {row['state']}, transaction of {row['age']})"
        for row in rows
    )
