"""What a course database should have: types, functions, views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.names import quoted_table
from pyreplctl.schema import contracts, guard
from pyreplctl.schema.contracts import PARTS, Contract
from pyreplctl.schema.objects import Object
from pyreplctl.schema.roles import course_owner
from pyreplctl.schema.slots import course_slots, row_type
from pyreplctl.schema.sql_files import statements, texts


def wanted_objects(
    config: Config, contract: Contract, role: str, blank: sql.Composable, server: int
) -> list[Object]:
    """Return all types, functions and views that a course database should have.

    `server` is the version of its server: 180001.
    """
    slots = course_slots(config, contract, server)
    slots |= {"link_role": sql.Identifier(role), "blank": blank}
    slots["owner"] = sql.Literal(course_owner(role))
    wanted = []
    for part in PARTS:
        name = f"{part}_row"
        wanted.append(Object("type", name, row_type(part, contract, name)))
    for folder in ("functions/both", "functions/course"):
        wanted += [
            Object("function", name, statements(text, slots))
            for name, text in texts(folder).items()
            if name != "guard"
        ]
    wanted += guard.functions(config, contract)
    triggers = texts("triggers/course")
    wanted += [
        Object(
            "view",
            name,
            statements(text, slots) + statements(triggers.get(name, ""), slots),
        )
        for name, text in texts("views/course").items()
    ]
    return wanted


def expected_objects(
    config: Config,
    contract: Contract,
    role: str,
    held: Mapping[str, UserColumn],
    server: int,
) -> list[Object]:
    """Return all objects that a course should have, the guard's triggers too."""
    blank = blank_of(config, contract, held)
    wanted = wanted_objects(config, contract, role, blank, server)
    return wanted + guard.triggers(config, course_owner(role))


@dataclass(frozen=True)
class UserColumn:
    """What decides how a column of the user table becomes nobody's."""

    type: str
    not_null: bool
    unique: bool


def user_columns(course: Connection, config: Config) -> dict[str, UserColumn]:
    """Return the columns of a course's user table."""
    name = config.tables.user.name
    unique = {
        row["name"]
        for row in fetch(
            course,
            "SELECT DISTINCT a.attname::text AS name FROM pg_index i"
            " JOIN pg_attribute a ON a.attrelid = i.indrelid"
            "  AND (a.attnum = ANY (i.indkey) OR EXISTS (SELECT FROM pg_depend d"
            "   WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid"
            "   AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))"
            " WHERE i.indrelid = to_regclass(%s) AND i.indisunique",
            quoted_table(name),
        )
    }
    return {
        column.name: UserColumn(column.type, column.not_null, column.name in unique)
        for column in contracts.columns_of(course, name)
    }


def blank_of(
    config: Config, contract: Contract, held: Mapping[str, UserColumn]
) -> sql.Composed:
    """Return the assignments that make a user row nobody's, and inactive.

    NULL where that is allowed, else what is empty in the column's type; a text that
    must be unique gets the id.
    """
    key = config.tables.user.key
    assignments = [
        sql.SQL("{} = {}").format(column.identifier, sql.SQL(blank))
        for column in contract.user
        if column.name != key
        and column.name in held
        and (blank := _empty(held[column.name], key))
    ]
    return sql.SQL(", ").join(assignments)


def _empty(column: UserColumn, key: str) -> str | None:
    if column.type.endswith(("character varying", "text", "citext", "bpchar")):
        quoted = sql.Identifier("u", key).as_string()
        return f"'~erased~' || {quoted}" if column.unique else "''"
    if not column.not_null:
        return "NULL"
    return {
        "boolean": "false",
        "smallint": "0",
        "integer": "0",
        "bigint": "0",
        "numeric": "0",
        "real": "0",
        "double precision": "0",
        "uuid": "'00000000-0000-0000-0000-000000000000'",
        "json": "'{}'",
        "jsonb": "'{}'",
        "date": "'epoch'",
        "timestamp without time zone": "'epoch'",
        "timestamp with time zone": "'epoch'",
    }.get(column.type)
