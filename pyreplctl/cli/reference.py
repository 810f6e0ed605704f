"""Writes docs/reference/cli.md: `python -m pyreplctl.cli.reference`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import typer.main

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
    root: Any = typer.main.get_command(application())
    return "\n".join([HEAD, *_group(root, "pyreplctl", root=True)])


def _group(group: Any, path: str, *, root: bool = False) -> Iterator[str]:
    if root:
        yield "## Global options\n\nBefore or after the command.\n"
        yield from _parameters(group)
    for name, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from _group(command, f"{path} {name}")
        else:
            yield from _command(command, f"{path} {name}")


def _command(command: Any, path: str) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = [path, "[OPTIONS]", *(_argument(p) for p in arguments)]
    if len(command.params) == len(arguments):
        words.remove("[OPTIONS]")
    yield f"## `{' '.join(words)}`\n"
    yield f"{inspect.cleandoc(command.help)}\n"
    yield from _parameters(command)


def _parameters(command: Any) -> Iterator[str]:
    shown = [p for p in command.params if p.name != "help"]
    if shown:
        yield "| | |\n|---|---|"
        yield from (f"| {_form(p)} | {_help(p)} |" for p in shown)
        yield ""


def _argument(parameter: Any) -> str:
    word = parameter.metavar + ("…" if parameter.nargs == -1 else "")
    return word if parameter.required else f"[{word}]"


def _form(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar}`"
    names = ", ".join(
        f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts]
    )
    return f"{names} `{parameter.metavar}`" if parameter.metavar else names


def _help(parameter: Any) -> str:
    told = " ".join(parameter.help.split())
    default = parameter.default
    if default is None or isinstance(default, bool) or callable(default):
        return told
    return f"{told} Default: `{default}`."


if __name__ == "__main__":
    sys.stdout.write(text())
