"""schedule and unschedule: the clock of pg_cron."""

from __future__ import annotations

import click

from pyreplctl.cli.durations import seconds
from pyreplctl.cli.output import SETTINGS, data, talk
from pyreplctl.core.db import connect
from pyreplctl.core.errors import UsageError
from pyreplctl.delivery import pg_cron
from pyreplctl.install import installed
from pyreplctl.schema.objects import ObjectChange


@click.command()
@click.option(
    "--every",
    default="1min",
    metavar="TIME",
    help="How often a call begins, in whole minutes. It lasts nearly until the"
    " next one, so changes never wait longer than a moment.",
)
@click.option(
    "--as",
    "role",
    metavar="ROLE",
    help="The role that the calls run as, a member of pyrepl_worker. Default:"
    " the one that schedules.",
)
def schedule(every: str, role: str | None) -> None:
    """Let pg_cron route and deliver.

    Where the portal's server has that extension: a job of it calls pyrepl.serve again
    and again. Scheduling again changes nothing, or the job.
    """
    minutes = seconds(every) / 60
    if minutes != int(minutes):
        raise UsageError(
            f"--every {every} is not in whole minutes",
            hint='Write for example "5min".',
        )
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    with connect(dsn, "the portal") as connection:
        installed.require_installed(connection)
        changes = pg_cron.schedule(connection, dsn, int(minutes), role)
        asks = pg_cron.logs_in(connection)
    _show(changes)
    if asks:
        talk(
            "pg_cron logs in to localhost like a client: let it in by ~/.pgpass of the"
            " server's user, or set cron.use_background_workers = on"
        )


@click.command()
def unschedule() -> None:
    """Remove the job of pg_cron."""
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    with connect(dsn, "the portal") as connection:
        changes = pg_cron.unschedule(connection, dsn)
    _show(changes)
    if not changes:
        talk("nothing was scheduled")


def _show(changes: list[ObjectChange]) -> None:
    data(changes, [f"{change.state} {change.object}" for change in changes])
