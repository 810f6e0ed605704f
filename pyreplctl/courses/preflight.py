"""Whether a database can serve as course database, checked before anything changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from pyreplctl.core import session
from pyreplctl.core.config import Config
from pyreplctl.core.db import (
    Connection,
    fetch,
    value,
)
from pyreplctl.core.errors import (
    NotSuitable,
    UsageError,
)
from pyreplctl.core.names import identifier, quoted, quoted_table
from pyreplctl.courses.comparison import Comparison
from pyreplctl.courses.unwritable import unwritable
from pyreplctl.install.preflight import (
    check_server,
    held_columns,
    missing_indexes,
    table_problems,
)
from pyreplctl.schema import column_types, contracts
from pyreplctl.schema.contracts import PARTS, Column, Contract


def refuse_the_portal(connection: Connection, course: Connection) -> None:
    """Raise `UsageError` where the course database is the portal itself."""
    query = (
        "SELECT system_identifier || '/' || d.oid"
        " FROM pg_control_system(), pg_database d WHERE d.datname = current_database()"
    )
    if value(connection, query) == value(course, query):
        raise UsageError(
            "--dsn is the portal itself",
            hint="Name the course's own database.",
        )


def own_triggers(course: Connection, config: Config) -> list[str]:
    """Return the triggers that the course has on the three tables."""
    rows = fetch(
        course,
        "SELECT t.tgname || ' on ' || t.tgrelid::regclass AS trigger FROM pg_trigger t"
        " WHERE t.tgrelid = ANY (%s::regclass[]) AND NOT t.tgisinternal"
        " AND t.tgname NOT LIKE 'pyrepl\\_%%' ORDER BY 1",
        [quoted_table(name) for name in contracts.table_names(config)],
    )
    return [row["trigger"] for row in rows]


COURSE_IDS = 2**30  # where a course's own ids begin: the upper half of integer


def check_course(
    connection: Connection, portal: Connection, config: Config, contract: Contract
) -> list[tuple[Any, ...]]:
    """Refuse a course database that cannot keep the contract, saying what repairs it.

    Returns the rows of the course's pyrepl.contract_column: part, position, table,
    column, type in the contract, type at the course.
    """
    check_server(connection, "the course database")
    _check_encodings(connection, portal)
    check_ownership(connection, contract.tables)
    problems: list[str] = []
    remedies: list[str] = []
    agreed = []
    compared = Comparison(
        connection,
        column_types.read(connection, contract.tables),
        column_types.read(portal, contract.tables),
    )
    for table, problem, remedy in table_problems(connection, config):
        problems.append(f"{table} {problem}")
        remedies.append(remedy)
    for part, table in zip(PARTS, contract.tables, strict=True):
        held = held_columns(connection, config, part, "the course")
        full = {c.name: c for c in contracts.columns_of(portal, table)}
        key = getattr(config.tables, part).key
        for position, column in enumerate(contract.part(part), 1):
            problem, remedy = compared.column(
                table, held.get(column.name), full[column.name], column.name == key
            )
            if problem:
                problems.append(problem)
                remedies.append(remedy)
            else:
                local = held[column.name].type
                row = (part, position, table, column.name, column.type, local)
                agreed.append(row)
        agreed_names = {c.name for c in contract.part(part)}
        for own in held.values():
            if own.name in agreed_names:
                continue
            if own.not_null and not own.has_default and not own.generated:
                problems.append(f"{table}.{own.name} is NOT NULL and has no default")
                remedies.append(
                    f"ALTER TABLE {quoted_table(table)} ALTER COLUMN"
                    f" {quoted(own.name)} SET DEFAULT {_some_default(own)};"
                )
        found = missing_indexes(connection, config, part, "the course")
        found += unwritable(connection, table, agreed_names)
        for problem, remedy in found:
            problems.append(problem)
            remedies.append(remedy)
    if problems:
        raise NotSuitable(
            "the course's tables do not take the portal's rows\n  "
            + "\n  ".join(problems),
            hint="At the course run\n  " + "\n  ".join(remedies),
        )
    return agreed


def check_ownership(course: Connection, tables: Sequence[str]) -> None:
    """Refuse whoever may not make the guard's triggers."""
    lacking = [
        table
        for table in tables
        if value(
            course,
            "SELECT pg_has_role(c.relowner, 'MEMBER') FROM pg_class c"
            " WHERE c.oid = to_regclass(%s)",
            quoted_table(table),
        )
        is False
    ]
    if lacking:
        raise NotSuitable(
            f"role {course.info.user} does not own {', '.join(lacking)} at the course,"
            " and only an owner makes triggers that always fire: the guard",
            hint="Use a --dsn of their owner, or of a superuser.",
        )


def sequences_in_reach(course: Connection, config: Config) -> list[str]:
    """Return the statements that keep the course's own new ids off the portal's.

    A course that makes accounts of its own takes ids from its own sequence, and the
    portal from another: half of the integers for each, so that they never meet.
    """
    remedies = []
    for part, table in zip(PARTS, contracts.table_names(config), strict=True):
        key = getattr(config.tables, part).key
        rows = fetch(
            course,
            "SELECT n.nspname || '.' || c.relname AS name,"
            " format('%%I.%%I', n.nspname, c.relname) AS quoted FROM pg_class c"
            " JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.oid = pg_get_serial_sequence(%s, %s)::regclass",
            quoted_table(table),
            key,
        )
        if not rows:
            continue
        sequence = identifier(rows[0]["name"])
        # pg_sequences does not tell of a RESTART that no nextval() has followed.
        last = sql.SQL("SELECT last_value FROM {}").format(sequence)
        if read_no_view(course, last) < COURSE_IDS:
            named = rows[0]["quoted"]
            remedies.append(f"ALTER SEQUENCE {named} RESTART WITH {COURSE_IDS};")
    return remedies


def read_no_view(course: Connection, query: sql.Composed) -> int:
    """Read a sequence: its owner may put a view in its place, which would run as us."""
    with course.transaction(force_rollback=True):
        if session.has_relation_kinds(course.info.server_version):
            course.execute(
                "SET LOCAL restrict_nonsystem_relation_kind = 'view, foreign-table'"
            )
        return int(value(course, query))


def cascades(course: Connection, config: Config) -> list[str]:
    """Return the course's own tables whose rows go, or change, with an enrollment.

    The portal takes enrollments and profiles away; what a foreign key of the course
    then does (CASCADE, SET NULL, SET DEFAULT) the course has asked for.
    """
    names = contracts.table_names(config)[1:]
    rows = fetch(
        course,
        "SELECT DISTINCT c.conrelid::regclass::text AS table, t.name"
        " FROM pg_constraint c JOIN unnest(%s::text[], %s::text[]) t(name, quoted)"
        " ON c.confrelid = to_regclass(t.quoted)"
        " WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd') ORDER BY 1",
        list(names),
        [quoted_table(name) for name in names],
    )
    return [f"{row['table']} (with {row['name']})" for row in rows]


def _some_default(column: Column) -> str:
    if column.type == "boolean":
        return "false"
    if column.type in ("smallint", "integer", "bigint", "numeric", "double precision"):
        return "0"
    if column.type.startswith("timestamp") or column.type == "date":
        return "now()"
    return "''"


def _check_encodings(connection: Connection, portal: Connection) -> None:
    query = "SELECT getdatabaseencoding()"
    here, there = value(connection, query), value(portal, query)
    if here != there:
        raise NotSuitable(
            f"the course database is encoded in {here}, the portal in {there}",
            hint="Both must be the same, or names would be changed on the way.",
        )
