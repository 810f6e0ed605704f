"""Where commands print: data to stdout, talk to stderr."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pyreplctl.core import config as configuration
from pyreplctl.core.config import Config
from pyreplctl.core.texts import escaped, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

Row = Sequence[object]
_FIXED = "\N{NO-BREAK SPACE}"  # textwrap does not break at it


@dataclass
class Settings:
    """What the global options said."""

    portal: str | None = None
    config_file: Path | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False

    def config(self) -> Config:
        """Read the configuration."""
        return configuration.load(self.config_file)

    def given(self) -> Config | None:
        """Read the configuration if somebody has written one."""
        file = self.config_file or configuration.DEFAULT_FILE
        return self.config() if file.exists() else None

    def dsn(self, config: Config) -> str:
        """Return where the portal is."""
        return configuration.portal_dsn(self.portal, config)


SETTINGS = Settings()


def _console(*, stderr: bool) -> Console:
    # Late, and for colours, tables and progress only: rich takes long to load.
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    # Texts hold course keys: nothing in them may be taken for markup, :emoji: or a
    # number to be coloured. FORCE_COLOR does not make a file a terminal.
    return Console(
        file=stream,
        force_terminal=stream.isatty(),
        no_color=SETTINGS.no_color or bool(os.environ.get("NO_COLOR")),
        emoji=False,
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def talk(text: str, style: str | None = None) -> None:
    """Say something to the person at the terminal."""
    if SETTINGS.quiet:
        return
    if style:
        _console(stderr=True).print(printable(text), style=style)
    else:
        sys.stderr.write(f"{printable(text)}\n")


def complain(message: str, hint: str | None) -> None:
    """Print an error and what to do about it."""
    console = _console(stderr=True)
    console.print(printable(f"error: {message}"), style="red")
    if hint:
        console.print(printable(f"hint: {hint}"))


def data(document: Any, lines: Iterable[str] = ()) -> None:
    """Print a result: the document with --json, else the lines."""
    if SETTINGS.json:
        text = json.dumps(document, default=_plain, ensure_ascii=False)
        # json.dumps itself takes ten times as long to indent.
        sys.stdout.write(f"{escaped(msgspec.json.format(text, indent=2))}\n")
    else:
        sys.stdout.writelines(f"{printable(line)}\n" for line in lines)


def prose(lines: Iterable[str]) -> None:
    """Print lines; at a terminal wrapped between words, but inside of no command."""
    console = _console(stderr=False)
    if console.is_terminal:
        console.print()
    for line in map(printable, lines):
        console.print(wrapped(line, console.width) if console.is_terminal else line)


def wrapped(line: str, width: int) -> str:
    """Return a line wrapped, indented from its second row on.

    >>> print(wrapped('forum: edited: PUBLIC may read; run "pyreplctl install"', 34))
    forum: edited: PUBLIC may read;
        run "pyreplctl install"
    """
    held = re.sub('"[^"]*"', lambda quoted: quoted[0].replace(" ", _FIXED), line)
    return textwrap.fill(
        held,
        max(width, 20),
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    ).replace(_FIXED, " ")


def table(
    document: Any,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    rare: Mapping[str, tuple[object, ...]] = {},
    notes: Sequence[str] = (),
) -> None:
    """Print a result as a table, or the document with --json.

    A file or a pipe gets all columns. At a terminal the `rare` ones are left out where
    every row has a usual value, and those in `notes` become lines below.
    """
    if SETTINGS.json:
        data(document)
        return
    console = _console(stderr=False)
    if not console.is_terminal:
        lines = columns_of(columns, rows)
    else:
        lines = [*narrow(columns, rows, rare, notes, console.width)]
    for number, line in enumerate(lines):
        bold = number == 0 and console.is_terminal and not console.no_color
        console.print(printable(line), style="bold" if bold else None)


def narrow(
    columns: Sequence[str],
    rows: Sequence[Row],
    rare: Mapping[str, tuple[object, ...]],
    notes: Sequence[str],
    width: int,
) -> Iterable[str]:
    """Return a table that fits a terminal: as columns, else a paragraph a row."""
    shown = [
        place
        for place, name in enumerate(columns)
        if name not in notes
        and (name not in rare or any(row[place] not in rare[name] for row in rows))
    ]
    names = [columns[place] for place in shown]
    cells = [[row[place] for place in shown] for row in rows]
    lines = columns_of(names, cells)
    if max(map(len, lines)) <= width:
        yield from lines
    else:
        for kept in cells:
            facts = [f"{n} {_cell(c)}" for n, c in zip(names, kept, strict=True)]
            # No break inside of a fact.
            text = ", ".join(fact.replace(" ", _FIXED) for fact in facts[1:])
            text = textwrap.fill(
                text, width, initial_indent="  ", subsequent_indent="  "
            )
            yield _cell(kept[0])
            yield text.replace(_FIXED, " ")
    for row in rows:
        for name, cell in zip(columns, row, strict=True):
            if name in notes and cell:
                yield f"{row[0]}: {name}: {cell}"


def columns_of(columns: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """Return lines with aligned columns, numbers to the right, nothing cut.

    >>> columns_of(["name", "users"], [["forum", 12], ["wiki", 7]])
    ['name   users', 'forum     12', 'wiki       7']
    """
    cells: list[list[str]] = [
        list(columns),
        *([_cell(cell) for cell in row] for row in rows),
    ]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    right = [
        any(isinstance(row[place], int | float) for row in rows)
        for place in range(len(columns))
    ]
    return [
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    ]


def _cell(cell: object) -> str:
    return "" if cell is None else printable(str(cell)).replace("\n", " ")


def count(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> count(1, "course"), count(2, "dossier"), count(0, "copy")
    ('1 course', '2 dossiers', '0 copies')
    """
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number} {plural}"


def progress() -> Progress:
    """Return a progress bar on stderr, shown only on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = _console(stderr=True)
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=SETTINGS.quiet or SETTINGS.json or not console.is_terminal,
        transient=True,
    )


def _plain(item: object) -> Any:
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return dataclasses.asdict(item)
    if isinstance(item, date):
        return item.isoformat()
    return str(item)
