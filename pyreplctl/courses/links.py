"""The portal's links to a course database, made, repaired and given new passwords."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from pyreplctl.core.databases import delivery_stopped, numbers
from pyreplctl.core.db import Connection, execute_one, fetch, parameters, value
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import unfinished
from pyreplctl.courses.conninfo import connect_course
from pyreplctl.courses.identity import Checked
from pyreplctl.install.roles import unrecorded
from pyreplctl.schema.link import (
    ROLE_SETTINGS,
    Link,
    foreign_tables,
    immediate_role,
    link_sql,
    lost_options,
    options_sql,
)
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import CONNECTION_LIMIT


def rotate_password(connection: Connection, name: str, dsn: str | None = None) -> None:
    """Give the roles of the links new passwords, at the course and in the mapping."""
    number = numbers(connection, [name])[name]
    command = f"course rotate-password {name}"
    with connect_course(connection, number, name, dsn) as course:
        unfinished.begin(connection, number, command)
        with delivery_stopped(connection, number):
            new_passwords(connection, course, existing(connection, number))
            unfinished.end(connection, number, command)


def repair_links(
    connection: Connection, number: int
) -> tuple[list[ObjectChange], list[Link]]:
    """Make again what the links of a course database have lost.

    Returns what that was, and which links need a new password.
    """
    row = fetch(
        connection,
        "SELECT link, link_role, delivery FROM pyrepl.database WHERE id = %s",
        number,
    )[0]
    held = existing(connection, number)
    wanted = [Link(number, row["link_role"])]
    if row["delivery"] == "immediate" or any(link.immediate for link in held):
        role = immediate_role(row["link_role"])
        wanted.append(Link(number, role, immediate=True))
    changes: list[ObjectChange] = []
    closed = []
    for link in wanted:
        if link in held:
            changes += repair(connection, link)
        else:
            create(connection, link, parameters(row["link"]))
            changes.append(ObjectChange(f"server {link.server}", "created"))
        if link not in held or not has_password(connection, link):
            closed.append(link)
    return changes, closed


def new_passwords(
    connection: Connection, course: Checked, chosen: Sequence[Link]
) -> list[ObjectChange]:
    """Give links new passwords, in the mapping and at the course."""
    for link in chosen:
        password = new_password(connection, link)
        set_role_password(course, link.role, password)
    return [ObjectChange(f"password of {link.server}", "replaced") for link in chosen]


def refuse_role(course: Checked, role: str) -> None:
    """Refuse to take over a role that is there before its link, or its registration.

    Whoever made it may be a member of it, or give it to others.
    """
    if value(course, "SELECT to_regrole(%s) IS NOT NULL", role):
        raise NotSuitable(
            f"role {role} is there already on the course's server",
            hint="A physical copy of this portal has the same names for its links: the"
            " role may be that of the original's. Or somebody has made it to have its"
            " rights. If nobody uses it, drop it there.",
        )


def set_role_password(course: Checked, role: str, password: str) -> None:
    """Create the link role or change its password; only the verifier is sent."""
    verifier = course.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    exists = value(course, "SELECT to_regrole(%s) IS NOT NULL", role)
    course.execute(
        sql.SQL("{} ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"),
            sql.Identifier(role),
            sql.Literal(CONNECTION_LIMIT),
            sql.Literal(verifier),
        )
    )
    pin_role(course, role)


def pin_role(course: Checked, role: str) -> None:
    """Set for a link role what its link cannot say: not every server has these.

    What a database says for all, a role's own setting in that database overrides.
    """
    held = value(
        course,
        "SELECT s.setconfig FROM pg_db_role_setting s"
        " JOIN pg_database d ON d.oid = s.setdatabase"
        " WHERE d.datname = current_database() AND s.setrole = to_regrole(%s)",
        role,
    )
    for name, text, since in ROLE_SETTINGS:
        if since(course.info.server_version) and f"{name}={text}" not in (held or []):
            course.execute(
                sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                    sql.Identifier(role),
                    sql.Identifier(course.info.dbname),
                    sql.Identifier(name),
                    sql.Literal(text),
                )
            )


def link_role(portal: Connection, number: int) -> str:
    """Return the role by which the portal logs in at a course database."""
    query = "SELECT link_role FROM pyrepl.database WHERE id = %s"
    role: str = value(portal, query, number)
    return role


def existing(portal: Connection, number: int) -> list[Link]:
    """Return the links that there are to a course database."""
    role = link_role(portal, number)
    both = [Link(number, role), Link(number, immediate_role(role), immediate=True)]
    query = "SELECT 1 FROM pg_foreign_server WHERE srvname = %s"
    return [link for link in both if value(portal, query, link.server)]


def create(portal: Connection, link: Link, options: dict[str, str]) -> str:
    """Create server, mapping and foreign tables; return the role's password."""
    for statement in link_sql(link, options):
        execute_one(portal, statement)
    return new_password(portal, link)


