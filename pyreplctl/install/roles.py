"""Roles and grants, on the portal and at the courses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.core.db import Connection, execute_one, fetch, value
from pyreplctl.schema import tables
from pyreplctl.schema.objects import ObjectChange, recorded
from pyreplctl.schema.roles import CONNECTION_LIMIT, OWNER, OWNERS, rights_of_ours
from pyreplctl.schema.sql_files import Slots, render, texts


def create_role(connection: Connection, role: str, comment: str) -> None:
    """Create a role that cannot log in, of which we are a member.

    Roles belong to the cluster: somebody else may be creating the same one for another
    database at this moment.
    """
    name = sql.Identifier(role)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    except (pg.DuplicateObject, pg.UniqueViolation):
        return
    connection.execute(
        sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(comment))
    )
    become_member(connection, role)


def become_member(connection: Connection, role: str) -> None:
    """Make whoever we are a member of a role of ours, with all that this takes.

    Who creates a role is no member of it (15), or one that may only grant it (16).
    """
    if not is_member(connection, role):
        recent = connection.info.server_version >= 160000
        options = sql.SQL(" WITH INHERIT TRUE, SET TRUE" if recent else "")
        grant = sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(role))
        connection.execute(grant + options)


def is_member(connection: Connection, role: str) -> bool:
    """Tell whether we have a role's rights and may take it on."""
    query = "SELECT pg_has_role(%s, 'USAGE') AND pg_has_role(%s, %s)"
    takes_on = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    return bool(value(connection, query, role, role, takes_on))


def become_owner(connection: Connection, owner: str = OWNER) -> None:
    """Create objects as the owner of ours, to the end of the open transaction.

    For objects alone: tables are written by functions, which run as their owner.
    """
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))


def owner_of(connection: Connection) -> str | None:
    """Return who owns schema pyrepl here, if it is there."""
    query = (
        "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace"
        " WHERE nspname = 'pyrepl'"
    )
    owner: str | None = value(connection, query)
    return owner


def take_from_shared(connection: Connection, owner: str) -> list[ObjectChange]:
    """Give to the owner of a course database what an older version gave to OWNER."""
    query = texts("queries")["owned_before"]
    slots: Slots = {"owner_name": sql.Identifier(owner)}
    statements = connection.execute(render(query, slots).encode()).fetchall()
    for (statement,) in statements:
        connection.execute(statement.encode())
    return [ObjectChange(f"owner {owner}", "created")] if statements else []


def become_login(connection: Connection) -> None:
    """Be who logged in again, to the end of the open transaction."""
    connection.execute("SET LOCAL ROLE none")


@contextmanager
def as_login(connection: Connection) -> Iterator[None]:
    """Be who logged in for a moment, in the open transaction."""
    role = value(connection, "SELECT current_setting('role')")
    become_login(connection)
    yield
    connection.execute("SELECT set_config('role', %s, true)", (role,))


@contextmanager
def creating(connection: Connection, owner: str) -> Iterator[None]:
    """Create as a role that owns functions: it may do so for this moment alone."""
    role = value(connection, "SELECT current_setting('role')")
    name = sql.Identifier(owner)
    connection.execute(sql.SQL("GRANT CREATE ON SCHEMA pyrepl TO {}").format(name))
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(name))
    yield
    connection.execute("SELECT set_config('role', %s, true)", (role,))
    connection.execute(sql.SQL("REVOKE CREATE ON SCHEMA pyrepl FROM {}").format(name))


@contextmanager
def unrecorded(connection: Connection) -> Iterator[None]:
    """Keep pg_stat_statements from keeping a statement that holds a password.

    It keeps what runs inside of functions with track = all. Only a superuser, or who
    was granted it, may switch that off: else docs/explanation/security.md warns of it.
    """
    before = value(connection, "SELECT current_setting(%s, true)", _TRACK)
    switched = before not in (None, "none") and _track(connection, "none")
    yield
    if switched:
        _track(connection, before)


_TRACK = "pg_stat_statements.track"


