"""How a run of verify is shown: as a table and lines, or as a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pyreplctl import runs
from pyreplctl.cli.output import SETTINGS, count, data, table
from pyreplctl.expectations import Item
from pyreplctl.history import Past
from pyreplctl.mending import Step
from pyreplctl.repairing import Plan
from pyreplctl.runs import Database, Run
from pyreplctl.values import Values

Shown = Mapping[str, list[Values]]
_VERDICTS = {True: "equal", False: "DIFFERS", None: "unknown"}


def show(found: Run, shown: Shown) -> None:
    """Print a run; `shown` has the values of each example of some databases."""
    columns = ("users", *runs.KINDS, "former", "pending", "seconds")
    table(
        _document(found, shown),
        ("name", "verdict", "to mend", *columns),
        [
            (
                each.name,
                _VERDICTS[each.ok],
                len(each.wrong) if each.looked else None,
                *(each.number(name) for name in columns),
            )
            for each in found.databases
        ],
        rare={"to mend": 0, "former": 0, "pending": 0},
    )
    if not SETTINGS.json:
        data(None, lines(found, shown))


def _document(found: Run, shown: Shown) -> dict[str, Any]:
    document = found.document()
    for database in document["databases"]:
        if database["name"] in shown:
            pairs = zip(database["examples"], shown[database["name"]], strict=True)
            database["examples"] = [e | {"values": asdict(v)} for e, v in pairs]
    return document


def lines(found: Run, shown: Shown) -> list[str]:
    """Return what is wrong, and how many objects there are."""
    told = []
    if found.portal is not None:
        told.append(f"portal: {_counted(found.portal)}")
        told += [_line("portal", item) for item in found.wrong]
    for each in found.databases:
        if each.items:
            told.append(f"{each.name}: {_counted(each.items)}")
        told += [_line(each.name, item) for item in each.wrong]
        told += differences(each, shown.get(each.name, []))
    return told


def _counted(items: list[Item]) -> str:
    """Say how many objects there are of each state."""
    states = [item.state for item in items]
    if set(states) == {"current"}:
        return f"{count(len(items), 'object')}, all current"
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(states)]
    return f"{count(len(items), 'object')}: {', '.join(counts)}"


def _line(place: str, item: Item) -> str:
    return f"{place}: {item.object}: {item.state}: {item.detail}"


def differences(each: Database, shown: list[Values]) -> list[str]:
    """Return what is to be said of the data of a database."""
    told = []
    if each.error:
        told.append(f"{each.name}: could not be looked at: {each.error}")
    if each.data is None:
        return told
    if each.data.pending:
        told.append(
            f"{each.name}: pending: {count(each.data.pending, 'user')} of whom"
            " something is on its way: queued, to be tried again, or committed and not"
            " yet routed"
        )
    for number, example in enumerate(each.data.examples):
        columns = f" ({', '.join(example.columns)})" if example.columns else ""
        told.append(
            f"{each.name}: user {example.user_id}: {example.kind} in"
            f" {example.table}{columns}"
        )
        if shown:
            told += _values(shown[number])
    listed = {example.user_id for example in each.data.examples}
    if more := len(each.data.drifted) - len(listed):
        told.append(f"{each.name}: and {count(more, 'more user')}")
    return told


def _values(found: Values) -> list[str]:
    return [
        f"    {side}: "
        + ", ".join(
            f"{name} {'NULL' if v is None else repr(v)}" for name, v in row.items()
        )
        for side, rows in (("portal", found.portal), ("course", found.course))
        for row in rows
    ]


def planned(steps: list[Step], plans: list[Plan]) -> list[str]:
    """Return what repair would do, and what it leaves."""
    told = []
    for step in steps:
        how = step.action if step.item.mend.step else f"left to you: {step.item.detail}"
        place = step.place or "portal"
        told.append(f"{place}: {step.item.object}: {step.item.state}: {how}")
    for each in plans:
        kinds = ", ".join(f"{len(u)} {kind}" for kind, u in each.users.items() if u)
        left = f"; {count(each.left, 'user')} left as they are" if each.left else ""
        told.append(f"{each.name}: to be delivered again: {kinds}{left}")
    return told


def show_past(past: list[Past]) -> None:
    """Print the history."""
    numbers = ("users", *runs.KINDS, "pending", "seconds")
    table(
        past,
        ("at", "name", "verdict", "to mend", *numbers, "by"),
        [
            (
                f"{each.at:%Y-%m-%d %H:%M:%S}",
                each.name or "portal",
                _VERDICTS[each.ok],
                each.structure,
                *(getattr(each, name) for name in numbers),
                each.by,
            )
            for each in past
        ],
        rare={"pending": 0},
    )
