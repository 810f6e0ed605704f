"""Writes docs/reference/cli.md: `python -m pyreplctl.cli.reference`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from pyreplctl.cli.main import application

HEAD = """\
# The command line

Written by `python -m pyreplctl.cli.reference > docs/reference/cli.md`; do not edit.

Exit codes:

| code | means |
|---|---|
| 0 | done, or clean |
| 1 | failed, or could not be looked at |
| 2 | wrong usage or configuration |
| 3 | drift, or action needed (`verify`, `install --check`, `status`) |

Results go to stdout; progress, remarks and errors to stderr. With `--json`, stdout is
one JSON document. Passwords come from the connection string, `PGPASSWORD`,
`PGPASSFILE`, `~/.pgpass` or a service file, and are never printed.
"""


def text() -> str:
    """Return the whole page."""
    context = click.Context(application, info_name="pyreplctl")
    parts = [HEAD, "## Global options\n\nBefore or after the command.\n"]
    return "\n".join([*parts, *_parameters(application), *_group(context)])


def _group(context: click.Context) -> Iterator[str]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield from (_group if isinstance(command, click.Group) else _command)(inner)


def _command(context: click.Context) -> Iterator[str]:
    command = context.command
    words = command.collect_usage_pieces(context)
    if len(command.params) == len(words) - 1:
        words.remove(command.options_metavar or "")
    yield f"## `{' '.join([context.command_path, *words])}`\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    yield from _parameters(command)


def _parameters(command: click.Command) -> Iterator[str]:
    if command.params:
        yield "| | |\n|---|---|"
        yield from (f"| {_form(p)} | {_help(p)} |" for p in command.params)
        yield ""


def _form(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return f"`{parameter.metavar}`"
    names = ", ".join(
        f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts]
    )
    return f"{names} `{parameter.metavar}`" if parameter.metavar else names


def _help(parameter: click.Parameter) -> str:
    told = " ".join((parameter.help or "").split())
    default = parameter.to_info_dict()["default"]
    if default is None or isinstance(default, bool):
        return told
    return f"{told} Default: `{default}`."


if __name__ == "__main__":
    sys.stdout.write(text())