def _track(connection: Connection, what: str) -> bool:
    try:
        with connection.transaction(), as_login(connection):
            connection.execute("SELECT set_config(%s, %s, true)", (_TRACK, what))
    except pg.InsufficientPrivilege:
        return False
    return True


_ATTRIBUTES = {
    "rolsuper": "NOSUPERUSER",
    "rolcreaterole": "NOCREATEROLE",
    "rolcreatedb": "NOCREATEDB",
    "rolreplication": "NOREPLICATION",
    "rolbypassrls": "NOBYPASSRLS",
}


# Of yoyo, beside ours.
MIGRATION_TABLES = ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock")


def repair(
    connection: Connection, side: str, roles: Mapping[str, bool], owner: str = OWNER
) -> list[ObjectChange]:
    """Take away what others may do with ours, and what our roles may do besides.

    `roles` says which there are, and whether each logs in. Rights on functions and
    views are not looked at: their sources give these. Returns what was changed.
    """
    changes = []
    if value(connection, "SELECT to_regclass('pyrepl.object') IS NOT NULL"):
        # Owners first: only an owner can take rights away. Of tables first of all: who
        # owns them is asked what else is ours.
        changes += _repair(connection, side, "wrong_owners", owner, [])
        ours = list(recorded(connection))
        changes += _repair(connection, side, "wrong_owners", owner, ours)
        changes += _repair(connection, side, "excess_grants", owner, [])
    for role, logs_in in roles.items():
        for statement in _too_much(connection, role, logs_in=logs_in):
            connection.execute(statement)
            changes.append(ObjectChange(f"role {role}", "replaced", "edited"))
    return changes


def _repair(
    connection: Connection,
    side: str,
    query: str,
    owner: str,
    objects: list[tuple[str, str]],
) -> list[ObjectChange]:
    known = {*tables.definitions(side), *MIGRATION_TABLES}
    slots: Slots = {
        "kinds": sql.Literal([kind for kind, _ in objects]),
        "names": sql.Literal([name for _, name in objects]),
        "owner": sql.Literal(owner),
        "rights_of_ours": rights_of_ours(),
    }
    source = render(texts("queries")[query], slots)
    changes = []
    for row in fetch(connection, source.encode()):
        if row["kind"] != "table" or row["name"] in known:
            changes += _run(connection, row)
    return changes


def _run(connection: Connection, row: dict[str, str]) -> list[ObjectChange]:
    try:
        with connection.transaction():
            execute_one(connection, row["statement"])
    except pg.InsufficientPrivilege:
        # Whether it is needed will be seen: what is to be replaced must be ours.
        return []
    return [ObjectChange(f"{row['kind']} {row['name']}", "replaced", "edited")]


def _too_much(
    connection: Connection, role: str, *, logs_in: bool
) -> list[sql.Composed]:
    held = fetch(connection, "SELECT * FROM pg_roles WHERE rolname = %s", role)[0]
    wrong = [text for name, text in _ATTRIBUTES.items() if held[name]]
    if held["rolcanlogin"] != logs_in:
        wrong.append("LOGIN" if logs_in else "NOLOGIN")
    if logs_in and held["rolconnlimit"] == -1:
        wrong.append(f"CONNECTION LIMIT {CONNECTION_LIMIT}")
    name = sql.Identifier(role)
    statements = [
        sql.SQL("ALTER ROLE {} {}").format(name, sql.SQL(" ".join(wrong)))
        for _ in wrong[:1]
    ]
    memberships = fetch(
        connection,
        "SELECT m.rolname::text AS name FROM pg_auth_members a"
        " JOIN pg_roles m ON m.oid = a.roleid WHERE a.member = %s"
        " AND (m.rolname ~ '^pyrepl_(.*_)?owner$' OR m.rolname = ANY (%s)"
        " OR %s AND m.rolname NOT LIKE 'pyrepl\\_%%')",
        held["oid"],
        list(OWNERS),
        logs_in,
    )
    return statements + [
        sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(row["name"]), name)
        for row in memberships
    ]
