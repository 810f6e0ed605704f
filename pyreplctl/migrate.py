"""yoyo migrations, run on a connection and in a transaction of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from yoyo import internalmigrations, read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri

from pyreplctl.db import Connection, value
from pyreplctl.sources import root


class _OurTransaction(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo inside a transaction that is already open: all migrations, or none.

    yoyo opens a connection for each migration, commits each, and locks with a row that
    outlives a killed process. Here its transactions are savepoints of ours, and the
    installer's advisory lock is the lock.
    """

    def __init__(self, connection: Connection) -> None:
        self._ours = connection
        super().__init__(parse_uri("postgresql+psycopg:///"), "_yoyo_migration")

    def connect(self, dburi: Any) -> Connection:  # noqa: ARG002
        return self._ours

    def copy(self) -> _OurTransaction:
        return self

    def __exit__(self, *args: object) -> None:
        """Leave the connection open: it is not yoyo's."""

    def begin(self) -> None:
        self._in_transaction = True
        self.execute("SAVEPOINT yoyo")

    def commit(self) -> None:
        self._in_transaction = False
        self.execute("RELEASE SAVEPOINT yoyo")

    def rollback(self) -> None:
        self._in_transaction = False
        self.execute("ROLLBACK TO SAVEPOINT yoyo")

    def lock(self, timeout: float = 10) -> nullcontext[None]:  # noqa: ARG002
        return nullcontext()

    def ensure_internal_schema_updated(self) -> None:
        if internalmigrations.needs_upgrading(self):
            internalmigrations.upgrade(self)


@contextmanager
def _backend(connection: Connection) -> Iterator[_OurTransaction]:
    path = connection.execute("SELECT current_setting('search_path')").fetchone()
    connection.execute("SELECT set_config('search_path', 'pyrepl', true)")
    try:
        yield _OurTransaction(connection)
    finally:
        if path and not connection.broken:
            restore = "SELECT set_config('search_path', %s, true)"
            if connection.info.transaction_status.name != "INERROR":
                connection.execute(restore, path)


def names(side: str) -> list[str]:
    """Return the names of all migrations of the portal or the course, in order."""
    return [m.id for m in read_migrations(str(root("migrations") / side))]


def pending(connection: Connection, side: str) -> list[str]:
    """Return the names of the migrations that are still to be applied."""
    migrations = read_migrations(str(root("migrations") / side))
    if value(connection, "SELECT to_regclass('pyrepl._yoyo_migration') IS NULL"):
        return [m.id for m in migrations]
    applied = {
        row[0]
        for row in connection.execute(
            "SELECT migration_id FROM pyrepl._yoyo_migration"
        ).fetchall()
    }
    return [m.id for m in migrations if m.id not in applied]


def unknown(connection: Connection, side: str) -> list[str]:
    """Return applied migrations that this program does not have: it is too old."""
    if value(connection, "SELECT to_regclass('pyrepl._yoyo_migration') IS NULL"):
        return []
    known = set(names(side))
    rows = connection.execute(
        "SELECT migration_id FROM pyrepl._yoyo_migration"
    ).fetchall()
    return sorted(row[0] for row in rows if row[0] not in known)


def apply(connection: Connection, side: str) -> None:
    """Apply all pending migrations in the transaction that is open."""
    migrations = read_migrations(str(root("migrations") / side))
    with _backend(connection) as backend:
        backend.apply_migrations(backend.to_apply(migrations))


def roll_back(connection: Connection, side: str) -> None:
    """Take all applied migrations back, the newest first; for the tests."""
    migrations = read_migrations(str(root("migrations") / side))
    with _backend(connection) as backend:
        backend.rollback_migrations(backend.to_rollback(migrations))
