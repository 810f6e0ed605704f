"""Tables of docs/reference that the program, the SQL files and the catalog fill.

A table stands between two marks. Its first columns are generated; the last ones are
written by hand in the page and kept, row by row. `make references` writes them.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import msgspec
from msgspec import inspect

from pyreplctl.cli.main import application
from pyreplctl.core.config import Config
from pyreplctl.schema.sql_files import root
from tests.support.platform import Connection

PAGES = Path(__file__).parents[2] / "docs" / "reference"
UNWRITTEN = "TODO"
_MARKS = re.compile(r"<!-- table (\S+) -->\n(.*?)<!-- end -->", re.DOTALL)
_CODE = re.compile(r"(?<!NOT )(?:ERRCODE = |:= |SQLSTATE )'(PR\d{3})'")


@dataclass(frozen=True)
class Table:
    """The generated cells of a table; the first cell of a row is its key."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    by_hand: tuple[str, ...] = ()

    def text(self, before: str) -> str:
        """Return the table, with what was written by hand in the one before."""
        written = {cells[0]: cells for cells in map(_cells, before.splitlines())}
        width = len(self.head)
        lines = [(*self.head, *self.by_hand), ("---",) * (width + len(self.by_hand))]
        for row in self.rows:
            kept = written.get(row[0], [])[width:] or [UNWRITTEN] * len(self.by_hand)
            lines.append((*row, *kept))
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(line: str) -> list[str]:
    # "\|" is a bar inside of a cell.
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] or [""]


def filled(page: str, tables: Mapping[str, Table]) -> str:
    """Return a page with its tables as they should be."""
    return _MARKS.sub(
        lambda found: (
            f"<!-- table {found[1]} -->\n{tables[found[1]].text(found[2])}<!-- end -->"
        ),
        page,
    )


def configuration() -> dict[str, Table]:
    """Return the keys of pyreplctl.toml."""
    rows = [(f"`{name}`", kind, default) for name, kind, default in _keys(Config, "")]
    return {
        "keys": Table(("key", "type", "default"), rows, ("where it counts", "meaning"))
    }


def _keys(struct: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str, str]]:
    hints = typing.get_type_hints(struct, include_extras=True)
    for each in msgspec.structs.fields(struct):
        kind = hints[each.name]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _keys(kind, f"{prefix}{each.name}.")
            continue
        default = "" if each.default is None else f"`{_toml(each.default)}`"
        name = f"{prefix}{each.name}"
        yield name, _kind(inspect.type_info(kind)), default


def _toml(item: Any) -> str:
    return json.dumps(item)  # the same in TOML for texts, numbers and lists of texts


def _kind(info: inspect.Type) -> str:
    match info:
        case inspect.Metadata(type=inner):
            return _kind(inner)
        case inspect.UnionType(types=types):
            kinds = [_kind(each) for each in types]
            return " or ".join(kind for kind in kinds if kind)
        case inspect.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case inspect.VarTupleType():
            return "list of names"
        case inspect.IntType(ge=least, le=most):
            return f"{least} to {most}"
        case inspect.StrType():
            return "text"
    return ""


def sqlstates() -> dict[str, Table]:
    """Return the SQLSTATEs of ours, and which functions raise them."""
    raised: dict[str, set[str]] = {}
    for file in sorted((root("sql") / "functions").rglob("*.sql")):
        for code in _CODE.findall(file.read_text(encoding="utf-8")):
            side = file.relative_to(root("sql") / "functions").parts[0]
            raised.setdefault(code, set()).add(f"{side}: `{file.stem}`")
    rows = [(f"`{code}`", ", ".join(sorted(raised[code]))) for code in sorted(raised)]
    return {"codes": Table(("SQLSTATE", "raised by"), rows, ("means", "what to do"))}


def commands() -> Iterator[str]:
    """Return the names of all commands, as they are typed."""
    yield from sorted(_named(click.Context(application), ""))


def _named(context: click.Context, prefix: str) -> Iterator[str]:
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _named(click.Context(command), f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}"


