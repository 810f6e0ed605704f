"""Whether a database can serve as portal or as course database.

All is checked before anything is changed; every check raises `NotSuitable` with what
is wrong and the statement that repairs it.
"""

from __future__ import annotations

from psycopg import sql

from pyreplctl.core import names
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import NotInstalled, NotSuitable
from pyreplctl.core.names import quoted, quoted_table
from pyreplctl.install import migrations
from pyreplctl.install.strangers import refuse_made_up_roles, refuse_strangers
from pyreplctl.install.table_kinds import check_kind
from pyreplctl.schema import contracts, slots
from pyreplctl.schema.contracts import PARTS, Column, Contract
from pyreplctl.schema.roles import OWNERS

OLDEST = 150000
KEY_TYPES = ("integer", "bigint")


def check_server(connection: Connection, what: str) -> None:
    """Refuse servers that are too old or in recovery."""
    if connection.info.server_version < OLDEST:
        raise NotSuitable(
            f"{what} runs PostgreSQL {connection.info.server_version // 10000}",
            hint="pyreplctl needs PostgreSQL 15 or newer on both sides.",
        )
    if value(connection, "SELECT getdatabaseencoding()") == "SQL_ASCII":
        raise NotSuitable(
            f"{what} is encoded in SQL_ASCII: its bytes are of no known encoding, and"
            " those of a name may be no text anywhere else",
            hint="Dump it, and restore it into one made with CREATE DATABASE … ENCODING"
            " 'UTF8' TEMPLATE template0; pg_dump --encoding says what its bytes are.",
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
    refuse_strangers(connection, "the portal")
    refuse_made_up_roles(connection)
    _check_rights(connection, config)  # first: without them we may not even look
    if value(connection, "SELECT to_regclass('pyrepl.binding') IS NOT NULL"):
        raise NotSuitable(
            f"database {connection.info.dbname} is a course database of another portal",
            hint="Name the portal's database, or unregister this one first.",
        )
    check_not_newer(connection, "portal")
    for part in PARTS:
        check_table(connection, config, part, "the portal")
    for table, problem, remedy in table_problems(connection, config):
        raise NotSuitable(
            f"{table} {problem}: statement triggers would not see every write",
            hint=f"Such a table cannot be captured. {remedy}",
        )
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
    held = held_columns(connection, config, part, where)
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
    for problem, remedy in missing_indexes(connection, config, part, where):
        raise NotSuitable(problem, hint=f"Add one: {remedy}")
    if part == "enrollment" and table.active and held[table.active].type != "boolean":
        raise NotSuitable(
            f"{table.name}.{table.active} is of type {held[table.active].full_type};"
            " the active column must be boolean",
            hint='Correct "active" under [tables.enrollment] in pyreplctl.toml.',
        )


def held_columns(
    connection: Connection, config: Config, part: str, where: str
) -> dict[str, Column]:
    """Return the columns that a table has, by name; `NotSuitable` if it has none."""
    table = getattr(config.tables, part)
    check_kind(connection, table.name, part, where)
    return {c.name: c for c in contracts.columns_of(connection, table.name)}


def missing_indexes(
    connection: Connection, config: Config, part: str, where: str
) -> list[tuple[str, str]]:
    """Return which unique index is missing, with the statement that makes it."""
    table = getattr(config.tables, part)
    return [
        (
            f"{table.name} has no primary key or unique index on {column} at {where}",
            (
                f"CREATE UNIQUE INDEX CONCURRENTLY ON {quoted_table(table.name)}"
                f" ({quoted(column)});"
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
        quoted_table(table),
        column,
    )
    return bool(found)


def table_problems(
    connection: Connection, config: Config
) -> list[tuple[str, str, str]]:
    """Return which table cannot be replicated, why, and what ends that."""
    names = sql.Literal(list(contracts.table_names(config)))
    query = sql.SQL("SELECT * FROM ({}) t WHERE t.problem IS NOT NULL")
    rows = fetch(connection, query.format(slots.table_problems(names)))
    return [(row["name"], row["problem"], row["remedy"]) for row in rows]


def _check_rights(connection: Connection, config: Config) -> None:
    me = fetch(
        connection,
        "SELECT r.rolsuper AS super, r.rolname AS name,"
        " EXISTS (SELECT FROM pg_extension WHERE extname = 'postgres_fdw')"
        " AS extension,"
        " ARRAY(SELECT o.name FROM unnest(%s::text[]) o(name)"
        "  WHERE NOT coalesce(pg_has_role(r.oid, to_regrole(o.name)::oid, %s), false))"
        " AS other"
        " FROM pg_roles r WHERE r.rolname = current_user",
        list(OWNERS),
        "MEMBER" if connection.info.server_version < 160000 else "SET",
    )[0]
    if me["super"]:
        return
    lacking = []
    if not me["extension"]:
        lacking.append("a superuser to create the extension postgres_fdw")
    lacking += [f"membership in {role}" for role in me["other"]]
    lacking += [
        f"ownership of {table} (for ENABLE ALWAYS TRIGGER)"
        for table in contracts.table_names(config)
        if value(
            connection,
            "SELECT pg_has_role(c.relowner, 'MEMBER') FROM pg_class c"
            " WHERE c.oid = to_regclass(%s)",
            quoted_table(table),
        )
        is False
    ]
    if lacking:
        raise NotSuitable(
            f"role {me['name']} may not install: it lacks {'; '.join(lacking)}",
            hint="Install once as a superuser; later as a role that owns the three"
            f" tables, with GRANT {', '.join(OWNERS)} TO {names.role(me['name'])}.",
        )
