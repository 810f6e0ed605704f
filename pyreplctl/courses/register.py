"""Registration: a course database is prepared, linked, tried, and given its courses."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from psycopg.conninfo import make_conninfo

from pyreplctl.core import databases, locks
from pyreplctl.core.config import Config, Guard
from pyreplctl.core.db import (
    Connection,
    connect,
    driver_errors,
    fetch,
    parameters,
    value,
    without_secrets,
)
from pyreplctl.core.errors import Error, NotSuitable, UsageError
from pyreplctl.core.names import pasted
from pyreplctl.courses import (
    binding,
    conninfo,
    delivery_mode,
    guard,
    prepare,
    unregister,
)
from pyreplctl.courses import links as courses_links
from pyreplctl.courses import preflight as courses_preflight
from pyreplctl.courses.hosting import host, refuse_hosted_elsewhere, without_anybody
from pyreplctl.courses.preflight import own_triggers, refuse_the_portal
from pyreplctl.courses.request import Request
from pyreplctl.courses.trial import AccountsInTheWay, accounts_in_the_way, trial_push
from pyreplctl.install import installed, objects, preflight, strangers
from pyreplctl.schema import link as links
from pyreplctl.schema import portal_objects
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.link import Link
from pyreplctl.schema.objects import ObjectChange

MAX_KEY = 255  # characters, as the platform's enrollment table has it


@dataclass(frozen=True)
class Registered:
    """What a registration did; `courses` are the keys that were added."""

    name: str
    created: bool
    courses: tuple[str, ...]
    adopting: tuple[str, ...] = ()
    in_the_way: tuple[str, ...] = ()
    own_triggers: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    cascades: tuple[str, ...] = ()
    nobody: tuple[str, ...] = ()
    changes: list[ObjectChange] = field(default_factory=list)


def register(connection: Connection, config: Config, request: Request) -> Registered:
    """Prepare a course database, link it, and register its courses.

    All checks come first. The course's part is one transaction and the portal's
    another; if the second fails the first is taken back. Registering again adds
    courses, or does nothing. Raises `UsageError` or `NotSuitable` with nothing changed.
    """
    keys = _checked_keys(request.keys)
    preflight.check_server(connection, "the portal")
    installed.require_installed(connection)
    contract = installed.installed_contract(connection, config)
    delivery = request.delivery or config.delivery.mode
    if delivery == "immediate":
        delivery_mode.check_portal(connection)
    with (
        locks.install_lock(connection),
        connect(request.dsn, "the course database") as course,
    ):
        strangers.refuse_strangers(course, "the course database")
        refuse_the_portal(connection, course)
        identity = installed.identity(connection)
        name = request.name or _registered_name(connection, course)
        binding.refuse_if_taken(course, identity, name)
        number = _known(connection, course, name)
        refuse_hosted_elsewhere(connection, keys, number)
        agreed = courses_preflight.check_course(course, connection, config, contract)
        if number is not None:
            _refuse_another_link(connection, course, number, request)
            return _add_courses(connection, config, number, name, keys, request)
        _clear_leftovers(course)
        strangers.refuse_made_up_roles(course)
        new = _New(connection, course, config, contract, identity, name, request)
        done = new.register(keys, agreed)
        if delivery == "immediate":
            delivery_mode.set_delivery(connection, config, name, delivery, request.dsn)
        return done


@dataclass
class _New:
    """One registration of a database that the portal does not know yet."""

    portal: Connection
    course: Connection
    config: Config
    contract: Contract
    identity: str
    name: str
    request: Request

    def register(self, keys: list[str], agreed: list[tuple[Any, ...]]) -> Registered:
        link = conninfo.conninfo(self.course, self.request.dsn, self.request.link)
        prepared = None
        try:
            with self.portal.transaction():
                self.portal.execute("SET LOCAL ROLE pyrepl_owner")
                number, role = self._insert(link)
                tag = uuid4()
                password = courses_links.create(self.portal, Link(number, role), link)
                changes = self._prepare_course(number, role, tag, password, agreed)
                prepared = role
                with driver_errors("the course database"):
                    changes += guard.apply(self.course, self.config)
                return self._link(number, tag, keys, changes)
        except BaseException:
            # Only now: the trial push has locks at the course until the portal's
            # transaction has ended.
            if prepared:
                with suppress(Error), driver_errors("the course database"):
                    unregister.remove(self.course, links.roles(prepared))
            raise

    @property
    def _guard(self) -> Guard:
        return self.request.guard or self.config.policy.guard

    def _insert(self, link: dict[str, str]) -> tuple[int, str]:
        row = self.portal.execute(
            "INSERT INTO pyrepl.database (name, contract_id, administrator, link,"
            " link_role, adopt, guard) VALUES (%s, (SELECT id FROM pyrepl.contract"
            " WHERE fingerprint = %s), %s, %s, '', %s, %s) RETURNING id",
            (
                self.name,
                self.contract.fingerprint,
                without_secrets(self.request.dsn),
                make_conninfo("", **link),
                self.request.adopt,
                self._guard,
            ),
        ).fetchone()
        assert row is not None
        number: int = row[0]
        role = links.role_name(self.identity, number)
        self.portal.execute(
            "UPDATE pyrepl.database SET link_role = %s WHERE id = %s", (role, number)
        )
        return number, role

    def _prepare_course(
        self,
        number: int,
        role: str,
        tag: object,
        password: str,
        agreed: list[tuple[Any, ...]],
    ) -> list[ObjectChange]:
        with driver_errors("the course database"), self.course.transaction():
            courses_links.set_role_password(self.course, role, password)
            changes = prepare.prepare(
                self.course, self.config, self.contract, agreed, role
            )
            fingerprint = self.contract.fingerprint
            binding.bind(
                self.course, self.identity, number, role, fingerprint, tag, self._guard
            )
        return changes

    def _link(
        self,
        number: int,
        tag: object,
        keys: list[str],
        changes: list[ObjectChange],
    ) -> Registered:
        execute = self.portal.execute
        execute("INSERT INTO pyrepl.health (database_id) VALUES (%s)", (number,))
        execute(
            "INSERT INTO pyrepl.chain (database_id, tag) VALUES (%s, %s)", (number, tag)
        )
        objects.apply(
            self.portal,
            portal_objects.database_objects(
                self.portal, self.config, self.contract, number
            ),
        )
        host(self.portal, number, keys)
        trial_push(self.portal, number)
        same, others = accounts_in_the_way(self.portal, number)
        if (same or others) and not self.request.adopt:
            raise AccountsInTheWay(self.name, same, others)
        if self.request.backfill:
            execute(
                "INSERT INTO pyrepl.change (database_id, priority) VALUES (%s, 1)",
                (number,),
            )
        done = Registered(
            name=self.name,
            created=True,
            courses=tuple(keys),
            adopting=tuple(same),
            in_the_way=tuple(others),
            own_triggers=tuple(own_triggers(self.course, self.config)),
            cascades=tuple(courses_preflight.cascades(self.course, self.config)),
            sequences=tuple(
                courses_preflight.sequences_in_reach(self.course, self.config)
            ),
            nobody=tuple(without_anybody(self.portal, keys)),
            changes=changes,
        )
        execute("SELECT pyrepl.lock_hosting()")
        return done


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
    known: str | None = value(
        connection,
        "SELECT name FROM pyrepl.databases() WHERE id = %s",
        held.database_id if held else None,
    )
    return known or course.info.dbname


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


def _known(connection: Connection, course: Connection, name: str) -> int | None:
    """Return the number under which the portal knows this course database."""
    held = binding.binding(course)
    rows = fetch(connection, "SELECT id, name FROM pyrepl.database")
    by_name = {row["name"]: row["id"] for row in rows}
    by_number = {row["id"]: row["name"] for row in rows}
    if held and (known := by_number.get(held.database_id)):
        if known != name:
            raise UsageError(
                f"this database is already registered, as {known}",
                hint=f"Use --name {pasted(known)}, or leave --name away.",
            )
        return held.database_id
    if name in by_name:
        raise UsageError(
            f"the name {name} is taken by another course database",
            hint="Choose one with --name.",
        )
    return None


def _clear_leftovers(course: Connection) -> None:
    """Take away what a registration left that was killed half-way."""
    if held := binding.binding(course):
        with driver_errors("the course database"):
            unregister.remove(course, links.roles(held.link_role))
    elif value(course, "SELECT to_regnamespace('pyrepl') IS NOT NULL"):
        raise NotSuitable(
            f"database {course.info.dbname} has a schema pyrepl that is not ours",
            hint="Rename or drop it.",
        )


def _add_courses(
    connection: Connection,
    config: Config,
    number: int,
    name: str,
    keys: list[str],
    request: Request,
) -> Registered:
    """Add courses; with --adopt, take over accounts that are in the way now, too."""
    with connection.transaction():
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        added = host(connection, number, keys)
        same, others = accounts_in_the_way(connection, number)
        if added and (same or others) and not request.adopt:
            raise AccountsInTheWay(name, same, others)
        if same and request.adopt:
            connection.execute(
                "UPDATE pyrepl.database SET adopt = true, state = 'backfilling'"
                " WHERE id = %s AND state <> 'paused'",
                (number,),
            )
            databases.backfill(connection, [number])
        elif added and request.backfill:
            databases.backfill_courses(connection, number, added)
        if added:
            connection.execute("SELECT pyrepl.lock_hosting()")
    changes = []
    if mode := request.guard:
        changes = guard.set_guard(connection, name, mode, request.dsn)
    if delivery := request.delivery:
        changes += delivery_mode.set_delivery(
            connection, config, name, delivery, request.dsn
        )
    return Registered(
        name=name,
        created=False,
        courses=tuple(added),
        adopting=tuple(same),
        in_the_way=tuple(others),
        nobody=tuple(without_anybody(connection, added)),
        changes=changes,
    )
