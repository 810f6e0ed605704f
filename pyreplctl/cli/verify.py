"""verify."""

from __future__ import annotations

from pathlib import Path

import click

from pyreplctl.cli import verify_output
from pyreplctl.cli.durations import seconds
from pyreplctl.cli.files import write_private
from pyreplctl.cli.output import SETTINGS, data, talk
from pyreplctl.cli.verify_options import VerifyOptions
from pyreplctl.core import config as configuration
from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import connect
from pyreplctl.core.errors import Error, UsageError
from pyreplctl.install import installed
from pyreplctl.verify import history, run
from pyreplctl.verify.run import Looking, Run

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
    help="Make objects again that are not current, deliver users that differ"
    " again; then look again.",
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
    help="With --repair: so many users of each database at most.",
)
@click.option(
    "--max-examples",
    type=click.IntRange(min=0),
    default=20,
    metavar="N",
    help="Differences to list for each database.",
)
@click.option(
    "--show-values",
    is_flag=True,
    help="Show the values that differ, by the administrators' ways in;"
    " passwords never.",
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
    help="Go on where a verification was interrupted, if one was.",
)
@click.option(
    "--html",
    type=Path,
    metavar="FILE",
    help="Write a page to look at, too.",
)
@click.option(
    "--junit",
    type=Path,
    metavar="FILE",
    help="Write JUnit XML, too, for pipelines.",
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
    help="Plant differences of every kind on servers made for it and gone"
    " afterwards, and see that all are found and nothing else is.",
)
def verify(
    names: tuple[str, ...],
    structure: bool,
    only_data: bool,
    repair: bool,
    dry_run: bool,
    only: tuple[str, ...],
    max_users: int | None,
    max_examples: int,
    show_values: bool,
    target: str,
    resume: bool,
    html: Path | None,
    junit: Path | None,
    show_history: bool,
    self_test: bool,
) -> int:
    """Verify portal and course databases: their structure, and their data.

    Structure: every object is there, enabled and as it was installed. Data: every
    course database holds what the portal says, and no more; what waits to be delivered
    is no difference. Exit code 0: all is well. 3: a difference, or something to repair.
    1: a database could not be looked at.
    """
    options = VerifyOptions(
        names=list(names),
        structure=structure,
        data=only_data,
        repair=repair,
        dry_run=dry_run,
        only=list(only) or None,
        max_users=max_users,
        show_values=show_values,
        resume=resume,
        files=[file for file in (html, junit) if file is not None],
        history=show_history,
        self_test=self_test,
    )
    options.check()
    if self_test:
        return _self_test()
    config = SETTINGS.config()
    dsn = SETTINGS.dsn(config)
    if show_history:
        return _show_history(dsn, options.names)
    looking = Looking(
        structure=structure or not only_data,
        data=only_data or not structure,
        given=_given(config),
        examples=max_examples,
        target=_target(target),
        resume=resume,
    )
    if resume:
        _say_where(dsn, options.names)
    found = _found(dsn, config, looking, options)
    verify_output.show(found, _values(dsn, config, found) if show_values else {})
    if found.remedies and not repair:
        talk('"pyreplctl verify --repair --dry-run" shows what a repair would do')
    _write(dsn, found, html, junit)
    return {True: 0, False: 3, None: 1}[found.ok]


def _target(text: str) -> float:
    found = seconds(text)
    if found <= 0:
        raise UsageError(
            f"--target {text}: no statement takes so little",
            hint='Write for example "500ms".',
        )
    return found


def _say_where(dsn: str, names: list[str]) -> None:
    """Say what --resume goes on with."""
    held = run.interrupted(dsn, names)
    for name, position in held.items():
        talk(f"{name}: goes on at user {position}")
    if not held:
        talk("no verification was interrupted: all is looked at")


def _found(dsn: str, config: Config, looking: Looking, options: VerifyOptions) -> Run:
    """Look; with --repair say the plan, do it, and look again."""
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


def _values(dsn: str, config: Config, found: Run) -> verify_output.Shown:
    from pyreplctl.verify import row_values

    return {
        each.name: row_values.read(dsn, config, each.name, each.examples)
        for each in found.results
    }


def _given(config: Config) -> Config | None:
    """Return the configuration if somebody has written one."""
    file = SETTINGS.config_file or configuration.DEFAULT_FILE
    return config if file.exists() else None


def _keep(dsn: str, found: Run) -> Run:
    """Add a run to the history, where that can be written."""
    try:
        with connect(dsn, "the portal") as connection:
            history.keep(connection, found)
    except Error as error:  # of a standby, for example
        talk(f"not kept for --history: {error}", "yellow")
    return found


def _write(dsn: str, found: Run, html: Path | None, junit: Path | None) -> None:
    if junit is None and html is None:
        return  # and import nothing
    from pyreplctl.verify import reports

    if junit is not None:
        _write_file(junit, reports.junit(found))
    if html is not None:
        with connect(dsn, "the portal") as connection:
            past = history.read(connection)
            name = connection.info.dbname
        _write_file(html, reports.page(found, past, name))


def _write_file(file: Path, text: str) -> None:
    try:
        write_private(file, text)
    except OSError as error:
        raise Error(f"cannot write {file}: {error.strerror}") from error
    talk(f"wrote {file}")


def _show_history(dsn: str, names: list[str]) -> int:
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
