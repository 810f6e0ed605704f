"""Course databases: register, show, refresh, pause, resume and unregister them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from psycopg.conninfo import make_conninfo

from pyreplctl import contracts, course_side, links, portal, suitability
from pyreplctl.config import Config
from pyreplctl.contracts import Contract
from pyreplctl.db import (
    LOCK_CLASS,
    Connection,
    connect,
    driver_errors,
    fetch,
    parameters,
    value,
    without_secrets,
)
from pyreplctl.errors import DatabaseError, Error, NotInstalled, NotSuitable, UsageError
from pyreplctl.objects import Change

MAX_KEY = 255  # characters, as the platform's enrollment table has it


@dataclass(frozen=True)
class Request:
    """What `course register` was asked for."""

    keys: tuple[str, ...]
    dsn: str
    name: str | None = None
    link: str | None = None
    backfill: bool = True
    adopt: bool = False


@dataclass(frozen=True)
class Registered:
    """What a registration did; `courses` are the keys that were added."""

    name: str
    created: bool
    courses: tuple[str, ...]
    adopting: tuple[str, ...] = ()
    in_the_way: tuple[str, ...] = ()
    own_triggers: tuple[str, ...] = ()
    changes: list[Change] = field(default_factory=list)


def register(connection: Connection, config: Config, request: Request) -> Registered:
    """Prepare a course database, link it, and register its courses.

    All checks come first. The course's part is one transaction and the portal's another;
    if the second fails the first is taken back. Registering again adds courses, or does
    nothing. Raises `UsageError` or `NotSuitable` with nothing changed.
    """
    keys = _checked_keys(request.keys)
    portal.require_installed(connection)
    contract = _installed_contract(connection, config)
    with (
        portal.install_lock(connection),
        connect(request.dsn, "the course database") as course,
    ):
        _refuse_the_portal(connection, course)
        identity = _identity(connection)
        name = request.name or course.info.dbname
        course_side.refuse_if_taken(course, identity, name)
        number = _known(connection, course, name)
        _refuse_hosted_elsewhere(connection, keys, number)
        agreed = suitability.check_course(course, connection, config, contract)
        if number is not None:
            return _add_courses(connection, number, name, keys, request.backfill)
        _clear_leftovers(course)
        new = _New(connection, course, config, contract, identity, name, request)
        return new.register(keys, agreed)


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
        link = links.conninfo(self.course, self.request.link)
        with self.portal.transaction():
            self.portal.execute("SET LOCAL ROLE pyrepl_owner")
            number, role = self._insert(link)
            tag, password = uuid4(), links.new_password()
            changes = self._prepare_course(number, role, tag, password, agreed)
            try:
                return self._link(number, role, link, tag, password, keys, changes)
            except BaseException:
                with suppress(Error):
                    course_side.remove(self.course, role)
                raise

    def _insert(self, link: dict[str, str]) -> tuple[int, str]:
        row = self.portal.execute(
            "INSERT INTO pyrepl.database (name, contract_id, administrator, link,"
            " link_role, adopt) VALUES (%s, (SELECT id FROM pyrepl.contract"
            " WHERE fingerprint = %s), %s, %s, '', %s) RETURNING id",
            (
                self.name,
                self.contract.fingerprint,
                without_secrets(self.request.dsn),
                make_conninfo("", **link),
                self.request.adopt,
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
            changes = course_side.prepare(
                self.course, self.config, self.contract, agreed, role
            )
            course_side.bind(
                self.course, self.identity, number, role, self.contract.fingerprint, tag
            )
        return changes

    def _link(
        self,
        number: int,
        role: str,
        link: dict[str, str],
        tag: object,
        password: str,
        keys: list[str],
        changes: list[Change],
    ) -> Registered:
        execute = self.portal.execute
        links.create(self.portal, number, role, link, password)
        execute("INSERT INTO pyrepl.health (database_id) VALUES (%s)", (number,))
        execute(
            "INSERT INTO pyrepl.chain (database_id, tag) VALUES (%s, %s)", (number, tag)
        )
        for item in portal.database_objects(self.config, self.contract, number):
            portal.objects.create(self.portal, item)
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
        return Registered(
            name=self.name,
            created=True,
            courses=tuple(keys),
            adopting=tuple(same),
            in_the_way=tuple(others),
            own_triggers=tuple(_own_triggers(self.course, self.config)),
            changes=changes,
        )


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


def _identity(connection: Connection) -> str:
    found: str = value(connection, "SELECT pyrepl.identity()")
    return found


def _installed_contract(connection: Connection, config: Config) -> Contract:
    contract = contracts.offered(connection, config)
    if not value(
        connection,
        "SELECT 1 FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    ):
        raise NotInstalled(
            "the portal's tables have changed since the last install",
            hint='Run "pyreplctl install" first.',
        )
    return contract


def _refuse_the_portal(connection: Connection, course: Connection) -> None:
    query = (
        "SELECT system_identifier || '/' || d.oid FROM pg_control_system(), pg_database d"
        " WHERE d.datname = current_database()"
    )
    if value(connection, query) == value(course, query):
        raise UsageError(
            "--dsn is the portal itself",
            hint="Name the course's own database.",
        )


def _known(connection: Connection, course: Connection, name: str) -> int | None:
    """Return the number under which the portal knows this course database."""
    held = course_side.binding(course)
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
    if held := course_side.binding(course):
        with driver_errors("the course database"):
            course_side.remove(course, held.link_role)
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
    connection: Connection, number: int, name: str, keys: list[str], backfill: bool
) -> Registered:
    with connection.transaction():
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        added = _host(connection, number, keys)
        if added and backfill:
            _backfill_courses(connection, number, added)
    return Registered(name=name, created=False, courses=tuple(added))


def _backfill_courses(connection: Connection, number: int, keys: Sequence[str]) -> None:
    """Let route queue everybody enrolled in these courses, in its own snapshot."""
    connection.execute(
        "INSERT INTO pyrepl.change (database_id, courses, priority) VALUES (%s, %s, 1)",
        (number, list(keys)),
    )


def _rehearse(connection: Connection, number: int) -> None:
    try:
        with driver_errors("a trial push"):
            connection.execute("SELECT pyrepl.rehearse(%s)", (number,))
    except DatabaseError as error:
        if error.sqlstate == "2F003":
            raise NotSuitable(
                "the course server lets the portal in without asking for a password",
                hint="postgres_fdw refuses that. In the course's pg_hba.conf let the"
                " portal's address log in by scram-sha-256, not trust or peer.",
            ) from error
        raise NotSuitable(f"{error}", hint=error.hint) from error
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
        " WHERE t.tgrelid = ANY (%s::regclass[]) AND NOT t.tgisinternal ORDER BY 1",
        list(contracts.table_names(config)),
    )
    return [row["trigger"] for row in rows]


def numbers(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """Return the numbers of databases by name, all if none is named.

    Raises `UsageError` for a name that is not registered.
    """
    rows = fetch(connection, "SELECT name, id FROM pyrepl.databases()")
    known = {row["name"]: row["id"] for row in rows}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"no course database is named {', '.join(unknown)}",
            hint=f"There are: {', '.join(known) or 'none'}.",
        )
    return {name: known[name] for name in names} if names else known


def pause(connection: Connection, names: Sequence[str]) -> list[str]:
    """Stop delivering to databases; what changes waits. Returns those not paused yet."""
    return _set_state(connection, names, "paused", ("active", "backfilling"))


def resume(connection: Connection, names: Sequence[str]) -> list[str]:
    """Deliver again, at once; returns those that were paused or backing off."""
    resumed = _set_state(connection, names, "backfilling", ("paused",))
    chosen = list(numbers(connection, names).values())
    with connection.transaction():
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        rows = connection.execute(
            "UPDATE pyrepl.health h SET retry_at = NULL FROM pyrepl.database d"
            " WHERE d.id = h.database_id AND d.id = ANY (%s)"
            " AND h.retry_at IS NOT NULL RETURNING d.name",
            (chosen,),
        ).fetchall()
    return sorted({*resumed, *(row[0] for row in rows)})


def _set_state(
    connection: Connection, names: Sequence[str], state: str, before: tuple[str, ...]
) -> list[str]:
    chosen = list(numbers(connection, names).values())
    with connection.transaction():
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        rows = connection.execute(
            "UPDATE pyrepl.database SET state = %s WHERE id = ANY (%s)"
            " AND state = ANY (%s) RETURNING name",
            (state, chosen, list(before)),
        ).fetchall()
    return sorted(row[0] for row in rows)


def remove_course(connection: Connection, name: str, key: str) -> None:
    """End the hosting of a course; its members' enrollments there go with deliveries.

    The row stays, inactive, so that changes still on their way find this database.
    """
    number = numbers(connection, [name])[name]
    with connection.transaction():
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        done = connection.execute(
            "UPDATE pyrepl.hosting SET active = false WHERE course = %s"
            " AND database_id = %s AND active RETURNING course",
            (key, number),
        ).fetchone()
        if done is None:
            raise UsageError(
                f"{name} does not host {key}",
                hint=f'"pyreplctl course show {name}" lists its courses.',
            )
        _backfill_courses(connection, number, [key])


@contextmanager
def _delivery_stopped(connection: Connection, number: int) -> Iterator[None]:
    """Open a transaction in which nobody delivers to this database."""
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '90s'")
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, number))
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        yield


def _administrator(connection: Connection, number: int, dsn: str | None) -> str:
    """Return the administrator's way in: a new one given, or the one that was kept."""
    if dsn is not None:
        parameters(dsn)
        return dsn
    kept: str = value(
        connection, "SELECT administrator FROM pyrepl.database WHERE id = %s", number
    )
    return kept


