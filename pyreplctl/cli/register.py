"""course register."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from pyreplctl.cli.deliveries import deliver_waiting
from pyreplctl.cli.output import SETTINGS, complain, count, data, talk
from pyreplctl.core.config import Config, Guard, Mode
from pyreplctl.core.db import Connection, connect
from pyreplctl.core.errors import Error, NotDelivered
from pyreplctl.courses import register as registration
from pyreplctl.courses import request as registrations
from pyreplctl.courses.registered import Registered
from pyreplctl.courses.request import Options, Request
from pyreplctl.delivery import pg_cron, status

DELIVERY_MODE = click.option(
    "--delivery",
    type=click.Choice(get_args(Mode)),
    metavar="MODE",
    help="How dossiers are sent: queued (unless configured otherwise), by a clock;"
    " or immediate, in the COMMIT of whoever writes.",
)
GUARD_MODE = click.option(
    "--guard",
    type=click.Choice(get_args(Guard)),
    metavar="MODE",
    help="What the guard on the course database does about edits of copies: reject"
    " (unless configured otherwise), warn or off.",
)


@click.command()
@click.argument(
    "keys",
    nargs=-1,
    metavar="[KEY]...",
    help="Courses that this database hosts, exactly as the enrollment table has them.",
)
@click.option(
    "--dsn",
    metavar="DSN",
    help="The admin connection to the course database. Kept without its password.",
)
@click.option(
    "--name",
    metavar="NAME",
    help="What to call it here. Default: the database's own name.",
)
@click.option(
    "--link",
    metavar="CONNINFO",
    help="How the portal's server reaches it, where that is not --dsn; all of"
    " it: host, port, dbname, TLS settings.",
)
@DELIVERY_MODE
@GUARD_MODE
@click.option(
    "--adopt",
    is_flag=True,
    help="Take over accounts that are already there with the id and the"
    " username of a member.",
)
@click.option(
    "--backfill/--no-backfill",
    default=True,
    help="Deliver all members now.",
)
@click.option(
    "--from",
    "from_file",
    type=Path,
    metavar="FILE",
    help="Register many: CSV with the columns name, dsn, link, delivery,"
    " guard and courses (separated by spaces), or TOML with [[database]] tables"
    " of these keys (courses as a list).",
)
def register(
    keys: tuple[str, ...],
    dsn: str | None,
    name: str | None,
    link: str | None,
    delivery: Mode | None,
    guard: Guard | None,
    adopt: bool,
    backfill: bool,
    from_file: Path | None,
) -> int:
    """Prepare a course database and register its courses.

    Links it, tries a push, registers the courses, and delivers all members with a
    progress bar. All checks come before any change. Registering again adds courses, or
    does nothing.
    """
    config = SETTINGS.config()
    options = Options(keys, dsn, name, link, backfill, adopt, guard, delivery)
    requests = registrations.requests(from_file, options)
    done: list[Registered] = []
    failed: list[Error] = []
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        for request in requests:
            try:
                done.append(_register(connection, config, request))
            except Error as error:
                if from_file is None or connection.broken:
                    raise
                failed.append(error)
                complain(f"{request.name}: {error}", error.hint)
        if done:
            talk(_clock(connection))
    data(done, [f"{r.name}: {_what(r)}" for r in done])
    return max((error.exit_code for error in failed), default=0)


def _register(connection: Connection, config: Config, request: Request) -> Registered:
    registered = registration.register(connection, config, request)
    _tell(registered)
    due = request.backfill and registered.courses
    if due and (stuck := deliver_waiting(connection, [registered.name])):
        raise NotDelivered(
            "registered, but not everything could be delivered\n  "
            + "\n  ".join(stuck[registered.name]),
            hint='It stays queued and is tried again; see "pyreplctl status".',
        )
    return registered


def _what(done: Registered) -> str:
    number = count(len(done.courses), "course")
    if done.created:
        return f"registered with {number}"
    changed = [f"{c.object} {c.detail}" for c in done.changes]
    return ", ".join([f"{number} added"] * bool(done.courses) + changed) or "unchanged"


def _tell(done: Registered) -> None:
    for account in done.adopting:
        talk(f"{done.name}: adopts {account}")
    for account in done.in_the_way:
        talk(f"{done.name}: local account in the way: {account}", "yellow")
    if done.sequences:
        talk(
            f"{done.name}: ids of accounts made on the course database may meet the"
            " portal's. If it makes any, run there:\n  " + "\n  ".join(done.sequences),
            "yellow",
        )
    for key in done.nobody:
        talk(
            f"{done.name}: nobody is enrolled in {key!r}; keys are taken as they stand,"
            " case and blanks too",
            "yellow",
        )
    for where in done.cascades:
        talk(f"{done.name}: rows go when the portal takes rows away: {where}", "yellow")
    for trigger in done.own_triggers:
        talk(f"{done.name}: the course's own trigger will fire: {trigger}")


def _clock(connection: Connection) -> str:
    found = status.read(connection)
    alive = [c for c in found.clocks if c.alive]
    if alive:
        return f"served by {alive[0].kind} {alive[0].name}"
    dsn = SETTINGS.dsn(SETTINGS.config())
    waits = (
        "later changes wait"
        if any(d.delivery == "queued" for d in found.databases)
        else "what a writer cannot deliver waits for a later one"
    )
    return (
        f"no clock is running, so {waits}. Use pg_cron, where it is there:\n"
        f"  pyreplctl schedule\nor do without. {pg_cron.without_pg_cron(dsn)}"
    )
