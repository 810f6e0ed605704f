"""The contract: which columns of the three tables travel."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from pyreplctl.core import session
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import NotSuitable
from pyreplctl.schema import column_types, meaning
from pyreplctl.schema.column_types import Types

PARTS = ("user", "profile", "enrollment")
ACTIVE = "is_active"  # the user column that on_unenroll = "deactivate" is about


@dataclass(frozen=True)
class Column:
    """A column of a table as the catalog has it."""

    name: str
    type: str  # without length or scale: casting to it never cuts
    full_type: str = ""
    not_null: bool = False
    has_default: bool = False
    generated: bool = False
    # A type that is not PostgreSQL's has a schema, and perhaps another one at a course,
    # where rows arrive in this one.
    local: str = ""

    @property
    def identifier(self) -> sql.Identifier:
        """The column's name, quoted where it must be."""
        return sql.Identifier(self.name)

    @property
    def cast(self) -> sql.SQL:
        """The column's type, as SQL."""
        return sql.SQL(self.local or self.type)

    def at_course(self, local_type: str) -> Column:
        """Return the column as rows arrive at a course, by the type that it has there.

        >>> Column("mood", "public.mood").at_course("moods.mood").cast
        SQL('moods.mood')
        >>> Column("id", "integer").at_course("bigint").cast
        SQL('integer')
        """
        return replace(self, local=local_type) if "." in self.type else self


@dataclass(frozen=True)
class Contract:
    """The agreed columns of the three tables, in the order in which they travel."""

    user: tuple[Column, ...]
    profile: tuple[Column, ...]
    enrollment: tuple[Column, ...]
    tables: tuple[str, str, str]

    def part(self, name: str) -> tuple[Column, ...]:
        """Return the columns of "user", "profile" or "enrollment"."""
        columns: tuple[Column, ...] = getattr(self, name)
        return columns

    def at_course(self, local_types: Mapping[tuple[str, str], str]) -> Contract:
        """Return the contract as rows arrive there; its types by (part, column)."""
        parts = {
            part: tuple(
                column.at_course(local_types.get((part, column.name), ""))
                for column in self.part(part)
            )
            for part in PARTS
        }
        return Contract(tables=self.tables, **parts)

    @property
    def fingerprint(self) -> str:
        """32 hex digits of tables, column names and types, in their order."""
        lines = [
            f"{table} {column.name} {column.type}"
            for part, table in zip(PARTS, self.tables, strict=True)
            for column in self.part(part)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]

    @property
    def short(self) -> str:
        """The part of the fingerprint that names the contract's types."""
        return self.fingerprint[:10]

    def missing_from(self, other: Contract) -> list[str]:
        """Return "table.column" for what this contract has and the other has not."""
        return [
            f"{table}.{column.name}"
            for part, table in zip(PARTS, self.tables, strict=True)
            for column in self.part(part)
            if (column.name, column.type)
            not in {(c.name, c.type) for c in other.part(part)}
        ]


def columns_of(connection: Connection, table: str) -> list[Column]:
    """Return the columns of a table in its order; none where there is no table.

    The table is looked for by name, so that no right on its schema is needed.
    Types of other schemas than pg_catalog are qualified, as our functions need them.
    """
    with session.names_qualified(connection):
        rows = fetch(
            connection,
            """
            SELECT a.attname::text AS name,
                format_type(a.atttypid, -1) AS type,
                format_type(a.atttypid, a.atttypmod) AS full_type,
                a.attnotnull AS not_null,
                a.atthasdef OR a.attidentity <> '' AS has_default,
                a.attgenerated <> '' AS generated
            FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid
                AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname || '.' || c.relname = %s AND a.attnum > 0
                AND NOT a.attisdropped
            ORDER BY a.attnum""",
            table,
        )
    return [Column(**row) for row in rows]


def table_names(config: Config) -> tuple[str, str, str]:
    """Return the names of the user, profile and enrollment tables."""
    tables = config.tables
    return tables.user.name, tables.profile.name, tables.enrollment.name


def required(config: Config) -> dict[str, list[str]]:
    """Return the columns by which we find our way, for each part."""
    tables = config.tables
    enrollment = [
        tables.enrollment.key,
        tables.enrollment.user,
        tables.enrollment.course,
    ]
    if tables.enrollment.active:
        enrollment.append(tables.enrollment.active)
    return {
        "user": [tables.user.key],
        "profile": [tables.profile.key, tables.profile.user],
        "enrollment": enrollment,
    }


def offered(connection: Connection, config: Config) -> Contract:
    """Return the contract that the portal offers now, by its catalog and configuration.

    Raises `NotSuitable` for a column that is not there or cannot travel.
    """
    chosen: dict[str, tuple[Column, ...]] = {}
    types = column_types.read(connection, table_names(config))
    for part, table in zip(PARTS, table_names(config), strict=True):
        held = {column.name: column for column in columns_of(connection, table)}
        listed: Sequence[str] | str = getattr(config.tables, part).columns
        names = list(held) if listed == "all" else list(listed)
        names += [name for name in required(config)[part] if name not in names]
        chosen[part] = tuple(_chosen(name, held, table, types) for name in names)
    return Contract(tables=table_names(config), **chosen)


def _chosen(name: str, held: dict[str, Column], table: str, types: Types) -> Column:
    column = held.get(name)
    if column is None:
        raise NotSuitable(
            f"{table} has no column {name} on the portal",
            hint="Correct [tables] in pyreplctl.toml, or migrate the table first. "
            f"It has: {', '.join(held)}.",
        )
    if column.generated:
        raise NotSuitable(
            f"{table}.{name} is a generated column and cannot be replicated",
            hint=f"Leave it out: list the columns of {table} in pyreplctl.toml.",
        )
    if odd := meaning.untold(types, types.columns[table, name].value):
        within = "" if odd == column.type else f", with {odd} in it"
        raise NotSuitable(
            f"{table}.{name} is of type {column.type}{within}, whose text means"
            " something else on another server",
            hint=f"Leave it out: list the columns of {table} in pyreplctl.toml.",
        )
    return column


def store(connection: Connection, contract: Contract) -> int:
    """Write a contract to the portal if it is new; return its number."""
    rows = [
        (part, table, column.name, column.type)
        for part, table in zip(PARTS, contract.tables, strict=True)
        for column in contract.part(part)
    ]
    number: int = value(
        connection,
        "SELECT pyrepl.store_contract(%s, %s, %s, %s, %s)",
        contract.fingerprint,
        *map(list, zip(*rows, strict=True)),
    )
    return number


def stored(connection: Connection, number: int) -> Contract:
    """Read a contract from the portal."""
    rows = fetch(
        connection,
        "SELECT part, table_name, column_name, type_name FROM pyrepl.contract_column"
        " WHERE contract_id = %s ORDER BY part, position",
        number,
    )
    return from_rows(rows)


def from_rows(rows: Sequence[dict[str, str]]) -> Contract:
    """Return the contract of rows (part, table_name, column_name, type_name)."""
    tables = {row["part"]: row["table_name"] for row in rows}
    columns = {
        part: tuple(
            Column(row["column_name"], row["type_name"])
            for row in rows
            if row["part"] == part
        )
        for part in PARTS
    }
    return Contract(
        tables=(tables["user"], tables["profile"], tables["enrollment"]), **columns
    )


def in_use(connection: Connection) -> list[Contract]:
    """Return the contracts that databases are served in."""
    rows = fetch(
        connection, "SELECT DISTINCT contract_id AS id FROM pyrepl.database ORDER BY 1"
    )
    return [stored(connection, row["id"]) for row in rows]
