"""What status shows: each course database, the clocks, and what must be done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyreplctl.core.db import Connection, fetch, fetch_as, value
from pyreplctl.courses import state
from pyreplctl.delivery import dead_letters

# Seconds in which a clock must have been seen to count on it. They are seen once a
# second, but route may take its time over a big change, and cron begins every minute.
WORKER_ALIVE = 15.0
SERVE_ALIVE = 120.0
ACT_ON = ("blocked", "waiting_contract", "refused", "forked")


@dataclass(frozen=True)
class Database:
    """How one course database does; the keys of `status --json`."""

    name: str
    delivery: str
    effective_delivery: str
    state: str
    health: str
    courses: int
    members: int | None
    pending: int
    oldest_pending_seconds: float | None
    retrying: int
    dead: int
    pending_columns: list[str]
    last_delivered_at: datetime | None
    last_error: str | None


@dataclass(frozen=True)
class Clock:
    """Something that made route and deliver run; how long ago, by the portal's time."""

    kind: str
    name: str
    seen_at: datetime
    seconds_ago: float

    @property
    def alive(self) -> bool:
        """Whether it was seen lately enough to count on."""
        return self.seconds_ago < (
            WORKER_ALIVE if self.kind == "worker" else SERVE_ALIVE
        )


@dataclass(frozen=True)
class Status:
    """The whole of it; `unrouted` counts changes that route has not taken yet."""

    databases: list[Database]
    unrouted: int
    clocks: list[Clock]

    def actions(self) -> list[str]:
        """Return what somebody must do, a sentence each; empty when all is well."""
        found = []
        waits = self.unrouted + sum(
            d.pending + d.retrying for d in self.databases if d.state != "paused"
        )
        if waits and not any(clock.alive for clock in self.clocks):
            found.append(
                "changes wait and no clock has been seen lately: start"
                ' "pyreplctl run", or let cron CALL pyrepl.serve()'
            )
        for database in self.databases:
            if database.dead:
                found.append(
                    f"{database.name}: dead letters: {database.dead};"
                    ' "pyreplctl dead list" says why'
                )
            if database.health in ACT_ON:
                mend = (
                    '; run "pyreplctl install", then "pyreplctl course refresh'
                    f' {database.name}"'
                    if database.health == "waiting_contract"
                    else ""
                )
                found.append(
                    f"{database.name}: {database.health}: {database.last_error}{mend}"
                )
        return found


def read(connection: Connection) -> Status:
    """Read the status of all course databases."""
    return Status(
        databases=fetch_as(Database, connection, "SELECT * FROM pyrepl.status()"),
        unrouted=value(connection, "SELECT pyrepl.unrouted()"),
        clocks=clocks(connection),
    )


def clocks(connection: Connection) -> list[Clock]:
    """Return the clocks of the last days, the latest first."""
    return fetch_as(
        Clock,
        connection,
        "SELECT kind, name, seen_at, round(extract(epoch FROM"
        " clock_timestamp() - seen_at), 1)::double precision AS seconds_ago"
        " FROM pyrepl.clocks()",
    )


def age(seconds: float) -> str:
    """Return a length of time in words.

    >>> age(59.6), age(3600.0), age(200000.0)
    ('60 s', '60 min', '2 d')
    """
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


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
    chosen = state.numbers(connection, names)
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
            if database.state == "paused":
                why[database.name].append("paused")
            if database.health != "ok":
                reason = f"{database.health}: {database.last_error}"
                why[database.name].append(reason)
    for letter in dead_letters.dead(connection):
        if letter.database in left and user in (None, letter.user_id):
            why[letter.database].append(
                f"dead letter {letter.id}, of user {letter.user_id}: {letter.message}"
            )
    return why
