"""Connections, and driver errors turned into ours in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import TupleRow, class_row, dict_row

from pyreplctl.core.errors import ConnectionFailed, DatabaseError, UsageError
from pyreplctl.core.texts import MESSAGE, clean

T = TypeVar("T")
Connection = psycopg.Connection[TupleRow]


_HINTS = {
    "42501": "Run it as another role: a member of pyrepl_monitor may look, one of"
    " pyrepl_worker may deliver, and whoever installed may do the rest.",
}

_SECRETS = frozenset({"password", "sslpassword", "passfile", "scram_client_key"})


def parameters(dsn: str) -> dict[str, str]:
    """Return the parameters of a connection string; `UsageError` if it is none."""
    try:
        return {k: str(v) for k, v in conninfo_to_dict(dsn).items() if v is not None}
    except psycopg.ProgrammingError as error:
        raise UsageError(
            f"not a connection string: {_one_line(error)}",
            hint='Use a URI or key=value pairs, such as "host=db1 dbname=portal".',
        ) from error


def without_secrets(dsn: str) -> str:
    """Return the connection string without passwords, to be kept or shown."""
    kept = {k: v for k, v in parameters(dsn).items() if k not in _SECRETS}
    return make_conninfo("", **kept)


@contextmanager
def connect(
    dsn: str, what: str = "the database", hint: str | None = None
) -> Iterator[Connection]:
    """Open an autocommit connection; `what` names it in errors, passwords never do.

    `hint` is added to what else may be wrong. Raises `ConnectionFailed`, and inside of
    the block `DatabaseError` for what the server refuses.
    """
    given = parameters(dsn)
    try:
        connection = psycopg.connect(
            dsn,
            autocommit=True,
            application_name=given.get("application_name", "pyreplctl"),
            connect_timeout=given.get("connect_timeout", "10"),
        )
    except psycopg.Error as error:
        raise ConnectionFailed(
            f"cannot connect to {what} ({without_secrets(dsn)}): {_one_line(error)}",
            hint="Check host, port, database, user and password; passwords may come "
            "from the connection string, PGPASSWORD, PGPASSFILE or a service file."
            + (f" {hint}" if hint else ""),
        ) from error
    with connection, driver_errors(what):
        yield connection


@contextmanager
def driver_errors(what: str) -> Iterator[None]:
    """Turn what psycopg raises into `ConnectionFailed` or `DatabaseError`."""
    try:
        yield
    except psycopg.Error as error:
        said = what_it_says(error)
        if error.sqlstate is not None and error.sqlstate.startswith("08"):
            # The server is there, and tells of a server that it cannot reach itself.
            raise ConnectionFailed(
                f"{what} cannot reach a course database: {said}",
                hint="Run the command again when its server is back.",
            ) from error
        if error.sqlstate is None or error.sqlstate.startswith("57P"):
            raise ConnectionFailed(
                f"the connection to {what} was lost: {said}",
                hint="Run the command again when the server is back.",
            ) from error
        raise DatabaseError(
            f"{what}: {clean(error.diag.message_primary or str(error))}",
            hint=clean(error.diag.message_hint or "") or _HINTS.get(error.sqlstate),
            sqlstate=error.sqlstate,
        ) from error


def what_it_says(error: psycopg.Error) -> str:
    """Return the message of an error on one line, cut, without values of rows.

    Of a connection that failed the primary message tells only the foreign server's
    name, the detail host, port and reason.
    """
    said = error.diag.message_primary or str(error)
    if (error.sqlstate or "").startswith("08"):
        said = error.diag.message_detail or said
    return clean(said).strip()


def _one_line(error: Exception) -> str:
    return clean(str(error), 2 * MESSAGE).strip()  # of several hosts each is told


def fetch(
    connection: Connection, query: LiteralString | sql.Composed, *values: Any
) -> list[dict[str, Any]]:
    """Return all rows as dictionaries."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, values or None).fetchall()


def fetch_as(
    model: type[T],
    connection: Connection,
    query: LiteralString | sql.Composed,
    *values: Any,
) -> list[T]:
    """Return all rows as objects of a class whose fields are the columns."""
    with connection.cursor(row_factory=class_row(model)) as cursor:
        return cursor.execute(query, values or None).fetchall()


def value(
    connection: Connection, query: LiteralString | bytes | sql.Composed, *values: Any
) -> Any:
    """Return the first column of the first row, or None."""
    row = connection.execute(query, values or None).fetchone()
    return row[0] if row else None
