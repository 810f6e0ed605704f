"""Objects are created, replaced and dropped, and what was installed is recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.schema import contracts
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.objects import (
    Object,
    ObjectChange,
    catalog_query,
    orphans,
    signatures,
    state,
    states,
)
from pyreplctl.schema.portal_objects import OF_EACH_DATABASE, wanted_objects
from pyreplctl.schema.roles import OWNER


def create(connection: Connection, item: Object) -> None:
    """Run the object's SQL and record both hashes, in the open transaction."""
    _give(connection, item)
    try:
        with connection.transaction():
            _run(connection, item)
    except (pg.InvalidFunctionDefinition, pg.InvalidTableDefinition):
        # It returns something else than an earlier version did.
        drop(connection, item)
        _run(connection, item)
    # One that took something else in an earlier version is still there beside it.
    for function in signatures(connection, item)[1:]:
        connection.execute(f"DROP ROUTINE {function} CASCADE".encode())
    _record(connection, [item])


def _run(connection: Connection, item: Object) -> None:
    # Functions refer to each other in both directions.
    statements = f"SET LOCAL check_function_bodies = off; {item.source}"
    if item.owner == OWNER:
        connection.execute(statements.encode())
        return
    with creating(connection, item.owner):
        connection.execute(statements.encode())


@contextmanager
def creating(connection: Connection, owner: str) -> Iterator[None]:
    """Let a role that owns functions create in our schema: for this moment alone."""
    role = value(connection, "SELECT current_setting('role')")
    name = sql.Identifier(owner)
    for statement in (
        sql.SQL("GRANT CREATE ON SCHEMA pyrepl TO {}").format(name),
        sql.SQL("SET LOCAL ROLE {}").format(name),
    ):
        connection.execute(statement)
    yield
    connection.execute("SELECT set_config('role', %s, true)", (role,))
    connection.execute(sql.SQL("REVOKE CREATE ON SCHEMA pyrepl FROM {}").format(name))


def as_owner(connection: Connection, item: Object) -> AbstractContextManager[None]:
    """Act as the owner of an object: only that one takes rights away."""
    return nullcontext() if item.owner == OWNER else creating(connection, item.owner)


def _give(connection: Connection, item: Object) -> None:
    """Give a function that is there to its owner; whoever installs may, being both."""
    if item.kind != "function":
        return
    wrong = fetch(
        connection,
        "SELECT oid::regprocedure::text AS signature FROM pg_proc"
        " WHERE pronamespace = 'pyrepl'::regnamespace AND proname = %s"
        " AND pg_get_userbyid(proowner) <> %s",
        item.name,
        item.owner,
    )
    for row in wrong:
        role = value(connection, "SELECT current_setting('role')")
        with as_owner(connection, item):
            connection.execute("SET LOCAL ROLE NONE")
            statement = f"ALTER ROUTINE {row['signature']} OWNER TO "
            connection.execute(statement.encode() + item.owner.encode())
            connection.execute("SELECT set_config('role', %s, true)", (role,))


def _record(connection: Connection, items: list[Object]) -> None:
    catalog_query(
        connection,
        "INSERT INTO pyrepl.object (kind, name, source_hash, catalog_hash)"
        " SELECT o.kind, o.name, o.source_hash, {catalog_hash} FROM {items}"
        " ON CONFLICT (kind, name) DO UPDATE"
        " SET source_hash = excluded.source_hash, catalog_hash = excluded.catalog_hash",
        items,
    )


_RIGHTS_OF_OTHERS = {
    "function": """
        SELECT format('REVOKE ALL ON ROUTINE %%s FROM %%s CASCADE', p.oid::regprocedure,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
        FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        WHERE p.pronamespace = 'pyrepl'::regnamespace AND p.proname = %s
            AND a.grantee <> p.proowner""",
    "view": """
        SELECT format('REVOKE ALL ON TABLE %%s FROM %%s CASCADE', c.oid::regclass,
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)
        FROM pg_class c, aclexplode(c.relacl) a
        WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relname = %s
            AND a.grantee <> c.relowner""",
}


def _revoke(connection: Connection, item: Object) -> None:
    """Take all rights from others; the source gives again whom it gives."""
    if query := _RIGHTS_OF_OTHERS.get(item.kind):
        for (statement,) in connection.execute(query.encode(), (item.name,)).fetchall():
            connection.execute(statement.encode())


def apply(connection: Connection, items: Iterable[Object]) -> list[ObjectChange]:
    """Create or replace what is not current; return one change an object."""
    wanted = list(items)
    changes = []
    made = []
    replaced = anew = False
    for item, known in zip(wanted, states(connection, wanted), strict=True):
        # What stood on an object that was replaced may have gone with it.
        found = state(connection, item) if replaced else known
        if anew and item.kind == "function" and found == "current":
            # Open sessions have it compiled with a type that is no more.
            found = "outdated"
        if found == "edited":
            _give(connection, item)
            with as_owner(connection, item):
                _revoke(connection, item)
        if found == "missing":  # nothing that create would have to look for
            _run(connection, item)
            made.append(item)
        elif found != "current":
            create(connection, item)
            replaced = True
        anew = anew or (item.kind == "type" and found not in ("current", "missing"))
        action = {"current": "unchanged", "missing": "created"}.get(found, "replaced")
        detail = found if action == "replaced" else ""
        changes.append(ObjectChange(str(item), action, detail))
    if made:
        _record(connection, made)
    return changes


def drop(connection: Connection, item: Object) -> None:
    """Drop a recorded function, view or type, and what stands on it."""
    if item.kind == "function":
        for function in signatures(connection, item):
            connection.execute(f"DROP ROUTINE {function} CASCADE".encode())
    elif item.kind in ("view", "type"):
        connection.execute(
            sql.SQL("DROP {} IF EXISTS {} CASCADE").format(
                sql.SQL(item.kind.upper()), sql.Identifier("pyrepl", item.name)
            )
        )
    connection.execute(
        "DELETE FROM pyrepl.object WHERE kind = %s AND name = %s",
        (item.kind, item.name),
    )


_OF_A_DATABASE = re.compile(rf"({'|'.join(OF_EACH_DATABASE)})_\d+(_immediate)?")


def apply_portal_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    only: int | None = None,
) -> list[ObjectChange]:
    """Bring types and functions up to date, and drop those that nobody needs now.

    With `only` those of other course databases are left as they are: a refresh of each
    would look at those of all.
    """
    used = contracts.in_use(connection)
    wanted = wanted_objects(connection, config, contract, used, only)
    changes = apply(connection, wanted)
    for item in orphans(connection, wanted, "function", "view", "type"):
        if only is None or not _OF_A_DATABASE.fullmatch(item.name):
            drop(connection, item)
            changes.append(ObjectChange(str(item), "dropped", "orphan"))
    return changes
