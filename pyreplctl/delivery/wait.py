"""Waits until what was committed is delivered."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyreplctl.core import databases
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.delivery import dead_letters
from pyreplctl.delivery.status import read


@dataclass(frozen=True)
class Waited:
    """What is left when a wait ends, and `why`; `skipped` are paused databases."""

    left: dict[str, int]
    unrouted: int
    skipped: list[str]
    why: dict[str, list[str]]


def wait(
    connection: Connection,
    names: Sequence[str],
    user: int | None,
    timeout: float,
    pause: Callable[[float], None] = time.sleep,
) -> Waited:
    """Wait until all that was committed before the call is delivered, or time is over.

    First for route to take what a snapshot of now sees, then for the outbox rows that
    were there when it had.
    """
    before: Any = value(connection, "SELECT pg_current_snapshot()::text")
    deadline = time.monotonic() + timeout
    states = {
        row["name"]: row["state"]
        for row in fetch(connection, "SELECT name, state FROM pyrepl.databases()")
    }
    chosen = databases.numbers(connection, names)
    skipped = [name for name in chosen if states.get(name) == "paused"]
    served = {number: name for name, number in chosen.items() if name not in skipped}
    unrouted, last, left = 1, 0, {}
    while True:
        asked = time.monotonic()
        if unrouted:
            unrouted = value(
                connection, "SELECT pyrepl.unrouted(%s::pg_snapshot)", before
            )
            last = value(connection, "SELECT pyrepl.last_queued()")
        rows = fetch(
            connection,
            "SELECT * FROM pyrepl.waiting(%s::integer[], %s::bigint, %s::bigint)",
            list(served),
            user,
            last,
        )
        left = {served[r["database_id"]]: r["pairs"] for r in rows if r["pairs"]}
        if time.monotonic() > deadline or not (unrouted or left):
            why = _reasons(connection, left, user) if left else {}
            return Waited(left, unrouted, skipped, why)
        # To count a long queue takes a while: the portal is asked a tenth of the time.
        pause(max(0.02, min(9 * (time.monotonic() - asked), 1)))


def _reasons(
    connection: Connection, left: dict[str, int], user: int | None
) -> dict[str, list[str]]:
    """Return what keeps databases from taking what waits for them."""
    why: dict[str, list[str]] = {name: [] for name in left}
    for database in read(connection).databases:
        if database.name in left:
            if database.state in ("paused", "removing"):
                why[database.name].append(database.state)
            if database.health != "ok":
                reason = f"{database.health}: {database.last_error}"
                why[database.name].append(reason)
    for letter in dead_letters.dead(connection):
        if letter.database in left and user in (None, letter.user_id):
            why[letter.database].append(
                f"dead letter {letter.id}, of user {letter.user_id}: {letter.message}"
            )
    return why
