"""The tables of ours: what the migrations make, and how the catalog differs from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from pyreplctl.schema.sql_files import root


@dataclass(frozen=True)
class Difference:
    """A column, constraint or index that is missing, edited, or of nobody of ours.

    `statements` end it; `safe` says that they lose no data.
    """

    object: str
    state: str
    detail: str
    statements: tuple[str, ...]
    safe: bool = False

    @property
    def remedy(self) -> str:
        """The statements as one text."""
        return "; ".join(self.statements)


HEADER = '-- written by "make expected" from the migrations; do not edit'


@cache
def definitions(side: str) -> dict[str, frozenset[str]]:
    """Return a line for each column, constraint and index of each table of a side.

    They are kept in a file, which a test compares with what the migrations make.
    """
    text = (root("sql") / "expected" / f"{side}.txt").read_text(encoding="utf-8")
    found = {}
    for block in text.removeprefix(HEADER).strip().split("\n\n"):
        name, *lines = block.splitlines()
        found[name.removeprefix("table ")] = frozenset(lines)
    return found


def ours(name: str) -> bool:
    """Tell whether a table is one that our migrations make; yoyo has its own."""
    return "yoyo" not in name


def compare(
    table: str, wanted: frozenset[str], held: frozenset[str]
) -> list[Difference]:
    """Return how a table differs from what the migrations make."""
    lacking = {_key(line): line for line in wanted - held}
    besides = {_key(line): line for line in held - wanted}
    found = []
    for key in sorted(lacking.keys() | besides.keys()):
        name = f"{key} of table {table}"
        if key not in besides:
            line = lacking[key]
            found.append(
                Difference(
                    name,
                    "missing",
                    "is not there",
                    (_add(table, line),),
                    _is_safe(line),
                )
            )
        elif key not in lacking:
            line = besides[key]
            found.append(
                Difference(
                    name, "orphan", "no migration makes it", (_drop(table, line),)
                )
            )
        else:
            found.append(
                Difference(
                    name,
                    "edited",
                    f"is {_rest(besides[key])}, a migration has made it"
                    f" {_rest(lacking[key])}",
                    (_drop(table, besides[key]), _add(table, lacking[key])),
                    _is_safe(besides[key]),
                )
            )
    return found


# As quote_ident writes it: only what holds nothing odd stands without quotes.
_NAME = r'(?:"(?:[^"]|"")*"|[a-z_][a-z0-9_]*)'


def _key(line: str) -> str:
    """Return what a line is about.

    >>> _key("column xid xid8 NOT NULL")
    'column xid'
    >>> _key("index CREATE UNIQUE INDEX a ON pyrepl.b USING btree (c)")
    'index a'
    >>> _key('column "x; DROP TABLE y" integer')
    'column "x; DROP TABLE y"'
    >>> _key("constraint x,ADD/**/CHECK(y())")
    'constraint x'
    """
    if match := re.match(rf"index CREATE (?:UNIQUE )?INDEX ({_NAME}) ON", line):
        return f"index {match[1]}"
    match = re.match(rf"replica identity|\S+(?: {_NAME})?", line)
    return match[0] if match else line


def _rest(line: str) -> str:
    return line.removeprefix(_key(line)).removeprefix("index ").strip()


def _is_safe(line: str) -> bool:
    return line.startswith(("index ", "constraint ", "replica "))


def _add(table: str, line: str) -> str:
    what, _, rest = line.partition(" ")
    if what == "index":
        return rest.removesuffix(" INVALID")
    alter = f"ALTER TABLE pyrepl.{table}"
    return {
        "column": f"{alter} ADD COLUMN {rest}",
        "constraint": f"{alter} ADD CONSTRAINT {rest}",
        "unlogged": f"{alter} SET UNLOGGED",
        "row": f"{alter} ENABLE ROW LEVEL SECURITY",
        "replica": f"{alter} REPLICA IDENTITY {rest.split()[-1]}",
    }[what]


def _drop(table: str, line: str) -> str:
    what, name = _key(line).split(" ", 1) if " " in _key(line) else (line, "")
    alter = f"ALTER TABLE pyrepl.{table}"
    statements = {
        "index": f"DROP INDEX pyrepl.{name}",
        "column": f"{alter} DROP COLUMN {name}",
        "constraint": f"{alter} DROP CONSTRAINT {name}",
        "unlogged": f"{alter} SET LOGGED",
        "row": f"{alter} DISABLE ROW LEVEL SECURITY",
        "replica": f"{alter} REPLICA IDENTITY DEFAULT",
    }
    # A line is what a course says: it may be none of these, or name nothing.
    return statements.get(what, "") if name or what == "unlogged" else ""
