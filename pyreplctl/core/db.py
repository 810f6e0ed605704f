"""Connections, and driver errors turned into ours in one place."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo
from psycopg.rows import TupleRow, class_row, dict_row

from pyreplctl.core import session
from pyreplctl.core.errors import ConnectionFailed, DatabaseError, UsageError
from pyreplctl.core.texts import MESSAGE, clean

log = logging.getLogger("pyreplctl")  # what --verbose shows
T = TypeVar("T")
Connection = psycopg.Connection[TupleRow]


# A host that is gone without a word is noticed within half a minute. (A server that is
# slow answers at this level, however long its statement takes.)
WAITS: dict[str, Any] = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

_HINTS = {
    "42501": "Run it as another role: a member of pyrepl_monitor may look, one of"
    " pyrepl_worker may deliver, and whoever installed may do the rest.",
    "42883": "What is installed may be older than this program: run"
    ' "pyreplctl install", then "pyreplctl course refresh --all".',
}


def parameters(dsn: str) -> dict[str, str]:
    """Return the parameters of a connection string; `UsageError` if it is none.

    Neither the text nor what libpq says of it is told: a password may be in either.
    """
    try:
        if "\x00" in dsn:
            raise psycopg.ProgrammingError
        given = {k: str(v) for k, v in conninfo_to_dict(dsn).items() if v is not None}
    except (psycopg.Error, UnicodeError):
        given = {}
        reason = _what_is_wrong(dsn)
    else:
        reason = _swallowed(dsn, given)
    if reason:
        raise UsageError(
            f"not a connection string: {reason}",
            hint='Use a URI or key=value pairs, such as "host=db1 dbname=portal".',
        ) from None
    return given


_URI = ("postgresql://", "postgres://")


def _what_is_wrong(dsn: str) -> str:
    """Say why libpq does not take a text, without a word of it."""
    if "\x00" in dsn or "%00" in dsn:
        return "it holds a zero byte"
    if not dsn.isprintable():
        return "it holds control characters, or bytes that are not UTF-8"
    if dsn.startswith(_URI):
        if re.search("%(?![0-9A-Fa-f]{2})", dsn):
            return "a % in the URI is not followed by two hex digits; % itself is %25"
        return "the URI is malformed, or has a parameter that libpq does not know"
    if "=" not in dsn:
        return "it has no key=value pair"
    if dsn.count("'") % 2:
        return "a quote is not closed"
    return (
        "something in it is no key=value pair, or no key that libpq knows; a value"
        " with spaces stands in quotes: 'so'"
    )


def _swallowed(dsn: str, given: dict[str, str]) -> str:
    """Say where a URI was taken apart at a character of its password."""
    odd = (
        "@" in given.get("host", "") + given.get("dbname", "")
        or not given.get("port", "0").replace(",", "").isdigit()
    )
    if dsn.startswith(_URI) and odd:
        return "user and password of a URI have @ : / ? # % written as %40 and so on"
    return ""


def _secret_options() -> frozenset[str]:
    """Return the options that libpq itself would not show, and the file of those."""
    hidden = {o.keyword.decode() for o in Conninfo.get_defaults() if o.dispchar == b"*"}
    known = {"password", "sslpassword", "scram_client_key", "scram_server_key"}
    return frozenset(hidden | known | {"oauth_client_secret", "passfile"})


_SECRETS = _secret_options()


def _is_secret(option: str, text: str) -> bool:
    # A key in a token may bring its PIN along: pkcs11:object=mine?pin-value=1234
    return option in _SECRETS or (option == "sslkey" and "pin-" in text)


def without_secrets(dsn: str) -> str:
    """Return the connection string without passwords, to be kept or shown."""
    kept = {k: v for k, v in parameters(dsn).items() if not _is_secret(k, v)}
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
            # What a reading runs may DEALLOCATE, and PREPARE its own by the same name.
            prepare_threshold=None,
            **(WAITS | {name: given[name] for name in WAITS.keys() & given.keys()}),
        )
        with closed_on_error(connection):
            session.pin(connection)
    except psycopg.Error as error:
        raise ConnectionFailed(
            f"cannot connect to {what} ({without_secrets(dsn)}): {_one_line(error)}",
            hint="Check host, port, database, user and password; passwords may come "
            "from the connection string, PGPASSWORD, PGPASSFILE or a service file."
            + (f" {hint}" if hint else ""),
        ) from error
    log.debug(
        "connected to %s (%s): PostgreSQL %s, backend %s",
        what,
        without_secrets(dsn),
        connection.info.server_version,
        connection.info.backend_pid,
    )
    with connection, driver_errors(what):
        yield connection


@contextmanager
def closed_on_error(connection: Connection) -> Iterator[None]:
    """Close a connection where the block fails."""
    try:
        yield
    except BaseException:
        connection.close()
        raise


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


def execute_one(connection: Connection, statement: str | sql.Composed) -> None:
    """Execute one statement; text that holds more of them is a syntax error.

    By the extended protocol, which takes no second one: nothing can ride along.
    """
    query = statement.encode() if isinstance(statement, str) else statement
    connection.execute(query, binary=True)


def fetch(
    connection: Connection, query: LiteralString | bytes | sql.Composed, *values: Any
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
