"""What should be there, compared with what a database tells of its own structure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pyreplctl.core.names import quoted, quoted_table
from pyreplctl.schema import tables as our_tables
from pyreplctl.schema.objects import Object


@dataclass(frozen=True)
class Row:
    """A row of pyrepl.structure(): state and problem are what the database says."""

    kind: str
    name: str
    state: str
    source: str | None
    held: str | None
    problem: str | None


@dataclass(frozen=True)
class Remedy:
    """What ends it, in words, and the step of repair that does it.

    The step is install, refresh, link, password, or sql, whose statements lose no data;
    or nothing, where somebody must decide.
    """

    text: str
    step: Literal["install", "refresh", "link", "password", "sql", ""] = ""
    statements: tuple[str, ...] = ()


BY_HAND = Remedy("")


@dataclass(frozen=True, order=True)
class Finding:
    """An object and its state: current, outdated, missing, edited, disabled, orphan.

    `detail` says what is wrong and what ends it; of a current one, what may interest.
    `remedy` is what repair does about it.
    """

    object: str
    state: str
    detail: str = ""
    remedy: Remedy = field(default=BY_HAND, compare=False)

    @classmethod
    def wrong(cls, name: str, state: str, said: str, remedy: Remedy) -> Finding:
        """Return one that is not as it should be."""
        return cls(
            name, state, f"{said}; {remedy.text}" if remedy.text else said, remedy
        )


_SAID = {
    "missing": "is not there",
    "outdated": "this program has another one",
    "edited": "is not as it was installed",
    "disabled": "does not always fire",
    "orphan": "nobody of ours has made it",
}
_OBJECTS = ("function", "view", "type", "triggers")
_TRIGGER = re.compile(r"TRIGGER (pyrepl_\w+) (?:AFTER|BEFORE|INSTEAD)")


def plain(row: Row, remedy: Remedy) -> Finding:
    """Return a row as it stands: nothing is known of it here but what it says."""
    if row.state == "current":
        return Finding(f"{row.kind} {row.name}", row.state)
    said = row.problem or _SAID[row.state]
    return Finding.wrong(f"{row.kind} {row.name}", row.state, said, remedy)


def missed(rows: Iterable[Row], remedy: Remedy) -> list[Finding]:
    """Return the tables whose rows may have changed without that a trigger fired."""
    return [plain(row, remedy) for row in rows if row.kind == "rows"]


def publications(rows: Iterable[Row]) -> list[Finding]:
    """Return who publishes our own tables: advice, for it costs and nobody reads it."""
    said = (
        "publishes tables of schema pyrepl, too, whose rows come and go with each"
        " change: better name the tables that are read"
    )
    return [
        Finding(f"publication {row.name}", row.state, said)
        for row in rows
        if row.kind == "publication"
    ]


def others(rows: Iterable[Row], kinds: Sequence[str], remedy: Remedy) -> list[Finding]:
    """Return the rows of some kinds as they stand."""
    return [plain(row, remedy) for row in rows if row.kind in kinds]


def objects(
    rows: Iterable[Row], wanted: Iterable[Object], remedy: Remedy
) -> list[Finding]:
    """Compare what was installed with what this program installs."""
    held = {(row.kind, row.name): row for row in rows if row.kind in _OBJECTS}
    items = []
    for item in wanted:
        row = held.pop((item.kind, item.name), None)
        if row is None or row.state == "orphan":
            state = "missing" if row is None else "outdated"
            items.append(Finding.wrong(str(item), state, _SAID[state], remedy))
        elif row.state != "current":
            items.append(_with_triggers(plain(row, remedy), row, item, remedy))
        elif row.source != item.source_hash:
            items.append(
                Finding.wrong(str(item), "outdated", _SAID["outdated"], remedy)
            )
        else:
            items.append(Finding(str(item), "current"))
    return items + [_orphan(row, remedy) for row in held.values() if _is_there(row)]


def _is_there(row: Row) -> bool:
    return row.state != "missing"


def _with_triggers(item: Finding, row: Row, wanted: Object, remedy: Remedy) -> Finding:
    """Say which triggers of a table are gone."""
    if wanted.kind != "triggers" or row.state == "missing":
        return item
    held = (row.held or "").split()
    gone = [n for n in _TRIGGER.findall(wanted.source) if n not in held]
    if not gone:
        return item
    parts = [row.problem] if row.problem else []
    said = "; ".join([f"{', '.join(gone)} is not there", *parts])
    return Finding.wrong(item.object, "missing", said, remedy)


def _orphan(row: Row, remedy: Remedy) -> Finding:
    name = f"{row.kind} {row.name}"
    if row.source is not None:
        return Finding.wrong(name, "orphan", "is not used any more", remedy)
    kind = {"function": "ROUTINE"}.get(row.kind, row.kind.upper())
    drop = f"DROP {kind} pyrepl.{quoted(row.name)}"
    if row.kind == "triggers":
        table = quoted_table(row.name)
        drops = [f"DROP TRIGGER {quoted(n)} ON {table}" for n in str(row.held).split()]
        drop = "; ".join(drops)
    return Finding.wrong(name, "orphan", _SAID["orphan"], Remedy(drop))


def tables(rows: Iterable[Row], side: str, remedy: Remedy) -> list[Finding]:
    """Compare our tables with what the migrations make."""
    held = {row.name: row for row in rows if row.kind == "table"}
    items = []
    for name, wanted in our_tables.definitions(side).items():
        row = held.pop(name, None)
        if row is None:
            said = "is not there, nor is what it held"
            restore = Remedy("restore it from a backup")
            items.append(Finding.wrong(f"table {name}", "missing", said, restore))
            continue
        items.append(plain(row, remedy))
        lines = frozenset((row.held or "").splitlines())
        items += [
            Finding.wrong(
                found.object,
                found.state,
                found.detail,
                Remedy(found.remedy, "sql" if found.safe else "", found.statements),
            )
            for found in our_tables.compare(name, wanted, lines)
        ]
    for name, row in held.items():
        if our_tables.ours(name):
            drop = Remedy(f"DROP TABLE pyrepl.{quoted(name)}")
            items.append(
                Finding.wrong(f"table {name}", "orphan", _SAID["orphan"], drop)
            )
        else:
            items.append(plain(row, remedy))
    return items
