"""Course databases: names, states and courses; backfill, new passwords, the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyreplctl.core.config import Guard
from pyreplctl.core.db import (
    LOCK_CLASS,
    ROUTER_LOCK,
    Connection,
    connect,
    fetch,
    parameters,
    value,
)
from pyreplctl.core.errors import UsageError
from pyreplctl.courses import prepare
from pyreplctl.install import portal
from pyreplctl.schema import link
from pyreplctl.schema.link import Way
from pyreplctl.schema.objects import Change


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
    """Stop delivering to databases; changes wait. Returns those not paused yet."""
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
        backfill_courses(connection, number, [key])
        connection.execute("SELECT pyrepl.lock_hosting()")


@contextmanager
def delivery_stopped(connection: Connection, number: int) -> Iterator[None]:
    """Open a transaction in which nobody delivers to this database."""
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '90s'")
        connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, number))
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        yield


@contextmanager
def entered(
    connection: Connection, number: int, name: str, dsn: str | None
) -> Iterator[Connection]:
    """Connect to a course database by a new way in, or by the one that was kept."""
    hint = None
    if dsn is None:
        hint = "This way in was kept at registration; --dsn gives another."
    with connect(administrator(connection, number, dsn), name, hint) as course:
        yield course


def administrator(connection: Connection, number: int, dsn: str | None) -> str:
    """Return the administrator's way in: a new one given, or the one that was kept."""
    if dsn is not None:
        parameters(dsn)
        return dsn
    kept: str = value(
        connection, "SELECT administrator FROM pyrepl.database WHERE id = %s", number
    )
    return kept


def backfill_courses(connection: Connection, number: int, keys: Sequence[str]) -> None:
    """Let route queue everybody enrolled in these courses, in its own snapshot."""
    connection.execute(
        "INSERT INTO pyrepl.change (database_id, courses, priority) VALUES (%s, %s, 1)",
        (number, list(keys)),
    )


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
    """Give the roles of the links new passwords, at the course and in the mapping."""
    number = numbers(connection, [name])[name]
    with (
        entered(connection, number, name, dsn) as course,
        delivery_stopped(connection, number),
    ):
        new_passwords(connection, course, link.ways(connection, number))


def mend_links(connection: Connection, number: int) -> tuple[list[Change], list[Way]]:
    """Make again what the links of a course database have lost.

    Returns what that was, and which links need a new password.
    """
    row = fetch(
        connection,
        "SELECT link, link_role, delivery FROM pyrepl.database WHERE id = %s",
        number,
    )[0]
    held = link.ways(connection, number)
    wanted = [Way(number, row["link_role"])]
    if row["delivery"] == "immediate" or any(way.immediate for way in held):
        role = link.immediate_role(row["link_role"])
        wanted.append(Way(number, role, immediate=True))
    changes: list[Change] = []
    closed = []
    for way in wanted:
        if way in held:
            changes += link.mend(connection, way)
        else:
            link.create(connection, way, parameters(row["link"]))
            changes.append(Change(f"server {way.server}", "created"))
        if way not in held or not link.has_password(connection, way):
            closed.append(way)
    return changes, closed


def new_passwords(
    connection: Connection, course: Connection, ways: Sequence[Way]
) -> list[Change]:
    """Give links new passwords, in the mapping and at the course."""
    for way in ways:
        password = link.new_password(connection, way)
        link.set_role_password(course, way.role, password)
    return [Change(f"password of {way.server}", "replaced") for way in ways]


def set_guard(
    connection: Connection, name: str, mode: Guard, dsn: str | None = None
) -> list[Change]:
    """Say what the guard of a course database does, on both sides."""
    number = numbers(connection, [name])[name]
    with (
        entered(connection, number, name, dsn) as course,
        connection.transaction(),
    ):
        identity = portal.identity(connection)
        held = prepare.binding(course)
        prepare.check_bound(held, identity, number, name)
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        there = connection.execute(
            "UPDATE pyrepl.database SET guard = %s WHERE id = %s AND guard <> %s"
            " RETURNING guard",
            (mode, number, mode),
        ).fetchone()
        here = course.execute(
            "UPDATE pyrepl.binding SET guard = %s WHERE guard <> %s RETURNING guard",
            (mode, mode),
        ).fetchone()
    return [Change("guard", "replaced", mode)] if here or there else []


def unregister(
    connection: Connection,
    name: str,
    dsn: str | None = None,
    *,
    purge: bool = False,
    forget: bool = False,
) -> list[Change]:
    """End replication to a database; copies stay, or are erased with `purge`.

    With `forget` the course database is not asked: it is gone, or out of reach.
    """
    number = numbers(connection, [name])[name]
    role: str = value(
        connection, "SELECT link_role FROM pyrepl.database WHERE id = %s", number
    )
    changes: list[Change] = []
    if not forget:
        with entered(connection, number, name, dsn) as course:
            with connection.transaction():
                connection.execute("SET LOCAL ROLE pyrepl_owner")
                connection.execute(
                    "UPDATE pyrepl.database SET state = 'removing' WHERE id = %s",
                    (number,),
                )
            with delivery_stopped(connection, number):
                if purge:
                    changes.append(Change(f"{_purge(course)} copies", "dropped"))
                changes += prepare.remove(course, link.roles(role))
    with delivery_stopped(connection, number):
        # route must not queue for this database any more, nor find a change gone.
        connection.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, ROUTER_LOCK)
        )
        made = [f"{kind}_{number}" for kind in ("push", *portal.TRUTHS)]
        for way in link.ways(connection, number):
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
