"""Registration: a course database is prepared, linked, tried, and given its courses."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from psycopg.conninfo import make_conninfo

from pyreplctl.core import locks
from pyreplctl.core.config import Config, Guard, Mode
from pyreplctl.core.db import (
    Connection,
    connect,
    driver_errors,
    fetch,
    parameters,
    value,
    without_secrets,
)
from pyreplctl.core.errors import DatabaseError, Error, NotSuitable, UsageError
from pyreplctl.courses import delivery_mode, prepare, state
from pyreplctl.install import portal, preflight
from pyreplctl.schema import contracts, guard, objects
from pyreplctl.schema import link as links
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.link import Way
from pyreplctl.schema.objects import Change

MAX_KEY = 255  # characters, as the platform's enrollment table has it


@dataclass(frozen=True)
class Request:
    """What `course register` was asked for; None: as configured."""

    keys: tuple[str, ...]
    dsn: str
    name: str | None = None
    link: str | None = None
    backfill: bool = True
    adopt: bool = False
    guard: Guard | None = None
    delivery: Mode | None = None


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
    changes: list[Change] = field(default_factory=list)


def register(connection: Connection, config: Config, request: Request) -> Registered:
    """Prepare a course database, link it, and register its courses.

    All checks come first. The course's part is one transaction and the portal's
    another; if the second fails the first is taken back. Registering again adds
    courses, or does nothing. Raises `UsageError` or `NotSuitable` with nothing changed.
    """
    keys = _checked_keys(request.keys)
    preflight.check_server(connection, "the portal")
    portal.require_installed(connection)
    contract = portal.installed_contract(connection, config)
    delivery = request.delivery or config.delivery.mode
    if delivery == "immediate":
        delivery_mode.check_portal(connection)
    with (
        locks.install_lock(connection),
        connect(request.dsn, "the course database") as course,
    ):
        _refuse_the_portal(connection, course)
        identity = portal.identity(connection)
        name = request.name or _registered_name(connection, course)
        prepare.refuse_if_taken(course, identity, name)
        number = _known(connection, course, name)
        _refuse_hosted_elsewhere(connection, keys, number)
        agreed = preflight.check_course(course, connection, config, contract)
        if number is not None:
            _refuse_another_link(connection, course, number, request)
            return _add_courses(connection, config, number, name, keys, request)
        _clear_leftovers(course)
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
        link = links.conninfo(self.course, self.request.dsn, self.request.link)
        prepared = None
        try:
            with self.portal.transaction():
                self.portal.execute("SET LOCAL ROLE pyrepl_owner")
                number, role = self._insert(link)
                tag = uuid4()
                password = links.create(self.portal, Way(number, role), link)
                changes = self._prepare_course(number, role, tag, password, agreed)
                prepared = role
                with driver_errors("the course database"):
                    changes += guard.bring(self.course, self.config)
                return self._link(number, tag, keys, changes)
        except BaseException:
            # Only now: the trial push has locks at the course until the portal's
            # transaction has ended.
            if prepared:
                with suppress(Error), driver_errors("the course database"):
                    prepare.remove(self.course, links.roles(prepared))
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
    ) -> list[Change]:
        with driver_errors("the course database"), self.course.transaction():
            links.set_role_password(self.course, role, password)
            changes = prepare.prepare(
                self.course, self.config, self.contract, agreed, role
            )
            fingerprint = self.contract.fingerprint
            prepare.bind(
                self.course, self.identity, number, role, fingerprint, tag, self._guard
            )
        return changes

    def _link(
        self,
        number: int,
        tag: object,
        keys: list[str],
        changes: list[Change],
    ) -> Registered:
        execute = self.portal.execute
        execute("INSERT INTO pyrepl.health (database_id) VALUES (%s)", (number,))
        execute(
            "INSERT INTO pyrepl.chain (database_id, tag) VALUES (%s, %s)", (number, tag)
        )
        objects.bring(
            self.portal,
            portal.database_objects(self.portal, self.config, self.contract, number),
        )
        _host(self.portal, number, keys)
        _rehearse(self.portal, number)
        same, others = _accounts_in_the_way(self.portal, number)
        if (same or others) and not self.request.adopt:
            raise _AccountsThere(self.name, same, others)
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
            own_triggers=tuple(_own_triggers(self.course, self.config)),
            cascades=tuple(preflight.cascades(self.course, self.config)),
            sequences=tuple(preflight.sequences_in_reach(self.course, self.config)),
            nobody=tuple(_without_anybody(self.portal, keys)),
            changes=changes,
        )
        execute("SELECT pyrepl.lock_hosting()")
        return done


class _AccountsThere(NotSuitable):
    def __init__(self, name: str, same: list[str], others: list[str]) -> None:
        parts = []
        if same:
            parts.append(f"{len(same)} with the id and name of a member: {_some(same)}")
        if others:
            parts.append(
                f"{len(others)} with the id or the name of another member:"
                f" {_some(others)}"
            )
        super().__init__(
            f"{name} already has accounts where copies should be: " + "; ".join(parts),
            hint="With --adopt, accounts with the same id and name are taken over; the"
            " others keep their dossiers from being delivered until they are renamed or"
            " removed at the course.",
        )


def _some(names: Sequence[str], most: int = 10) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


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


def _refuse_the_portal(connection: Connection, course: Connection) -> None:
    query = (
        "SELECT system_identifier || '/' || d.oid"
        " FROM pg_control_system(), pg_database d WHERE d.datname = current_database()"
    )
    if value(connection, query) == value(course, query):
        raise UsageError(
            "--dsn is the portal itself",
            hint="Name the course's own database.",
        )


def _registered_name(connection: Connection, course: Connection) -> str:
    """Return the name under which the database is registered, else its own."""
    held = prepare.binding(course)
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
    wanted = links.conninfo(course, request.dsn, request.link)
    kept = value(connection, "SELECT link FROM pyrepl.database WHERE id = %s", number)
    if wanted != parameters(kept):
        raise UsageError(
            "--link of a registered database cannot be changed by registering again",
            hint=f"It is linked by: {kept}. Unregister it, and register it again with"
            " --link and --adopt.",
        )


def _known(connection: Connection, course: Connection, name: str) -> int | None:
    """Return the number under which the portal knows this course database."""
    held = prepare.binding(course)
    rows = fetch(connection, "SELECT id, name FROM pyrepl.database")
    by_name = {row["name"]: row["id"] for row in rows}
    by_number = {row["id"]: row["name"] for row in rows}
    if held and (known := by_number.get(held.database_id)):
        if known != name:
            raise UsageError(
                f"this database is already registered, as {known}",
                hint=f"Use --name {known}, or leave --name away.",
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
    if held := prepare.binding(course):
        with driver_errors("the course database"):
            prepare.remove(course, links.roles(held.link_role))
    elif value(course, "SELECT to_regnamespace('pyrepl') IS NOT NULL"):
        raise NotSuitable(
            f"database {course.info.dbname} has a schema pyrepl that is not ours",
            hint="Rename or drop it.",
        )


def _refuse_hosted_elsewhere(
    connection: Connection, keys: list[str], number: int | None
) -> None:
    rows = fetch(
        connection,
        "SELECT h.course, d.name, d.id FROM pyrepl.hosting h"
        " JOIN pyrepl.database d ON d.id = h.database_id"
        " WHERE h.active AND h.course = ANY (%s)",
        keys,
    )
    for row in rows:
        if row["id"] != number:
            raise UsageError(
                f"course {row['course']} is already hosted by {row['name']}",
                hint="To move it, run: pyreplctl course set"
                f" {row['name']} --remove-course '{row['course']}'",
            )


def _host(connection: Connection, number: int, keys: Sequence[str]) -> list[str]:
    rows = connection.execute(
        "INSERT INTO pyrepl.hosting AS h (course, database_id)"
        " SELECT k, %s FROM unnest(%s::text[]) k"
        " ON CONFLICT (course, database_id) DO UPDATE SET active = true, since = now()"
        " WHERE NOT h.active RETURNING course",
        (number, list(keys)),
    ).fetchall()
    return [row[0] for row in rows]


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
        added = _host(connection, number, keys)
        same, others = _accounts_in_the_way(connection, number)
        if added and (same or others) and not request.adopt:
            raise _AccountsThere(name, same, others)
        if same and request.adopt:
            connection.execute(
                "UPDATE pyrepl.database SET adopt = true, state = 'backfilling'"
                " WHERE id = %s AND state <> 'paused'",
                (number,),
            )
            state.backfill(connection, [number])
        elif added and request.backfill:
            state.backfill_courses(connection, number, added)
        if added:
            connection.execute("SELECT pyrepl.lock_hosting()")
    changes = []
    if mode := request.guard:
        changes = state.set_guard(connection, name, mode, request.dsn)
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
        nobody=tuple(_without_anybody(connection, added)),
        changes=changes,
    )


def _without_anybody(connection: Connection, keys: Sequence[str]) -> list[str]:
    """Return the keys in which nobody is enrolled: mistyped, perhaps."""
    return [
        key
        for key in keys
        if not value(connection, "SELECT pyrepl.has_enrollment(%s)", key)
    ]


def _rehearse(connection: Connection, number: int) -> None:
    try:
        with driver_errors("a trial push"):
            connection.execute("SELECT pyrepl.rehearse(%s, false)", (number,))
    except DatabaseError as error:
        if error.sqlstate == "2F003":
            raise NotSuitable(
                "the course server lets the portal in without asking for a password",
                hint="postgres_fdw refuses that. In the course's pg_hba.conf let the"
                " portal's address log in by scram-sha-256, not trust or peer.",
            ) from error
        raise NotSuitable(
            f"{error}", hint=error.hint or "The log of the course server says more."
        ) from error
    except Error as error:
        raise NotSuitable(
            f"the portal's server cannot reach the course database: {error}",
            hint="Use --link to say how the portal's server reaches it, if that differs"
            " from --dsn, and check pg_hba.conf at the course.",
        ) from error


def _accounts_in_the_way(
    connection: Connection, number: int
) -> tuple[list[str], list[str]]:
    rows = fetch(connection, "SELECT * FROM pyrepl.accounts_in_the_way(%s)", number)
    shown = [(f"{row['user_id']} ({row['username']})", row["same"]) for row in rows]
    return [s for s, same in shown if same], [s for s, same in shown if not same]


def _own_triggers(course: Connection, config: Config) -> list[str]:
    rows = fetch(
        course,
        "SELECT t.tgname || ' on ' || t.tgrelid::regclass AS trigger FROM pg_trigger t"
        " WHERE t.tgrelid = ANY (%s::regclass[]) AND NOT t.tgisinternal"
        " AND t.tgname NOT LIKE 'pyrepl\\_%%' ORDER BY 1",
        list(contracts.table_names(config)),
    )
    return [row["trigger"] for row in rows]
