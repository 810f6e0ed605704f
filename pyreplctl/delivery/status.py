"""What status shows: each course database, the clocks, and what must be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyreplctl.core.db import Connection, fetch_as, value
from pyreplctl.core.names import pasted

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
                remedy = (
                    '; run "pyreplctl install", then "pyreplctl course refresh'
                    f' {pasted(database.name)}"'
                    if database.health == "waiting_contract"
                    else ""
                )
                found.append(
                    f"{database.name}: {database.health}: {database.last_error}{remedy}"
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
