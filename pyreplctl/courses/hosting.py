"""Which course is hosted by which course database."""

from __future__ import annotations

from collections.abc import Sequence

from pyreplctl.core.databases import numbers
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import UsageError
from pyreplctl.core.names import in_quotes, pasted


def remove_course(connection: Connection, name: str, key: str) -> None:
    """End the hosting of a course; its members' enrollments there go with deliveries.

    The row stays, inactive, so that changes still on their way find this database.
    """
    number = numbers(connection, [name])[name]
    if not value(connection, "SELECT pyrepl.end_hosting(%s, %s)", number, key):
        raise UsageError(
            f"{name} does not host {key}",
            hint=f'"pyreplctl course show {pasted(name)}" lists its courses.',
        )


def refuse_hosted_elsewhere(
    connection: Connection, keys: list[str], number: int | None
) -> None:
    """Raise `UsageError` for a course that another database hosts."""
    rows = fetch(
        connection,
        "SELECT h.course, d.name, d.id FROM pyrepl.hosting h"
        " JOIN pyrepl.database d ON d.id = h.database_id"
        " WHERE h.active AND h.course = ANY (%s)",
        keys,
    )
    for row in rows:
        if row["id"] != number:
            raise UsageError(
                f"course {row['course']} is already hosted by {row['name']}",
                hint="To move it, run: pyreplctl course set"
                f" {pasted(row['name'])} --remove-course {in_quotes(row['course'])}",
            )


def host(connection: Connection, number: int, keys: Sequence[str]) -> list[str]:
    """Host courses in a database; returns the keys that are new there."""
    query = "SELECT pyrepl.host_courses(%s, %s)"
    return [row[0] for row in connection.execute(query, (number, list(keys)))]


def without_anybody(connection: Connection, keys: Sequence[str]) -> list[str]:
    """Return the keys in which nobody is enrolled: mistyped, perhaps."""
    return [
        key
        for key in keys
        if not value(connection, "SELECT pyrepl.has_enrollment(%s)", key)
    ]
