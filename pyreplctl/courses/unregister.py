"""The end of a course database: registration, links and what it was given."""

from __future__ import annotations

from collections.abc import Sequence

from pyreplctl.core.databases import delivery_stopped, numbers
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.locks import LOCK_CLASS, ROUTER_LOCK, Patience
from pyreplctl.courses import links
from pyreplctl.courses.conninfo import connect_course
from pyreplctl.install import removal, triggers
from pyreplctl.schema import link, portal_objects
from pyreplctl.schema.objects import ObjectChange


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
        with connect_course(connection, number, name, dsn) as course:
            with connection.transaction():
                connection.execute("SET LOCAL ROLE pyrepl_owner")
                connection.execute(
                    "UPDATE pyrepl.database SET state = 'removing' WHERE id = %s",
                    (number,),
                )
            with delivery_stopped(connection, number):
                if purge:
                    changes.append(ObjectChange(f"{_purge(course)} copies", "dropped"))
                changes += remove(course, link.roles(role))
    with delivery_stopped(connection, number):
        # route must not queue for this database any more, nor find a change gone.
        connection.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, ROUTER_LOCK)
        )
        made = [f"{kind}_{number}" for kind in portal_objects.OF_EACH_DATABASE]
        for way in links.ways(connection, number):
            connection.execute(f"DROP SERVER {way.server} CASCADE".encode())
            made += [f"push_{way.suffix}"]
        for function in made:
            connection.execute(f"DROP FUNCTION IF EXISTS pyrepl.{function}".encode())
        connection.execute("DELETE FROM pyrepl.object WHERE name = ANY (%s)", (made,))
        for table in ("outbox", "outbox_mark", "change"):
            query = f"DELETE FROM pyrepl.{table} WHERE database_id = {number}"
            connection.execute(query.encode())
        connection.execute("DELETE FROM pyrepl.database WHERE id = %s", (number,))
        connection.execute(
            "UPDATE pyrepl.settings SET immediate ="
            " EXISTS (SELECT FROM pyrepl.database WHERE delivery = 'immediate')"
        )
    return [*changes, ObjectChange(f"course database {name}", "dropped")]


def _purge(course: Connection) -> int:
    """Erase all copies, a thousand a transaction; return how many there were."""
    done = 0
    while users := [
        row["user_id"]
        for row in fetch(
            course, "SELECT user_id FROM pyrepl.copy WHERE NOT erased LIMIT 1000"
        )
    ]:
        with course.transaction():
            course.execute("SET LOCAL ROLE pyrepl_owner")
            course.execute("SELECT pyrepl.erase(%s::bigint[])", (users,))
        done += len(users)
    return done


def remove(course: Connection, roles: Sequence[str]) -> list[ObjectChange]:
    """Remove every trace from a course database; the copies stay."""
    changes = triggers.drop_triggers(course, Patience())
    return changes + removal.drop_all(course, [*roles, "pyrepl_owner"])
