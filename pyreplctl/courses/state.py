"""What is kept of a course database; deliveries paused and resumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyreplctl.core.databases import numbers
from pyreplctl.core.db import Connection, fetch


def details(connection: Connection, name: str) -> dict[str, Any]:
    """Return what was registered, with the courses hosted now and formerly."""
    return fetch(
        connection,
        "SELECT name, delivery, guard, state, administrator, link, link_role,"
        " registered_at, ARRAY(SELECT course FROM pyrepl.hosting h"
        "  WHERE h.database_id = d.id AND h.active ORDER BY 1) AS courses,"
        " ARRAY(SELECT course FROM pyrepl.hosting h"
        "  WHERE h.database_id = d.id AND NOT h.active ORDER BY 1)"
        "  AS former_courses FROM pyrepl.database d WHERE d.id = %s",
        numbers(connection, [name])[name],
    )[0]


def pause(connection: Connection, names: Sequence[str]) -> list[str]:
    """Stop delivering to databases; changes wait. Returns those not paused yet."""
    chosen = list(numbers(connection, names).values())
    query = "SELECT pyrepl.set_database_state(%s::integer[], 'paused')"
    return sorted(row[0] for row in connection.execute(query, (chosen,)))


def resume(connection: Connection, names: Sequence[str]) -> list[str]:
    """Deliver again, at once; returns those that were paused or backing off."""
    chosen = list(numbers(connection, names).values())
    query = (
        "SELECT pyrepl.set_database_state(%s::integer[], 'backfilling')"
        " UNION SELECT pyrepl.retry_databases(%s::integer[])"
    )
    return sorted(row[0] for row in connection.execute(query, (chosen, chosen)))
