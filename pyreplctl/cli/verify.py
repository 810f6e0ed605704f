"""verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

import typer

from pyreplctl import repairing, values, verification
from pyreplctl.cli.output import SETTINGS, count, data, table, talk
from pyreplctl.cli.setup import seconds
from pyreplctl.config import Config
from pyreplctl.errors import UsageError
from pyreplctl.repairing import Plan
from pyreplctl.values import Values
from pyreplctl.verification import Result


class Kind(StrEnum):
    """What --only takes."""

    missing = "missing"
    stale = "stale"
    extra = "extra"


Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        show_default=False,
        help="Names of course databases; all if none is named.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(verify)


def verify(
    names: Names = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Deliver the users that differ again, then look at them again.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --repair: print the plan only.")
    ] = False,
    only: Annotated[
        list[Kind] | None,
        typer.Option(
            help="With --repair: users of this kind only; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    max_users: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="With --repair: so many users of each database at most.",
            show_default=False,
        ),
    ] = None,
    max_examples: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Differences to list for each database."),
    ] = 20,
    show_values: Annotated[
        bool,
        typer.Option(
            "--show-values",
            help="Show the values that differ, by the administrators' ways in;"
            " passwords never.",
        ),
    ] = False,
    target: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="How long a statement should take, such as 500ms: fewer users are"
            " looked at in one where it takes longer.",
        ),
    ] = "1s",
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on where a verification was interrupted, if one was."
        ),
    ] = False,
) -> int:
    """Compare the data of course databases with the portal.

    Exit code 0: equal. 3: something is missing, stale or extra at a course. 1: a
    database could not be looked at. What waits to be delivered is no difference.
    """
    if (dry_run or only or max_users) and not repair:
        raise UsageError(
            "--dry-run, --only and --max-users say what --repair does",
            hint="Add --repair.",
        )
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    if repair and not dry_run:
        repairing.require_rights(dsn)
    found = verification.verify(
        dsn,
        config,
        names or [],
        examples=max_examples,
        target=seconds(target),
        resume=resume,
    )
    if repair:
        kinds = [kind.value for kind in only] if only else None
        plans = repairing.plan(found, kinds, max_users)
        for line in (_findings(found) if plans else []) + _plan(plans):
            talk(line)
        if plans and not dry_run:
            for name, reasons in repairing.repair(dsn, plans).items():
                talk(f"{name}: {'; '.join(reasons)}", "red")
            found = verification.look_again(dsn, config, found, max_examples)
    shown = {r.name: _values(dsn, config, r) for r in found} if show_values else {}
    states = [result.ok for result in found]
    whole = False if False in states else None if None in states else True
    columns = ("users", "missing", "stale", "extra", "former", "pending", "seconds")
    table(
        {
            "ok": whole,
            "portal": {"structure": []},
            "databases": [_document(r, shown.get(r.name)) for r in found],
        },
        ("name", "verdict", *columns),
        [(r.name, _verdict(r), *(getattr(r, c) for c in columns)) for r in found],
        rare={"former": 0, "pending": 0},
    )
    if not SETTINGS.json:
        data(None, _findings(found, shown))
    return {True: 0, False: 3, None: 1}[whole]


def _verdict(result: Result) -> str:
    return {True: "equal", False: "DIFFERS", None: "unknown"}[result.ok]


def _plan(plans: list[Plan]) -> list[str]:
    lines = []
    for each in plans:
        kinds = ", ".join(f"{len(u)} {kind}" for kind, u in each.users.items() if u)
        left = f"; {count(each.left, 'user')} left as they are" if each.left else ""
        lines.append(f"{each.name}: to be delivered again: {kinds}{left}")
    return lines


def _values(dsn: str, config: Config, result: Result) -> list[Values]:
    return values.read(dsn, config, result.name, result.examples)


def _findings(
    found: list[Result], shown: Mapping[str, list[Values]] = MappingProxyType({})
) -> list[str]:
    lines = []
    for result in found:
        if result.error:
            lines.append(f"{result.name}: could not be looked at: {result.error}")
        if result.pending:
            lines.append(
                f"{result.name}: pending: {count(result.pending, 'user')} of whom"
                " something is on its way: queued, to be tried again, or committed and"
                " not yet routed"
            )
        for number, example in enumerate(result.examples):
            columns = f" ({', '.join(example.columns)})" if example.columns else ""
            lines.append(
                f"{result.name}: user {example.user_id}: {example.kind} in"
                f" {example.table}{columns}"
            )
            if result.name in shown:
                lines += _told(shown[result.name][number])
        listed = {example.user_id for example in result.examples}
        if more := len(result.drifted) - len(listed):
            lines.append(f"{result.name}: and {count(more, 'more user')}")
    return lines


def _told(found: Values) -> list[str]:
    return [
        f"    {side}: "
        + ", ".join(
            f"{name} {'NULL' if v is None else repr(v)}" for name, v in row.items()
        )
        for side, rows in (("portal", found.portal), ("course", found.course))
        for row in rows
    ]


def _document(result: Result, shown: list[Values] | None) -> dict[str, object]:
    keys = (
        "name ok error structure users missing stale extra former pending seconds"
        " examples"
    )
    document = {key: getattr(result, key) for key in keys.split()}
    if shown is not None:
        document["examples"] = [
            asdict(example) | {"values": asdict(each)}
            for example, each in zip(result.examples, shown, strict=True)
        ]
    return document
