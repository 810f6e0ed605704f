"""verify."""

from __future__ import annotations

from typing import Annotated

import typer

from pyreplctl import verification
from pyreplctl.cli.output import SETTINGS, count, data, table, talk
from pyreplctl.verification import Result

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
            "--repair", help="Deliver the users that differ again, then look again."
        ),
    ] = False,
    max_examples: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Differences to list for each database."),
    ] = 20,
) -> int:
    """Compare the data of course databases with the portal.

    Exit code 0: equal. 3: something is missing, stale or extra at a course. 1: a
    database could not be looked at. What waits to be delivered is no difference.
    """
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    found = verification.verify(dsn, config, names or [], examples=max_examples)
    if repair and any(result.drifted for result in found):
        for line in _findings(found):
            talk(line)
        for name, reasons in verification.repair(dsn, found).items():
            talk(f"{name}: {'; '.join(reasons)}", "red")
        found = verification.verify(dsn, config, names or [], examples=max_examples)
    states = [result.ok for result in found]
    whole = False if False in states else None if None in states else True
    columns = ("users", "missing", "stale", "extra", "former", "pending", "seconds")
    table(
        {
            "ok": whole,
            "portal": {"structure": []},
            "databases": [_document(result) for result in found],
        },
        ("name", "verdict", *columns),
        [(r.name, _verdict(r), *(getattr(r, c) for c in columns)) for r in found],
        rare={"former": 0, "pending": 0},
    )
    if not SETTINGS.json:
        data(None, _findings(found))
    return {True: 0, False: 3, None: 1}[whole]


def _verdict(result: Result) -> str:
    return {True: "equal", False: "DIFFERS", None: "unknown"}[result.ok]


def _findings(found: list[Result]) -> list[str]:
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
        for example in result.examples:
            columns = f" ({', '.join(example.columns)})" if example.columns else ""
            lines.append(
                f"{result.name}: user {example.user_id}: {example.kind} in"
                f" {example.table}{columns}"
            )
        listed = {example.user_id for example in result.examples}
        if more := len(result.drifted) - len(listed):
            lines.append(f"{result.name}: and {count(more, 'more user')}")
    return lines


def _document(result: Result) -> dict[str, object]:
    keys = (
        "name ok error structure users missing stale extra former pending seconds"
        " examples"
    )
    return {key: getattr(result, key) for key in keys.split()}
