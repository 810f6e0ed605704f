"""verify."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pyreplctl.cli import verify_output
from pyreplctl.cli.files import write_private
from pyreplctl.cli.output import SETTINGS, data, talk
from pyreplctl.cli.verify_options import VerifyOptions
from pyreplctl.core import databases, texts
from pyreplctl.core.config import Policy
from pyreplctl.core.db import connect
from pyreplctl.core.errors import Error
from pyreplctl.install import installed
from pyreplctl.verify import history, run
from pyreplctl.verify.run import Run

NAMES = click.argument(
    "names",
    nargs=-1,
    metavar="[NAME]...",
    help="Names of course databases; all if none is named.",
)


@click.command(short_help="Compare every object and every row with the portal.")
@NAMES
@click.option(
    "--structure", is_flag=True, help="Look at structure alone: every object."
)
@click.option(
    "--data", "only_data", is_flag=True, help="Look at data alone: every row."
)
@click.option(
    "--repair",
    is_flag=True,
    help="Recreate objects that are not current, deliver again the users that"
    " differ, then look again.",
)
@click.option("--dry-run", is_flag=True, help="With --repair: print the plan only.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(run.KINDS),
    help="With --repair: users of this kind only; may be given more than once.",
)
@click.option(
    "--max-users",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --repair: at most so many users of each database.",
)
@click.option(
    "--max-examples",
    type=click.IntRange(min=0),
    default=20,
    metavar="N",
    help="How many differences to list for each database.",
)
@click.option(
    "--show-values",
    is_flag=True,
    help="Show the values that differ, by the admin connections; passwords never.",
)
@click.option(
    "--target",
    default="1s",
    metavar="TIME",
    help="How long a statement should take, such as 500ms: fewer users are"
    " looked at in one where it takes longer.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue a verification that was interrupted, if one was.",
)
@click.option(
    "--html",
    type=Path,
    metavar="FILE",
    help="Also write an HTML page, with the history.",
)
@click.option(
    "--junit",
    type=Path,
    metavar="FILE",
    help="Also write JUnit XML, for pipelines.",
)
@click.option(
    "--history",
    "show_history",
    is_flag=True,
    help="Show what past runs found; look at nothing.",
)
@click.option(
    "--self-test",
    is_flag=True,
    help="Start servers, plant differences of every kind there, and check that all"
    " are found and nothing else is.",
)
def verify(**given: Any) -> int:
    """Verify portal and course databases: their structure, and their data.

    Structure: every object is there, enabled and as it was installed. Data: every
    course database holds what the portal says, and no more; what waits to be delivered
    is no difference. Exit code 0: all is well. 3: a difference, or something to repair.
    1: a database could not be looked at.
    """
    options = VerifyOptions(**given)
    options.check()
    if options.self_test:
        return _self_test()
    dsn = SETTINGS.dsn(SETTINGS.config())
    if options.show_history:
        return _show_history(dsn, options.names)
    if options.resume:
        _say_where(dsn, options.names)
    found = _found(dsn, options)
    verify_output.show(found, _values(dsn, found) if options.show_values else {})
    _say_what_is_not_compared()
    if found.remedies and not options.repair:
        talk('"pyreplctl verify --repair --dry-run" shows what a repair would do')
    _write(dsn, found, options)
    return {True: 0, False: 3, None: 1}[found.ok]


def _say_what_is_not_compared() -> None:
    """Name the exempt columns, where they are more than a login changes."""
    exempt = SETTINGS.config().policy.guard_exempt
    if set(exempt) - set(Policy().guard_exempt):
        shown = ", ".join(map(texts.name, exempt))
        talk(f"not compared, as guard_exempt has them: {shown}")


def _say_where(dsn: str, names: Sequence[str]) -> None:
    """Say what --resume goes on with."""
    held = run.interrupted(dsn, names)
    for name, position in held.items():
        talk(f"{name}: goes on at user {position}")
    if not held:
        talk("no verification was interrupted: all is looked at")


def _found(dsn: str, options: VerifyOptions) -> Run:
    """Look; with --repair say the plan, do it, and look again."""
    config, looking = SETTINGS.config(), options.looking
    if not options.repair:
        return _keep(dsn, run.look(dsn, config, options.names, looking))
    from pyreplctl.cli import verify_repair  # here, as looking alone should start fast

    if not options.dry_run:
        verify_repair.require_rights(dsn)
    found = _keep(dsn, run.look(dsn, config, options.names, looking))
    if verify_repair.carry_out(dsn, found, options):
        again = run.recheck(dsn, config, options.names, found, looking)
        found = _keep(dsn, again)
    return found


def _values(dsn: str, found: Run) -> verify_output.Shown:
    from pyreplctl.verify import row_values

    config = SETTINGS.config()
    return {
        each.name: row_values.read(dsn, config, each.name, each.examples)
        for each in found.results
    }


def _keep(dsn: str, found: Run) -> Run:
    """Add a run to the history, where that can be written."""
    try:
        with connect(dsn, "the portal") as connection:
            history.keep(connection, found)
    except Error as error:  # of a standby, for example
        talk(f"not kept for --history: {error}", "yellow")
    return found


def _write(dsn: str, found: Run, options: VerifyOptions) -> None:
    if not options.files:
        return  # and import nothing
    from pyreplctl.verify import reports

    if options.junit is not None:
        _write_file(options.junit, reports.junit(found))
    if options.html is not None:
        with connect(dsn, "the portal") as connection:
            past = history.read(connection)
            name = connection.info.dbname
        _write_file(options.html, reports.page(found, past, name))


def _write_file(file: Path, text: str) -> None:
    try:
        write_private(file, text)
    except OSError as error:
        raise Error(f"cannot write {file}: {error.strerror}") from error
    talk(f"wrote {file}")


def _show_history(dsn: str, names: Sequence[str]) -> int:
    with connect(dsn, "the portal") as connection:
        installed.require_installed(connection)
        databases.numbers(connection, names)  # an unknown name is a mistake
        past = history.read(connection)
    verify_output.show_past(past, names)
    return 0


def _self_test() -> int:
    """Print a line for each difference that was planted."""
    from pyreplctl.sandbox import selftest

    tried = selftest.run(talk)
    data([each.document() for each in tried], [each.line for each in tried])
    failed = [each for each in tried if not each.ok]
    talk(
        f"{len(failed)} of {len(tried)} failed: verify cannot be trusted here"
        if failed
        else f"all {len(tried)} as they should be"
    )
    return 3 if failed else 0
