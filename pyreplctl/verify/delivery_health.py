"""How deliveries go, as findings."""

from __future__ import annotations

from pyreplctl.core.db import Connection, driver_errors
from pyreplctl.core.errors import (
    DatabaseError,
)
from pyreplctl.core.names import pasted
from pyreplctl.delivery import status
from pyreplctl.verify.findings import BY_HAND, Finding, Remedy

SEE_STATUS = Remedy('"pyreplctl status" says more')


TOO_OLD = 600.0  # seconds that something may wait before somebody should look


def read_deliveries(connection: Connection) -> tuple[dict[str, status.Database], str]:
    """Return how deliveries go; nothing, and why, where what tells of it is broken."""
    try:
        with driver_errors("the portal"):
            return {d.name: d for d in status.read(connection).databases}, ""
    except DatabaseError as error:
        return {}, str(error)


def delivery_findings(database: status.Database) -> list[Finding]:
    """Return how deliveries go: health, backlog, dead letters, columns to come."""
    half = [
        Finding.wrong("registration", "outdated", said, BY_HAND)
        for said in status.left_half(database)
    ]
    if database.state == "removing":
        return half
    said = f"{database.state}, {database.delivery}"
    if database.last_delivered_at:
        said += f", last success {database.last_delivered_at:%Y-%m-%d %H:%M:%S %Z}"
    items = [*half, Finding("delivery", "current", said)]
    refresh = f'run "pyreplctl course refresh {pasted(database.name)}"'
    if database.health in status.ACT_ON:
        remedy = SEE_STATUS
        if database.health == "waiting_contract":
            remedy = Remedy(f'run "pyreplctl install", then {refresh[4:]}')
        said = f"{database.health}: {database.last_error}"
        items[-1] = Finding.wrong("delivery", "outdated", said, remedy)
    oldest = database.oldest_pending_seconds or 0.0
    if oldest > TOO_OLD and database.state == "active":
        said = f"{database.pending} wait, the oldest for {status.age(oldest)}"
        said += f": {database.last_error}" if database.last_error else ""
        items.append(Finding.wrong("outbox", "outdated", said, SEE_STATUS))
    else:
        waiting = f"waiting: {database.pending}" if database.pending else ""
        items.append(Finding("outbox", "current", waiting))
    items.append(Finding("dead letters", "current"))
    if database.dead:
        why = Remedy('"pyreplctl dead list" says why')
        said = f"there are {database.dead}"
        items[-1] = Finding.wrong("dead letters", "outdated", said, why)
    items.append(Finding("pending columns", "current"))
    if columns := database.pending_columns:
        said = f"{', '.join(columns)} of the portal: not delivered yet"
        remedy = Remedy(refresh, "refresh")
        items[-1] = Finding.wrong("pending columns", "outdated", said, remedy)
    return items
