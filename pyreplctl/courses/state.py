"""Course databases: names, states and courses; backfill, new passwords, the end."""

from __future__ import annotations

from collections.abc import Sequence

from pyreplctl.core.databases import numbers
from pyreplctl.core.db import Connection


def pause(connection: Connection, names: Sequence[str]) -> list[str]:
    """Stop delivering to databases; changes wait. Returns those not paused yet."""
    return _set_state(connection, names, "paused", ("active", "backfilling"))


def resume(connection: Connection, names: Sequence[str]) -> list[str]:
    """Deliver again, at once; returns those that were paused or backing off."""
    resumed = _set_state(connection, names, "backfilling", ("paused",))
    chosen = list(numbers(connection, names).values())
    with connection.transaction():
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        rows = connection.execute(
            "UPDATE pyrepl.health h SET retry_at = NULL FROM pyrepl.database d"
            " WHERE d.id = h.database_id AND d.id = ANY (%s)"
            " AND h.retry_at IS NOT NULL RETURNING d.name",
            (chosen,),
        ).fetchall()
    return sorted({*resumed, *(row[0] for row in rows)})


def _set_state(
    connection: Connection, names: Sequence[str], state: str, before: tuple[str, ...]
) -> list[str]:
    chosen = list(numbers(connection, names).values())
    with connection.transaction():
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        rows = connection.execute(
            "UPDATE pyrepl.database SET state = %s WHERE id = ANY (%s)"
            " AND state = ANY (%s) RETURNING name",
            (state, chosen, list(before)),
        ).fetchall()
    return sorted(row[0] for row in rows)
