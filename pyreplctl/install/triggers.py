"""Triggers on the tables of the platform, one transaction a table."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import LiteralString

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.core import restricted
from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.locks import Patience, under_lock_timeout
from pyreplctl.core.names import identifier
from pyreplctl.install.objects import create
from pyreplctl.schema.objects import Object, ObjectChange, state


def apply_triggers(
    connection: Connection,
    item: Object,
    patience: Patience,
    part: str | None = None,
    missed: list[str] | None = None,
) -> ObjectChange:
    """Create or replace the triggers of a table, in a transaction of their own.

    With `part` it is one of the platform's three. Where its triggers are only brought
    to a newer version, nothing was missed, and what they are now is kept; where they
    were gone or altered, `missed` gets a sentence.
    """
    if (found := state(connection, item)) == "current":
        return ObjectChange(str(item), "unchanged")

    def heal() -> None:
        if part is None:
            create(connection, item)
            return
        # Where we may: who has nothing but TRIGGER gets the lock a little later.
        with suppress(pg.InsufficientPrivilege), connection.transaction():
            lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE")
            connection.execute(lock.format(identifier(item.name)))
        [row] = restricted.read(connection, _GAP, part, found, item.name)
        create(connection, item)
        if not row["gap"]:
            restricted.call(connection, "SELECT pyrepl.keep_table_states(%s)", part)
        elif missed is not None:
            missed.append(f"{item.name}: its triggers were {_WERE[found]}")

    under_lock_timeout(connection, item.name, patience, heal)
    if found == "missing":
        return ObjectChange(str(item), "created")
    return ObjectChange(str(item), "replaced", found)


# Whether something may have been written that the triggers of a part did not see.
_GAP: LiteralString = (
    "SELECT EXISTS (SELECT FROM pyrepl.missed_rows() WHERE part = %s)"
    " OR %s <> 'outdated' AND EXISTS (SELECT FROM pyrepl.object"
    "  WHERE kind = 'triggers' AND name = %s) AS gap"
)
_WERE = {
    "missing": "gone",
    "edited": "altered",
    "disabled": "disabled",
    "outdated": "altered",
}


def drop_triggers(
    connection: Connection, patience: Patience, table: str | None = None
) -> list[ObjectChange]:
    """Drop our triggers, of one table or of all: a transaction a table."""
    changes = []
    for row in fetch(
        connection,
        "SELECT n.nspname::text AS schema, c.relname::text AS name,"
        " array_agg(t.tgname::text) AS triggers"
        " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE t.tgname LIKE 'pyrepl\\_%%' AND c.relkind IN ('r', 'p')"
        " AND NOT t.tgisinternal AND (%s::text IS NULL"
        "  OR n.nspname || '.' || c.relname = %s)"
        " GROUP BY n.nspname, c.relname ORDER BY 1, 2",
        table,
        table,
    ):
        name = f"{row['schema']}.{row['name']}"
        of = sql.Identifier(row["schema"], row["name"])
        drops = [
            sql.SQL("DROP TRIGGER {} ON {}").format(sql.Identifier(trigger), of)
            for trigger in row["triggers"]
        ]
        under_lock_timeout(
            connection, name, patience, partial(_execute, connection, drops)
        )
        changes.append(ObjectChange(f"triggers {name}", "dropped"))
    return changes


def _execute(connection: Connection, statements: list[sql.Composed]) -> None:
    for statement in statements:
        connection.execute(statement)
