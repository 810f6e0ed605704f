"""What a course database gets: schema, tables, functions and the link role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from pyreplctl.core.config import Config, Guard
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.locks import Patience
from pyreplctl.install import portal, removal
from pyreplctl.install import roles as rights
from pyreplctl.schema import contracts, guard, objects
from pyreplctl.schema import slots as fragments
from pyreplctl.schema.contracts import PARTS, Contract
from pyreplctl.schema.objects import Change, Object
from pyreplctl.schema.sql_files import render, texts


@dataclass(frozen=True)
class Binding:
    """To which portal a course database is bound, and as what."""

    portal: str
    database_id: int
    link_role: str


def binding(course: Connection) -> Binding | None:
    """Return the binding of a course database, or None if it has none."""
    if value(course, "SELECT to_regclass('pyrepl.binding') IS NULL"):
        return None
    rows = fetch(course, "SELECT portal, database_id, link_role FROM pyrepl.binding")
    return Binding(**rows[0]) if rows else None


def check_bound(held: Binding | None, identity: str, number: int, name: str) -> None:
    """Refuse a course database that is not the one the portal has as `number`."""
    if held and held.portal == identity and held.database_id == number:
        return
    what = f"is bound to portal {held.portal}" if held else "is not bound to a portal"
    raise NotSuitable(
        f"{name} {what}, not to this one ({identity})",
        hint="If this portal is the one that should write it, run"
        f' "pyreplctl course refresh --rebind {name}".',
    )


def prepare(
    course: Connection,
    config: Config,
    contract: Contract,
    agreed: Sequence[tuple[Any, ...]],
    role: str,
) -> list[Change]:
    """Bring schema, rights, tables and functions up to date in the open transaction.

    All but the guard's triggers, for which `guard.bring` takes transactions of its own.
    `agreed` is what `suitability.check_course` returned. The link role must exist.
    """
    rights.create_role(course, "pyrepl_owner", rights.ROLES["pyrepl_owner"])
    if value(course, "SELECT to_regnamespace('pyrepl') IS NULL"):
        course.execute("CREATE SCHEMA pyrepl AUTHORIZATION pyrepl_owner")
    changes = rights.mend(course, "course", _roles(course, role))
    _grants(course, config, role)
    blank = blank_of(config, contract, _columns(course, config))
    course.execute("SET LOCAL ROLE pyrepl_owner")
    changes += portal.bring_migrations(course, "course")
    course.execute("DELETE FROM pyrepl.contract_column")
    with course.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO pyrepl.contract_column (part, position, table_name,"
            " column_name, type_name, local_type) VALUES (%s, %s, %s, %s, %s, %s)",
            agreed,
        )
    server = course.info.server_version
    wanted = wanted_objects(config, contract, role, blank, server)
    changes += objects.bring(course, wanted)
    for item in objects.orphans(course, wanted, "function", "view", "type"):
        objects.drop(course, item)
        changes.append(Change(str(item), "dropped"))
    course.execute("RESET ROLE")
    return changes


def wanted_objects(
    config: Config, contract: Contract, role: str, blank: sql.Composable, server: int
) -> list[Object]:
    """Return all types, functions and views that a course database should have.

    `server` is the version of its server: 180001.
    """
    slots = fragments.course_slots(config, contract, server)
    slots |= {"link_role": sql.Identifier(role), "blank": blank}
    wanted = []
    for part in PARTS:
        name = f"{part}_row"
        wanted.append(Object("type", name, fragments.row_type(part, contract, name)))
    for folder in ("functions/both", "functions/course"):
        wanted += [
            Object("function", name, render(text, slots))
            for name, text in texts(folder).items()
            if name != "guard"
        ]
    wanted += guard.functions(config, contract)
    triggers = texts("triggers/course")
    wanted += [
        Object("view", name, render(text, slots) + triggers.get(name, ""))
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
    return wanted + guard.triggers(config)


def bind(
    course: Connection,
    identity: str,
    number: int,
    role: str,
    fingerprint: str,
    tag: object,
    mode: Guard,
) -> None:
    """Bind a course database to a portal and begin a new chain at `tag`."""
    course.execute(
        "INSERT INTO pyrepl.binding"
        " (portal, database_id, link_role, fingerprint, guard)"
        " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (singleton) DO UPDATE"
        " SET portal = excluded.portal, database_id = excluded.database_id,"
        " link_role = excluded.link_role, fingerprint = excluded.fingerprint,"
        " guard = excluded.guard, bound_at = now()",
        (identity, number, role, fingerprint, mode),
    )
    course.execute("DELETE FROM pyrepl.chain")
    course.execute("INSERT INTO pyrepl.chain (tag, before) VALUES (%s, %s)", (tag, tag))


def remove(course: Connection, roles: Sequence[str]) -> list[Change]:
    """Remove every trace from a course database; the copies stay."""
    changes = removal.drop_triggers(course, Patience())
    return changes + removal.drop_all(course, [*roles, "pyrepl_owner"])


def _roles(course: Connection, role: str) -> dict[str, bool]:
    """Return the roles of ours at a course, and whether each logs in."""
    rows = course.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)",
        (rights.link_roles(role),),
    )
    return {"pyrepl_owner": False} | {row[0]: True for row in rows}


def _grants(course: Connection, config: Config, role: str) -> None:
    wanted = ("SELECT", "INSERT", "UPDATE", "DELETE")
    for table in contracts.table_names(config):
        rights.grant_table(course, table, wanted, "pyrepl_owner")
    # erase looks whether the course refers to a user: it must be able to read that.
    for row in fetch(
        course,
        "SELECT c.conrelid::regclass::text AS table, n.nspname AS schema,"
        " (SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_attribute a"
        "  WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) AS columns"
        " FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid"
        " JOIN pg_namespace n ON n.oid = r.relnamespace"
        " WHERE c.contype = 'f' AND c.confrelid = to_regclass(%s)",
        config.tables.user.name,
    ):
        statement = (
            f"GRANT SELECT ({row['columns']}) ON {row['table']} TO pyrepl_owner;"
            f" GRANT USAGE ON SCHEMA {row['schema']} TO pyrepl_owner"
        )
        course.execute(statement.encode())
    name = sql.Identifier(role)
    course.execute(sql.SQL("GRANT USAGE ON SCHEMA pyrepl TO {}").format(name))
    course.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(course.info.dbname), name
        )
    )


@dataclass(frozen=True)
class UserColumn:
    """What decides how a column of the user table becomes nobody's."""

    type: str
    not_null: bool
    unique: bool


def _columns(course: Connection, config: Config) -> dict[str, UserColumn]:
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
            name,
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


def refuse_if_taken(course: Connection, identity: str, name: str) -> None:
    """Refuse a database that is a portal, or belongs to another portal."""
    if value(course, "SELECT to_regclass('pyrepl.settings') IS NOT NULL"):
        raise NotSuitable(
            f"database {course.info.dbname} is a portal itself",
            hint="--dsn names the course's own database, not the portal.",
        )
    held = binding(course)
    if held and held.portal != identity:
        raise NotSuitable(
            f"database {course.info.dbname} belongs to another portal ({held.portal})",
            hint="Unregister it there first. If that portal is gone, or this one is its"
            f' successor, run "pyreplctl course refresh --rebind {name}" here.',
        )
