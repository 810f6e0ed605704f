"""How a run of verify is shown: as a table and lines, or as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pyreplctl.cli.output import SETTINGS, count, prose, table, talk
from pyreplctl.verify import run
from pyreplctl.verify.data import Difference
from pyreplctl.verify.findings import Finding
from pyreplctl.verify.history import Past
from pyreplctl.verify.run import Database, Run

if TYPE_CHECKING:
    from pyreplctl.verify.row_values import Values

Shown = Mapping[str, "list[Values]"]
_LOUD = ("differs", "damaged")


def show(found: Run, shown: Shown) -> None:
    """Print a run; `shown` has the values of each example of some databases."""
    columns = ("users", *run.KINDS, "former", "pending", "seconds")
    rows: list[list[object]] = []
    if found.portal is not None:
        rows.append(["portal", _loud(found.verdict), len(found.wrong)])
        rows[0] += [None] * len(columns)
    rows += [
        [
            each.name,
            _loud(each.verdict),
            len(each.wrong) if each.looked else None,
            *(each.number(name) for name in columns),
        ]
        for each in found.databases
    ]
    table(
        _document(found, shown),
        ("name", "verdict", "to repair", *columns),
        rows,
        rare={"former": (0, None), "pending": (0, None)},
    )
    if not SETTINGS.json:
        prose(lines(found, shown))


def _loud(word: str) -> str:
    return word.upper() if word in _LOUD else word


def _document(found: Run, shown: Shown) -> dict[str, Any]:
    document = found.document()
    for database in document["databases"]:
        if database["name"] in shown:
            pairs = zip(database["examples"], shown[database["name"]], strict=True)
            database["examples"] = [e | {"values": asdict(v)} for e, v in pairs]
    return document


def lines(found: Run, shown: Shown) -> list[str]:
    """Return what is wrong, and how many objects there are."""
    told = [_line("portal", item) for item in found.wrong]
    for each in found.databases:
        told += [_line(each.name, item) for item in each.wrong]
        told += differences(each, shown.get(each.name, []))
    told += _pending(found.databases)
    items = [*(found.portal or []), *(i for d in found.databases for i in d.items)]
    return [*told, _counted(items)] if items else told


def _counted(items: list[Finding]) -> str:
    """Say how many objects there are of each state."""
    states = [item.state for item in items]
    if set(states) == {"current"}:
        return f"{count(len(items), 'object')}, all current"
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return f"{count(len(items), 'object')}: {', '.join(counts)}"


def _line(place: str, item: Finding) -> str:
    return f"{place}: {item.object}: {item.state}: {item.detail}"


def differences(each: Database, shown: list[Values]) -> list[str]:
    """Return what is to be said of the data of a database."""
    told = []
    # A finding may have said it: that the password is wrong, for example.
    if each.error and not any(each.error in item.detail for item in each.wrong):
        told.append(f"{each.name}: could not be looked at: {each.error}")
    if each.data is None:
        return told
    examples = each.data.examples
    if shown:
        for example, values in zip(examples, shown, strict=True):
            told += [f"{each.name}: {_who([example])}", *_values(values)]
    else:
        alike: dict[tuple[str, str, str], list[Difference]] = {}
        for example in examples:
            same = (example.kind, example.table, str(example.columns))
            alike.setdefault(same, []).append(example)
        told += [f"{each.name}: {_who(listed)}" for listed in alike.values()]
    listed = {example.user_id for example in examples}
    if more := len(each.data.drifted) - len(listed):
        told.append(
            f"{each.name}: and {count(more, 'more user')}; --max-examples lists more"
        )
    return told


def _who(alike: list[Difference]) -> str:
    """Say which users differ in what."""
    kind, table, columns = alike[0].kind, alike[0].table, alike[0].columns
    users = ", ".join(str(each.user_id) for each in alike)
    who = f"user {users}" if len(alike) == 1 else f"users {users}"
    which = f" ({', '.join(columns)})" if columns else ""
    return f"{who}: {kind} in {table}{which}"


def _pending(databases: list[Database]) -> list[str]:
    waiting = {d.name: d.number("pending") for d in databases if d.number("pending")}
    if not waiting:
        return []
    users = count(sum(waiting.values()), "user")
    said = f"{', '.join(waiting)}: pending: {users} of whom something is on its way:"
    return [f"{said} queued, to be tried again, or committed and not yet routed"]


def _values(found: Values) -> list[str]:
    return [
        f"    {side}: "
        + ", ".join(
            f"{name} {'NULL' if v is None else repr(v)}" for name, v in row.items()
        )
        for side, rows in (("portal", found.portal), ("course", found.course))
        for row in rows
    ]


def show_past(past: list[Past], names: Sequence[str]) -> None:
    """Print the history: a line for each run, or for each of the named databases."""
    numbers = ("users", *run.KINDS, "pending", "seconds")
    chosen = [each for each in past if not names or each.name in names]
    by_run: dict[datetime, list[Past]] = {}
    for each in chosen:
        by_run.setdefault(each.at, []).append(each)
    groups = [[each] for each in chosen] if names else [*by_run.values()]
    table(
        chosen,
        ("at", "name" if names else "not well", "verdict", "to repair", *numbers, "by"),
        [
            (
                f"{group[0].at:%Y-%m-%d %H:%M:%S}",
                group[0].name if names else _not_well(group),
                _loud(_worst(group)),
                _total(group, "structure"),
                *(_total(group, name) for name in numbers),
                group[0].by,
            )
            for group in groups
        ],
        rare={"pending": (0, None)},
    )
    if not past:
        talk("no run has been kept yet")


def _not_well(group: list[Past]) -> str:
    names = [each.name or "portal" for each in group if not each.ok]
    more = f" and {len(names) - 2} more" if len(names) > 3 else ""
    return (", ".join(names[:2] if more else names) or "-") + more


def _worst(group: list[Past]) -> str:
    words = {each.verdict for each in group}
    order = ("differs", "damaged", "unknown", "equal", "sound")
    return next(word for word in order if word in words)


def _total(group: list[Past], name: str) -> float | None:
    """Return the sum; of seconds the most: databases are looked at side by side."""
    every: list[float | None] = [getattr(each, name) for each in group]
    found = [each for each in every if each is not None]
    if not found:
        return None
    return max(found) if name == "seconds" else sum(found)