def refresh(
    connection: Connection,
    config: Config,
    name: str,
    dsn: str | None = None,
    *,
    rebind: bool = False,
) -> list[Change]:
    """Bring a course database to the present contract and code; return the changes.

    A new contract is followed by a backfill. With `rebind` the database is bound to this
    portal anew, the chain begins again, and all members are delivered.
    """
    portal.require_installed(connection)
    contract = _installed_contract(connection, config)
    number = numbers(connection, [name])[name]
    with (
        portal.install_lock(connection),
        connect(_administrator(connection, number, dsn), name) as course,
    ):
        agreed = suitability.check_course(course, connection, config, contract)
        identity = _identity(connection)
        held = course_side.binding(course)
        _check_bound(held, identity, number, name, rebind=rebind)
        with _delivery_stopped(connection, number):
            changes = _refresh_both(
                connection, course, config, contract, number, agreed, rebind=rebind
            )
            if dsn is not None:
                connection.execute(
                    "UPDATE pyrepl.database SET administrator = %s WHERE id = %s",
                    (without_secrets(dsn), number),
                )
    return [change for change in changes if change.state != "unchanged"]


def _check_bound(
    held: course_side.Binding | None,
    identity: str,
    number: int,
    name: str,
    *,
    rebind: bool,
) -> None:
    if rebind or (held and held.portal == identity and held.database_id == number):
        return
    what = f"is bound to portal {held.portal}" if held else "is not bound to a portal"
    raise NotSuitable(
        f"{name} {what}, not to this one ({identity})",
        hint="If this portal is the one that should write it, run"
        f' "pyreplctl course refresh --rebind {name}".',
    )


