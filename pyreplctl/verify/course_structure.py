"""The structure of a course database and its links against what register makes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pyreplctl.core.db import connect, fetch, parameters
from pyreplctl.core.errors import (
    ConnectionFailed,
    DatabaseError,
    Error,
)
from pyreplctl.core.names import pasted
from pyreplctl.schema import column_types, course_objects
from pyreplctl.schema import link as links
from pyreplctl.schema.column_types import Types
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.link import Link
from pyreplctl.verify import course_answers, course_types, findings
from pyreplctl.verify.course_answers import Unreadable
from pyreplctl.verify.findings import Finding, Remedy, Row
from pyreplctl.verify.portal_structure import LINK_KINDS, Agreement, PortalState

ANSWER_WITHIN = "30s"  # a course that is frozen must not keep us


@dataclass
class DatabaseStructure:
    """What was found at one course database; `error` where it could not be asked."""

    items: list[Finding] = field(default_factory=list)
    error: str | None = None

    @property
    def ok(self) -> bool | None:
        """Whether all is well; None where that could not be seen."""
        return verdict(self.items, self.error)


def verdict(items: Iterable[Finding], error: str | None) -> bool | None:
    """Return whether all is well; None where that could not be seen."""
    if any(item.state != "current" for item in items):
        return False
    return None if error else True


def look_at_course(dsn: str, known: PortalState, number: int) -> DatabaseStructure:
    """Compare a course database and its links, as its server tells of itself."""
    agreed = known.agreements[number]
    refresh = Remedy(f'run "pyreplctl course refresh {pasted(agreed.name)}"', "refresh")
    link = replace(refresh, step="link")
    looked = DatabaseStructure(
        [item for way in agreed.ways for item in _link(known, agreed, way, link)]
    )
    mapping = f"mapping {agreed.ways[0].server}"
    try:
        with connect(dsn, "the portal") as connection:
            query = f"SET statement_timeout = '{ANSWER_WITHIN}'"
            connection.execute(query.encode())
            rows = course_answers.structure(
                fetch(connection, "SELECT * FROM pyrepl.course_structure(%s)", number)
            )
            offered = column_types.read(connection, known.tables(agreed))
        looked.items += _course(known, agreed, rows, offered, refresh)
    except Unreadable as error:
        wrong = Finding.wrong("view structure", "edited", str(error), refresh)
        looked.items.append(wrong)
    except ConnectionFailed as error:
        # In whatever language: a server names the role that it does not let in.
        if agreed.link_role in str(error):
            rotate = f'run "pyreplctl course rotate-password {pasted(agreed.name)}"'
            if all(i.state == "current" for i in looked.items if i.object == mapping):
                looked.items = [i for i in looked.items if i.object != mapping]
                wrong = Finding.wrong(
                    mapping, "edited", str(error), Remedy(rotate, "password")
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
            wrong = Finding.wrong("view structure", "edited", str(error), refresh)
            looked.items.append(wrong)
    except Error as error:
        looked.error = str(error)
    looked.items.sort()
    return looked


def _link(
    known: PortalState, agreed: Agreement, way: Link, remedy: Remedy
) -> list[Finding]:
    rows = {(row.kind, row.name): row for row in known.rows if row.kind in LINK_KINDS}
    server = rows[("server", way.server)]
    items = [findings.plain(server, remedy)]
    if server.held is not None:
        options = dict(option.split("=", 1) for option in json.loads(server.held))
        if lost := links.lost_options(way, options):
            said = f"has lost {', '.join(_named(lost))}"
            said = f"{server.problem}; {said}" if server.problem else said
            alter = links.options_sql(way, options, lost)
            both = replace(remedy, text=f"{alter}, or {remedy.text}")
            items = [Finding.wrong(f"server {way.server}", "edited", said, both)]
        elif altered := links.altered_options(way, parameters(agreed.link), options):
            items = [_altered(agreed, way, options, altered)]
    mapping = rows[("mapping", way.server)]
    if mapping.state == "current" and mapping.held != way.role:
        said = f"logs in as {mapping.held}, not as {way.role}"
        items.append(Finding.wrong(f"mapping {way.server}", "edited", said, remedy))
    else:
        items.append(findings.plain(mapping, remedy))
    for name, (wanted, _) in links.foreign_tables(way).items():
        table = rows.get(("foreign table", name))
        what = f"foreign table {name}"
        if table is None:
            items.append(Finding.wrong(what, "missing", "is not there", remedy))
        elif table.state == "current" and table.held != wanted:
            items.append(Finding.wrong(what, "edited", "is not as it was made", remedy))
        else:
            items.append(findings.plain(table, remedy))
    return items


def _altered(
    agreed: Agreement,
    way: Link,
    held: Mapping[str, str],
    altered: Mapping[str, str | None],
) -> Finding:
    """Say that a link is not as registered; a person knows which of them is right."""
    said = ", ".join(
        f"{name} is {held.get(name, 'not set')}, not {text or 'set'}"
        for name, text in sorted(altered.items())
    )
    by_hand = Remedy(
        f"{links.options_sql(way, held, altered)}; or, if that is right, run"
        f' "pyreplctl course set {agreed.name} --link CONNINFO"'
    )
    return Finding.wrong(f"server {way.server}", "edited", said, by_hand)


def _named(lost: Mapping[str, str]) -> list[str]:
    return [f"{k} ({v})" if k == "options" else k for k, v in lost.items()]


def _course(
    known: PortalState,
    agreed: Agreement,
    rows: list[Row],
    offered: Types,
    refresh: Remedy,
) -> list[Finding]:
    contract = known.contracts[agreed.contract_id]
    held = course_answers.types(rows)
    in_force = {row.name: row.held or "" for row in rows if row.kind == "setting"}
    wanted = course_objects.expected_objects(
        known.config,
        course_types.at_course(contract, held),
        agreed.link_role,
        course_answers.version(rows),
    )
    items = findings.objects(rows, wanted, refresh)
    items += findings.tables(rows, "course", refresh)
    items += findings.others(rows, ("schema", "role", "grant"), refresh)
    ordinary = Remedy(f"make it an ordinary table again, then {refresh.text}")
    items += findings.others(rows, ("platform table",), ordinary)
    if not _is_another(agreed, rows):
        queues = f"{refresh.text}, which delivers all members again"
        items += findings.missed(rows, replace(refresh, text=queues))
    items += findings.publications(rows)
    items += [
        findings.plain(
            row,
            replace(refresh, text=f"repair the table at the course, or {refresh.text}"),
        )
        for row in rows
        if row.kind == "contract"
    ]
    items += course_types.compare(known.config, contract, held, offered, refresh)
    items += _settings(known, agreed, in_force)
    return items + _bindings(known, agreed, contract, rows, refresh)


def _is_another(agreed: Agreement, rows: list[Row]) -> bool:
    """Return whether this is not the database of the last refresh.

    After a restore or pg_upgrade the catalog has other numbers, which tell nothing of
    rows. The binding is wrong then; with --rebind all members are delivered again.
    """
    told = [row.held for row in rows if row.kind == "identity"]
    return agreed.identity is not None and agreed.identity not in told


def _settings(
    known: PortalState, agreed: Agreement, in_force: Mapping[str, str]
) -> list[Finding]:
    """Compare what is in force in a session of the link with what the link says."""
    name = agreed.ways[0].server
    stored = next(r for r in known.rows if (r.kind, r.name) == ("server", name))
    options = dict(o.split("=", 1) for o in json.loads(stored.held or "[]"))
    if not (other := links.other_settings(options, in_force)):
        return [Finding("settings in force", "current")]
    remedy = Remedy("let the link lead to the server itself: a pooler drops options")
    return [Finding.wrong("settings in force", "edited", "; ".join(other), remedy)]


def _bindings(
    known: PortalState,
    agreed: Agreement,
    contract: Contract,
    rows: list[Row],
    refresh: Remedy,
) -> list[Finding]:
    """Compare what the course is bound to with what the portal has agreed on."""
    rebind = Remedy(
        f'if this portal is the right one, run "pyreplctl course refresh --rebind'
        f' {pasted(agreed.name)}"'
    )
    held = {row.name: row.held for row in rows if row.kind == "binding"}
    if not held:
        said = "the course is bound to nobody"
        return [Finding.wrong("binding", "missing", said, rebind)]
    told = (row.held for row in rows if row.kind == "identity")
    held["database"] = next(told, None)
    wanted = {
        "portal": (known.row("identity").held, rebind),
        "number": (str(agreed.id), rebind),
        "database": (agreed.identity or held.get("database"), rebind),
        "link role": (agreed.link_role, refresh),
        "contract": (contract.fingerprint, refresh),
        "guard": (agreed.guard, refresh),
    }
    return [
        Finding(f"binding: {name}", "current")
        if held.get(name) == text
        else Finding.wrong(
            f"binding: {name}",
            "edited",
            f"is {held.get(name)} at the course, {text} on the portal",
            remedy,
        )
        for name, (text, remedy) in wanted.items()
    ]
