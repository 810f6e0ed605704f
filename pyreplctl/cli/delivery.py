"""backfill, deliver, run and wait."""

from __future__ import annotations

import click

from pyreplctl.cli.deliveries import deliver_all
from pyreplctl.cli.durations import seconds
from pyreplctl.cli.output import SETTINGS, count, data, talk
from pyreplctl.core import databases
from pyreplctl.core.db import Connection, connect
from pyreplctl.core.errors import NotDelivered, UsageError
from pyreplctl.delivery import batches
from pyreplctl.delivery import wait as status
from pyreplctl.delivery.worker import Worker
from pyreplctl.install import installed
from pyreplctl.install.preflight import check_server

NAMES = click.argument(
    "names",
    nargs=-1,
    metavar="[NAME]...",
    help="Names of course databases; all if none is named.",
)


_MOST = 10  # reasons for each database


@click.command()
@NAMES
@click.option(
    "--users", metavar="ID,ID", help="Only these users, by id, separated by commas."
)
def backfill(names: tuple[str, ...], users: str | None) -> None:
    """Queue dossiers again and deliver them.

    Those of all members, or of some users. Rows that are equal are not written. Exit
    code 1 if something could not be delivered.
    """
    config = SETTINGS.config()
    ids = _ids(users)
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        check_server(connection, "the portal")
        chosen = databases.numbers(connection, names)
        databases.backfill(connection, list(chosen.values()), ids)
        _deliver(connection, chosen)


def _ids(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(-(2**63) <= number < 2**63 for number in found):
        raise UsageError(
            f"--users {text!r} is not a list of user ids",
            hint='Write for example "--users 17,42".',
        )
    return found


@click.command()
@NAMES
@click.option(
    "--until-empty", is_flag=True, help="Go on until nothing is left to deliver."
)
def deliver(names: tuple[str, ...], until_empty: bool) -> None:
    """Route and deliver what is due.

    One batch for each database, or all there is. Exit code 1 if something could not be
    delivered, with what and why.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        check_server(connection, "the portal")
        chosen = databases.numbers(connection, names)
        if until_empty:
            _deliver(connection, chosen)
        else:
            _raise(batches.once(connection, chosen))


def _deliver(connection: Connection, chosen: dict[str, int]) -> None:
    sent, stuck = deliver_all(connection, chosen)
    data(sent, [f"{name}: {count(n, 'dossier')} delivered" for name, n in sent.items()])
    _raise(stuck)


def _raise(stuck: dict[str, list[str]]) -> None:
    if stuck:
        lines = [f"{name}: {why}" for name, each in stuck.items() for why in each]
        raise NotDelivered(
            "not everything could be delivered\n  " + "\n  ".join(lines),
            hint='It stays queued and is tried again; see "pyreplctl status".',
        )


@click.command()
@click.option(
    "--jobs",
    type=click.IntRange(min=1, max=64),
    default=4,
    metavar="N",
    help="Course databases to serve at once, not counting those that hang.",
)
def run(jobs: int) -> None:
    """Route and deliver until SIGTERM or SIGINT: the worker.

    It finishes the batch in hand when it is told to stop, and reconnects to a portal
    that was away. Several workers may run.
    """
    config = SETTINGS.config()
    Worker(SETTINGS.dsn(config), jobs).run_until_signal()


@click.command()
@NAMES
@click.option(
    "--user", type=int, metavar="ID", help="Wait for the dossiers of this user only."
)
@click.option(
    "--timeout",
    default="30s",
    metavar="TIME",
    help="How long to wait at most.",
)
def wait(names: tuple[str, ...], user: int | None, timeout: str) -> int:
    """Wait until what was committed is delivered.

    Returns when all that was committed before the call is. It waits for a clock and
    delivers nothing itself. Paused databases are named and skipped. Exit code 1 at the
    time-out, with what still waits, and why where that is known.
    """
    config = SETTINGS.config()
    limit = seconds(timeout)
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        check_server(connection, "the portal")
        done = status.wait(connection, names, user, limit)
    for name in done.skipped:
        talk(f"{name} is paused and was not waited for")
    lines = []
    for name, pairs in done.left.items():
        lines.append(f"{name}: {count(pairs, 'dossier')} not yet delivered")
        lines += [f"  {reason}" for reason in done.why[name][:_MOST]]
        if (more := len(done.why[name]) - _MOST) > 0:
            lines.append(f'  and {more} more; see "pyreplctl dead list"')
    if done.unrouted:
        lines.append(f"{count(done.unrouted, 'change')} not yet routed")
    data(done, lines)
    if lines:
        return 1
    talk("everything committed before is delivered")
    return 0