def _refresh_both(
    connection: Connection,
    course: Connection,
    config: Config,
    contract: Contract,
    number: int,
    agreed: list[tuple[Any, ...]],
    *,
    rebind: bool,
) -> list[Change]:
    row = fetch(
        connection,
        "SELECT c.fingerprint, d.link_role FROM pyrepl.database d"
        " JOIN pyrepl.contract c ON c.id = d.contract_id WHERE d.id = %s",
        number,
    )[0]
    changed = row["fingerprint"] != contract.fingerprint
    with driver_errors("the course database"), course.transaction():
        changes = course_side.prepare(
            course, config, contract, agreed, row["link_role"]
        )
        course.execute(
            "UPDATE pyrepl.binding SET fingerprint = %s", (contract.fingerprint,)
        )
        if rebind:
            tag = uuid4()
            identity = _identity(connection)
            args = (identity, number, row["link_role"], contract.fingerprint, tag)
            course_side.bind(course, *args)
            connection.execute(
                "DELETE FROM pyrepl.chain WHERE database_id = %s", (number,)
            )
            connection.execute(
                "INSERT INTO pyrepl.chain (database_id, tag) VALUES (%s, %s)",
                (number, tag),
            )
            changes.append(Change("binding", "replaced"))
    connection.execute(
        "UPDATE pyrepl.database SET contract_id = (SELECT id FROM pyrepl.contract"
        " WHERE fingerprint = %s) WHERE id = %s",
        (contract.fingerprint, number),
    )
    connection.execute(
        "UPDATE pyrepl.health SET retry_at = NULL WHERE database_id = %s", (number,)
    )
    wanted = portal.database_objects(config, contract, number)
    changes += portal.objects.bring(connection, wanted)
    if changed or rebind:
        changes.append(Change(f"contract {contract.short}", "replaced"))
        backfill(connection, [number])
    return changes


