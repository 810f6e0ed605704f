"""Rebind: after a restore, a move or a failover both ends begin again."""

from __future__ import annotations

from uuid import uuid4

from pyreplctl.core import databases
from pyreplctl.core.config import Guard
from pyreplctl.core.db import Connection, fetch
from pyreplctl.courses.binding import Binding, bind
from pyreplctl.courses.identity import Checked
from pyreplctl.schema.objects import ObjectChange


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
    course.execute("SELECT pyrepl.forget_generations()")
    connection.execute("SELECT pyrepl.begin_chain(%s, %s)", (to.database_id, tag))
    return ObjectChange("binding", "replaced")


def queue_copies(connection: Connection, course: Connection, number: int) -> None:
    """Queue all copies that the course has: the portal may have forgotten of them."""
    rows = fetch(course, "SELECT user_id FROM pyrepl.copy WHERE NOT erased")
    databases.backfill(connection, [number], [row["user_id"] for row in rows])
