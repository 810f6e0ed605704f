"""Course databases by name and number, and their queues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors as pg

from pyreplctl.core import locks
from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.errors import DatabaseError, UsageError
from pyreplctl.core.locks import LOCK_CLASS


def numbers(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the numbers of databases by name, all if none is named.

    Raises `UsageError` for a name that is not registered.
    """
    rows = fetch(connection, "SELECT name, id FROM pyrepl.databases()")
    known = {row["name"]: row["id"] for row in rows}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"no course database is named {', '.join(unknown)}",
            hint=f"There are: {', '.join(known) or 'none'}.",
        )
    return {name: known[name] for name in names} if names else known


@contextmanager
def delivery_stopped(connection: Connection, number: int) -> Iterator[None]:
    """Open a transaction in which nobody delivers to this database."""
    with connection.transaction():
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('lock_timeout', %s, true)",
                    (locks.DELIVERY_PATIENCE,),
                )
                connection.execute(
                    "SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, number)
                )
        except pg.LockNotAvailable as error:
            holders = locks.advisory_holders(connection, number)
            raise DatabaseError(
                f"deliveries to the course database do not end: held by {holders}",
                hint="Run the command again when they have. If it is nothing of"
                " pyreplctl's: SELECT pg_terminate_backend(its number).",
                sqlstate=error.sqlstate,
            ) from error
        yield


def backfill_courses(connection: Connection, number: int, keys: Sequence[str]) -> None:
    """Let route queue everybody enrolled in these courses, in its own snapshot."""
    connection.execute("SELECT pyrepl.queue_courses(%s, %s)", (number, list(keys)))


def backfill(
    connection: Connection, chosen: Sequence[int], users: Sequence[int] | None = None
) -> None:
    """Let route queue the dossiers of all members again, or of some users."""
    connection.execute(
        "SELECT pyrepl.queue_members(%s::integer[], %s::bigint[])",
        (list(chosen), list(users) if users is not None else None),
    )
