"""The application: global options, and one funnel for all errors."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

import click
import psycopg
import typer

from pyreplctl import __version__
from pyreplctl.cli import course, delivery, demo, setup, view
from pyreplctl.cli.output import SETTINGS, complain
from pyreplctl.errors import Error

app = typer.Typer(
    name="pyreplctl",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(course.app, name="course")
for module in (setup, delivery, view, demo):
    module.add_to(app)

_FLAGS = ("--json", "--quiet", "--verbose", "--no-color")
_VALUES = ("--portal", "--config")


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"pyreplctl {__version__}\n")
        raise typer.Exit


@app.callback()
def _global(
    portal: Annotated[
        str | None,
        typer.Option(
            metavar="DSN", help="The portal; else PYREPLCTL_PORTAL, else the file."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Configuration [./pyreplctl.toml]."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON document on stdout.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Only data and errors.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="More about what is done.")
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", help="No colours (also NO_COLOR).")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version."
        ),
    ] = False,
) -> None:
    """Keep course databases in step with a portal database, inside PostgreSQL."""
    del version
    SETTINGS.portal, SETTINGS.config_file = portal, config
    SETTINGS.json, SETTINGS.quiet, SETTINGS.verbose = json, quiet, verbose
    SETTINGS.no_color = no_color
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
        force=True,
    )
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def ordered(arguments: list[str]) -> list[str]:
    """Put global options first, wherever they stand, up to a lone `--`.

    >>> ordered(["status", "--json", "--portal", "service=p"])
    ['--json', '--portal', 'service=p', 'status']
    """
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _FLAGS or argument.startswith(
            tuple(f"{name}=" for name in _VALUES)
        ):
            first.append(argument)
        elif argument in _VALUES:
            first += [argument, *(value for value in [next(waiting, None)] if value)]
        else:
            rest.append(argument)
    return first + rest


def main() -> None:
    """Run a command and end the process: 0 done, 1 failed, 2 usage, 3 action needed."""
    try:
        code = app(ordered(sys.argv[1:]), standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = 2
    except click.UsageError as error:
        error.show()
        code = 2
    except click.Abort:
        complain("interrupted", "What was done so far stays; run the command again.")
        code = 1
    except Error as error:
        complain(str(error), error.hint)
        code = error.exit_code
    except psycopg.Error as error:
        complain(" ".join(str(error).split()), None)
        code = 1
    except KeyboardInterrupt:
        complain("interrupted", "What was done so far stays; run the command again.")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
