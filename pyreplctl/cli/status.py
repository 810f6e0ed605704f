"""status and explain."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator

import click

from pyreplctl.cli.output import SETTINGS, count, data, table, talk
from pyreplctl.core.db import Connection, connect
from pyreplctl.core.texts import name
from pyreplctl.delivery import explain, status
from pyreplctl.delivery.explain import Explanation
from pyreplctl.delivery.status import Clock, Database
from pyreplctl.install import installed


@click.command("status")
@click.option("--watch", is_flag=True, help="Show it again every second, until Ctrl-C.")
def show_status(watch: bool) -> int:
    """Show how each course database is doing.

    What somebody must do is listed below, and makes the exit code 3: nothing serves
    what waits, a dead letter, a database that refuses or waits for a contract.
    """
    from rich.console import Console

    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
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
            _mode(d),
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
        rare={
            "delivery": ("queued",),
            "oldest": (None,),
            "retrying": (0,),
            "dead": (0,),
        },
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
    return None if seconds is None else status.age(seconds)


def _mode(database: Database) -> str:
    """Return the delivery mode, and what it comes to at present if that is another."""
    if database.effective_delivery == database.delivery:
        return database.delivery
    return f"{database.delivery}, now {database.effective_delivery}"


class _NegativeNumbers(click.Command):
    """A command to whose argument a negative number is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        number = next((n for n, a in enumerate(args) if re.fullmatch(r"-\d+", a)), None)
        if number is not None and "--" not in args:
            args = [*args[:number], *args[number + 1 :], "--", args[number]]
        return super().parse_args(ctx, args)


@click.command("explain", cls=_NegativeNumbers)
@click.argument("who", metavar="USER", help="An id, a user name or an e-mail.")
def explain_user(who: str) -> None:
    """Explain how a user stands with each course database.

    Where the user should be, where a copy is, what waits, what failed, and why.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        found = explain.explain(connection, who)
    data(found, [line for each in found for line in _explained(each)])


def _explained(user: Explanation) -> Iterator[str]:
    called = f" ({name(user.username)})" if user.username else ""
    yield f"user {user.user_id}{called}" + (
        "" if user.present else ": not at the portal"
    )
    if user.unrouted:
        yield f"  {count(user.unrouted, 'change')} not yet routed"
    for key in user.unhosted:
        yield f"  enrolled in {name(key)}, which no course database hosts"
    for standing in user.databases:
        yield f"  {standing.database}:"
        yield from (f"    {sentence}" for sentence in standing.sentences())
    if not user.databases:
        yield "  no course database has to do with this user"
