"""How the demo's story is told at a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from pyreplctl.cli.output import SETTINGS
from pyreplctl.sandbox.demo import Played

WIDTH = 80  # prose is hard to read on longer lines
INDENT = "   "


class Terminal:
    """Prints the story; nothing of it with --quiet or --json."""

    def __init__(self) -> None:
        console = Console(highlight=False, markup=False, no_color=SETTINGS.no_color)
        self._console = Console(
            width=min(WIDTH, console.width),
            highlight=False,
            markup=False,
            no_color=console.no_color,
            quiet=SETTINGS.quiet or SETTINGS.json,
        )

    def step(self, number: int, steps: int, title: str, why: str) -> None:
        """Begin a step."""
        if number == 1:
            self._open()
        self._print()
        count = f"{number}/{steps}"
        self._print(Text.assemble((f"{count:<7}", "cyan"), (title, "bold")), indent="")
        self._print()
        self._prose(why)
        self._print()

    def ran(self, prompt: str, command: str) -> None:
        """Print a command as it was entered."""
        shell = prompt == "$"
        lines = _folded(command) if shell else command.splitlines()
        text = f"\n{' ' * len(prompt)} ".join(lines) + ("" if shell else ";")
        self._print(Text.assemble((prompt, "cyan"), " ", (text, "bold")))

    def said(self, text: str) -> None:
        """Print its answer."""
        width = self._console.width - len(INDENT)
        for line in text.splitlines():
            folded = textwrap.wrap(line, width, subsequent_indent="  ")
            self._print(Text("\n".join(folded)))
        self._print()

    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Print rows as psql does."""
        cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
        lines = [list(columns), *cells]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        lines.insert(1, ["-" * width for width in widths])
        for line in lines:
            padded = [
                cell.rjust(width) if _is_number(rows, place) else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            self._print(Text("  ".join(padded).rstrip()))
        if not rows:
            self._print(Text("(no rows)"))
        self._print()

    def noted(self, text: str) -> None:
        """Print what it shows."""
        lines = textwrap.wrap(text, self._console.width - len(INDENT) - 3)
        self._print(Text("=> " + "\n   ".join(lines), "green"))
        self._print()

    def close(self, played: Played) -> None:
        """Print how it ended, and where the servers are."""
        self._print()
        self._print(
            Text(
                f"All databases ended equal: {len(played.steps)} steps in"
                f" {played.seconds:.0f} s.",
                "bold green",
            ),
            indent="",
        )
        if played.kept:
            self._print()
            self._prose(
                f"The servers are stopped, and their files are kept in {played.kept}."
                " To look at the databases:",
                indent="",
            )
            self._print()
            self._print(Text(played.how_to_look))

    def _open(self) -> None:
        self._print(Text("pyreplctl demo", "bold"), indent="")
        self._prose(
            "A portal and two course databases, on PostgreSQL servers that live as long"
            " as this story.",
            indent="",
        )

    def _prose(self, text: str, indent: str = INDENT) -> None:
        lines = textwrap.wrap(text, self._console.width - len(indent))
        self._print(Text("\n".join(lines)), indent=indent)

    def _print(self, text: Text | None = None, indent: str = INDENT) -> None:
        # Not wrapped by rich: a long line can be copied from the terminal as it is.
        for line in (text or Text()).split(allow_blank=True):
            self._console.print(Text(indent if line else "") + line, soft_wrap=True)


def _is_number(rows: Sequence[Sequence[Any]], place: int) -> bool:
    return bool(rows) and isinstance(rows[0][place], int)


def _folded(command: str) -> list[str]:
    """Break a long command line before its first option, as a shell takes it."""
    head, option, rest = command.partition(" --")
    if not option or len(command) < WIDTH - len(INDENT) - 2:
        return [command]
    return [f"{head} \\", f"  --{rest}"]
