"""What a copy of the portal does first: it forgets the original's course databases."""

from __future__ import annotations

from pyreplctl.core.databases import delivery_stopped, numbers
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import UsageError
from pyreplctl.courses import unregister
from pyreplctl.schema.objects import ObjectChange


def originals(connection: Connection) -> list[str]:
    """Return the course databases that this very portal has bound: it is no copy.

    A physical copy cannot be told from the original so.
    """
    rows = fetch(
        connection,
        "SELECT d.name FROM pyrepl.database d WHERE d.portal = pyrepl.identity()"
        " ORDER BY 1",
    )
    return [row["name"] for row in rows]


def forget(connection: Connection, *, clone: bool = False) -> list[ObjectChange]:
    """Drop all registrations and links here; no course database is touched, or asked.

    Raises `UsageError` where this portal has bound course databases itself, unless
    `clone` says that it is a physical copy of the one that has.
    """
    if not clone and (ours := originals(connection)):
        raise UsageError(
            f"this portal has itself bound {', '.join(ours)}: it seems to be no copy",
            hint="A physical copy (the files, or a standby) looks just like its"
            " original: if this is one, add --clone. To end a registration, run"
            ' "pyreplctl course unregister NAME".',
        )
    names = numbers(connection, [])
    last = value(connection, "SELECT max(id) FROM pyrepl.database") or 0
    for number in names.values():
        with delivery_stopped(connection, number):
            unregister.forget_here(connection, number)
    with connection.transaction():
        connection.execute("SELECT pyrepl.forget_origin(%s)", (last,))
    return [ObjectChange(f"registration {name}", "dropped") for name in names]
