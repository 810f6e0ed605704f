"""The application: global options, and one funnel for all errors."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from pyreplctl import __version__
from pyreplctl.cli.output import SETTINGS, complain
from pyreplctl.errors import Error

# The module that adds a command: the others are imported for the help alone.
MODULES = {
    **dict.fromkeys(("init", "install", "uninstall", "sql"), "setup"),
    **dict.fromkeys(("backfill", "deliver", "run", "wait"), "delivery"),
    **dict.fromkeys(("schedule", "unschedule"), "clock"),
    **dict.fromkeys(("status", "explain"), "view"),
    **{name: name for name in ("verify", "demo", "course", "dead")},
}
_FLAGS = ("--json", "--quiet", "--verbose", "--no-color")
_VALUES = ("--portal", "--config")
_WITH_VALUES = tuple(f"{name}=" for name in _VALUES)
# Root of typer's own errors. Its place differs between versions of typer, its
# descendant does not.
_Misuse: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130  # what typer makes of Ctrl-C


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"pyreplctl {__version__}\n")
        raise typer.Exit


def _global(
    portal: Annotated[
        str | None,
        typer.Option(
            metavar="DSN",
            help="The portal database: a URI, key=value pairs or service=NAME. Default:"
            " $PYREPLCTL_PORTAL, else [portal] dsn in the configuration.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The configuration. Default: ./pyreplctl.toml where that exists.",
        ),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on stdout.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print only data and errors.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log more of what is done.")
    ] = False,
    no_color: Annotated[
        bool,
        typer.Option(
            "--no-color",
            help="No colours; nor are there with $NO_COLOR, or away from a terminal.",
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Print the version and end.",
        ),
    ] = False,
) -> None:
    """Keep course databases in step with a portal database, inside PostgreSQL."""
    del version
    SETTINGS.portal, SETTINGS.config_file = portal, config
    SETTINGS.json, SETTINGS.quiet, SETTINGS.verbose = json, quiet, verbose
    SETTINGS.no_color = no_color
    level = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(
        level=level,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
        force=True,
    )
    logging.getLogger("yoyo").setLevel(logging.WARNING)
    logging.getLogger("psycopg").setLevel(logging.ERROR)


def application(command: str = "") -> typer.Typer:
    """Return the application: with the module of one command, or with all."""
    app = typer.Typer(
        name="pyreplctl",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    epilog = "Global options may also stand after the command."
    app.callback(epilog=epilog)(_global)
    modules = [MODULES[command]] if command in MODULES else [*MODULES.values()]
    for module in dict.fromkeys(modules):
        importlib.import_module(f"pyreplctl.cli.{module}").add_to(app)
    return app


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
        elif argument in _FLAGS or argument.startswith(_WITH_VALUES):
            first.append(argument)
        elif argument in _VALUES:
            first += [argument, *(value for value in [next(waiting, None)] if value)]
        else:
            rest.append(argument)
    return first + rest


def _command(arguments: list[str]) -> str:
    """Return what comes after the global options, which stand first."""
    waiting = iter(arguments)
    for argument in waiting:
        if argument in _VALUES:
            next(waiting, None)
        elif argument not in _FLAGS and not argument.startswith(_WITH_VALUES):
            return argument
    return ""


def main() -> None:
    """Run a command and end the process: 0 done, 1 failed, 2 usage, 3 action needed."""
    sys.exit(_run(ordered(sys.argv[1:])))


def _run(arguments: list[str]) -> int:
    app = application(_command(arguments))
    try:
        code = app(
            arguments or ["--help"], prog_name="pyreplctl", standalone_mode=False
        )
    except typer.Abort:
        complain("not confirmed", "Nothing was changed.")
        return 1
    except _Misuse as error:
        _correct(error)
        return 2
    except Error as error:
        complain(str(error), error.hint)
        return error.exit_code
    except psycopg.Error as error:
        complain(" ".join(str(error).split()), None)
        return 1
    except BrokenPipeError:
        # Whoever read our output has had enough. Python would complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        code = _INTERRUPTED
    if code == _INTERRUPTED:
        complain("interrupted", "What was done so far stays; run the command again.")
        return 1
    return code if isinstance(code, int) else 0


def _correct(error: Exception) -> None:
    """Print what is wrong with a command line, or the help of a group of commands."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError" and context:
        sys.stderr.write(f"{context.get_help()}\n")
        return
    message = getattr(error, "format_message", error.__str__)()
    path = context.command_path if context else "pyreplctl"
    complain(
        message[:1].lower() + message[1:].rstrip("."), f'"{path} --help" explains.'
    )
