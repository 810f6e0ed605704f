"""Whether a connection leads to the course database that this portal has registered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NewType

import psycopg

from pyreplctl.core import databases, restricted
from pyreplctl.core.db import Connection, fetch, value, without_secrets
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses.binding import binding
from pyreplctl.courses.rights import check_rights
from pyreplctl.courses.unfinished import half_removed
from pyreplctl.install import installed

# A connection to a course database that may be changed by it: `connect_course` and
# `register` make these, and what changes a course takes nothing else.
Checked = NewType("Checked", Connection)


class NotThisPortals(NotSuitable):
    """A course database that is bound to another portal, or as another one."""


@dataclass(frozen=True)
class Known:
    """What the portal has kept of a course database."""

    number: int
    name: str
    state: str
    identity: str | None
    administrator: str
    link: str
    role: str


def known(portal: Connection, number: int) -> Known:
    """Return what the portal has kept of a course database."""
    rows = fetch(
        portal,
        "SELECT name, state, identity, administrator, link, link_role AS role"
        " FROM pyrepl.database WHERE id = %s",
        number,
    )
    return Known(number, **rows[0])


def identity_of(connection: Connection) -> str:
    """Return which database this is: system identifier/database oid."""
    found: str = value(
        connection,
        "SELECT c.system_identifier || '/' || d.oid FROM pg_catalog.pg_control_system()"
        " c, pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
    )
    return found


def check(
    portal: Connection,
    course: Connection,
    number: int,
    *,
    rebind: bool = False,
    look: bool = False,
    gone: bool = False,
) -> Checked:
    """Refuse a database that is not the one registered as `number`, or not ours.

    Compared are the identity that was kept at registration, the binding (portal and
    number), and the chain: the tag of the portal's last push is that of the course's
    last, or of the one before. With `rebind` only what nobody can want is refused:
    another registered database. With `gone` the schema may be gone already; with `look`
    only the identity is compared.
    """
    kept, here = known(portal, number), identity_of(course)
    if not look:
        check_rights(course)
        _refuse_another(portal, course, kept, here)
    if kept.state == "removing" and not (gone or look):
        raise half_removed(kept.name)
    if rebind:
        return Checked(course)
    begun = kept.identity is None and kept.state == "removing"
    if not look and not (gone and (begun or kept.identity == here)):
        _require_binding(course, kept)
    if kept.identity not in (None, here):
        raise NotSuitable(
            f"{_described(course, here)} is not the database that is registered as"
            f" {kept.name}: that is {without_secrets(kept.administrator)}"
            f" ({kept.identity})",
            hint="Use the --dsn of that one. If it was restored or moved on purpose,"
            f' run "pyreplctl course refresh --rebind {kept.name}".',
        )
    if look or (gone and _has_no_schema(course)):
        return Checked(course)
    _require_bound(portal, course, kept)
    if not _agrees(portal, course, number):
        with databases.delivery_stopped(portal, number):
            if not _agrees(portal, course, number):
                raise _forked(kept.name)
    return Checked(course)


def _refuse_another(
    portal: Connection, course: Connection, kept: Known, here: str
) -> None:
    held = binding(course)
    ours = held is not None and held.portal == installed.identity(portal)
    number = held.database_id if held is not None and ours else kept.number
    name = value(
        portal,
        "SELECT name FROM pyrepl.database WHERE id <> %s AND (identity = %s OR id = %s)"
        " ORDER BY (identity = %s) DESC NULLS LAST LIMIT 1",
        *(kept.number, here, number, here),
    )
    if name is not None:
        raise NotSuitable(
            f"{_described(course, here)} is registered as {name}, not as {kept.name}",
            hint=f"Use the --dsn of {kept.name}: it was"
            f" {without_secrets(kept.administrator)}.",
        )


def _require_binding(course: Connection, kept: Known) -> None:
    if binding(course) is None:
        raise NotSuitable(
            f"{_described(course, identity_of(course))} is not bound to a portal;"
            f" {kept.name} is {without_secrets(kept.administrator)}",
            hint="If that is the one, restored from before its registration, run"
            f' "pyreplctl course refresh --rebind {kept.name}".',
        )


def _require_bound(portal: Connection, course: Connection, kept: Known) -> None:
    held, ours = binding(course), installed.identity(portal)
    if held is None or (held.portal, held.database_id) == (ours, kept.number):
        return
    number = f" as number {held.database_id}" if held.portal == ours else ""
    raise NotThisPortals(
        f"{kept.name} is bound to portal {held.portal}{number}, not to this one"
        f" ({ours})",
        hint='If this portal is a copy, run "pyreplctl forget" here: that touches no'
        " course. If it is the one that should write it, run"
        f' "pyreplctl course refresh --rebind {kept.name}".',
    )


def _forked(name: str) -> NotSuitable:
    return NotSuitable(
        f"{name} has not had the last push of this portal, or had others since: portal"
        " or course was restored, cloned or failed over",
        hint='If this portal is a copy, run "pyreplctl forget --clone" here. If it is'
        f' the right one, run "pyreplctl course refresh --rebind {name}" first.',
    )


def _agrees(portal: Connection, course: Connection, number: int) -> bool:
    tag = value(
        portal,
        "SELECT c.tag FROM pyrepl.chain c WHERE c.database_id = %s"
        " ORDER BY c.id DESC LIMIT 1",
        number,
    )
    query = "SELECT c.tag FROM pyrepl.chain c WHERE c.tag = %s OR c.before = %s"
    return bool(restricted.read(course, query, tag, tag))


def _has_no_schema(course: Connection) -> bool:
    return bool(value(course, "SELECT to_regnamespace('pyrepl') IS NULL"))


def _described(course: Connection, identity: str) -> str:
    info = course.info
    where = f"{info.host} port {info.port}" if info.host else f"port {info.port}"
    return f"database {info.dbname} at {where} ({identity})"


def far_end(portal: Connection, number: int) -> str | None:
    """Return which database the link leads to; None where it does not tell."""
    query = "SELECT s.held FROM pyrepl.course_structure(%s) s WHERE s.kind = 'identity'"
    try:
        with portal.transaction():
            found: Any = value(portal, query, number)
    except psycopg.Error:
        return None
    return str(found)[:64] if found is not None else None


def check_link(portal: Connection, course: Checked, number: int) -> str | None:
    """Refuse a link that leads elsewhere; returns where to, None if it does not say."""
    kept, here = known(portal, number), identity_of(course)
    there = far_end(portal, number)
    if there not in (None, here):
        raise NotSuitable(
            f"the way in and the link of {kept.name} lead to two databases: --dsn to"
            f" {_described(course, here)}, the link to {kept.link} ({there})",
            hint="Use a --dsn of the database to which the link leads.",
        )
    return there


def require_seen(portal: Connection, course: Checked, number: int) -> None:
    """Refuse to bind another database than before where the link does not tell."""
    kept, here = known(portal, number), identity_of(course)
    if check_link(portal, course, number) is None and kept.identity not in (None, here):
        raise NotSuitable(
            f"{_described(course, here)} is not the database that was {kept.name}"
            f" ({kept.identity}), and the link does not tell where it leads",
            hint="If the database has been moved there, add --moved: the link's roles"
            " are made again, and then the link must lead there.",
        )


def keep(portal: Connection, course: Checked, number: int) -> str | None:
    """Keep which database it is, once the link leads there; returns what was kept."""
    kept = known(portal, number)
    if there := check_link(portal, course, number):
        portal.execute("SELECT pyrepl.set_identity(%s, %s)", (number, there))
    return kept.identity
