"""yoyo's backend, on a connection and in a transaction of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from yoyo import internalmigrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri

from pyreplctl.core.db import Connection


class _OurTransaction(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo inside a transaction that is already open: all migrations, or none.

    yoyo opens a connection for each migration, commits each, and locks with a row that
    outlives a killed process. Here its transactions are savepoints of ours, and the
    installer's advisory lock is the lock.
    """

    def __init__(self, connection: Connection) -> None:
        self._ours = connection
        self._is_current = False
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
        if not self._is_current and internalmigrations.needs_upgrading(self):
            internalmigrations.upgrade(self)
        self._is_current = True  # yoyo asks before each of its steps


@contextmanager
def backend(connection: Connection) -> Iterator[_OurTransaction]:
    """Let yoyo work in the transaction that is open, with its tables in our schema."""
    path = connection.execute("SELECT current_setting('search_path')").fetchone()
    connection.execute("SELECT set_config('search_path', 'pyrepl, pg_temp', true)")
    try:
        yield _OurTransaction(connection)
    finally:
        if path and not connection.broken:
            restore = "SELECT set_config('search_path', %s, true)"
            if connection.info.transaction_status.name != "INERROR":
                connection.execute(restore, path)
