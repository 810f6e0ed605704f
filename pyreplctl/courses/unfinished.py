"""What was begun at a course database and not brought to its end stays to be seen."""

from __future__ import annotations

from pyreplctl.core.db import Connection
from pyreplctl.core.errors import NotSuitable


def begin(connection: Connection, number: int, command: str) -> None:
    """Note, at once, a command that changes both sides; `end` takes the note away."""
    query = "SELECT pyrepl.note_unfinished(%s, %s, true)"
    connection.execute(query, (number, command))


def end(connection: Connection, number: int, command: str) -> None:
    """Both sides have it: take the note away, in the open transaction if there is one.

    Only once this is committed the portal's side is.
    """
    query = "SELECT pyrepl.note_unfinished(%s, %s, false)"
    connection.execute(query, (number, command))


def half_removed(name: str) -> NotSuitable:
    """Return what keeps other commands from a database that is being removed."""
    return NotSuitable(
        f"{name} is half unregistered",
        hint=f'Finish that: "pyreplctl course unregister {name}"; with --forget if its'
        " database is gone.",
    )
