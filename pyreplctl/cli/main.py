"""The application: global options, and one funnel for all errors."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
from pathlib import Path

import click
import psycopg

from pyreplctl import __version__
from pyreplctl.cli.output import SETTINGS, complain
from pyreplctl.core.errors import Error, UsageError

# Where each command is, in the order of the help. Only the one that is asked for is
# imported.
COMMANDS = {
    "init": "install.init",
    "install": "install.install",
    "uninstall": "install.uninstall",
    "sql": "install.show_sql",
    "course": "course.app",
    "forget": "install.forget",
    "verify": "verify.verify",
    "status": "status.show_status",
    "explain": "status.explain_user",
    "run": "delivery.run",
    "deliver": "delivery.deliver",
    "wait": "delivery.wait",
    "backfill": "delivery.backfill",
    "dead": "dead.app",
    "schedule": "schedule.schedule",
    "unschedule": "schedule.unschedule",
    "demo": "demo.show",
}
_FLAGS = ("--json", "--quiet", "--verbose", "--no-color")
_VALUES = ("--portal", "--config")
_WITH_VALUES = tuple(f"{name}=" for name in _VALUES)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(".")
        command = getattr(importlib.import_module(f"pyreplctl.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="Global options may also stand after the command.",
)
@click.option(
    "--portal",
    metavar="DSN",
    help="The portal database: a URI, key=value pairs or service=NAME. Default:"
    " $PYREPLCTL_PORTAL, else [portal] dsn in the configuration.",
)
@click.option(
    "--config",
    type=Path,
    metavar="FILE",
    help="The configuration. Default: ./pyreplctl.toml where that exists.",
)
@click.option("--json", is_flag=True, help="Print one JSON document on stdout.")
@click.option("--quiet", is_flag=True, help="Print only data and errors.")
@click.option(
    "--verbose", is_flag=True, help="Log also connections, objects and batches."
)
@click.option(
    "--no-color",
    is_flag=True,
    help="No colours, as with $NO_COLOR and where stdout is no terminal.",
)
@click.version_option(
    __version__, message="%(prog)s %(version)s", help="Print the version and exit."
)
def application(
    portal: str | None,
    config: Path | None,
    json: bool,
    quiet: bool,
    verbose: bool,
    no_color: bool,
) -> None:
    """Keep course databases in step with a portal database, inside PostgreSQL."""
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


def main() -> None:
    """Run a command and end the process: 0 done, 1 failed, 2 usage, 3 action needed."""
    for stream in (sys.stdout, sys.stderr):
        # What a terminal cannot show is written as \u2603, and ends no command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(ordered(sys.argv[1:])))


def _require_text(arguments: list[str]) -> None:
    for number, argument in enumerate(arguments, 1):
        if not argument.isascii():
            try:
                argument.encode()
            except UnicodeEncodeError as error:
                raise UsageError(
                    f"argument {number} is not UTF-8",
                    hint="Set the terminal, or the script, to UTF-8.",
                ) from error


def _run(arguments: list[str]) -> int:
    try:
        _require_text(arguments)
        code = application(
            arguments or ["--help"], prog_name="pyreplctl", standalone_mode=False
        )
    except (click.Abort, KeyboardInterrupt) as error:
        if KeyboardInterrupt in (type(error), type(error.__cause__)):
            complain(
                "interrupted", "What was done so far stays; run the command again."
            )
        else:
            complain("not confirmed", "Nothing was changed.")
        return 1
    except click.ClickException as error:
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
    return code if isinstance(code, int) else 0


def _correct(error: click.ClickException) -> None:
    """Print what is wrong with a command line, or the help of a group of commands."""
    message = error.format_message()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(f"{message}\n")
        return
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context else "pyreplctl"
    complain(
        message[:1].lower() + message[1:].rstrip("."), f'"{path} --help" explains.'
    )
