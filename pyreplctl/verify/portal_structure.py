"""The structure of the portal, compared with what install makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from pyreplctl import __version__
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, driver_errors, fetch, fetch_as
from pyreplctl.core.errors import (
    DatabaseError,
    NotInstalled,
    NotSuitable,
)
from pyreplctl.core.names import quoted
from pyreplctl.delivery import status
from pyreplctl.schema import contracts, portal_objects
from pyreplctl.schema import link as links
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.link import Link
from pyreplctl.verify import findings
from pyreplctl.verify.delivery_health import SEE_STATUS, TOO_OLD
from pyreplctl.verify.findings import Finding, Remedy, Row

RUN_INSTALL = Remedy('run "pyreplctl install"', "install")


LINK_KINDS = ("server", "mapping", "foreign table")


@dataclass(frozen=True)
class Agreement:
    """What the portal has agreed on with a course database."""

    id: int
    name: str
    contract_id: int
    link_role: str
    delivery: str
    guard: str
    link: str
    identity: str | None

    @property
    def ways(self) -> list[Link]:
        """Its links, whether they are there or not."""
        both = [Link(self.id, self.link_role)]
        if self.delivery == "immediate":
            role = links.immediate_role(self.link_role)
            both.append(Link(self.id, role, immediate=True))
        return both


@dataclass(frozen=True)
class PortalState:
    """What the portal says of itself and of what it has agreed on."""

    rows: list[Row]
    config: Config
    agreements: dict[int, Agreement]
    contracts: dict[int, Contract]

    def tables(self, agreed: Agreement) -> tuple[str, str, str]:
        """Return the tables of a contract."""
        return self.contracts[agreed.contract_id].tables

    def row(self, kind: str) -> Row:
        """Return the only row of a kind."""
        return next(row for row in self.rows if row.kind == kind)


def read(connection: Connection) -> PortalState:
    """Ask the portal."""
    try:
        with driver_errors("the portal"):
            rows = fetch_as(Row, connection, "SELECT * FROM pyrepl.structure()")
    except DatabaseError as error:
        if error.sqlstate in ("42883", "42P01"):  # what tells of it is gone itself
            raise NotInstalled(str(error), hint='Run "pyreplctl install".') from error
        raise
    agreed = fetch_as(Agreement, connection, "SELECT * FROM pyrepl.agreements()")
    columns: dict[int, list[dict[str, Any]]] = {}
    for row in fetch(connection, "SELECT * FROM pyrepl.contract_columns()"):
        columns.setdefault(row["contract_id"], []).append(row)
    settings = next(row for row in rows if row.kind == "settings")
    return PortalState(
        rows=rows,
        config=msgspec.json.decode(settings.held or "{}", type=Config),
        agreements={each.id: each for each in agreed},
        contracts={n: contracts.from_rows(listed) for n, listed in columns.items()},
    )


def portal_findings(
    connection: Connection, known: PortalState, given: Config | None
) -> list[Finding]:
    """Compare the portal with what install makes."""
    remedy = RUN_INSTALL
    contract, items = _contract(connection, known)
    agreed = {n: known.contracts[a.contract_id] for n, a in known.agreements.items()}
    wanted = portal_objects.expected_objects(connection, known.config, contract, agreed)
    own = [row for row in known.rows if row.kind not in LINK_KINDS]
    items += findings.objects(own, wanted, remedy)
    items += findings.tables(own, "portal", remedy)
    items += findings.others(own, ("schema", "role", "grant"), remedy)
    items += findings.others(own, ("platform table",), _ordinary(remedy))
    items += findings.missed(own, replace(remedy, text=status.CATCH_UP))
    items += findings.publications(own)
    items += [_settings(known, given), *_clock(connection, known)]
    items += _orphan_links(known)
    return sorted(items)


def _ordinary(remedy: Remedy) -> Remedy:
    return Remedy(
        f'make it an ordinary table again, {remedy.text} and "pyreplctl backfill"'
    )


def _contract(
    connection: Connection, known: PortalState
) -> tuple[Contract, list[Finding]]:
    """Return the contract that install knows, and how the tables differ from it."""
    newest = known.contracts[max(known.contracts)]
    remedy = Remedy(
        'run "pyreplctl install", then "pyreplctl course refresh --all"', "install"
    )
    try:
        offered = contracts.offered(connection, known.config)
    except NotSuitable as error:
        by_hand = Remedy(error.hint or "")
        return newest, [Finding.wrong("contract", "outdated", str(error), by_hand)]
    for contract in known.contracts.values():
        if contract.fingerprint == offered.fingerprint:
            return contract, [Finding("contract", "current")]
    more, less = offered.missing_from(newest), newest.missing_from(offered)
    parts = [f"new on the portal: {', '.join(more)}"] if more else []
    parts += [f"gone or altered: {', '.join(less)}"] if less else []
    said = "; ".join(parts) or "the columns have another order"
    return newest, [Finding.wrong("contract", "outdated", said, remedy)]


def _settings(known: PortalState, given: Config | None) -> Finding:
    row = known.row("settings")
    if row.source != __version__:
        said = f"installed by version {row.source}, this is {__version__}"
        return Finding.wrong("settings", "outdated", said, RUN_INSTALL)
    if given is not None:
        installed = known.config
        if (given.tables, given.policy) != (installed.tables, installed.policy):
            return Finding.wrong(
                "settings",
                "outdated",
                "[tables] or [policy] say otherwise than what is installed",
                Remedy(
                    'run "pyreplctl install", or verify with the configuration that'
                    " belongs to this portal"
                ),
            )
    return Finding("settings", "current")


def _clock(connection: Connection, known: PortalState) -> list[Finding]:
    queue = known.row("queue")
    waits, oldest = int(queue.source or 0), float(queue.held or 0)
    alive = [clock for clock in _clocks(connection) if clock.alive]
    changes = Finding("changes", "current", f"not yet routed: {waits}" if waits else "")
    if oldest > TOO_OLD:
        said = f"not yet routed: {waits}, the oldest for {status.age(oldest)}"
        changes = Finding.wrong("changes", "outdated", said, SEE_STATUS)
    if alive:
        return [
            Finding("clock", "current", f"{alive[0].kind} {alive[0].name}"),
            changes,
        ]
    if oldest < status.SERVE_ALIVE:
        return [Finding("clock", "current", "none is running"), changes]
    return [
        Finding.wrong(
            "clock",
            "missing",
            f"changes wait for {status.age(oldest)} and nothing routes them",
            Remedy('start "pyreplctl run", or let cron CALL pyrepl.serve()'),
        ),
        changes,
    ]


def _clocks(connection: Connection) -> list[status.Clock]:
    try:
        with driver_errors("the portal"):
            return status.clocks(connection)
    except DatabaseError:
        return []  # that function's own state says why


def _orphan_links(known: PortalState) -> list[Finding]:
    ways = [way for each in known.agreements.values() for way in each.ways]
    wanted = {way.server for way in ways}
    wanted |= {links.Link(n, "", immediate=True).server for n in known.agreements}
    tables = {name for way in ways for name in links.foreign_tables(way)}
    tables |= {
        name
        for number in known.agreements
        for name in links.foreign_tables(Link(number, "", immediate=True))
    }
    found = []
    for row in known.rows:
        if row.kind == "server" and row.name not in wanted:
            drop = f"DROP SERVER {quoted(row.name)} CASCADE"
        elif row.kind == "foreign table" and row.name not in tables:
            drop = f"DROP FOREIGN TABLE pyrepl.{quoted(row.name)}"
        else:
            continue
        said = "belongs to no course database"
        name = f"{row.kind} {row.name}"
        found.append(Finding.wrong(name, "orphan", said, Remedy(drop)))
    return found
