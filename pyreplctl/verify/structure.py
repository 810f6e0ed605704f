"""Verification of structure: is every object there, enabled and unedited."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from pyreplctl import __version__
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, driver_errors, fetch, fetch_as
from pyreplctl.core.errors import (
    ConnectionFailed,
    DatabaseError,
    Error,
    NotInstalled,
    NotSuitable,
)
from pyreplctl.courses import prepare, state
from pyreplctl.delivery import status
from pyreplctl.install import portal, preflight
from pyreplctl.schema import contracts
from pyreplctl.schema import link as links
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.link import Way
from pyreplctl.verify import findings
from pyreplctl.verify.findings import Item, Mend, Row

_INSTALL = Mend('run "pyreplctl install"', "install")
_STATUS = Mend('"pyreplctl status" says more')
LINK_KINDS = ("server", "mapping", "foreign table")
TOO_OLD = 600.0  # seconds that something may wait before somebody should look
ANSWER_WITHIN = "30s"  # a course that is frozen must not keep us


@dataclass
class Looked:
    """What was found at one course database; `error` where it could not be asked."""

    items: list[Item] = field(default_factory=list)
    error: str | None = None

    @property
    def ok(self) -> bool | None:
        """Whether all is well; None where that could not be seen."""
        return _verdict(self.items, self.error)


@dataclass
class Structure:
    """What was found on the portal, and at each course database by name."""

    portal: list[Item]
    databases: dict[str, Looked]

    @property
    def ok(self) -> bool | None:
        """Whether all is well on the portal."""
        return _verdict(self.portal, None)


def _verdict(items: Iterable[Item], error: str | None) -> bool | None:
    if any(item.state != "current" for item in items):
        return False
    return None if error else True


@dataclass(frozen=True)
class Agreement:
    """What the portal has agreed on with a course database."""

    id: int
    name: str
    contract_id: int
    link_role: str
    delivery: str
    guard: str

    @property
    def ways(self) -> list[Way]:
        """Its links, whether they are there or not."""
        both = [Way(self.id, self.link_role)]
        if self.delivery == "immediate":
            role = links.immediate_role(self.link_role)
            both.append(Way(self.id, role, immediate=True))
        return both


@dataclass(frozen=True)
class Known:
    """What the portal says of itself and of what it has agreed on."""

    rows: list[Row]
    config: Config
    agreements: dict[int, Agreement]
    contracts: dict[int, Contract]

    def row(self, kind: str) -> Row:
        """Return the only row of a kind."""
        return next(row for row in self.rows if row.kind == kind)


def verify(
    dsn: str,
    names: Sequence[str],
    *,
    given: Config | None = None,
    jobs: int = 4,
    progress: Callable[[str], None] = lambda _: None,
) -> Structure:
    """Look at the structure of the portal and of course databases, several at once.

    Measured against what install was told. `given` is a configuration that should be
    the same. Needs the rights of pyrepl_monitor, and at the courses only the links.
    """
    with connect(dsn, "the portal") as connection:
        portal.require_installed(connection)
        preflight.check_server(connection, "the portal")
        chosen = state.numbers(connection, names)
        known = read(connection)
        found = _portal(connection, known, given)
        doing, trouble = _doing(connection)
        if trouble and all(item.state == "current" for item in found):
            found.append(Item.wrong("status", "edited", trouble, _INSTALL))

    def one(item: tuple[str, int]) -> Looked:
        name, number = item
        looked = _database(dsn, known, number)
        if name in doing:
            looked.items += _deliveries(doing[name])
        progress(name)
        return looked

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        every = list(pool.map(one, chosen.items()))
    return Structure(found, dict(zip(chosen, every, strict=True)))


def _doing(connection: Connection) -> tuple[dict[str, status.Database], str]:
    """Return how deliveries go; nothing, and why, where what tells of it is broken."""
    try:
        with driver_errors("the portal"):
            return {d.name: d for d in status.read(connection).databases}, ""
    except DatabaseError as error:
        return {}, str(error)


def read(connection: Connection) -> Known:
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
    return Known(
        rows=rows,
        config=msgspec.json.decode(settings.held or "{}", type=Config),
        agreements={each.id: each for each in agreed},
        contracts={n: contracts.from_rows(listed) for n, listed in columns.items()},
    )


def _portal(connection: Connection, known: Known, given: Config | None) -> list[Item]:
    mend = _INSTALL
    contract, items = _contract(connection, known)
    agreed = {n: known.contracts[a.contract_id] for n, a in known.agreements.items()}
    wanted = portal.expected_objects(connection, known.config, contract, agreed)
    own = [row for row in known.rows if row.kind not in LINK_KINDS]
    items += findings.objects(own, wanted, mend)
    items += findings.tables(own, "portal", mend)
    items += findings.others(own, ("schema", "role", "grant"), mend)
    items += [_settings(known, given), *_clock(connection, known)]
    items += _orphan_links(known)
    return sorted(items)


def _contract(connection: Connection, known: Known) -> tuple[Contract, list[Item]]:
    """Return the contract that install knows, and how the tables differ from it."""
    newest = known.contracts[max(known.contracts)]
    mend = Mend(
        'run "pyreplctl install", then "pyreplctl course refresh --all"', "install"
    )
    try:
        offered = contracts.offered(connection, known.config)
    except NotSuitable as error:
        by_hand = Mend(error.hint or "")
        return newest, [Item.wrong("contract", "outdated", str(error), by_hand)]
    for contract in known.contracts.values():
        if contract.fingerprint == offered.fingerprint:
            return contract, [Item("contract", "current")]
    more, less = offered.missing_from(newest), newest.missing_from(offered)
    parts = [f"new on the portal: {', '.join(more)}"] if more else []
    parts += [f"gone or altered: {', '.join(less)}"] if less else []
    said = "; ".join(parts) or "the columns have another order"
    return newest, [Item.wrong("contract", "outdated", said, mend)]


def _settings(known: Known, given: Config | None) -> Item:
    row = known.row("settings")
    if row.source != __version__:
        said = f"installed by version {row.source}, this is {__version__}"
        return Item.wrong("settings", "outdated", said, _INSTALL)
    if given is not None:
        installed = known.config
        if (given.tables, given.policy) != (installed.tables, installed.policy):
            return Item.wrong(
                "settings",
                "outdated",
                "[tables] or [policy] say otherwise than what is installed",
                Mend(
                    'run "pyreplctl install", or verify with the configuration that'
                    " belongs to this portal"
                ),
            )
    return Item("settings", "current")


def _clock(connection: Connection, known: Known) -> list[Item]:
    queue = known.row("queue")
    waits, oldest = int(queue.source or 0), float(queue.held or 0)
    alive = [clock for clock in _clocks(connection) if clock.alive]
    changes = Item("changes", "current", f"not yet routed: {waits}" if waits else "")
    if oldest > TOO_OLD:
        said = f"not yet routed: {waits}, the oldest for {status.age(oldest)}"
        changes = Item.wrong("changes", "outdated", said, _STATUS)
    if alive:
        return [Item("clock", "current", f"{alive[0].kind} {alive[0].name}"), changes]
    if oldest < status.SERVE_ALIVE:
        return [Item("clock", "current", "none is running"), changes]
    return [
        Item.wrong(
            "clock",
            "missing",
            f"changes wait for {status.age(oldest)} and nothing routes them",
            Mend('start "pyreplctl run", or let cron CALL pyrepl.serve()'),
        ),
        changes,
    ]


def _clocks(connection: Connection) -> list[status.Clock]:
    try:
        with driver_errors("the portal"):
            return status.clocks(connection)
    except DatabaseError:
        return []  # that function's own state says why


def _orphan_links(known: Known) -> list[Item]:
    ways = [way for each in known.agreements.values() for way in each.ways]
    wanted = {way.server for way in ways}
    wanted |= {links.Way(n, "", immediate=True).server for n in known.agreements}
    tables = {name for way in ways for name in links.foreign_tables(way)}
    tables |= {
        name
        for number in known.agreements
        for name in links.foreign_tables(Way(number, "", immediate=True))
    }
    found = []
    for row in known.rows:
        if row.kind == "server" and row.name not in wanted:
            drop = f"DROP SERVER {row.name} CASCADE"
        elif row.kind == "foreign table" and row.name not in tables:
            drop = f"DROP FOREIGN TABLE pyrepl.{row.name}"
        else:
            continue
        said = "belongs to no course database"
        name = f"{row.kind} {row.name}"
        found.append(Item.wrong(name, "orphan", said, Mend(drop)))
    return found


def _database(dsn: str, known: Known, number: int) -> Looked:
    agreed = known.agreements[number]
    refresh = Mend(f'run "pyreplctl course refresh {agreed.name}"', "refresh")
    link = replace(refresh, step="link")
    looked = Looked([item for way in agreed.ways for item in _link(known, way, link)])
    mapping = f"mapping {agreed.ways[0].server}"
    try:
        with connect(dsn, "the portal") as connection:
            query = f"SET statement_timeout = '{ANSWER_WITHIN}'"
            connection.execute(query.encode())
            rows = fetch_as(
                Row,
                connection,
                "SELECT * FROM pyrepl.course_structure(%s)",
                number,
            )
    except ConnectionFailed as error:
        # In whatever language: a server names the role that it does not let in.
        if agreed.link_role in str(error):
            rotate = f'run "pyreplctl course rotate-password {agreed.name}"'
            if all(i.state == "current" for i in looked.items if i.object == mapping):
                looked.items = [i for i in looked.items if i.object != mapping]
                wrong = Item.wrong(
                    mapping, "edited", str(error), Mend(rotate, "password")
                )
                looked.items.append(wrong)
        else:
            looked.error = str(error)
    except DatabaseError as error:
        if error.sqlstate == "57014":
            looked.error = f"no answer within {ANSWER_WITHIN}"
        elif any(item.state != "current" for item in looked.items):
            looked.error = str(error)  # the reason is known
        else:
            wrong = Item.wrong("view structure", "edited", str(error), refresh)
            looked.items.append(wrong)
    except Error as error:
        looked.error = str(error)
    else:
        looked.items += _course(known, agreed, rows, refresh)
    looked.items.sort()
    return looked


def _link(known: Known, way: Way, mend: Mend) -> list[Item]:
    rows = {(row.kind, row.name): row for row in known.rows if row.kind in LINK_KINDS}
    server = rows[("server", way.server)]
    items = [findings.plain(server, mend)]
    if server.held is not None:
        options = dict(option.split("=", 1) for option in json.loads(server.held))
        if lost := links.lost_options(way, options):
            said = f"has lost {', '.join(_named(lost))}"
            said = f"{server.problem}; {said}" if server.problem else said
            alter = links.options_sql(way, options, lost)
            both = replace(mend, text=f"{alter}, or {mend.text}")
            items = [Item.wrong(f"server {way.server}", "edited", said, both)]
    mapping = rows[("mapping", way.server)]
    if mapping.state == "current" and mapping.held != way.role:
        said = f"logs in as {mapping.held}, not as {way.role}"
        items.append(Item.wrong(f"mapping {way.server}", "edited", said, mend))
    else:
        items.append(findings.plain(mapping, mend))
    for name, (wanted, _) in links.foreign_tables(way).items():
        table = rows.get(("foreign table", name))
        what = f"foreign table {name}"
        if table is None:
            items.append(Item.wrong(what, "missing", "is not there", mend))
        elif table.state == "current" and table.held != wanted:
            items.append(Item.wrong(what, "edited", "is not as it was made", mend))
        else:
            items.append(findings.plain(table, mend))
    return items


def _named(lost: Mapping[str, str]) -> list[str]:
    return [f"{k} ({v})" if k == "options" else k for k, v in lost.items()]


def _course(
    known: Known, agreed: Agreement, rows: list[Row], refresh: Mend
) -> list[Item]:
    contract = known.contracts[agreed.contract_id]
    held = {
        row.name: prepare.UserColumn(**json.loads(row.held or "{}"))
        for row in rows
        if row.kind == "column"
    }
    server = next((int(row.held or 0) for row in rows if row.kind == "version"), 0)
    wanted = prepare.expected_objects(
        known.config, contract, agreed.link_role, held, server
    )
    items = findings.objects(rows, wanted, refresh)
    items += findings.tables(rows, "course", refresh)
    items += findings.others(rows, ("schema", "role", "grant"), refresh)
    items += [
        findings.plain(
            row,
            replace(refresh, text=f"mend the table at the course, or {refresh.text}"),
        )
        for row in rows
        if row.kind == "contract"
    ]
    return items + _bindings(known, agreed, contract, rows, refresh)


def _bindings(
    known: Known, agreed: Agreement, contract: Contract, rows: list[Row], refresh: Mend
) -> list[Item]:
    """Compare what the course is bound to with what the portal has agreed on."""
    rebind = Mend(
        f'if this portal is the right one, run "pyreplctl course refresh --rebind'
        f' {agreed.name}"'
    )
    held = {row.name: row.held for row in rows if row.kind == "binding"}
    if not held:
        said = "the course is bound to nobody"
        return [Item.wrong("binding", "missing", said, rebind)]
    wanted = {
        "portal": (known.row("identity").held, rebind),
        "number": (str(agreed.id), rebind),
        "link role": (agreed.link_role, refresh),
        "contract": (contract.fingerprint, refresh),
        "guard": (agreed.guard, refresh),
    }
    return [
        Item(f"binding: {name}", "current")
        if held.get(name) == text
        else Item.wrong(
            f"binding: {name}",
            "edited",
            f"is {held.get(name)} at the course, {text} on the portal",
            mend,
        )
        for name, (text, mend) in wanted.items()
    ]


def _deliveries(database: status.Database) -> list[Item]:
    """Return how deliveries go: health, backlog, dead letters, columns to come."""
    said = f"{database.state}, {database.delivery}"
    if database.last_delivered_at:
        said += f", last success {database.last_delivered_at:%Y-%m-%d %H:%M:%S %Z}"
    items = [Item("delivery", "current", said)]
    refresh = f'run "pyreplctl course refresh {database.name}"'
    if database.health in status.ACT_ON:
        mend = _STATUS
        if database.health == "waiting_contract":
            mend = Mend(f'run "pyreplctl install", then {refresh[4:]}')
        said = f"{database.health}: {database.last_error}"
        items = [Item.wrong("delivery", "outdated", said, mend)]
    oldest = database.oldest_pending_seconds or 0.0
    if oldest > TOO_OLD and database.state == "active":
        said = f"{database.pending} wait, the oldest for {status.age(oldest)}"
        said += f": {database.last_error}" if database.last_error else ""
        items.append(Item.wrong("outbox", "outdated", said, _STATUS))
    else:
        waiting = f"waiting: {database.pending}" if database.pending else ""
        items.append(Item("outbox", "current", waiting))
    items.append(Item("dead letters", "current"))
    if database.dead:
        why = Mend('"pyreplctl dead list" says why')
        said = f"there are {database.dead}"
        items[-1] = Item.wrong("dead letters", "outdated", said, why)
    items.append(Item("pending columns", "current"))
    if columns := database.pending_columns:
        said = f"{', '.join(columns)} of the portal: not delivered yet"
        mend = Mend(refresh, "refresh")
        items[-1] = Item.wrong("pending columns", "outdated", said, mend)
    return items
