"""What stands under the name of a table, where it is no table."""

from __future__ import annotations

from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.texts import name as shown

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a type",
}


def check_kind(connection: Connection, table: str, part: str, where: str) -> None:
    """Refuse what is no table, and name what only its capitals tell from the name."""
    rows = fetch(
        connection,
        "SELECT n.nspname || '.' || c.relname AS name, c.relkind::text AS kind"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE lower(n.nspname || '.' || c.relname) = lower(%s) ORDER BY 1",
        table,
    )
    kinds = {row["name"]: row["kind"] for row in rows}
    if table not in kinds:
        others = ", ".join(shown(n) for n, kind in kinds.items() if kind in "rp")
        raise NotSuitable(
            f"{where} has no table {table}",
            hint=f"Run the platform's migrations first, or name the {part} table under"
            f" [tables.{part}] in pyreplctl.toml."
            + (f" There is {others}; case counts." if others else ""),
        )
    if kinds[table] in _KINDS:
        raise NotSuitable(
            f"{table} is {_KINDS[kinds[table]]}, not an ordinary table, at {where}",
            hint=f"Name the table itself under [tables.{part}] in pyreplctl.toml:"
            " triggers on anything else would not see who writes it.",
        )
