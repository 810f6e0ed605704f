"""Who may make, and take on, the owners of what is installed on both sides."""

from __future__ import annotations

import re

from psycopg import sql

from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.errors import NotSuitable
from pyreplctl.install import roles
from pyreplctl.schema.roles import OWNER, OWNERS


def check_deployer(portal: Connection) -> None:
    """Refuse whoever may not make functions that run as our roles on the portal."""
    rows = fetch(
        portal,
        "SELECT o.name, current_user::text AS me FROM unnest(%s::text[]) o(name)"
        " CROSS JOIN LATERAL (SELECT to_regrole(o.name)::oid AS role) r"
        " WHERE NOT coalesce(pg_has_role(r.role, 'USAGE')"
        " AND pg_has_role(r.role, %s), false)",
        list(OWNERS),
        "SET" if portal.info.server_version >= 160000 else "MEMBER",
    )
    if rows:
        lacking = ", ".join(row["name"] for row in rows)
        name = sql.Identifier(rows[0]["me"]).as_string()
        raise NotSuitable(
            f"role {rows[0]['me']} may not register or refresh: on the portal it lacks"
            f" membership in {lacking}",
            hint=f"As a superuser of the portal, run\n  GRANT {lacking} TO {name};",
        )


def check_rights(course: Connection) -> None:
    """Refuse whoever may not make or take on the owner of our schema at a course.

    A superuser may, or a role with CREATEROLE that may create schemas there; where one
    is there already, a role that has been given its owner. What is lacking is named
    with the statements that give it.
    """
    me = fetch(
        course,
        "SELECT r.rolname::text AS name, r.rolsuper AS super, r.rolcreaterole AS makes,"
        " has_database_privilege(current_database(), 'CREATE') AS creates"
        " FROM pg_roles r WHERE r.rolname = current_user",
    )[0]
    if me["super"]:
        return
    name = sql.Identifier(me["name"]).as_string()
    owner = roles.owner_of(course)
    lacking = [] if me["makes"] else [f"ALTER ROLE {name} CREATEROLE;"]
    if owner in (None, OWNER) and not me["creates"]:
        database = sql.Identifier(course.info.dbname).as_string()
        lacking.append(f"GRANT CREATE ON DATABASE {database} TO {name};")
    if owner and _OWNERS.fullmatch(owner) and not roles.is_member(course, owner):
        given = sql.Identifier(owner).as_string()
        lacking.append(f"GRANT {given} TO {name}{_in_full(course)};")
    if lacking:
        raise NotSuitable(
            f"role {me['name']} may not register at the course: it cannot make and take"
            " on the owner of what is installed there",
            hint="As a superuser, at the course, run\n  " + "\n  ".join(lacking),
        )


_OWNERS = re.compile(r"pyrepl_([0-9a-f]+_[0-9]+_)?owner")


def _in_full(course: Connection) -> str:
    new = course.info.server_version >= 160000
    return " WITH INHERIT TRUE, SET TRUE" if new else ""
