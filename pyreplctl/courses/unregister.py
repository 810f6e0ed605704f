"""The end of a course database: registration, links and what it was given."""

from __future__ import annotations

from psycopg import sql

from pyreplctl.core import restricted
from pyreplctl.core.databases import delivery_stopped, numbers
from pyreplctl.core.db import Connection, value
from pyreplctl.core.locks import Patience
from pyreplctl.courses import links
from pyreplctl.courses.conninfo import connect_course
from pyreplctl.courses.identity import Checked
from pyreplctl.install import removal, roles, triggers
from pyreplctl.schema import portal_objects
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import OWNER, course_owner, link_roles


def unregister(
    connection: Connection,
    name: str,
    dsn: str | None = None,
    *,
    purge: bool = False,
    forget: bool = False,
) -> list[ObjectChange]:
    """End replication to a database; copies stay, or are erased with `purge`.

    With `forget` the course database is not asked: it is gone, or out of reach.
    """
    number = numbers(connection, [name])[name]
    role: str = value(
        connection, "SELECT link_role FROM pyrepl.database WHERE id = %s", number
    )
    changes: list[ObjectChange] = []
    if not forget:
        with connect_course(connection, number, name, dsn, gone=True) as course:
            query = "SELECT pyrepl.set_database_state(ARRAY[%s], 'removing')"
            connection.execute(query, (number,))
            with delivery_stopped(connection, number):
                # It may be gone already: of a removal that was interrupted.
                if purge and roles.owner_of(course):
                    changes.append(ObjectChange(f"{_purge(course)} copies", "dropped"))
                changes += remove(course, role)
    with delivery_stopped(connection, number):
        forget_here(connection, number)
    return [*changes, ObjectChange(f"course database {name}", "dropped")]


def forget_here(connection: Connection, number: int) -> None:
    """Take a course database out of the portal: tables, links, functions."""
    existing = links.existing(connection, number)
    kinds = ("push", *portal_objects.READERS)
    functions = [f"{kind}_{number}" for kind in kinds]
    functions += [f"push_{link.suffix}" for link in existing if link.immediate]
    query = "SELECT pyrepl.forget_database(%s, %s)"
    connection.execute(query, (number, functions))
    roles.become_owner(connection)
    for link in existing:
        drop = sql.SQL("DROP SERVER {} CASCADE")
        connection.execute(drop.format(sql.Identifier(link.server)))
    for function in functions:
        drop = sql.SQL("DROP FUNCTION IF EXISTS {}")
        connection.execute(drop.format(sql.Identifier("pyrepl", function)))


def _purge(course: Checked) -> int:
    """Erase all copies, a thousand a transaction; return how many there were."""
    erased = 0
    while some := restricted.call(course, "SELECT pyrepl.purge_copies(1000)"):
        erased += int(some)
    return erased


def remove(course: Checked, role: str) -> list[ObjectChange]:
    """Remove every trace from a course database, link roles too; the copies stay."""
    ours = [*link_roles(role), course_owner(role)]
    if roles.owner_of(course) == OWNER:
        # Of an older version: what it has in other databases is not ours to touch.
        links.refuse_role(course, course_owner(role))
        with course.transaction():
            roles.create_role(course, course_owner(role), "on its way out")
            roles.take_from_shared(course, course_owner(role))
    changes = triggers.drop_triggers(course, Patience())
    return changes + removal.drop_all(course, ours)
