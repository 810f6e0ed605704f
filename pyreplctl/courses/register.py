"""Registration: a course database is prepared, linked, tried, and given its courses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyreplctl.core import databases, locks
from pyreplctl.core.config import Config
from pyreplctl.core.db import (
    Connection,
    connect,
    driver_errors,
    fetch,
    parameters,
    value,
)
from pyreplctl.core.errors import NotSuitable, UsageError
from pyreplctl.core.names import pasted
from pyreplctl.courses import binding, conninfo, delivery_mode, guard, unregister
from pyreplctl.courses.first_registration import FirstRegistration
from pyreplctl.courses.hosting import host, refuse_hosted_elsewhere, without_anybody
from pyreplctl.courses.identity import Checked, check, identity_of
from pyreplctl.courses.preflight import (
    check_course,
    check_ownership,
    refuse_the_portal,
)
from pyreplctl.courses.registered import Registered
from pyreplctl.courses.request import Request
from pyreplctl.courses.rights import check_deployer, check_rights
from pyreplctl.courses.trial import AccountsInTheWay, accounts_in_the_way
from pyreplctl.courses.unfinished import half_removed
from pyreplctl.install import installed, preflight, roles, strangers
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import OWNER, course_owner

MAX_KEY = 255  # characters, as the platform's enrollment table has it


def register(connection: Connection, config: Config, request: Request) -> Registered:
    """Prepare a course database, link it, and register its courses.

    All checks come first. The course's part is one transaction and the portal's
    another; if the second fails the first is taken back. Registering again adds
    courses, or does nothing. Raises `UsageError` or `NotSuitable` with nothing changed.
    """
    keys = _checked_keys(request.keys)
    preflight.check_server(connection, "the portal")
    installed.require_installed(connection)
    check_deployer(connection)
    contract = installed.installed_contract(connection, config)
    delivery = request.delivery or config.delivery.mode
    if delivery == "immediate":
        delivery_mode.check_portal(connection)
    with (
        locks.install_lock(connection),
        connect(request.dsn, "the course database") as course,
    ):
        owners = _owners(connection, course)
        strangers.refuse_strangers(course, "the course database", owners)
        refuse_the_portal(connection, course)
        check_ownership(course, contract.tables)
        check_rights(course)
        identity = installed.identity(connection)
        name = request.name or _registered_name(connection, course)
        binding.refuse_if_taken(course, identity, name)
        _refuse_half_removed(connection, course, name)
        number = _registered_number(connection, course, name)
        refuse_hosted_elsewhere(connection, keys, number)
        agreed = check_course(course, connection, config, contract)
        if number is not None:
            ours = check(connection, course, number)
            _refuse_another_link(connection, course, number, request)
            again = _Again(connection, ours, config, number, name, request)
            return again.register(keys)
        ours = _new(connection, course)
        _clear_leftovers(ours)
        strangers.refuse_made_up_roles(course)
        first = FirstRegistration(
            connection, ours, config, contract, identity, name, request
        )
        done = first.register(keys, agreed)
        if delivery == "immediate":
            delivery_mode.set_both(connection, ours, config, name, delivery)
        return done


def _owners(connection: Connection, course: Connection) -> list[str]:
    """Return who may own schema pyrepl there: that of this database, if registered."""
    rows = fetch(
        connection,
        "SELECT link_role FROM pyrepl.database WHERE identity = %s",
        identity_of(course),
    )
    return [OWNER, *(course_owner(row["link_role"]) for row in rows)]


def _checked_keys(keys: Sequence[str]) -> list[str]:
    for key in keys:
        if not key or len(key) > MAX_KEY or "\x00" in key:
            raise UsageError(
                f"{key[:40]!r} is no course key: it has {len(key)} characters",
                hint=f"A key is 1 to {MAX_KEY} characters, just as the enrollment table"
                " has it.",
            )
    if not keys:
        raise UsageError("no course key given", hint="Name at least one course.")
    return list(dict.fromkeys(keys))


def _registered_name(connection: Connection, course: Connection) -> str:
    """Return the name under which the database is registered, else its own."""
    held = binding.binding(course)
    registered: str | None = value(
        connection,
        "SELECT name FROM pyrepl.databases() WHERE id = %s",
        held.database_id if held else None,
    )
    return registered or course.info.dbname


def _refuse_half_removed(connection: Connection, course: Connection, name: str) -> None:
    query = (
        "SELECT name FROM pyrepl.database WHERE state = 'removing'"
        " AND (name = %s OR identity = %s)"
    )
    if half := value(connection, query, name, identity_of(course)):
        raise half_removed(half)


def _refuse_another_link(
    connection: Connection, course: Connection, number: int, request: Request
) -> None:
    if request.link is None:
        return
    wanted = conninfo.conninfo(course, request.dsn, request.link)
    kept = value(connection, "SELECT link FROM pyrepl.database WHERE id = %s", number)
    if wanted != parameters(kept):
        raise UsageError(
            "--link of a registered database cannot be changed by registering again",
            hint=f"It is linked by: {kept}. Unregister it, and register it again with"
            " --link and --adopt.",
        )


def _registered_number(
    connection: Connection, course: Connection, name: str
) -> int | None:
    """Return the number under which the portal knows this course database."""
    held = binding.binding(course)
    rows = fetch(connection, "SELECT id, name FROM pyrepl.database")
    by_name = {row["name"]: row["id"] for row in rows}
    by_number = {row["id"]: row["name"] for row in rows}
    if held and (registered := by_number.get(held.database_id)):
        if registered != name:
            raise UsageError(
                f"this database is already registered, as {registered}",
                hint=f"Use --name {pasted(registered)}, or omit --name.",
            )
        return held.database_id
    if name in by_name:
        raise UsageError(
            f"the name {name} is taken by another course database",
            hint="Choose one with --name.",
        )
    return None


def _new(connection: Connection, course: Connection) -> Checked:
    """Return a database that nobody has bound, or this portal half-way.

    A database of the portal of which this one is a copy is neither.
    """
    held = binding.binding(course)
    last = value(connection, "SELECT forgotten FROM pyrepl.settings")
    if held and held.database_id <= (last or 0):
        raise NotSuitable(
            f"database {course.info.dbname} is bound to the portal of which this one is"
            f" a copy, as number {held.database_id}",
            hint="Use another database. If this one is a copy, too, drop what it holds"
            " of the original there: DROP SCHEMA pyrepl CASCADE.",
        )
    return Checked(course)


def _clear_leftovers(course: Checked) -> None:
    """Take away what a registration left that was killed half-way."""
    if held := binding.binding(course):
        # Roles are dropped by the name that the course tells: let it be what is there.
        if roles.owner_of(course) not in (OWNER, course_owner(held.link_role)):
            raise NotSuitable(
                f"schema pyrepl of database {course.info.dbname} does not belong to"
                f" {course_owner(held.link_role)}, as its binding says",
                hint="Find out who has changed it; then drop it there.",
            )
        with driver_errors("the course database"):
            unregister.remove(course, held.link_role)
    elif value(course, "SELECT to_regnamespace('pyrepl') IS NOT NULL"):
        raise NotSuitable(
            f"database {course.info.dbname} has a schema pyrepl that is not ours",
            hint="Rename or drop it.",
        )


@dataclass(frozen=True)
class _Again:
    """Registering again what is registered, by the connections that are open."""

    portal: Connection
    course: Checked
    config: Config
    number: int
    name: str
    request: Request

    def register(self, keys: list[str]) -> Registered:
        """Add courses; with --adopt, take over accounts that are in the way, too."""
        with self.portal.transaction():
            added = host(self.portal, self.number, keys)
            same, others = accounts_in_the_way(self.portal, self.number)
            if added and (same or others) and not self.request.adopt:
                raise AccountsInTheWay(self.name, same, others)
            if same and self.request.adopt:
                self.portal.execute("SELECT pyrepl.adopt_accounts(%s)", (self.number,))
            elif added and self.request.backfill:
                databases.backfill_courses(self.portal, self.number, added)
            if added:
                self.portal.execute("SELECT pyrepl.lock_hosting()")
        return Registered(
            name=self.name,
            created=False,
            courses=tuple(added),
            adopting=tuple(same),
            in_the_way=tuple(others),
            nobody=tuple(without_anybody(self.portal, added)),
            changes=self._switch(),
        )

    def _switch(self) -> list[ObjectChange]:
        changes = []
        if mode := self.request.guard:
            changes = guard.set_both(self.portal, self.course, self.name, mode)
        if delivery := self.request.delivery:
            changes += delivery_mode.set_both(
                self.portal, self.course, self.config, self.name, delivery
            )
        return changes
