"""Refresh: a course database is brought to the present contract, code and portal."""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import uuid4

from pyreplctl.core import databases, locks
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, driver_errors, fetch, without_secrets
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.locks import LOCK_CLASS, REFRESH_LOCK
from pyreplctl.courses import binding, conninfo, guard, links, prepare
from pyreplctl.courses import preflight as courses_preflight
from pyreplctl.install import installed, objects, preflight
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.objects import ObjectChange

MOST_COPIES = 10_000_000  # more than any platform has users


def refresh(
    connection: Connection,
    config: Config,
    name: str,
    dsn: str | None = None,
    *,
    rebind: bool = False,
    patience: locks.Patience | None = None,
) -> list[ObjectChange]:
    """Bring a course database to the present contract and code; return the changes.

    A new contract is followed by a backfill. With `rebind` the database is bound to
    this portal anew, the chain begins again, and all members are delivered, and all
    copies that the course has: the portal may not know of them any more.
    """
    preflight.check_server(connection, "the portal")
    installed.require_installed(connection)
    contract = installed.installed_contract(connection, config)
    number = databases.numbers(connection, [name])[name]
    with (
        locks.install_lock(connection, shared=True),
        conninfo.connect_course(connection, number, name, dsn) as course,
    ):
        agreed = courses_preflight.check_course(course, connection, config, contract)
        identity = installed.identity(connection)
        held = binding.binding(course)
        if not rebind:
            binding.check_bound(held, identity, number, name)
        with databases.delivery_stopped(connection, number):
            changes = _refresh_both(
                connection, course, config, contract, number, agreed, rebind=rebind
            )
            if dsn is not None:
                connection.execute(
                    "UPDATE pyrepl.database SET administrator = %s WHERE id = %s",
                    (without_secrets(dsn), number),
                )
        # Last: who holds a table for long keeps only these from being brought.
        with driver_errors("the course database"):
            changes += guard.apply(course, config, patience)
    return [change for change in changes if change.state != "unchanged"]


def _copies(course: Connection) -> list[int]:
    """Return of whom the course says that it has copies.

    Those that are not the portal's are told to go: push sends nobody's data because
    the course has named him.
    """
    query: LiteralString = (
        "SELECT DISTINCT user_id::bigint AS id FROM pyrepl.copy"
        " WHERE NOT erased AND user_id IS NOT NULL LIMIT %s"
    )
    with driver_errors("the course database"):
        rows = course.execute(query, (MOST_COPIES + 1,)).fetchall()
    if len(rows) > MOST_COPIES:
        raise NotSuitable(
            f"the course database says that it has more than {MOST_COPIES:,} copies",
            hint="See what is in pyrepl.copy there.",
        )
    return [row[0] for row in rows]


def _refresh_both(
    connection: Connection,
    course: Connection,
    config: Config,
    contract: Contract,
    number: int,
    agreed: list[tuple[Any, ...]],
    *,
    rebind: bool,
) -> list[ObjectChange]:
    row = fetch(
        connection,
        "SELECT c.fingerprint, d.link_role, d.guard FROM pyrepl.database d"
        " JOIN pyrepl.contract c ON c.id = d.contract_id WHERE d.id = %s",
        number,
    )[0]
    changed = row["fingerprint"] != contract.fingerprint
    with driver_errors("the course database"), course.transaction():
        changes = prepare.prepare(course, config, contract, agreed, row["link_role"])
        course.execute(
            "UPDATE pyrepl.binding SET fingerprint = %s", (contract.fingerprint,)
        )
        if course.execute(
            "UPDATE pyrepl.binding SET guard = %s WHERE guard <> %s RETURNING guard",
            (row["guard"], row["guard"]),
        ).fetchone():
            changes.append(ObjectChange("guard", "replaced"))
        if rebind:
            tag = uuid4()
            identity = installed.identity(connection)
            args = (identity, number, row["link_role"], contract.fingerprint, tag)
            binding.bind(course, *args, row["guard"])
            # Ids may have been given to others meanwhile: apply is to look closely.
            course.execute("UPDATE pyrepl.copy SET generation = -1")
            connection.execute(
                "DELETE FROM pyrepl.chain WHERE database_id = %s", (number,)
            )
            connection.execute(
                "INSERT INTO pyrepl.chain (database_id, tag) VALUES (%s, %s)",
                (number, tag),
            )
            changes.append(ObjectChange("binding", "replaced"))
    connection.execute(
        "UPDATE pyrepl.database SET contract_id = (SELECT id FROM pyrepl.contract"
        " WHERE fingerprint = %s) WHERE id = %s",
        (contract.fingerprint, number),
    )
    connection.execute(
        "UPDATE pyrepl.health SET retry_at = NULL WHERE database_id = %s", (number,)
    )
    repaired, closed = links.repair_links(connection, number)
    with driver_errors("the course database"):
        changes += repaired + links.new_passwords(connection, course, closed)
    # Also those that all share: the former contract may have been the last of its kind.
    # By one refresh after the other: two cannot replace a function at once.
    connection.execute(
        "SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, REFRESH_LOCK)
    )
    changes += objects.apply_portal_objects(connection, config, contract, number)
    if changed or rebind:
        changes.append(ObjectChange(f"contract {contract.short}", "replaced"))
        databases.backfill(connection, [number])
    if rebind:
        databases.backfill(connection, [number], _copies(course))
    return changes
