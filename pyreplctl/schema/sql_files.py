"""The project's SQL files: where they are, and how their slots are filled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from psycopg import sql

from pyreplctl.core.errors import NotSuitable

Slots = dict[str, sql.Composable]

_TAG = re.compile(r"\$[a-z_]*\$")
# What a semicolon may stand in without ending a statement; or the semicolon.
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
    r"|(\$[a-z_]*\$).*?\1|;",
    re.DOTALL,
)
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
    """Fill the slots of a file; one without slots is returned as it is.

    Raises `NotSuitable` where what is filled in would end a dollar-quoted body.
    """
    if not slots_of(text):
        return text
    # The text is a file of this project, not something from outside.
    filled = sql.SQL(text).format(**slots).as_string()
    for tag in set(_TAG.findall(text)):
        if filled.count(tag) != text.count(tag):
            raise NotSuitable(
                f"a table, column or type is named with {tag} in it, which would end"
                " the body of a function of ours",
                hint="Rename it, or leave it out of the columns in pyreplctl.toml.",
            )
    return filled


def statements(text: str, slots: Slots) -> tuple[str, ...]:
    """Fill the slots of a file and return its statements; joined they are `render`.

    They are told apart before anything is filled in.
    """
    rendered = tuple(render(part, slots) for part in split(text))
    return tuple(part for part in rendered if part.strip())


@cache
def split(text: str) -> tuple[str, ...]:
    """Return the statements of a file, each with its comments and semicolon.

    >>> split("SELECT ';'; /* a;b */ DO $d$ ; $d$;")
    ("SELECT ';';", ' /* a;b */ DO $d$ ; $d$;')
    """
    parts, start = [], 0
    for match in _TOKEN.finditer(text):
        if match[0] == ";":
            parts.append(text[start : match.end()])
            start = match.end()
    rest = text[start:]
    if parts and not rest.strip():
        parts[-1] += rest
    elif rest.strip():
        parts.append(rest)
    return tuple(parts)