def roles(portal: Connection, course: Connection) -> dict[str, Table]:
    """Return who runs which command, and which role may run or read what."""
    needs = ("role on the portal", "on the course database")
    asked = [(f"`{name}`",) for name in commands()]
    worker, monitor = (
        {name for name, *_ in functions(portal, role)}
        for role in ("pyrepl_worker", "pyrepl_monitor")
    )
    may = [
        (f"`{name}`", "yes" if name in worker else "", "yes" if name in monitor else "")
        for name in sorted(worker | monitor)
    ]
    link = [(f"`{name}`", kind, rights) for name, kind, rights in _of_link_role(course)]
    return {
        "commands": Table(("command",), asked, needs),
        "portal": Table(("function", "`pyrepl_worker`", "`pyrepl_monitor`"), may),
        "course": Table(("object", "kind", "rights"), link),
    }


def sql_api(portal: Connection) -> dict[str, Table]:
    """Return the functions that roles may run, with their comments."""
    head = ("function", "returns", "comment")
    return {
        role: Table(
            head,
            [
                (f"`{name}({arguments})`", returns and f"`{returns}`", comment)
                for name, arguments, returns, comment in functions(portal, role)
            ],
        )
        for role in ("pyrepl_worker", "pyrepl_monitor")
    }


def functions(connection: Connection, role: str) -> list[tuple[str, str, str, str]]:
    """Return name, arguments, result and comment of what a role was granted."""
    return connection.execute(
        "SELECT p.proname::text, pg_get_function_arguments(p.oid),"
        " coalesce(pg_get_function_result(p.oid), ''),"
        " replace(obj_description(p.oid, 'pg_proc'), '|', '\\|')"
        " FROM pg_proc p, aclexplode(p.proacl) a"
        " WHERE p.pronamespace = 'pyrepl'::regnamespace"
        " AND a.grantee = to_regrole(%s) ORDER BY 1, 2",
        (role,),
    ).fetchall()


def _of_link_role(course: Connection) -> list[tuple[str, str, str]]:
    """Return what the link role was granted on a course database."""
    return course.execute(
        "SELECT o.name, o.kind, string_agg(a.privilege_type, ', ' ORDER BY 1)"
        " FROM (SELECT relname::text, 'view', relacl FROM pg_class"
        "  WHERE relnamespace = 'pyrepl'::regnamespace AND relkind = 'v'"
        "  UNION ALL SELECT proname || '()', 'function', proacl FROM pg_proc"
        "  WHERE pronamespace = 'pyrepl'::regnamespace) o(name, kind, acl),"
        " aclexplode(o.acl) a, pyrepl.binding b"
        " WHERE a.grantee = b.link_role::regrole GROUP BY 1, 2 ORDER BY 2 DESC, 1"
    ).fetchall()


def json_keys(documents: Mapping[str, list[Any]], database: str) -> dict[str, Table]:
    """Return the keys of all documents of each command."""
    return {
        command.replace(" ", "-"): Table(
            ("key",), [(f"`{path}`",) for path in paths(printed, database)], ("holds",)
        )
        for command, printed in documents.items()
    }


def paths(documents: list[Any], database: str) -> list[str]:
    """Return the keys of documents, in their order; NAME is that of a database.

    >>> paths([{"a": [], "forum": 3}, {"a": [{"b": 1}, {"c": 2}]}], "forum")
    ['NAME', 'a[].b', 'a[].c']
    """
    found = dict.fromkeys(
        path for document in documents for path in _paths(document, database, "")
    )
    # A list that was empty once has said nothing of what is in it.
    inner = (".", "[") if len(found) > 1 else ()
    return [
        path
        for path in found
        if not any(
            other.startswith(f"{path}{mark}") for other in found for mark in inner
        )
    ]


def _paths(item: Any, database: str, prefix: str) -> Iterator[str]:
    if isinstance(item, dict) and item:
        for key, inner in item.items():
            name = "NAME" if key == database else key
            yield from _paths(inner, database, f"{prefix}.{name}" if prefix else name)
    elif isinstance(item, list) and item:
        for inner in item:
            yield from _paths(inner, database, f"{prefix}[]")
    else:
        yield prefix or "[]"
