"""backfill, deliver, run and wait."""

from __future__ import annotations

from typing import Annotated

import typer

from pyreplctl import courses, deliveries, portal, status
from pyreplctl.cli.output import SETTINGS, data, progress, talk
from pyreplctl.cli.setup import seconds
from pyreplctl.db import Connection, connect
from pyreplctl.errors import NotDelivered, UsageError
from pyreplctl.worker import Worker

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME…", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (backfill, deliver, run, wait):
        app.command()(command)


def backfill(
    names: Names = None,
    users: Annotated[
        str | None, typer.Option(metavar="ID…", help="Ids, separated by commas.")
    ] = None,
) -> None:
    """Queue dossiers again, of all members or of some users, and deliver them."""
    config = SETTINGS.config()
    ids = _ids(users)
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        chosen = courses.numbers(connection, names or [])
        with connection.transaction():
            connection.execute("SET LOCAL ROLE pyrepl_owner")
            courses.backfill(connection, list(chosen.values()), ids)
        _deliver(connection, chosen)


def _ids(text: str | None) -> list[int] | None:
    try:
        return [int(part) for part in text.split(",")] if text is not None else None
    except ValueError as error:
        raise UsageError(f"{text!r} is no list of user ids") from error


def deliver(
    names: Names = None,
    until_empty: Annotated[
        bool, typer.Option("--until-empty", help="Until nothing is left to deliver.")
    ] = False,
) -> None:
    """Route and deliver what is due, one batch a database or until nothing is left."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        chosen = courses.numbers(connection, names or [])
        if until_empty:
            _deliver(connection, chosen)
        else:
            _raise(deliveries.once(connection, chosen))


def _deliver(connection: Connection, chosen: dict[str, int]) -> None:
    sent = dict.fromkeys(chosen, 0)
    with progress() as bars:
        tasks = {name: bars.add_task(name, total=None) for name in chosen}

        def count(name: str, users: int) -> None:
            sent[name] += users
            bars.advance(tasks[name], users)

        stuck = deliveries.until_empty(connection, chosen, count)
    data(sent, [f"{name}: {users} dossiers delivered" for name, users in sent.items()])
    _raise(stuck)


def _raise(stuck: dict[str, list[str]]) -> None:
    if stuck:
        raise NotDelivered(
            "\n".join(f"{name}: {why}" for name, each in stuck.items() for why in each),
            hint='It stays queued. "pyreplctl status" tells how it goes on.',
        )


def run(
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Databases to serve at once.")
    ] = 4,
) -> None:
    """Route and deliver until SIGTERM or SIGINT; several workers may run."""
    config = SETTINGS.config()
    Worker(SETTINGS.dsn(config), jobs).run_until_signal()


def wait(
    names: Names = None,
    user: Annotated[int | None, typer.Option(help="Only this user's.")] = None,
    timeout: Annotated[str, typer.Option(help="How long.")] = "30s",
) -> int:
    """Return when all that was committed before is delivered; 1 at the time-out."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        done = status.wait(connection, names or [], user, seconds(timeout))
    for name in done.skipped:
        talk(f"{name} is paused and was not waited for")
    lines = [f"{name}: {pairs} dossiers wait" for name, pairs in done.left.items()]
    if done.unrouted:
        lines.append(f"{done.unrouted} changes are not routed yet")
    data(done, lines)
    return 1 if lines else 0
