"""Rights on tables and schemas: what our roles need is given, and no more."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from pyreplctl.core.db import Connection, value
from pyreplctl.core.names import identifier, quoted_table
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import TABLE_RIGHTS


def grant_table(
    connection: Connection, table: str, rights: Sequence[str], role: str
) -> str:
    """Give rights on a table and its schema; return created or unchanged."""
    schema, _ = table.split(".", 1)
    state = "created" if grant_schema(connection, schema, role) else "unchanged"
    for right in rights:
        if not value(
            connection,
            "SELECT has_table_privilege(%s::name, to_regclass(%s)::oid, %s)",
            role,
            quoted_table(table),
            right,
        ):
            connection.execute(
                sql.SQL("GRANT {} ON {} TO {}").format(
                    sql.SQL(right), identifier(table), sql.Identifier(role)
                )
            )
            state = "created"
    return state


def grant_schema(connection: Connection, schema: str, role: str) -> bool:
    """Let a role look objects up in a schema; return whether it could not."""
    query = "SELECT has_schema_privilege(%s::name, %s, 'USAGE')"
    if value(connection, query, role, schema):
        return False
    connection.execute(
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
            sql.Identifier(schema), sql.Identifier(role)
        )
    )
    return True


def grant_types(connection: Connection, tables: Sequence[str], role: str) -> None:
    """Let a role name the types of columns: those of extensions lie anywhere."""
    rows = connection.execute(
        "SELECT DISTINCT s.nspname::text FROM pg_attribute a"
        " JOIN pg_type t ON t.oid = a.atttypid"
        " JOIN pg_namespace s ON s.oid = t.typnamespace"
        " WHERE a.attrelid = ANY (%s::regclass[]) AND a.attnum > 0"
        " AND NOT a.attisdropped AND s.nspname <> 'pg_catalog'",
        ([quoted_table(table) for table in tables],),
    )
    for (schema,) in rows.fetchall():
        grant_schema(connection, schema, role)


def revoke_table(connection: Connection, table: str, role: str) -> bool:
    """Take all rights on a table from a role; return whether it had any of its own."""
    held = value(
        connection,
        "SELECT EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl || ("
        "  SELECT array_agg(i) FROM pg_attribute t, unnest(t.attacl) i"
        "  WHERE t.attrelid = c.oid)) a"
        " WHERE c.oid = to_regclass(%s) AND c.relowner <> a.grantee"
        " AND a.grantee = to_regrole(%s))",
        quoted_table(table),
        role,
    )
    if held:
        connection.execute(
            sql.SQL("REVOKE ALL ON {} FROM {}").format(
                identifier(table), sql.Identifier(role)
            )
        )
    return bool(held)


def grant_ours(connection: Connection) -> list[ObjectChange]:
    """Give our roles the rights on our tables that their functions need."""
    changes = []
    for role, right, table, columns in TABLE_RIGHTS:
        held = value(
            connection,
            "SELECT bool_and(CASE c.name WHEN ''"
            " THEN has_table_privilege(g.r, g.t, g.p)"
            " ELSE has_column_privilege(g.r, g.t, c.name, g.p) END)"
            " FROM (SELECT %s::name, %s::text, %s::text) g(r, t, p),"
            " unnest(%s::text[]) c(name)",
            *(role, f"pyrepl.{table}", right, list(columns) or [""]),
        )
        listed = sql.SQL(", ").join(map(sql.Identifier, columns))
        if not held:
            connection.execute(
                sql.SQL("GRANT {}{} ON {} TO {}").format(
                    sql.SQL(right),
                    sql.SQL(" ({})").format(listed) if columns else sql.SQL(""),
                    sql.Identifier("pyrepl", table),
                    sql.Identifier(role),
                )
            )
        changes.append(
            ObjectChange(
                f"grant {right} on pyrepl.{table} to {role}",
                "unchanged" if held else "created",
            )
        )
    return changes
