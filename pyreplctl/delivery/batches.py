"""Routing and delivering on demand: what the commands deliver and wait do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import errors as pg

from pyreplctl.core.db import Connection, fetch, value, what_it_says
from pyreplctl.core.errors import DatabaseError
from pyreplctl.core.locks import ROUTER_LOCK, Queueing

log = logging.getLogger("pyreplctl.batches")

WORKED = ("delivered", "probed", "isolating")


@dataclass(frozen=True)
class Outcome:
    """What one call of deliver did, or why it failed."""

    outcome: str
    users: int = 0
    error: str | None = None


def route(connection: Connection) -> int:
    """Route what has been committed; return the number of changes taken.

    Waits while another session routes, so that afterwards everything is. Raises
    `DatabaseError` where a migration has taken a column away that routing needs, and
    where somebody keeps the router's lock.
    """
    taken = 0
    queueing = Queueing(connection, ROUTER_LOCK, "routing")
    while True:
        try:
            found: int | None = value(connection, "SELECT pyrepl.route()")
        except psycopg.Error as error:
            if connection.broken or _may_not(error):
                raise
            raise _not_routed(connection, error) from error
        if found == 0:
            return taken
        if found is None:
            queueing.wait(0.005)
        else:
            taken += found


def _may_not(error: psycopg.Error) -> bool:
    """Tell whether the role of this session may not call what it has called."""
    return isinstance(error, pg.InsufficientPrivilege) and not error.diag.context


def _not_routed(connection: Connection, error: psycopg.Error) -> DatabaseError:
    """Record that routing failed, for status to tell; return what to raise."""
    said = what_it_says(error)
    hint = error.diag.message_hint
    note_own_failure(connection, error)
    if isinstance(error, (pg.UndefinedColumn, pg.UndefinedTable)):
        hint = (
            "A migration has changed the portal's tables; what was written"
            ' since waits. Run "pyreplctl install", with the configuration'
            ' corrected where need be, then "pyreplctl course refresh --all".'
        )
    return DatabaseError(
        f"changes cannot be routed: {said}", hint=hint, sqlstate=error.sqlstate
    )


def note_own_failure(connection: Connection, error: psycopg.Error) -> None:
    """Record that routing failed on the portal itself, if that can be recorded."""
    query = "SELECT pyrepl.portal_failed(0, %s, %s, %s)"
    with suppress(psycopg.Error):
        connection.execute(
            query, (error.sqlstate, what_it_says(error), error.diag.message_hint)
        )


def deliver(connection: Connection, number: int) -> Outcome:
    """Deliver one batch to a database in a transaction of its own.

    What the push raises is recorded by delivery_failed, which decides what comes next.
    """
    try:
        row = connection.execute(
            "SELECT outcome, users FROM pyrepl.deliver(%s)", (number,)
        ).fetchone()
        assert row is not None
        log.debug("database %s: %s, users: %s", number, *row)
        return Outcome(*row)
    except psycopg.Error as error:
        if connection.broken:
            raise
        said = error.diag
        # Not what the course says, but what is kept of it.
        kept: str | None = value(
            connection,
            "SELECT pyrepl.delivery_failed(%s, %s, %s, %s, %s, %s)",
            *(number, error.sqlstate, what_it_says(error), said.message_hint),
            *(said.message_detail, said.context),
        )
        return Outcome("failed", error=kept or f"SQLSTATE {error.sqlstate}")


def until_empty(
    connection: Connection,
    chosen: dict[str, int],
    progress: Callable[[str, int], None] = lambda _name, _users: None,
) -> dict[str, list[str]]:
    """Route, then deliver to each database until nothing waits or nothing can go.

    Returns what could not be delivered, by database: why it is backing off, or its
    dossiers that failed. `progress` is called with a name and the users just sent.
    """
    # Twice: deliver itself marks users as changed, whom a lost push was about.
    held: dict[str, list[str]] = {}
    for _ in range(2):
        route(connection)
        for name, number in chosen.items():
            queueing = Queueing(connection, number, f"delivery to {name}")
            while (done := deliver(connection, number)).outcome not in (
                "idle",
                "paused",
                "waiting",
            ):
                try:
                    if done.outcome == "busy":
                        queueing.wait(0.02)
                except DatabaseError as error:
                    held[name] = [f"{error} {error.hint}"]
                    break
                progress(name, done.users)
    found = {
        name: held.get(name, []) + failures(connection, number)
        for name, number in chosen.items()
    }
    return {name: reasons for name, reasons in found.items() if reasons}


def once(connection: Connection, chosen: dict[str, int]) -> dict[str, list[str]]:
    """Route, then deliver one batch to each database; return failures by database."""
    route(connection)
    found = {name: deliver(connection, number) for name, number in chosen.items()}
    return {name: [done.error] for name, done in found.items() if done.error}


def failures(connection: Connection, number: int) -> list[str]:
    """Return why a database does not take what it should, a sentence each.

    Of the dossiers that failed, ten are named.
    """
    rows = fetch(connection, "SELECT * FROM pyrepl.failures(%s)", number)
    named = [row for row in rows if row["user_id"] is not None]
    found = obstacles(connection, number) + [
        f"user {row['user_id']}: {_told(row)}" + (" [dead letter]" * row["dead"])
        for row in named
    ]
    if named and (more := named[0]["of_all"] - len(named)):
        found.append(f'and {more} more; see "pyreplctl dead list"')
    return found


def obstacles(connection: Connection, number: int) -> list[str]:
    """Return what keeps a database from taking anything, other than a pause."""
    rows = fetch(connection, "SELECT * FROM pyrepl.failures(%s)", number)
    return [_told(row) for row in rows if row["user_id"] is None]


def _told(row: dict[str, Any]) -> str:
    return str(row["message"]) + (f" ({row['hint']})" if row["hint"] else "")
