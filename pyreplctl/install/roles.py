"""Roles and grants, on the portal and at the courses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.schema import tables
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import (
    CONNECTION_LIMIT,
    OWNERS,
    TABLE_RIGHTS,
    rights_of_ours,
)
from pyreplctl.schema.sql_files import texts


def create_role(connection: Connection, role: str, comment: str) -> None:
    """Create a role that cannot log in, of which we are a member.

    Roles belong to the cluster: somebody else may be creating the same one for another
    database at this moment.
    """
    name = sql.Identifier(role)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    except (pg.DuplicateObject, pg.UniqueViolation):
        return
    connection.execute(
        sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(comment))
    )
    if not value(connection, "SELECT pg_has_role(%s, 'MEMBER')", role):
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))


def grant_table(
    connection: Connection, table: str, rights: Sequence[str], role: str
) -> str:
    """Give rights on a table and its schema; return created or unchanged."""
    state = "created" if grant_usage(connection, table, role) else "unchanged"
    for right in rights:
        if not value(
            connection, "SELECT has_table_privilege(%s, %s, %s)", role, table, right
        ):
            connection.execute(
                sql.SQL("GRANT {} ON {} TO {}").format(
                    sql.SQL(right),
                    sql.Identifier(*table.split(".")),
                    sql.Identifier(role),
                )
            )
            state = "created"
    return state


def grant_usage(connection: Connection, table: str, role: str) -> bool:
    """Give USAGE of a table's schema; return whether it was lacking."""
    schema, _ = table.split(".")
    query = "SELECT has_schema_privilege(%s, %s, 'USAGE')"
    if value(connection, query, role, schema):
        return False
    connection.execute(
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
            sql.Identifier(schema), sql.Identifier(role)
        )
    )
    return True


def revoke_table(connection: Connection, table: str, role: str) -> bool:
    """Take all rights on a table from a role; return whether it had any of its own."""
    held = value(
        connection,
        "SELECT EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl || ("
        "  SELECT array_agg(i) FROM pg_attribute t, unnest(t.attacl) i"
        "  WHERE t.attrelid = c.oid)) a"
        " WHERE c.oid = to_regclass(%s) AND c.relowner <> a.grantee"
        " AND a.grantee = to_regrole(%s))",
        sql.Identifier(*table.split(".")).as_string(),
        role,
    )
    if held:
        connection.execute(
            sql.SQL("REVOKE ALL ON {} FROM {}").format(
                sql.Identifier(*table.split(".")), sql.Identifier(role)
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


_ATTRIBUTES = {
    "rolsuper": "NOSUPERUSER",
    "rolcreaterole": "NOCREATEROLE",
    "rolcreatedb": "NOCREATEDB",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}


def repair(
    connection: Connection, side: str, roles: Mapping[str, bool]
) -> list[ObjectChange]:
    """Take away what others may do with ours, and what our roles may do besides.

    `roles` says which there are, and whether each logs in. Rights on functions and
    views are not looked at: their sources give these. Returns what was changed.
    """
    changes = []
    if value(connection, "SELECT to_regclass('pyrepl.object') IS NOT NULL"):
        # Owners first: only an owner can take rights away.
        for name in ("wrong_owners", "excess_grants"):
            query = sql.SQL(texts("queries")[name]).format(
                rights_of_ours=rights_of_ours()
            )
            for row in fetch(connection, query):
                if row["kind"] != "table" or row["name"] in tables.definitions(side):
                    changes += _run(connection, row)
    for role, logs_in in roles.items():
        for statement in _too_much(connection, role, logs_in=logs_in):
            connection.execute(statement)
            changes.append(ObjectChange(f"role {role}", "replaced", "edited"))
    return changes


def _run(connection: Connection, row: dict[str, str]) -> list[ObjectChange]:
    try:
        with connection.transaction():
            connection.execute(row["statement"].encode())
    except pg.InsufficientPrivilege:
        # Whether it is needed will be seen: what is to be replaced must be ours.
        return []
    return [ObjectChange(f"{row['kind']} {row['name']}", "replaced", "edited")]


def _too_much(
    connection: Connection, role: str, *, logs_in: bool
) -> list[sql.Composed]:
    held = fetch(connection, "SELECT * FROM pg_roles WHERE rolname = %s", role)[0]
    wrong = [text for name, text in _ATTRIBUTES.items() if held[name]]
    if held["rolcanlogin"] != logs_in:
        wrong.append("LOGIN" if logs_in else "NOLOGIN")
    if logs_in and held["rolconnlimit"] == -1:
        wrong.append(f"CONNECTION LIMIT {CONNECTION_LIMIT}")
    name = sql.Identifier(role)
    statements = [
        sql.SQL("ALTER ROLE {} {}").format(name, sql.SQL(" ".join(wrong)))
        for _ in wrong[:1]
    ]
    memberships = fetch(
        connection,
        "SELECT m.rolname::text AS name FROM pg_auth_members a"
        " JOIN pg_roles m ON m.oid = a.roleid WHERE a.member = %s"
        " AND (m.rolname = ANY (%s) OR %s AND m.rolname NOT LIKE 'pyrepl\\_%%')",
        held["oid"],
        list(OWNERS),
        logs_in,
    )
    return statements + [
        sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(row["name"]), name)
        for row in memberships
    ]
