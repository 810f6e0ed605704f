"""What status shows: each course database, the clocks, and what must be done."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pyreplctl.core.db import Connection, fetch, fetch_as, value
from pyreplctl.core.names import pasted

# Seconds in which a clock must have been seen to count on it. They are seen once a
# second, but route may take its time over a big change, and cron begins every minute.
WORKER_ALIVE = 15.0
SERVE_ALIVE = 120.0
IN_THE_WAY = 60.0  # seconds in which a lock of ours was held and something waited
_STILL = ("paused", "removing")
CATCH_UP = 'run "pyreplctl install", which queues everybody'
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
    unfinished: list[str]


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
class Holder:
    """Who holds an advisory lock of ours: any login can take one."""

    what: str
    name: str | None
    pid: int
    role: str | None
    application: str | None
    state: str | None
    since: datetime | None
    waits_seconds: float | None

    @property
    def in_the_way(self) -> bool:
        """Whether something has waited for it for long."""
        return (self.waits_seconds or 0.0) > IN_THE_WAY

    def __str__(self) -> str:
        known = [self.role, self.application, self.state]
        if self.since:
            known.append(f"since {self.since:%Y-%m-%d %H:%M:%S %Z}")
        said = ", ".join(text for text in known if text)
        return f"backend {self.pid} ({said})"


@dataclass(frozen=True)
class OwnFailure:
    """What fails on the portal itself: delivery to a database, or routing (no name)."""

    name: str | None
    sqlstate: str
    message: str
    hint: str | None
    since: datetime
    failures: int

    def __str__(self) -> str:
        what = f"delivery to {self.name}" if self.name else "routing"
        times = f"{self.failures} times since" if self.failures > 1 else "at"
        hint = f"; {self.hint}" if self.hint else ""
        return (
            f"{what} fails on the portal itself, {times}"
            f" {self.since:%Y-%m-%d %H:%M:%S %Z}: {self.message}"
            f" (SQLSTATE {self.sqlstate}){hint}"
        )


@dataclass(frozen=True)
class Status:
    """The whole of it; `unrouted` counts changes that route has not taken yet."""

    databases: list[Database]
    unrouted: int
    clocks: list[Clock]
    holders: list[Holder] = field(default_factory=list)
    own_failures: list[OwnFailure] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def actions(self) -> list[str]:
        """Return what somebody must do, a sentence each; empty when all is well."""
        found = []
        waits = self.unrouted + sum(
            d.pending + d.retrying for d in self.databases if d.state not in _STILL
        )
        if waits and not any(clock.alive for clock in self.clocks):
            found.append(
                "changes wait and no clock has been seen lately: start"
                ' "pyreplctl run", or let cron CALL pyrepl.serve()'
            )
        for holder in self.holders:
            if holder.in_the_way:
                whose = f" to {holder.name}" if holder.name else ""
                found.append(
                    f"the lock of {holder.what}{whose} is held by {holder} while"
                    " changes wait for it: if that is not pyreplctl at work, end it:"
                    f" SELECT pg_terminate_backend({holder.pid})"
                )
        found += [f"{missed}: {CATCH_UP}" for missed in self.missed]
        found += [str(failure) for failure in self.own_failures]
        for database in self.databases:
            found += left_half(database)
            if database.dead:
                found.append(
                    f"{database.name}: dead letters: {database.dead};"
                    ' "pyreplctl dead list" says why'
                )
            if database.health in ACT_ON:
                found.append(
                    f"{database.name}: {database.health}: {database.last_error}"
                    f"{_remedy(database)}"
                )
        return found


def left_half(database: Database) -> list[str]:
    """Return what was begun at a database and not finished, with what ends it."""
    found = [
        f"{database.name}: a command has not come to its end: run again"
        f' "pyreplctl {command}"'
        for command in database.unfinished
    ]
    if database.state == "removing":
        found.append(
            f"{database.name}: half unregistered: run again"
            f' "pyreplctl course unregister {pasted(database.name)}"'
        )
    return found


def _remedy(database: Database) -> str:
    """Return what ends a state of health, to follow what is wrong."""
    rebind = f'"pyreplctl course refresh --rebind {pasted(database.name)}"'
    return {
        "waiting_contract": '; run "pyreplctl install", then "pyreplctl course refresh'
        f' {pasted(database.name)}"',
        "refused": f'; on a copy of the portal run "pyreplctl forget", else {rebind}',
        "forked": f'; run {rebind}; on a copy of the portal "pyreplctl forget --clone"',
    }.get(database.health, "")


def read(connection: Connection) -> Status:
    """Read the status of all course databases."""
    return Status(
        databases=fetch_as(Database, connection, "SELECT * FROM pyrepl.status()"),
        unrouted=value(connection, "SELECT pyrepl.unrouted()"),
        clocks=clocks(connection),
        holders=holders(connection),
        own_failures=fetch_as(
            OwnFailure, connection, "SELECT * FROM pyrepl.own_failures()"
        ),
        missed=missed(connection),
    )


def missed(connection: Connection) -> list[str]:
    """Return where writes to the portal may have been missed, a sentence each."""
    rows = fetch(connection, "SELECT * FROM pyrepl.missed_changes() ORDER BY name")
    return [f"{row['name']}: {row['problem']}" for row in rows]


def holders(connection: Connection) -> list[Holder]:
    """Return who holds advisory locks of ours now."""
    query = "SELECT * FROM pyrepl.lock_holders() ORDER BY what, name, pid"
    return fetch_as(Holder, connection, query)


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
