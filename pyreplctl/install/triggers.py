"""Triggers on the tables of the platform, one transaction a table."""

from __future__ import annotations

from functools import partial

from psycopg import sql

from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.locks import Patience, under_lock_timeout
from pyreplctl.install.objects import create
from pyreplctl.schema.objects import Object, ObjectChange, state


def apply_triggers(
    connection: Connection, item: Object, patience: Patience
) -> ObjectChange:
    """Create or replace the triggers of a table, in a transaction of their own."""
    if (found := state(connection, item)) == "current":
        return ObjectChange(str(item), "unchanged")
    under_lock_timeout(
        connection,
        item.name,
        patience,
        lambda: create(connection, item),
    )
    if found == "missing":
        return ObjectChange(str(item), "created")
    return ObjectChange(str(item), "replaced", found)


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
