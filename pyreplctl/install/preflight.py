"""Whether a database can serve as portal or as course database.

All is checked before anything is changed; every check raises `NotSuitable` with what
is wrong and the statement that mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import NotInstalled, NotSuitable
from pyreplctl.install import migrations
from pyreplctl.schema import contracts
from pyreplctl.schema.contracts import PARTS, Column, Contract

OLDEST = 150000
KEY_TYPES = ("integer", "bigint")
COURSE_IDS = 2**30  # where a course's own ids begin: the upper half of integer


def check_server(connection: Connection, what: str) -> None:
    """Refuse servers that are too old or in recovery."""
    if connection.info.server_version < OLDEST:
        raise NotSuitable(
            f"{what} runs PostgreSQL {connection.info.server_version // 10000}",
            hint="pyreplctl needs PostgreSQL 15 or newer on both sides.",
        )
    if value(connection, "SELECT pg_is_in_recovery()"):
        raise NotSuitable(
            f"{what} is a standby and cannot be written",
            hint="Name the primary, or several hosts with"
            " target_session_attrs=read-write.",
        )


def check_not_newer(connection: Connection, side: str) -> None:
    """Refuse an installation made by a newer program."""
    if unknown := migrations.unknown(connection, side):
        refuse_newer(side, unknown)


def refuse_newer(side: str, unknown: list[str]) -> None:
    """Raise `NotInstalled` for migrations that this program does not know."""
    raise NotInstalled(
        f"the {side}'s installation is newer than this program: it has migration"
        f" {unknown[-1]}",
        hint="Upgrade pyreplctl here; nothing was changed.",
    )


def check_portal(connection: Connection, config: Config) -> None:
    """Refuse a portal whose tables triggers cannot watch, or whose keys do not fit."""
    check_server(connection, "the portal")
    _check_rights(connection, config)  # first: without them we may not even look
    if value(connection, "SELECT to_regclass('pyrepl.binding') IS NOT NULL"):
        raise NotSuitable(
            f"database {connection.info.dbname} is a course database of another portal",
            hint="Name the portal's database, or unregister this one first.",
        )
    check_not_newer(connection, "portal")
    for part in PARTS:
        check_table(connection, config, part, "the portal")
        _check_triggers_fire(connection, getattr(config.tables, part).name)
    offered = contracts.offered(connection, config)
    _check_policy(config, offered)


def _check_policy(config: Config, contract: Contract) -> None:
    if config.policy.on_unenroll == "deactivate" and not any(
        column.name == contracts.ACTIVE and column.type == "boolean"
        for column in contract.user
    ):
        raise NotSuitable(
            f'on_unenroll = "deactivate" needs a boolean column {contracts.ACTIVE}'
            f" among the replicated ones of {config.tables.user.name}",
            hint="Add it to columns under [tables.user] in pyreplctl.toml, or choose"
            " another on_unenroll.",
        )


def check_table(connection: Connection, config: Config, part: str, where: str) -> None:
    """Refuse a table that is not there, has no key, or keys of another type."""
    table = getattr(config.tables, part)
    held = _held(connection, config, part, where)
    for name in contracts.required(config)[part]:
        if name not in held:
            raise NotSuitable(
                f"{table.name} has no column {name} at {where}",
                hint=f"Correct [tables.{part}] in pyreplctl.toml; the table has:"
                f" {', '.join(held)}.",
            )
    keys = [table.key] if part == "user" else [table.key, table.user]
    for name in keys:
        if held[name].type not in KEY_TYPES:
            raise NotSuitable(
                f"{table.name}.{name} is of type {held[name].full_type}; keys must be"
                " integer or bigint",
                hint="Tables with other keys cannot be replicated.",
            )
    for problem, mend in _without_index(connection, config, part, where):
        raise NotSuitable(problem, hint=f"Add one: {mend}")
    if part == "enrollment" and table.active and held[table.active].type != "boolean":
        raise NotSuitable(
            f"{table.name}.{table.active} is of type {held[table.active].full_type};"
            " the active column must be boolean",
            hint='Correct "active" under [tables.enrollment] in pyreplctl.toml.',
        )


def _held(
    connection: Connection, config: Config, part: str, where: str
) -> dict[str, Column]:
    table = getattr(config.tables, part)
    held = {c.name: c for c in contracts.columns_of(connection, table.name)}
    if not held:
        raise NotSuitable(
            f"{where} has no table {table.name}",
            hint=f"Run the platform's migrations first, or name the {part} table under"
            f" [tables.{part}] in pyreplctl.toml.",
        )
    return held


def _without_index(
    connection: Connection, config: Config, part: str, where: str
) -> list[tuple[str, str]]:
    """Return which unique index is missing, with the statement that makes it."""
    table = getattr(config.tables, part)
    return [
        (
            f"{table.name} has no primary key or unique index on {column} at {where}",
            (
                f"CREATE UNIQUE INDEX CONCURRENTLY ON {_quoted(table.name)}"
                f" ({_quoted(column)});"
            ),
        )
        for column in ([table.key, table.user] if part == "profile" else [table.key])
        if not _is_unique(connection, table.name, column)
    ]


def _is_unique(connection: Connection, table: str, column: str) -> bool:
    found = value(
        connection,
        "SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
        " AND a.attnum = i.indkey[0] WHERE i.indrelid = to_regclass(%s)"
        " AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1"
        " AND i.indpred IS NULL AND a.attname = %s",
        table,
        column,
    )
    return bool(found)


def _check_triggers_fire(connection: Connection, table: str) -> None:
    row = fetch(
        connection,
        "SELECT relkind::text AS kind, relispartition AS partition,"
        " relpersistence::text AS persistence,"
        " EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) AS children,"
        " EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = c.oid) AS subscribed"
        " FROM pg_class c WHERE c.oid = to_regclass(%s)",
        table,
    )[0]
    wrong = None
    if row["kind"] == "p" or row["partition"]:
        wrong = "is partitioned"
    elif row["kind"] != "r":
        wrong = "is no ordinary table"
    elif row["children"]:
        wrong = "has tables that inherit from it"
    elif row["subscribed"]:
        wrong = "is written by a logical subscription"
    elif row["persistence"] != "p":
        wrong = "is not logged, so a crash would empty it"
    if wrong:
        raise NotSuitable(
            f"{table} {wrong}: statement triggers would not see every write",
            hint="Such a table cannot be captured.",
        )


def _check_rights(connection: Connection, config: Config) -> None:
    me = fetch(
        connection,
        "SELECT r.rolsuper AS super, r.rolname AS name,"
        " EXISTS (SELECT FROM pg_extension WHERE extname = 'postgres_fdw')"
        " AS extension,"
        " to_regrole('pyrepl_owner') IS NOT NULL AND"
        " pg_has_role(r.oid, to_regrole('pyrepl_owner')::oid, 'MEMBER') AS member"
        " FROM pg_roles r WHERE r.rolname = current_user",
    )[0]
    if me["super"]:
        return
    lacking = []
    if not me["extension"]:
        lacking.append("a superuser to create the extension postgres_fdw")
    if not me["member"]:
        lacking.append("membership in pyrepl_owner")
    lacking += [
        f"ownership of {table} (for ENABLE ALWAYS TRIGGER)"
        for table in contracts.table_names(config)
        if value(
            connection,
            "SELECT pg_has_role(c.relowner, 'MEMBER') FROM pg_class c"
            " WHERE c.oid = to_regclass(%s)",
            table,
        )
        is False
    ]
    if lacking:
        raise NotSuitable(
            f"role {me['name']} may not install: it lacks {'; '.join(lacking)}",
            hint="Install once as a superuser; later as a role with"
            f" GRANT pyrepl_owner TO {me['name']} that owns the three tables.",
        )


# Types that take every value of another without loss.
_WIDER = {
    "smallint": ("integer", "bigint"),
    "integer": ("bigint",),
    "character varying": ("text",),
    "text": ("character varying",),
}


def check_course(
    connection: Connection, portal: Connection, config: Config, contract: Contract
) -> list[tuple[Any, ...]]:
    """Refuse a course database that cannot keep the contract, saying what mends it.

    Returns the rows of the course's pyrepl.contract_column: part, position, table,
    column, type in the contract, type at the course.
    """
    check_server(connection, "the course database")
    _check_encodings(connection, portal)
    _check_ownership(connection, contract.tables)
    problems: list[str] = []
    mends: list[str] = []
    agreed = []
    for part, table in zip(PARTS, contract.tables, strict=True):
        held = _held(connection, config, part, "the course")
        full = {c.name: c for c in contracts.columns_of(portal, table)}
        for position, column in enumerate(contract.part(part), 1):
            offered = full.get(column.name, column)
            problem, mend = _compare(table, held.get(column.name), offered)
            if problem:
                problems.append(problem)
                mends.append(mend)
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
                mends.append(
                    f"ALTER TABLE {_quoted(table)} ALTER COLUMN"
                    f" {_quoted(own.name)} SET DEFAULT {_some_default(own)};"
                )
        for problem, mend in _without_index(connection, config, part, "the course"):
            problems.append(problem)
            mends.append(mend)
    if problems:
        raise NotSuitable(
            "the course's tables do not take the portal's rows\n  "
            + "\n  ".join(problems),
            hint="At the course run\n  " + "\n  ".join(mends),
        )
    return agreed


def _check_ownership(course: Connection, tables: Sequence[str]) -> None:
    lacking = [
        table
        for table in tables
        if value(
            course,
            "SELECT pg_has_role(c.relowner, 'MEMBER') FROM pg_class c"
            " WHERE c.oid = to_regclass(%s)",
            table,
        )
        is False
    ]
    if lacking:
        raise NotSuitable(
            f"role {course.info.user} does not own {', '.join(lacking)} at the course,"
            " and only an owner makes triggers that always fire: the guard",
            hint="Use a --dsn of their owner, or of a superuser.",
        )


def _quoted(name: str) -> str:
    return ".".join(sql.Identifier(part).as_string() for part in name.split("."))


def sequences_in_reach(course: Connection, config: Config) -> list[str]:
    """Return the statements that keep the course's own new ids off the portal's.

    A course that makes accounts of its own takes ids from its own sequence, and the
    portal from another: half of the integers for each, so that they never meet.
    """
    mends = []
    for part, table in zip(PARTS, contracts.table_names(config), strict=True):
        key = getattr(config.tables, part).key
        name = value(course, "SELECT pg_get_serial_sequence(%s, %s)", table, key)
        if name is None:
            continue
        # pg_sequences does not tell of a RESTART that no nextval() has followed.
        following = value(course, f"SELECT last_value FROM {name}".encode())
        if following < COURSE_IDS:
            mends.append(f"ALTER SEQUENCE {name} RESTART WITH {COURSE_IDS};")
    return mends


def cascades(course: Connection, config: Config) -> list[str]:
    """Return the course's own tables whose rows go, or change, with an enrollment.

    The portal takes enrollments and profiles away; what a foreign key of the course
    then does (CASCADE, SET NULL, SET DEFAULT) the course has asked for.
    """
    names = contracts.table_names(config)
    rows = fetch(
        course,
        "SELECT DISTINCT c.conrelid::regclass::text AS table, t.name"
        " FROM pg_constraint c JOIN unnest(%s::text[]) t(name)"
        " ON c.confrelid = to_regclass(t.name)"
        " WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd') ORDER BY 1",
        list(names[1:]),
    )
    return [f"{row['table']} (with {row['name']})" for row in rows]


def _compare(table: str, held: Column | None, offered: Column) -> tuple[str, str]:
    name = f"{table}.{offered.name}"
    wanted = offered.full_type or offered.type
    alter = f"ALTER TABLE {_quoted(table)}"
    column = _quoted(offered.name)
    if held is None:
        return (
            f"{name} is missing",
            f"{alter} ADD COLUMN {column} {wanted};",
        )
    if held.generated:
        return (
            f"{name} is a generated column",
            f"{alter} ALTER COLUMN {column} DROP EXPRESSION;",
        )
    fits = held.type == offered.type or held.type in _WIDER.get(offered.type, ())
    if not fits or not _long_enough(held, offered):
        return (
            f"{name} is {held.full_type} and cannot take the portal's {wanted}",
            f"{alter} ALTER COLUMN {column} TYPE {wanted} USING {column}::{wanted};",
        )
    if held.not_null and offered.full_type and not offered.not_null:
        return (
            f"{name} is NOT NULL, on the portal it is not",
            f"{alter} ALTER COLUMN {column} DROP NOT NULL;",
        )
    return "", ""


def _long_enough(held: Column, offered: Column) -> bool:
    def modifier(column: Column) -> tuple[int, ...] | None:
        _, found, rest = column.full_type.partition("(")
        numbers = rest.partition(")")[0].split(",") if found else []
        return tuple(int(n) for n in numbers if n.strip().isdigit()) or None

    here, there = modifier(held), modifier(offered)
    if here is None:
        return True
    return there is not None and all(h >= t for h, t in zip(here, there, strict=False))


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
