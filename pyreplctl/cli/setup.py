"""init, install, uninstall and sql."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from pyreplctl import courses, locking, portal, removal, showing
from pyreplctl.cli.output import SETTINGS, data, talk
from pyreplctl.config import DEFAULT_FILE, EXAMPLE
from pyreplctl.db import connect
from pyreplctl.errors import Error, UsageError
from pyreplctl.objects import Change


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (init, install, uninstall):
        app.command()(command)
    app.command(name="sql")(show_sql)


def init(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT_FILE,
) -> None:
    """Write a commented pyreplctl.toml with every key at its default."""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(EXAMPLE)
    except FileExistsError as error:
        raise UsageError(
            f"{file} is there already", hint="Remove it first, or name another file."
        ) from error
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
    talk(f"wrote {file}")


def install(
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Change nothing; exit 3 if anything would change."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; show what would change.")
    ] = False,
    lock_timeout: Annotated[
        str, typer.Option(help="Longest wait for the lock of a table.")
    ] = "2s",
) -> int:
    """Bring the portal to the desired state; made to run at every deployment."""
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    if check or dry_run:
        changes = portal.check(dsn, config)
        data(changes, [_line(c) for c in changes])
        talk(f"{len(changes)} objects would change" if changes else "all is current")
        return 3 if check and changes else 0
    patience = locking.Patience(lock_timeout=seconds(lock_timeout))
    changes = portal.install(dsn, config, patience)
    data(changes, [_line(c) for c in changes])
    done = sum(change.state != "unchanged" for change in changes)
    talk(f"{done} of {len(changes)} objects changed")
    return 0


def uninstall(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Remove every trace, at the portal and at the courses; copies stay."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        names = list(courses.numbers(connection, []))
        if not yes:
            typer.confirm(
                f"Remove pyreplctl from {connection.info.dbname} and"
                f" {len(names)} course databases?",
                abort=True,
                err=True,
            )
        changes, failed = [], []
        for name in names:
            try:
                changes += courses.unregister(connection, name)
            except Error as error:
                failed.append(f"{name}: {error}")
                changes += courses.unregister(connection, name, forget=True)
        changes += removal.uninstall(connection)
    data(changes, [_line(c) for c in changes])
    for text in failed:
        talk(f"not reached, its schema pyrepl and link role are still there: {text}")
    return 1 if failed else 0


def show_sql(
    side: Annotated[str, typer.Argument(help="portal or course.")] = "portal",
) -> None:
    """Print the SQL that install or register would run."""
    config = SETTINGS.config()
    if side not in ("portal", "course"):
        raise UsageError(f"{side} is neither portal nor course")
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        text = showing.statements(connection, config, side)
    data({"sql": text}, [text])


def seconds(text: str) -> float:
    """Return the seconds of "500ms", "2s", "1.5 min" or a bare number.

    >>> seconds("500ms"), seconds("2s"), seconds("3")
    (0.5, 2.0, 3.0)
    """
    units = {"ms": 0.001, "s": 1.0, "": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text)
    if not match or match[2] not in units:
        raise UsageError(
            f"{text!r} is no length of time", hint='Write for example "2s" or "500ms".'
        )
    return float(match[1]) * units[match[2]]


def _line(change: Change) -> str:
    detail = f" ({change.detail})" if change.detail else ""
    return f"{change.state:<10} {change.object}{detail}"
