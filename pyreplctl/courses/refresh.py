"""Refresh: a course database is brought to the present contract, code and portal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

from pyreplctl.core import databases, locks, restricted
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, driver_errors, fetch, without_secrets
from pyreplctl.core.locks import LOCK_CLASS, REFRESH_LOCK
from pyreplctl.courses import (
    conninfo,
    guard,
    identity,
    links,
    move,
    prepare,
    unfinished,
)
from pyreplctl.courses.binding import Binding
from pyreplctl.courses.identity import Checked
from pyreplctl.courses.preflight import check_course
from pyreplctl.courses.rebind import bind_again, queue_copies
from pyreplctl.courses.rights import check_deployer
from pyreplctl.install import installed, objects, preflight, roles
from pyreplctl.install.event_triggers import named_on_refusal
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import course_owner


def refresh(
    connection: Connection,
    config: Config,
    name: str,
    dsn: str | None = None,
    *,
    rebind: bool = False,
    moved: bool = False,
    link: str | None = None,
    patience: locks.Patience | None = None,
) -> list[ObjectChange]:
    """Bring a course database to the present contract and code; return the changes.

    A new contract is followed by a backfill. With `rebind` the database is bound to
    this portal anew, the chain begins again, and all members are delivered, and all
    copies that the course has: the portal may not know of them any more. It is where
    the link leads; with `moved` the roles of the link are made there first, and with
    `link` it leads there from now on.
    """
    preflight.check_server(connection, "the portal")
    installed.require_installed(connection)
    check_deployer(connection)
    contract = installed.installed_contract(connection, config)
    number = databases.numbers(connection, [name])[name]
    with (
        locks.install_lock(connection, shared=True),
        conninfo.connect_course(connection, number, name, dsn, rebind=rebind) as course,
    ):
        agreed = check_course(course, connection, config, contract)
        if rebind and not moved:
            identity.require_seen(connection, course, number)
        ours = installed.identity(connection)
        command = f"course refresh{' --rebind' if rebind else ''} {name}"
        unfinished.begin(connection, number, command)
        with databases.delivery_stopped(connection, number):
            roles.become_owner(connection)
            both = _Refresh(connection, course, config, contract, number, ours)
            if link is not None:
                given = conninfo.conninfo(course, dsn or "", link)
                move.relink(connection, number, given)
            if moved:
                both.make_roles()
            changes = both.run(agreed, rebind=rebind)
            before, now = both.keep_identity()
            if before not in (None, now):
                changes.append(ObjectChange(f"identity {now}", "replaced", before))
            if dsn is not None:
                connection.execute(
                    "SELECT pyrepl.set_administrator(%s, %s)",
                    (number, without_secrets(dsn)),
                )
        # Last: who holds a table for long keeps only these from being brought.
        with driver_errors("the course database"):
            missed: list[str] = []
            changes += guard.apply(course, config, both.owner, patience, missed)
            changes += both.catch_up(missed)
        unfinished.end(connection, number, command)
    return [change for change in changes if change.state != "unchanged"]


@dataclass(frozen=True)
class _Refresh:
    """Both sides of a refresh, in the transaction that is open on the portal."""

    portal: Connection
    course: Checked
    config: Config
    contract: Contract
    number: int
    identity: str

    def run(self, agreed: list[tuple[Any, ...]], *, rebind: bool) -> list[ObjectChange]:
        row = fetch(
            self.portal,
            "SELECT c.fingerprint, d.link_role, d.guard FROM pyrepl.database d"
            " JOIN pyrepl.contract c ON c.id = d.contract_id WHERE d.id = %s",
            self.number,
        )[0]
        role, mode = row["link_role"], row["guard"]
        fingerprint = self.contract.fingerprint
        with (
            driver_errors("the course database"),
            named_on_refusal(self.course, "the course database"),
            self.course.transaction(),
        ):
            changes = prepare.prepare(
                self.course, self.config, self.contract, agreed, role
            )
            if guard.set_mode(self.course, mode):
                changes.append(ObjectChange("guard", "replaced"))
            if rebind:
                to = Binding(self.identity, self.number, role)
                changes.append(
                    bind_again(self.portal, self.course, to, fingerprint, mode)
                )
        changes += self._portal()
        if row["fingerprint"] != fingerprint or rebind:
            changes.append(ObjectChange(f"contract {self.contract.short}", "replaced"))
            databases.backfill(self.portal, [self.number])
        if rebind:
            queue_copies(self.portal, self.course, self.number)
        return changes

    def catch_up(self, missed: list[str]) -> list[ObjectChange]:
        """Deliver all members again where rows may have changed unseen, on either side.

        What the course's tables are now is kept there, once that is queued. The
        portal's gaps are ended by install, which queues everybody.
        """
        with self.course.transaction():
            self.course.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            query: LiteralString = "SELECT name, problem FROM pyrepl.missed_rows()"
            here = restricted.read(self.course, query)
            told = [*missed, *(f"{row['name']}: {row['problem']}" for row in here)]
            rows = self.portal.execute(
                "SELECT name, problem FROM pyrepl.missed_changes()"
            )
            told += [f"{name} of the portal: {problem}" for name, problem in rows]
            restricted.call(self.course, "SELECT pyrepl.keep_table_states()")
            if told:
                databases.backfill(self.portal, [self.number])
        return [ObjectChange("missed changes", "queued", said) for said in told]

    @property
    def owner(self) -> str:
        """The owner of schema pyrepl at the course."""
        return course_owner(links.link_role(self.portal, self.number))

    def make_roles(self) -> None:
        """Give the link its roles, with new passwords, where the database is now."""
        with driver_errors("the course database"):
            existing = links.existing(self.portal, self.number)
            links.new_passwords(self.portal, self.course, existing)

    def keep_identity(self) -> tuple[str | None, str]:
        """Keep which database this is; returns which one it was, and is."""
        before = identity.keep(self.portal, self.course, self.number)
        return before, identity.identity_of(self.course)

    def _portal(self) -> list[ObjectChange]:
        self.portal.execute(
            "SELECT pyrepl.set_contract(%s, %s)",
            (self.number, self.contract.fingerprint),
        )
        self.portal.execute("SELECT pyrepl.retry_databases(ARRAY[%s])", (self.number,))
        repaired, closed = links.repair_links(self.portal, self.number)
        with driver_errors("the course database"):
            changes = repaired + links.new_passwords(self.portal, self.course, closed)
        # Also those that all share: the former contract may have been the last of its
        # kind. By one refresh after the other: two cannot replace a function at once.
        self.portal.execute(
            "SELECT pg_advisory_xact_lock(%s, %s)", (LOCK_CLASS, REFRESH_LOCK)
        )
        return changes + objects.apply_portal_objects(
            self.portal, self.config, self.contract, self.number
        )
