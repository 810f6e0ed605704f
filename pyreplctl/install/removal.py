"""Removal: triggers, schema, rights and roles go without a trace."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.locks import Patience
from pyreplctl.install.roles import become_member
from pyreplctl.install.triggers import drop_triggers
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import ROLES


def uninstall(
    connection: Connection, patience: Patience | None = None
) -> list[ObjectChange]:
    """Remove every trace from the portal: triggers, schema, links, grants, roles.

    Course databases are `courses.unregister`'s business; do these first.
    """
    changes = drop_triggers(connection, patience or Patience())
    changes += _drop_extension(connection)
    return changes + drop_all(connection, list(ROLES))


def _drop_extension(connection: Connection) -> list[ObjectChange]:
    """Drop postgres_fdw if it came with us and nobody else has begun to use it.

    Else it must leave our schema, or it would go with that, and with it all servers
    and foreign tables of others.
    """
    what = "extension postgres_fdw"
    rows = fetch(
        connection,
        "SELECT extnamespace = to_regnamespace('pyrepl') AS ours FROM pg_extension"
        " WHERE extname = 'postgres_fdw'",
    )
    if not rows:
        return []
    if not rows[0]["ours"]:
        return [ObjectChange(what, "unchanged", "it was there before")]
    with connection.transaction():
        for row in fetch(
            connection,
            "SELECT quote_ident(srvname) AS name FROM pg_foreign_server"
            " WHERE srvowner = to_regrole('pyrepl_owner')",
        ):
            connection.execute(f"DROP SERVER {row['name']} CASCADE".encode())
        try:
            with connection.transaction():
                connection.execute("DROP EXTENSION postgres_fdw")
        except pg.DependentObjectsStillExist:
            connection.execute("ALTER EXTENSION postgres_fdw SET SCHEMA public")
            return [
                ObjectChange(what, "unchanged", "others use it; now in schema public")
            ]
    return [ObjectChange(what, "dropped")]


def drop_all(connection: Connection, roles: Sequence[str]) -> list[ObjectChange]:
    """Drop schema pyrepl, what the roles own or may do here, and the roles.

    A role that is still needed by another database of the cluster stays.
    """
    changes = []
    with connection.transaction():
        held = value(connection, "SELECT to_regnamespace('pyrepl') IS NOT NULL")
        if held:
            connection.execute("DROP SCHEMA pyrepl CASCADE")
            changes.append(ObjectChange("schema pyrepl", "dropped"))
        for role in roles:
            if value(connection, "SELECT to_regrole(%s) IS NOT NULL", role):
                become_member(connection, role)
                connection.execute(
                    sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role))
                )
    for role in roles:
        if value(connection, "SELECT to_regrole(%s) IS NULL", role):
            continue
        try:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        except pg.DependentObjectsStillExist:
            changes.append(
                ObjectChange(f"role {role}", "unchanged", "another database uses it")
            )
        else:
            changes.append(ObjectChange(f"role {role}", "dropped"))
    return changes
