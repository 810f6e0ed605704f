"""What every session of ours sets before its first question, whatever a database says.

Whoever owns a database, or a role, may set nearly anything for its sessions (ALTER
DATABASE … SET). Nothing of it may change what a statement of ours means, whose code it
runs, or whether it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.rows import TupleRow


class Setting(NamedTuple):
    """A setting, its value, why, and the servers that have it."""

    name: str
    value: str
    why: str
    since: Callable[[int], bool] = lambda _: True


def has_relation_kinds(version: int) -> bool:
    """Tell whether a server has restrict_nonsystem_relation_kind, a late fix."""
    return (
        version >= 170000
        or (160004 <= version < 170000)
        or (150008 <= version < 160000)
    )


def has_transaction_timeout(version: int) -> bool:
    """Tell whether a server can end a long transaction."""
    return version >= 170000


SETTINGS = (
    Setting("role", "none", "a role that a database sets is not who logged in"),
    Setting("search_path", "pg_catalog, pg_temp", "no name is found in public"),
    # What a text means, on its way in and out.
    Setting("client_encoding", "UTF8", "names come in it, and cannot be lost"),
    Setting("standard_conforming_strings", "on", "literals are written for it"),
    Setting("datestyle", "ISO, YMD", "the driver reads no other"),
    Setting("intervalstyle", "postgres", "the driver reads no other"),
    Setting("timezone", "UTC", "what is printed says the same everywhere"),
    Setting("extra_float_digits", "3", "floats arrive whole"),
    Setting("bytea_output", "hex", "the driver reads it, other servers do"),
    Setting("array_nulls", "on", "NULL in an array is no text"),
    Setting("backslash_quote", "safe_encoding", "a quote ends where it does elsewhere"),
    Setting("escape_string_warning", "on", "as where there is no such setting"),
    Setting("xmlbinary", "base64", "bytes in XML"),
    Setting("xmloption", "content", "of any XML, not of documents alone"),
    Setting("lc_monetary", "C", "numbers are told as elsewhere"),
    Setting("lc_numeric", "C", "numbers are told as elsewhere"),
    Setting("lc_time", "C", "so are days"),
    Setting("default_text_search_config", "pg_catalog.simple", "there is no other"),
    # What a statement means.
    Setting("transform_null_equals", "off", "= NULL is what the standard says"),
    Setting("quote_all_identifiers", "off", "definitions are compared as texts"),
    Setting("row_security", "off", "a policy is an error, not an empty table"),
    Setting("check_function_bodies", "on", "but where create() says otherwise"),
    Setting("default_table_access_method", "heap", "queues need its locks and ctid"),
    Setting("default_tablespace", "", "our owner may make nothing in another one"),
    Setting("temp_tablespaces", "", "nor there"),
    Setting("default_toast_compression", "pglz", "every server has it"),
    Setting("plpgsql.extra_errors", "none", "our functions are not written for them"),
    Setting(
        "createrole_self_grant",
        "",
        "who may do what with a new role is granted, not set",
        lambda version: version >= 160000,
    ),
    Setting(
        "restrict_nonsystem_relation_kind",
        "",
        "a push needs foreign tables; who reads tables of others says it for himself",
        has_relation_kinds,
    ),
    # Transactions: locks and snapshots are taken with these in mind.
    Setting("default_transaction_isolation", "read committed", "see require_own…"),
    Setting("default_transaction_read_only", "off", "we write"),
    Setting("default_transaction_deferrable", "off", "nothing waits for a snapshot"),
    Setting("exit_on_error", "off", "a savepoint is no use to a session that is gone"),
    # Who waits for what is limited where it waits; a session is not ended from outside.
    Setting("statement_timeout", "0", "an install or a backfill takes what it takes"),
    Setting("lock_timeout", "0", "under_lock_timeout and functions say their own"),
    Setting("idle_in_transaction_session_timeout", "0", "two servers, one at a time"),
    Setting("idle_session_timeout", "0", "a worker may have nothing to do"),
    Setting(
        "transaction_timeout",
        "0",
        "as statement_timeout",
        has_transaction_timeout,
    ),
    Setting("jit", "off", "compiling takes longer than any statement of ours"),
)

# Never lowered: who has asked for remote_apply keeps it.
_LOWER = ("off", "local", "remote_write")
# Only a superuser, or who was granted it, may set this one.
_REPLICATION_ROLE = "session_replication_role"


def pin(connection: psycopg.Connection[TupleRow]) -> None:
    """Set all of it, in one message and before any other: a pooler drops options.

    SET looks nothing up, so that none of it can be anybody else's.
    """
    version = connection.info.server_version
    statements = [
        sql.SQL("SET {} = {}").format(_name(each.name), _value(each))
        for each in SETTINGS
        if each.since(version)
    ]
    ask = sql.SQL(
        "SELECT pg_catalog.current_setting('synchronous_commit'),"
        " pg_catalog.current_setting({})"
    ).format(_REPLICATION_ROLE)
    cursor = connection.execute(sql.SQL("; ").join([*statements, ask]))
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    durable, replication_role = row
    if durable in _LOWER:
        connection.execute("SET synchronous_commit = on")
    if replication_role != "origin":
        # Foreign keys of ours would not fire, and leave rows of what is gone.
        try:
            connection.execute("SET session_replication_role = origin")
        except pg.InsufficientPrivilege as error:
            raise NotOrigin(
                "session_replication_role is set for this database or role, and only a"
                " superuser may set it otherwise"
            ) from error


class NotOrigin(psycopg.OperationalError):
    """Triggers and foreign keys would not fire, and we may not change that."""


@contextmanager
def names_qualified(connection: psycopg.Connection[TupleRow]) -> Iterator[None]:
    """Let the catalog write names of all schemas but pg_catalog with their schema."""
    ask = "SELECT pg_catalog.current_setting('search_path')"
    path = connection.execute(ask).fetchone()
    give = "SELECT pg_catalog.set_config('search_path', %s, false)"
    connection.execute(give, ("pg_catalog",))
    yield
    connection.execute(give, path)


def _name(name: str) -> sql.SQL | sql.Composed:
    return sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))


def _value(each: Setting) -> sql.Composable:
    # A list of names is one: in quotes it would be a single name.
    if each.name in ("search_path", "datestyle"):
        parts = [part.strip() for part in each.value.split(",")]
        return sql.SQL(", ").join(map(sql.Literal, parts))
    return sql.Literal(each.value)