def backfill(
    connection: Connection, chosen: Sequence[int], users: Sequence[int] | None = None
) -> None:
    """Let route queue the dossiers of all members again, or of some users."""
    connection.execute(
        "INSERT INTO pyrepl.change (database_id, users, priority)"
        " SELECT n, %s::bigint[], 1 FROM unnest(%s::integer[]) n",
        (list(users) if users is not None else None, list(chosen)),
    )
    if users is None:
        connection.execute(
            "UPDATE pyrepl.database SET state = 'backfilling'"
            " WHERE id = ANY (%s) AND state = 'active'",
            (list(chosen),),
        )


def rotate_password(connection: Connection, name: str, dsn: str | None = None) -> None:
    """Give the link role a new password, at the course and in the mapping."""
    number = numbers(connection, [name])[name]
    role: str = value(
        connection, "SELECT link_role FROM pyrepl.database WHERE id = %s", number
    )
    with connect(_administrator(connection, number, dsn), name) as course:
        password = links.new_password()
        with _delivery_stopped(connection, number):
            links.set_mapping_password(connection, number, password)
            links.set_role_password(course, role, password)


def unregister(
    connection: Connection,
    name: str,
    dsn: str | None = None,
    *,
    purge: bool = False,
    forget: bool = False,
) -> list[Change]:
    """End replication to a database; copies stay, or are erased with `purge`.

    With `forget` the course database is not asked: it is gone, or out of reach for good.
    """
    number = numbers(connection, [name])[name]
    role: str = value(
        connection, "SELECT link_role FROM pyrepl.database WHERE id = %s", number
    )
    changes: list[Change] = []
    if not forget:
        with connect(_administrator(connection, number, dsn), name) as course:
            with connection.transaction():
                connection.execute("SET LOCAL ROLE pyrepl_owner")
                connection.execute(
                    "UPDATE pyrepl.database SET state = 'removing' WHERE id = %s",
                    (number,),
                )
            with _delivery_stopped(connection, number):
                if purge:
                    changes.append(Change(f"{_purge(course)} copies", "dropped"))
                changes += course_side.remove(course, role)
    with _delivery_stopped(connection, number):
        for query in (
            f"DROP SERVER IF EXISTS {links.server_name(number)} CASCADE",
            f"DROP FUNCTION IF EXISTS pyrepl.push_{number}",
            f"DROP FUNCTION IF EXISTS pyrepl.truth_{number}",
        ):
            connection.execute(query.encode())
        connection.execute(
            "DELETE FROM pyrepl.object WHERE name = ANY (%s)",
            ([f"push_{number}", f"truth_{number}"],),
        )
        for table in ("outbox", "outbox_mark", "change"):
            query = f"DELETE FROM pyrepl.{table} WHERE database_id = {number}"
            connection.execute(query.encode())
        connection.execute("DELETE FROM pyrepl.database WHERE id = %s", (number,))
    return [*changes, Change(f"course database {name}", "dropped")]


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
