"""To which portal a course database is bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, LiteralString

import msgspec

from pyreplctl.core import restricted
from pyreplctl.core.config import Guard
from pyreplctl.core.db import Connection, value
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.names import pasted


@dataclass(frozen=True)
class Binding:
    """To which portal a course database is bound, and as what."""

    portal: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,20}/[0-9]{1,10}$")]
    database_id: int
    link_role: Annotated[str, msgspec.Meta(pattern=r"^pyrepl_[0-9a-f]{1,40}_[0-9]+$")]


def binding(course: Connection) -> Binding | None:
    """Return the binding of a course database, or None if it has none.

    What it says is the word of whoever may act as the owner there: `NotSuitable` where
    it cannot be one of ours.
    """
    if value(course, "SELECT to_regclass('pyrepl.binding') IS NULL"):
        return None
    query: LiteralString = (
        "SELECT portal, database_id, link_role FROM pyrepl.binding LIMIT 1"
    )
    rows = restricted.read(course, query)
    try:
        return msgspec.convert(rows[0], Binding) if rows else None
    except msgspec.ValidationError as error:
        raise NotSuitable(
            f"pyrepl.binding of database {course.info.dbname} holds what pyreplctl"
            " never wrote there",
            hint="Find out who has; then drop schema pyrepl there, and register the"
            " database again with --adopt.",
        ) from error


def bind(
    course: Connection, to: Binding, fingerprint: str, tag: object, guard: Guard
) -> None:
    """Bind a course database to a portal and begin a new chain at `tag`."""
    query = "SELECT pyrepl.bind(%s, %s, %s, %s, %s, %s)"
    given = (to.portal, to.database_id, to.link_role, fingerprint, tag, guard)
    restricted.call(course, query, *given)


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
