"""What the columns of tables hold, down to the types of PostgreSQL itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
from psycopg import sql

from pyreplctl.core import session
from pyreplctl.core.db import Connection, fetch
from pyreplctl.schema.sql_files import render, texts

_MADE_OF = ("a", "d", "r", "m")  # kinds of types that have an element
DEEPEST = 30  # how far types are taken apart; nobody nests them so deep


class Attribute(msgspec.Struct, frozen=True):
    """What a column, an attribute of a composite or an element holds.

    `equality` is empty where equal values have equal images; else which texts a
    nondeterministic collation takes for equal.
    """

    type: int
    modifier: int = -1
    equality: str = ""
    name: str = ""
    full_type: str = ""
    not_null: bool = False


class ColumnMeaning(msgspec.Struct, frozen=True):
    """What a column holds, and whether it can be written."""

    table: str
    column: str
    type: int
    modifier: int
    full_type: str
    equality: str
    not_null: bool
    identity: str
    generated: str

    @property
    def value(self) -> Attribute:
        """What it holds."""
        return Attribute(
            self.type, self.modifier, self.equality, not_null=self.not_null
        )


class Type(msgspec.Struct, frozen=True):
    """A type: base, array, composite, domain, enum, range or multirange.

    `element` is that of an array, the base of a domain, the subtype of a range.
    """

    oid: int
    name: str
    plain: str
    own: bool  # not PostgreSQL's
    extension: str | None
    kind: str
    element: int | None
    modifier: int
    not_null: bool
    canonical: str | None
    labels: list[str] | None
    attributes: list[Attribute] | None
    checks: dict[str, str] | None


@dataclass(frozen=True)
class Types:
    """The columns of tables and the types that they are made of."""

    columns: dict[tuple[str, str], ColumnMeaning]
    types: dict[int, Type]

    def of(self, held: Attribute) -> Type:
        """Return the type of what is held; a KeyError where it was not told."""
        return self.types[held.type]

    def within(self, held: Attribute) -> list[Type]:
        """Return a type and all that it is made of."""
        found: dict[int, Type] = {}
        waiting = [held.type]
        while waiting:
            each = self.types[waiting.pop()]
            if each.oid not in found:
                found[each.oid] = each
                waiting += [each.element] if each.element else []
                waiting += [a.type for a in each.attributes or ()]
        return list(found.values())


def query(tables: sql.Composable) -> sql.SQL:
    """Return the query for the lines that `decode` reads."""
    return sql.SQL(render(texts("fragments")["column_types"], {"tables": tables}))


def read(connection: Connection, tables: Iterable[str]) -> Types:
    """Ask a database; no right on the tables or their schemas is needed."""
    asked = sql.SQL("SELECT * FROM ({}) q").format(query(sql.Literal(list(tables))))
    with session.names_qualified(connection):
        lines = [row["line"] for row in fetch(connection, asked)]
    return decode(lines)


def decode(lines: Iterable[str]) -> Types:
    """Read lines of JSON; raises `msgspec.DecodeError` and `KeyError` for others."""
    columns: dict[tuple[str, str], ColumnMeaning] = {}
    types: dict[int, Type] = {}
    for line in lines:
        if "oid" in msgspec.json.decode(line, type=dict[str, msgspec.Raw]):
            told = msgspec.json.decode(line, type=Type)
            types[told.oid] = told
            if told.kind in _MADE_OF and told.element is None:
                raise KeyError(told.name)
        else:
            held = msgspec.json.decode(line, type=ColumnMeaning)
            columns[held.table, held.column] = held
    found = Types(columns, types)
    for column in columns.values():
        found.within(column.value)
    return found
