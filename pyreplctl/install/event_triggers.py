"""Event triggers, which can give to somebody else what is created for us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.errors import NotSuitable


@contextmanager
def named_on_refusal(connection: Connection, what: str) -> Iterator[None]:
    """Where a right on an object of ours is lacking, say what may have taken it.

    Around the transaction, not in it: the catalog is read when it has been taken back.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        if connection.broken or not (found := _enabled(connection)):
            raise
        disable, enable = (
            " ".join(f"ALTER EVENT TRIGGER {row['name']} {verb};" for row in found)
            for verb in ("DISABLE", "ENABLE")
        )
        named = ", ".join(f"{row['name']} ({row['function']})" for row in found)
        raise NotSuitable(
            f"{what}: {error.diag.message_primary}; after each CREATE there runs the"
            f" event trigger {named}, which may give what is ours to another owner",
            hint=f"As a superuser run: {disable} Then this command again, and then:"
            f" {enable}",
        ) from error


def _enabled(connection: Connection) -> list[dict[str, str]]:
    return fetch(
        connection,
        "SELECT quote_ident(evtname) AS name, evtfoid::regprocedure::text AS function"
        " FROM pg_event_trigger WHERE evtenabled <> 'D'"
        " AND evtevent = 'ddl_command_end' ORDER BY 1",
    )
