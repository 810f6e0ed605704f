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
            "SELECT srvname::text AS name FROM pg_foreign_server"
            " WHERE srvowner = to_regrole('pyrepl_owner')",
        ):
            connection.execute(
                sql.SQL("DROP SERVER {} CASCADE").format(sql.Identifier(row["name"]))
            )
        try:
            with connection.transaction():
                connection.execute("DROP EXTENSION postgres_fdw")
        except pg.DependentObjectsStillExist:
            connection.execute("ALTER EXTENSION postgres_fdw SET SCHEMA public")
            return [
                ObjectChange(what, "unchanged", "others use it; now in schema public")
            ]
    return [ObjectChange(what, "dropped")]


def _drop_owned(connection: Connection, role: str) -> None:
    """Drop what a role owns and may do in this database.

    DROP OWNED takes its rights on other databases too. Where one of these uses the
    role, it gets them back: a copy of a portal beside it must not lock its clocks out.
    """
    kept = fetch(
        connection,
        "SELECT d.datname, a.privilege_type AS granted, a.is_grantable AS option"
        " FROM pg_database d, aclexplode(d.datacl) a"
        " WHERE a.grantee = to_regrole(%s) AND d.datname <> current_database()"
        " AND EXISTS (SELECT FROM pg_shdepend s WHERE s.refobjid = a.grantee"
        "  AND s.dbid NOT IN (0, (SELECT b.oid FROM pg_database b"
        "   WHERE b.datname = current_database())))",
        role,
    )
    name = sql.Identifier(role)
    connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
    for row in kept:
        connection.execute(
            sql.SQL("GRANT {} ON DATABASE {} TO {}{}").format(
                sql.SQL(row["granted"]),
                sql.Identifier(row["datname"]),
                name,
                sql.SQL(" WITH GRANT OPTION" if row["option"] else ""),
            )
        )


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
                _drop_owned(connection, role)
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
