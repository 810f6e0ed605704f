"""What stands under our names and is not ours: refused before any of it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from pyreplctl.core.db import Connection, fetch
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.names import quoted
from pyreplctl.schema.roles import OWNER, ROLES
from pyreplctl.schema.sql_files import Slots, render, texts

_MOST = 5
_TOO_MUCH = {
    "rolcanlogin": "LOGIN",
    "rolsuper": "SUPERUSER",
    "rolcreaterole": "CREATEROLE",
    "rolcreatedb": "CREATEDB",
    "rolreplication": "REPLICATION",
    "rolbypassrls": "BYPASSRLS",
}


def refuse_strangers(
    connection: Connection, where: str, owners: Sequence[str] = (OWNER,)
) -> None:
    """Raise `NotSuitable` for what others own under our names, with what ends it.

    To be called before any table or function of ours is: a view or a function that
    somebody has put there would run as whoever looks. `owners` are ours in this very
    database: the owner at another course has members who are nobody here.
    """
    owners = [*owners, *_without_members(connection)]
    slots: Slots = {"owners": sql.SQL(", ").join(map(sql.Literal, owners))}
    query = render(texts("queries")["strangers"], slots)
    rows = fetch(connection, query.encode())
    if not rows:
        return
    named = [f"{r['kind']} {r['name']}, of {r['owner']}" for r in rows[:_MOST]]
    if len(rows) > _MOST:
        named.append(f"and {len(rows) - _MOST} more")
    raise NotSuitable(
        f"{where} has objects under pyreplctl's names that are not its own:"
        f" {'; '.join(named)}",
        hint="Nothing of them was used. Find out who made them, and why; then run as"
        f" their owner, or a superuser: {rows[0]['remedy']};",
    )


def _without_members(connection: Connection) -> list[str]:
    """Return who owns schema pyrepl, if named as an owner at a course and nobody's.

    Whose it is will be told by what it holds: another course's, or one half-way.
    """
    rows = fetch(
        connection,
        "SELECT r.rolname::text AS name FROM pg_namespace n"
        " JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'pyrepl'"
        " AND r.rolname ~ '^pyrepl_[0-9a-f]+_[0-9]+_owner$' AND NOT EXISTS ("
        "  SELECT FROM pg_auth_members a JOIN pg_roles m ON m.oid = a.member"
        "  WHERE a.roleid = r.oid AND NOT m.rolsuper AND m.rolname <> session_user)",
    )
    return [row["name"] for row in rows]


def refuse_made_up_roles(connection: Connection) -> None:
    """Raise `NotSuitable` for a role of ours that somebody has made before us.

    Where no database has anything of it. Later on its members are known to those who
    install, and what else it should not be is taken from it; but a schema elsewhere
    proves nothing where somebody may give the role away: who makes one may (16).
    """
    for row in fetch(
        connection,
        "SELECT r.*, ARRAY(SELECT m.rolname::text FROM pg_auth_members a"
        "  JOIN pg_roles m ON m.oid = a.member"
        "  WHERE a.roleid = r.oid AND NOT m.rolsuper ORDER BY 1) AS members,"
        " ARRAY(SELECT m.rolname::text FROM pg_auth_members a"
        "  JOIN pg_roles m ON m.oid = a.roleid"
        "  WHERE a.member = r.oid ORDER BY 1) AS groups, u.elsewhere"
        " FROM pg_roles r CROSS JOIN LATERAL (SELECT count(*) > 0 AS elsewhere,"
        "  bool_or(d.dbid = (SELECT b.oid FROM pg_database b"
        "   WHERE b.datname = current_database())) AS here FROM pg_shdepend d"
        "  WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid"
        "  AND d.classid = 'pg_namespace'::regclass) u"
        " WHERE r.rolname = ANY (%s) AND u.here IS NOT TRUE"
        " AND (NOT u.elsewhere OR EXISTS (SELECT FROM pg_auth_members a"
        "  JOIN pg_roles m ON m.oid = a.member WHERE a.roleid = r.oid"
        "  AND a.admin_option AND NOT m.rolsuper AND m.rolname <> session_user))",
        list(ROLES),
    ):
        may = [text for name, text in _TOO_MUCH.items() if row[name]]
        may += [f"member of {name}" for name in row["groups"]]
        may += [f"with member {name}" for name in row["members"]]
        if may:
            raise NotSuitable(
                f"role {row['rolname']} is there already, and nobody of ours has made"
                f" it: {', '.join(may)}",
                hint="Find out who made it, and why; then run as a superuser:"
                f" {_remedy(row)};",
            )


def _remedy(row: dict[str, Any]) -> str:
    if row["elsewhere"]:
        members = ", ".join(map(quoted, row["members"]))
        return f"REVOKE {quoted(row['rolname'])} FROM {members}"
    return f"DROP ROLE {quoted(row['rolname'])}"


def refuse_odd_tables(connection: Connection) -> None:
    """Raise `NotSuitable` where tables of ours would run code of whoever owns them.

    Before a migration, in its transaction, which keeps them locked: the owner at a
    course has members, and a migration runs with all rights of whoever migrates.
    """
    for row in fetch(
        connection,
        "SELECT c.relname::text AS name FROM pg_class c WHERE c.relkind = 'r'"
        " AND c.relnamespace = 'pyrepl'::regnamespace ORDER BY 1",
    ):
        lock = sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE")
        connection.execute(lock.format(sql.Identifier("pyrepl", row["name"])))
    views = sql.SQL(", ").join(map(sql.Literal, texts("views/course")))
    query = render(texts("queries")["odd_tables"], {"views": views})
    if rows := fetch(connection, query.encode()):
        named = [f"{row['kind']} {row['name']} {row['why']}" for row in rows[:_MOST]]
        raise NotSuitable(
            "schema pyrepl has what pyreplctl has not made, and a migration would run:"
            f" {'; '.join(named)}",
            hint="Nothing of it was used. Find out who made it, and why; then take it"
            " away, and run the command again.",
        )
