"""status and verify."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.console import Console

from pyreplctl import portal, status, verification
from pyreplctl.cli.output import SETTINGS, table, talk
from pyreplctl.db import Connection, connect
from pyreplctl.verification import Result

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME…", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(name="status")(show_status)
    app.command()(verify)


def show_status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Again every second, until interrupted.")
    ] = False,
) -> int:
    """Show how each course database does; exit 3 when somebody must act."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        while watch:
            Console().clear()
            _show(connection)
            time.sleep(1)
        return _show(connection)


def _show(connection: Connection) -> int:
    found = status.read(connection)
    actions = found.actions()
    columns = ("name", "delivery", "state", "health", "courses", "members", "pending")
    rows = [
        (
            *(getattr(d, column) for column in columns),
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
        (*columns, "oldest", "retrying", "dead", "pending columns", "last error"),
        rows,
    )
    clocks = [f"{c.kind} {c.name}" for c in found.clocks if c.alive]
    talk(f"unrouted changes: {found.unrouted}; clocks: {', '.join(clocks) or 'none'}")
    for action in actions:
        talk(f"to do: {action}", "yellow")
    return 3 if actions else 0


def _age(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:.0f} s"


def verify(
    names: Names = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Deliver what differs again, look again.")
    ] = False,
    max_examples: Annotated[
        int, typer.Option(min=0, help="Differences to list for each database.")
    ] = 20,
) -> int:
    """Compare all data of the course databases with the portal; exit 3 on drift."""
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    found = verification.verify(dsn, config, names or [], examples=max_examples)
    if repair and any(result.drifted for result in found):
        _tell(found)
        for name, reasons in verification.repair(dsn, found).items():
            talk(f"{name}: {'; '.join(reasons)}", "red")
        found = verification.verify(dsn, config, names or [], examples=max_examples)
    _tell(found)
    columns = ("users", "missing", "stale", "extra", "former", "pending", "seconds")
    states = [result.ok for result in found]
    whole = False if False in states else None if None in states else True
    table(
        {"ok": whole, "databases": [_document(result) for result in found]},
        ("name", "verdict", *columns),
        [(r.name, _verdict(r), *(getattr(r, c) for c in columns)) for r in found],
    )
    return {True: 0, False: 3, None: 1}[whole]


def _verdict(result: Result) -> str:
    return {True: "equal", False: "DIFFERS", None: "unknown"}[result.ok]


def _tell(found: list[Result]) -> None:
    for result in found:
        if result.error:
            talk(f"{result.name}: could not be looked at: {result.error}", "red")
        for example in result.examples:
            user = f"{result.name}: user {example.user_id}"
            talk(f"{user}: {example.kind} in {example.table}")


def _document(result: Result) -> dict[str, object]:
    keys = (
        "name ok error structure users missing stale extra former pending seconds"
        " examples"
    )
    return {key: getattr(result, key) for key in keys.split()}
