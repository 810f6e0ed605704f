"""Who may make, and take on, the owner of what is installed at a course."""

from __future__ import annotations

import re

from psycopg import sql

from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.errors import NotSuitable
from pyreplctl.install import roles
from pyreplctl.schema.roles import OWNER


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
