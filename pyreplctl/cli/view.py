"""status and verify."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer
from rich.console import Console

from pyreplctl import portal, status, verification
from pyreplctl.cli.output import SETTINGS, count, data, table, talk
from pyreplctl.db import Connection, connect
from pyreplctl.status import Clock
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
    app.command(name="status")(show_status)
    app.command()(verify)


def show_status(
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Show it again every second, until Ctrl-C."),
    ] = False,
) -> int:
    """Show how each course database does.

    What somebody must do is said below, and makes the exit code 3: nothing serves what
    waits, a dead letter, a database that refuses or waits for a contract.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        try:
            while watch:
                if sys.stdout.isatty():
                    Console().clear()
                _show(connection)
                time.sleep(1)
        except KeyboardInterrupt:
            return 0
        return _show(connection)


_STATUS = (
    "name",
    "delivery",
    "state",
    "health",
    "courses",
    "members",
    "pending",
    "oldest",
    "retrying",
    "dead",
    "pending columns",
    "last error",
)


def _show(connection: Connection) -> int:
    found = status.read(connection)
    rows = [
        (
            d.name,
            d.delivery,
            d.state,
            d.health,
            d.courses,
            d.members,
            d.pending,
            _age(d.oldest_pending_seconds),
            d.retrying,
            d.dead,
            ", ".join(d.pending_columns),
            d.last_error,
        )
        for d in found.databases
    ]
    table(
        found,
        _STATUS,
        rows,
        rare={"delivery": "queued", "oldest": None, "retrying": 0, "dead": 0},
        notes=("pending columns", "last error"),
    )
    if not found.databases:
        talk('no course database yet: "pyreplctl course register" adds one')
    talk(f"changes not yet routed: {found.unrouted}")
    talk(f"clocks: {_clocks(found.clocks)}")
    actions = found.actions()
    for action in actions:
        talk(f"to do: {action}", "yellow")
    return 3 if actions else 0


def _clocks(found: list[Clock]) -> str:
    """Name the clocks that count, or the last of those that do no more."""
    alive = [
        f"{clock.kind} {clock.name} (seen {_ago(clock)})"
        for clock in found
        if clock.alive
    ]
    if alive or not found:
        return ", ".join(alive) or "none"
    return f"none; {found[0].kind} {found[0].name} was last seen {_ago(found[0])}"


def _ago(clock: Clock) -> str:
    return f"{_age(max(clock.seconds_ago, 0))} ago"


def _age(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


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
