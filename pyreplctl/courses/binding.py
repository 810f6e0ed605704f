"""To which portal a course database is bound."""

from __future__ import annotations

from dataclasses import dataclass

from pyreplctl.core.config import Guard
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.names import pasted


@dataclass(frozen=True)
class Binding:
    """To which portal a course database is bound, and as what."""

    portal: str
    database_id: int
    link_role: str


def binding(course: Connection) -> Binding | None:
    """Return the binding of a course database, or None if it has none."""
    if value(course, "SELECT to_regclass('pyrepl.binding') IS NULL"):
        return None
    rows = fetch(course, "SELECT portal, database_id, link_role FROM pyrepl.binding")
    return Binding(**rows[0]) if rows else None


def bind(
    course: Connection, to: Binding, fingerprint: str, tag: object, guard: Guard
) -> None:
    """Bind a course database to a portal and begin a new chain at `tag`."""
    course.execute(
        "SELECT pyrepl.bind(%s, %s, %s, %s, %s, %s)",
        (to.portal, to.database_id, to.link_role, fingerprint, tag, guard),
    )


def refuse_if_taken(course: Connection, identity: str, name: str) -> None:
    """Refuse a database that is a portal, or belongs to another portal."""
    if value(course, "SELECT to_regclass('pyrepl.settings') IS NOT NULL"):
        raise NotSuitable(
            f"database {course.info.dbname} is a portal itself",
            hint="--dsn names the course's own database, not the portal.",
        )
    held = binding(course)
    if held and held.portal != identity:
        raise NotSuitable(
            f"database {course.info.dbname} belongs to another portal ({held.portal})",
            hint="Unregister it there first. If that portal is gone, or this one is its"
            f' successor, run "pyreplctl course refresh --rebind {pasted(name)}" here.',
        )
