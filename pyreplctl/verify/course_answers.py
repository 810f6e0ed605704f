"""What a course tells of itself, checked before anything is done with it.

A course database belongs to others. What cannot be read is said of that database; it
is no traceback, and no other database waits for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import msgspec

from pyreplctl.core.errors import Error
from pyreplctl.core.texts import clean, name
from pyreplctl.schema import column_types
from pyreplctl.schema.column_types import Types
from pyreplctl.schema.tables import definitions
from pyreplctl.verify.findings import Row

Word = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
State = Literal["current", "outdated", "missing", "edited", "disabled", "orphan"]
Version = Annotated[int, msgspec.Meta(ge=100000, le=9999999)]
MOST_ROWS = 10_000  # as pyrepl.course_structure has it

# A line of a table: names become part of statements, so that they must be names.
_LINE = re.compile(
    r"(column|constraint) (\w+|\"\w+\")( .*)?|index CREATE (UNIQUE )?INDEX \w+ ON .*"
    r"|(unlogged|row|replica)( .*)?"
)


class Unreadable(Error):
    """A course database answers what cannot be read."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the course database answers what cannot be read: {what}")


class _Told(msgspec.Struct, frozen=True):
    kind: Word
    name: Word
    state: State
    source: Annotated[str, msgspec.Meta(max_length=128)] | None
    held: Annotated[str, msgspec.Meta(max_length=100_000)] | None
    problem: str | None


def structure(found: list[dict[str, Any]]) -> list[Row]:
    """Return the rows of its structure; raises `Unreadable`."""
    if len(found) >= MOST_ROWS:
        raise Unreadable(f"more than {MOST_ROWS:,} objects")
    try:
        told = msgspec.convert(found, list[_Told])
    except msgspec.ValidationError as error:
        raise Unreadable(f"structure, {error}") from error
    rows = [
        Row(
            kind=name(each.kind),
            name=name(each.name),
            state=each.state,
            source=each.source,
            held=each.held if each.kind in _AS_TOLD else _one_line(each.held),
            problem=clean(each.problem) if each.problem is not None else None,
        )
        for each in told
    ]
    for row in rows:
        if row.kind == "table" and row.name in definitions("course"):
            _check_lines(row)
    return rows


_AS_TOLD = ("table", "meaning")  # looked through before anything is done with them


def _one_line(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _check_lines(row: Row) -> None:
    for line in (row.held or "").splitlines():
        if not _LINE.fullmatch(line) or clean(line, len(line)) != line:
            raise Unreadable(f"table {row.name}")


def version(rows: Iterable[Row]) -> int:
    """Return the version of the server for which it was prepared, as libpq has it."""
    held = next((row.held for row in rows if row.kind == "version"), None)
    try:
        found: int = msgspec.convert(held, Version, strict=False)
    except msgspec.ValidationError as error:
        raise Unreadable("the version of its server") from error
    return found


def types(rows: Iterable[Row]) -> Types:
    """Return what its columns hold; nothing of one that an older version prepared."""
    try:
        return column_types.decode(r.held or "" for r in rows if r.kind == "meaning")
    except (msgspec.DecodeError, UnicodeError, KeyError) as error:
        raise Unreadable("the types of its columns") from error
