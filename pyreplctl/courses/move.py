"""Where a course database is, changed after a move: checked against its identity."""

from __future__ import annotations

from psycopg.conninfo import make_conninfo

from pyreplctl.core.databases import delivery_stopped, numbers
from pyreplctl.core.db import Connection, without_secrets
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import conninfo, identity, links
from pyreplctl.install import roles
from pyreplctl.schema.link import altered_options, lost_options, options_sql
from pyreplctl.schema.objects import ObjectChange


def set_place(
    connection: Connection, name: str, link: str | None, dsn: str | None
) -> list[ObjectChange]:
    """Change link and way in of a course database; return what changed.

    They must lead to the database that is registered. Nothing of it is changed, and
    deliveries go on.
    """
    number = numbers(connection, [name])[name]
    with conninfo.connect_course(connection, number, name, dsn) as course:
        changes = []
        with delivery_stopped(connection, number):
            if link is not None:
                given = conninfo.conninfo(course, dsn or "", link)
                changes = relink(connection, number, given)
            if identity.check_link(connection, course, number) is None:
                raise NotSuitable(
                    f"the link of {name} does not reach it",
                    hint="See that the portal's server may log in there by --link.",
                )
            if dsn is not None:
                kept = without_secrets(dsn)
                query = "SELECT pyrepl.set_administrator(%s, %s)"
                connection.execute(query, (number, kept))
                changes.append(ObjectChange("the way in", "replaced", kept))
    return changes


def relink(
    connection: Connection, number: int, given: dict[str, str]
) -> list[ObjectChange]:
    """Let the links lead elsewhere, in the open transaction."""
    kept = make_conninfo("", **given)
    connection.execute("SELECT pyrepl.set_link(%s, %s)", (number, kept))
    changes = []
    roles.become_owner(connection)
    for each in links.existing(connection, number):
        held = links.server_options(connection, each)
        wanted = altered_options(each, given, held) | lost_options(each, held)
        if wanted:
            connection.execute(options_sql(each, held, wanted).encode())
            changes.append(ObjectChange(f"server {each.server}", "replaced", kept))
    return changes
