"""Rebind: after a restore, a move or a failover both ends begin again."""

from __future__ import annotations

from typing import LiteralString
from uuid import uuid4

from pyreplctl.core import databases, restricted
from pyreplctl.core.config import Guard
from pyreplctl.core.db import Connection, driver_errors
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses.binding import Binding, bind
from pyreplctl.courses.identity import Checked
from pyreplctl.schema.objects import ObjectChange

MOST_COPIES = 10_000_000  # more than any platform has users


def bind_again(
    connection: Connection,
    course: Checked,
    to: Binding,
    fingerprint: str,
    guard: Guard,
) -> ObjectChange:
    """Bind a course database to this portal again, with a new chain on both sides."""
    tag = uuid4()
    bind(course, to, fingerprint, tag, guard)
    # Ids may have been given to others meanwhile: apply is to look closely.
    restricted.call(course, "SELECT pyrepl.forget_generations()")
    connection.execute("SELECT pyrepl.begin_chain(%s, %s)", (to.database_id, tag))
    return ObjectChange("binding", "replaced")


def queue_copies(connection: Connection, course: Connection, number: int) -> None:
    """Queue all copies that the course has: the portal may have forgotten of them."""
    databases.backfill(connection, [number], _copies(course))


def _copies(course: Connection) -> list[int]:
    """Return of whom the course says that it has copies.

    Those that are not the portal's are told to go: push sends nobody's data because
    the course has named him.
    """
    query: LiteralString = (
        "SELECT DISTINCT user_id::bigint AS id FROM pyrepl.copy"
        " WHERE NOT erased AND user_id IS NOT NULL LIMIT %s"
    )
    with driver_errors("the course database"):
        rows = restricted.read(course, query, MOST_COPIES + 1)
    if len(rows) > MOST_COPIES:
        raise NotSuitable(
            f"the course database says that it has more than {MOST_COPIES:,} copies",
            hint="See what is in pyrepl.copy there.",
        )
    return [row["id"] for row in rows]