def repair(portal: Connection, link: Link) -> list[ObjectChange]:
    """Bring back what a link has lost but its server and its password."""
    changes = []
    held = server_options(portal, link)
    if lost := lost_options(link, held):
        execute_one(portal, options_sql(link, held, lost))
        changes.append(
            ObjectChange(f"server {link.server}", "replaced", ", ".join(lost))
        )
    changes += _repair_mappings(portal, link)
    query = "SELECT name, held FROM pyrepl.link_rows(%s) WHERE kind = 'foreign table'"
    tables = {row["name"]: row["held"] for row in fetch(portal, query, link.server)}
    for name, (wanted, statements) in foreign_tables(link).items():
        found = tables.get(name)
        if found == wanted:
            continue
        table = sql.Identifier("pyrepl", name)
        portal.execute(sql.SQL("DROP FOREIGN TABLE IF EXISTS {}").format(table))
        for statement in statements:
            execute_one(portal, statement)
        state = "created" if found is None else "replaced"
        changes.append(ObjectChange(f"foreign table {name}", state))
    return changes


def _repair_mappings(portal: Connection, link: Link) -> list[ObjectChange]:
    server = sql.Identifier(link.server)
    rows = fetch(
        portal,
        "SELECT usename::text AS name, (SELECT o.option_value FROM"
        " pg_options_to_table(umoptions) o WHERE o.option_name = 'user') AS role"
        " FROM pg_user_mappings WHERE srvname = %s",
        link.server,
    )
    held = {row["name"]: row["role"] for row in rows}
    changes = []
    for name in held.keys() - {"pyrepl_owner"}:
        whom = sql.SQL("PUBLIC") if name == "public" else sql.Identifier(name)
        drop = sql.SQL("DROP USER MAPPING FOR {} SERVER {}")
        portal.execute(drop.format(whom, server))
        changes.append(ObjectChange(f"mapping of {name} at {link.server}", "dropped"))
    if "pyrepl_owner" not in held:
        statement = sql.SQL(
            "CREATE USER MAPPING FOR pyrepl_owner SERVER {} OPTIONS (user {})"
        )
    elif held["pyrepl_owner"] != link.role:
        statement = sql.SQL(
            "ALTER USER MAPPING FOR pyrepl_owner SERVER {} OPTIONS (SET user {})"
        )
    else:
        return changes
    portal.execute(statement.format(server, sql.Literal(link.role)))
    return [*changes, ObjectChange(f"mapping {link.server}", "replaced")]


def has_password(portal: Connection, link: Link) -> bool:
    """Tell whether the mapping of a link holds a password."""
    return bool(
        value(
            portal,
            "SELECT 1 FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o"
            " WHERE m.srvname = %s AND m.usename = 'pyrepl_owner'"
            " AND o.option_name = 'password'",
            link.server,
        )
    )


def server_options(portal: Connection, link: Link) -> dict[str, str]:
    """Return the options of a link's server."""
    rows = portal.execute(
        "SELECT o.option_name, o.option_value FROM pg_foreign_server s,"
        " pg_options_to_table(s.srvoptions) o WHERE s.srvname = %s",
        (link.server,),
    )
    return dict(rows.fetchall())


def new_password(portal: Connection, link: Link) -> str:
    """Give the mapping a new password and return it; no log will show it."""
    with unrecorded(portal):
        query = "SELECT pyrepl.new_link_password(%s)"
        password: str = value(portal, query, link.server)
    return password
