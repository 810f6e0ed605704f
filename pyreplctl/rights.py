"""Roles and grants, on the portal and at the courses."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.db import Connection, value

ROLES = {
    "pyrepl_owner": "owns everything in schema pyrepl",
    "pyrepl_worker": "may run the functions of the clock, and read nothing",
    "pyrepl_monitor": "may look at status and verify, and change nothing",
}


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
    schema, _ = table.split(".")
    state = "unchanged"
    if not value(
        connection, "SELECT has_schema_privilege(%s, %s, 'USAGE')", role, schema
    ):
        connection.execute(
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
                sql.Identifier(schema), sql.Identifier(role)
            )
        )
        state = "created"
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
