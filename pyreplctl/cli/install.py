"""init, install, uninstall and sql."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import click

from pyreplctl.cli.durations import seconds
from pyreplctl.cli.files import write_private
from pyreplctl.cli.output import SETTINGS, complain, count, data, talk
from pyreplctl.core import databases, locks, texts
from pyreplctl.core.config import DEFAULT_FILE, Config
from pyreplctl.core.db import Connection, connect
from pyreplctl.core.errors import Error, NotSuitable, UsageError
from pyreplctl.core.examples import Platform, example
from pyreplctl.core.names import literal
from pyreplctl.courses import forget as courses_forget
from pyreplctl.courses import unregister
from pyreplctl.courses.identity import NotThisPortals
from pyreplctl.delivery import pg_cron
from pyreplctl.install import installed, membership, portal, removal, script
from pyreplctl.schema.objects import ObjectChange


@click.command()
@click.argument(
    "file",
    default=DEFAULT_FILE,
    type=Path,
    metavar="[FILE]",
    help="Where to write it.",
)
@click.option(
    "--for",
    "platform",
    type=click.Choice(get_args(Platform)),
    default="edx2012",
    help="The platform: edX as it was in 2012 (all defaults), Open edX as it is today,"
    " or a project with Django's own auth_user.",
)
def init(file: Path, platform: Platform) -> None:
    """Write a commented pyreplctl.toml.

    It has every key, at its default or as the platform needs it. A file that is there
    is never overwritten.
    """
    try:
        write_private(file, example(platform), new=True)
    except FileExistsError as error:
        raise UsageError(
            f"{file} is there already", hint="Remove it first, or name another file."
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    talk(f"wrote {file}")


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Change nothing; exit code 3 if anything would be changed.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; list what would change.")
@click.option(
    "--lock-timeout",
    default="2s",
    metavar="TIME",
    help="Longest wait for the lock of one of the three tables; tried again"
    " with pauses, in which writers go on.",
)
def install(check: bool, dry_run: bool, lock_timeout: str) -> int:
    """Bring the portal to the desired state.

    Roles, extension, tables, functions and triggers; prints a line an object: created,
    replaced, unchanged or dropped. Made to run at every deployment: the second run
    changes nothing.
    """
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    if check or dry_run:
        changes = portal.check(dsn, config)
        data(changes, [_line(c) for c in changes])
        would = f"{count(len(changes), 'object')} would change"
        talk(would if changes else "all is current")
        return 3 if check and changes else 0
    patience = locks.Patience(lock_timeout=seconds(lock_timeout))
    changes = portal.install(dsn, config, patience)
    data(changes, [_line(c) for c in changes])
    done = sum(change.state != "unchanged" for change in changes)
    talk(f"{done} of {count(len(changes), 'object')} changed")
    _tell_membership(dsn, config)
    return 0


def _tell_membership(dsn: str, config: Config) -> None:
    with connect(dsn, "the portal") as connection:
        if column := membership.unconfigured(connection, config):
            talk(
                f"{config.tables.enrollment.name} has a boolean column"
                f" {texts.name(column)}, and every row makes a member, whatever it"
                " says. If it says who still is one, write under [tables.enrollment] in"
                f' pyreplctl.toml:\n  active = "{texts.name(column)}"',
                "yellow",
            )


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask first.")
def uninstall(yes: bool) -> int:
    """Remove every trace from the portal and all courses.

    Copies stay as they are. On a copy of the portal no course is touched: those bound
    to another portal are named and left alone. Exit code 1 if a course database could
    not be reached: it is named, and its schema pyrepl and link role are still there.
    """
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    with connect(dsn, "the portal") as connection:
        installed.require_installed(connection)
        names = list(databases.numbers(connection, []))
        if not yes:
            _confirm(connection.info.dbname, len(names))
        changes, failed = _unschedule(connection, dsn), []
        for name in names:
            try:
                changes += unregister.unregister(connection, name)
            except NotThisPortals as error:
                skipped = f"skipped: {error}"
                changes.append(ObjectChange(name, "unchanged", skipped))
                changes += unregister.unregister(connection, name, forget=True)
            except Error as error:
                failed.append((f"{name}: {error}", _by_hand(error)))
                changes += unregister.unregister(connection, name, forget=True)
        changes += removal.uninstall(connection)
    data(changes, [_line(c) for c in changes])
    for text, hint in failed:
        what = "its schema pyrepl and its link role are still there"
        complain(f"{what}: {text}", hint)
    return 1 if failed else 0


def _by_hand(error: Error) -> str | None:
    """Return what to do at a course; nothing of the kind where it may be another's."""
    if isinstance(error, NotSuitable):
        return error.hint
    return (
        "At that database, as an administrator: DROP SCHEMA pyrepl CASCADE;"
        " DROP OWNED BY each role named pyrepl_… and DROP ROLE it."
    )


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.option(
    "--clone",
    is_flag=True,
    help="This portal is a physical copy (its files, or a standby): it cannot be told"
    " from the original.",
)
def forget(yes: bool, clone: bool) -> None:
    """On a copy of the portal, forget its course databases.

    What a copy of production (staging) runs first: drops registrations and links here,
    and touches no course database: those belong to the original. Afterwards the copy
    can register course databases of its own.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        names = list(databases.numbers(connection, []))
        if names and not yes:
            which = f"Forget {count(len(names), 'course database')} here"
            _ask("forget", f"{which}, in {connection.info.dbname}?")
        changes = courses_forget.forget(connection, clone=clone)
    data(changes, [_line(c) for c in changes])
    talk(f"{count(len(changes), 'course database')} forgotten, none touched")


def _unschedule(connection: Connection, dsn: str) -> list[ObjectChange]:
    try:
        return pg_cron.unschedule(connection, dsn)
    except Error as error:
        complain(
            f"pg_cron could not be asked whether it serves this portal: {error}",
            "In its database, as a superuser: SELECT cron.unschedule(jobid) FROM"
            f" cron.job WHERE jobname = {literal(pg_cron.job_name(connection))};",
        )
        return []


def _confirm(portal_name: str, registered: int) -> None:
    what = f"{portal_name} and {count(registered, 'course database')}"
    _ask("uninstall", f"Remove pyreplctl from {what}?")


def _ask(command: str, question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            f"{command} asks first, and there is no terminal", hint="Use --yes."
        )
    click.confirm(question, abort=True, err=True)


@click.command("sql")
@click.argument(
    "side",
    default="portal",
    metavar="[SIDE]",
    help="portal: what install runs; course: what register runs.",
)
def show_sql(side: str) -> None:
    """Print the SQL that install or register would run.

    In the order in which it is run, and without passwords; nothing of it is run.
    """
    config = SETTINGS.config()
    if side not in ("portal", "course"):
        raise UsageError(
            f"{side!r} is not a side of the installation",
            hint='Use "pyreplctl sql portal" or "pyreplctl sql course".',
        )
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        text = script.statements(connection, config, side)
    data({"sql": text}, [text])


def _line(change: ObjectChange) -> str:
    detail = f" ({change.detail})" if change.detail else ""
    return f"{change.state:<10} {change.object}{detail}"
