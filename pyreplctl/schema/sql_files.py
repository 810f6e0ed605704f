"""The project's SQL files: where they are, and how their slots are filled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from psycopg import sql

Slots = dict[str, sql.Composable]

_SLOT = re.compile(r"(?<!\{)\{([a-z_]+)\}(?!\})")


@cache
def root(name: str) -> Path:
    """Return the folder `sql` or `migrations`: in the package, or beside it."""
    inside = Path(str(files("pyreplctl"))) / name
    return inside if inside.is_dir() else inside.parent.parent / name


@cache
def texts(folder: str) -> Mapping[str, str]:
    """Return name and text of the files below a folder of sql/, in order of name."""
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(
            (root("sql") / folder).rglob("*.sql"), key=lambda path: path.stem
        )
    }


def slots_of(text: str) -> set[str]:
    """Return the slots that a file leaves open.

    >>> sorted(slots_of("SELECT {columns} FROM {table} WHERE a <> '{{}}'"))
    ['columns', 'table']
    """
    return set(_SLOT.findall(text))


def render(text: str, slots: Slots) -> str:
    """Fill the slots of a file; one without slots is returned as it is."""
    if not slots_of(text):
        return text
    # The text is a file of this project, not something from outside.
    template = sql.SQL(text)
    return template.format(**slots).as_string()
