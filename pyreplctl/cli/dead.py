"""dead list, show, retry and discard: dossiers that were given up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from pyreplctl.cli.output import SETTINGS, count, data, table, talk
from pyreplctl.core.db import Connection, connect
from pyreplctl.core.errors import NotDelivered, UsageError
from pyreplctl.core.texts import clean
from pyreplctl.delivery import dead_letters
from pyreplctl.delivery.dead_letters import DeadLetter, Retried
from pyreplctl.install import installed

app = click.Group(
    "dead",
    help="List, show, retry and discard dead letters: dossiers that were given up.",
    short_help="List and retry dossiers that were given up.",
)


# As wide as the column: what is beyond would be a number that no letter can have.
_MOST = 2**63 - 1
NUMBERS = click.argument(
    "numbers",
    nargs=-1,
    type=click.IntRange(min=1, max=_MOST),
    metavar="[ID]...",
    help="Numbers of dead letters, as the list shows them.",
)
ALL = click.option("--all", "every", is_flag=True, help="All dead letters.")


@contextmanager
def _portal() -> Iterator[Connection]:
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        yield connection


@app.command("list")
def list_letters() -> None:
    """List the dead letters.

    Dossiers that failed by themselves again and again, with who and why. A newer
    change of its user tries one again by itself.
    """
    with _portal() as connection:
        found = dead_letters.dead(connection)
    columns = ("id", "database", "user", "attempts", "since", "failed", "sqlstate")
    rows = [
        (
            *(f.id, f.database, f.user_id, f.attempts, f"{f.since:%Y-%m-%d %H:%M}"),
            *(f"{f.failed_at:%Y-%m-%d %H:%M}", f.sqlstate, f.message, f.hint),
        )
        for f in found
    ]
    if found or SETTINGS.json:
        notes = ("message", "hint")
        table(found, (*columns, *notes), rows, notes=notes)
    else:
        talk("no dead letters")


@app.command()
@click.argument(
    "number",
    type=click.IntRange(min=1, max=_MOST),
    metavar="ID",
    help="The letter's number.",
)
def show(number: int) -> None:
    """Show a dead letter, and what to do about it."""
    with _portal() as connection:
        (found,) = dead_letters.named(connection, [number])
    lines = [
        f"{key:<10} {clean(str(text))}"
        for key, text in vars(found).items()
        if text is not None and key != "hint"
    ]
    data(vars(found) | {"advice": found.advice}, [*lines, "", *found.advice])


@app.command()
@NUMBERS
@ALL
def retry(numbers: tuple[int, ...], every: bool) -> int:
    """Deliver dead letters again, now.

    With as many attempts as at first. One that is still tried again by itself is only
    tried sooner. Exit code 1 if one still fails, with why.
    """
    with _portal() as connection:
        done = dead_letters.retry(connection, _chosen(connection, numbers, every))
    data(done, [f"{_name(letter)}: delivered" for letter in done.delivered])
    if done.failed:
        raise NotDelivered(
            "not everything could be delivered\n  " + "\n  ".join(_why(done)),
            hint="They are tried again by themselves, until they are dead letters once"
            ' more; "pyreplctl dead show ID" says what to do.',
        )
    return 0


@app.command()
@NUMBERS
@ALL
def discard(numbers: tuple[int, ...], every: bool) -> None:
    """Give dead letters up.

    The dossiers are not delivered. Verify shows their users as drift until the next
    change of theirs; "pyreplctl backfill --users" queues them again.
    """
    with _portal() as connection:
        chosen = _chosen(connection, numbers, every)
        done = dead_letters.discard(connection, chosen)
    data(done, [f"{_name(letter)}: discarded" for letter in done])
    if done:
        talk(
            f"verify will show {count(len(done), 'user')} as drift until their next"
            " change"
        )


def _chosen(
    connection: Connection, numbers: Sequence[int], every: bool
) -> list[DeadLetter]:
    if bool(numbers) == every:
        raise UsageError(
            "numbers and --all exclude each other" if every else "no letter named",
            hint='Name numbers that "pyreplctl dead list" shows, or use --all.',
        )
    if numbers:
        return dead_letters.named(connection, list(dict.fromkeys(numbers)))
    return dead_letters.dead(connection)


def _name(letter: DeadLetter) -> str:
    return f"{letter.id}: user {letter.user_id} at {letter.database}"


def _why(done: Retried) -> Iterator[str]:
    for letter in done.failed[:10]:
        if letter.attempts:
            yield f"{_name(letter)}: {letter.message}"
        else:
            yield f"{_name(letter)}: not tried yet"
    if (more := len(done.failed) - 10) > 0:
        yield f"and {more} more"
    for name, reasons in done.why.items():
        yield f"{name}: {'; '.join(reasons)}"
