"""Where commands print: data to stdout, talk to stderr."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pyreplctl import config as configuration
from pyreplctl.config import Config


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

    def dsn(self, config: Config) -> str:
        """Return where the portal is."""
        return configuration.portal_dsn(self.portal, config)


SETTINGS = Settings()


def _console(*, stderr: bool) -> Console:
    plain = SETTINGS.no_color or "NO_COLOR" in os.environ
    return Console(
        stderr=stderr, no_color=plain, highlight=False, soft_wrap=True, markup=False
    )


def talk(text: str, style: str | None = None) -> None:
    """Say something to the person at the terminal."""
    if not SETTINGS.quiet:
        _console(stderr=True).print(text, style=style)


def complain(message: str, hint: str | None) -> None:
    """Print an error and what to do about it."""
    console = _console(stderr=True)
    console.print(f"error: {message}", style="red")
    if hint:
        console.print(f"hint: {hint}")


def data(document: Any, lines: Iterable[str] = ()) -> None:
    """Print a result: the document with --json, else the lines."""
    if SETTINGS.json:
        json.dump(document, sys.stdout, default=_plain, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        for line in lines:
            _console(stderr=False).print(line)


def table(document: Any, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a result as a table, or the document with --json."""
    if SETTINGS.json:
        data(document)
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column)
    for row in rows:
        shown.add_row(*("" if cell is None else str(cell) for cell in row))
    _console(stderr=False).print(shown)


def progress() -> Progress:
    """Return a progress bar on stderr, shown only on a terminal."""
    console = _console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
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
