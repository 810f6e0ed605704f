"""What of a course's table would keep the portal's rows out, whatever their columns."""

from __future__ import annotations

from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.names import quoted, quoted_table

_DEFAULTS = {"B": "false", "N": "0", "D": "now()"}  # by the type's category


def unwritable(
    connection: Connection, table: str, agreed: set[str]
) -> list[tuple[str, str]]:
    """Return what it is, each with the statement that ends it."""
    alter = f"ALTER TABLE {quoted_table(table)}"
    found = []
    query = "SELECT relrowsecurity FROM pg_class WHERE oid = to_regclass(%s)"
    if value(connection, query, quoted_table(table)):
        problem = f"{table} has row level security: policies would hide rows of copies"
        found.append((problem, f"{alter} DISABLE ROW LEVEL SECURITY;"))
    for row in _domains(connection, table):
        if row["name"] in agreed:
            continue
        problem = (
            f"{table}.{row['name']} has no default, and its domain {row['domain']} is"
            " NOT NULL"
        )
        column = quoted(row["name"])
        default = _DEFAULTS.get(row["category"], "''")
        found.append((problem, f"{alter} ALTER COLUMN {column} SET DEFAULT {default};"))
    return found


def _domains(connection: Connection, table: str) -> list[dict[str, str]]:
    """Return the columns without a value of their own whose domain needs one."""
    return fetch(
        connection,
        "SELECT a.attname::text AS name, t.typname::text AS domain,"
        " t.typcategory::text AS category FROM pg_attribute a"
        " JOIN pg_type t ON t.oid = a.atttypid AND t.typtype = 'd'"
        " WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"
        " AND t.typnotnull AND t.typdefault IS NULL AND NOT a.atthasdef"
        " AND a.attidentity = '' ORDER BY a.attnum",
        quoted_table(table),
    )
