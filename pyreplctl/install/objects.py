"""Objects are created, replaced and dropped, and what was installed is recorded."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.core import restricted
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, execute_one, fetch
from pyreplctl.core.names import quoted
from pyreplctl.install.roles import as_login, creating, owner_of
from pyreplctl.schema import contracts
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.objects import (
    Object,
    ObjectChange,
    orphans,
    recorded,
    signatures,
    state,
    states,
)
from pyreplctl.schema.portal_objects import OF_EACH_DATABASE, wanted_objects
from pyreplctl.schema.roles import OWNER

log = logging.getLogger("pyreplctl.objects")


def create(connection: Connection, item: Object) -> None:
    """Run the object's SQL and record both hashes, in the open transaction."""
    _create(connection, item)
    _record(connection, [item])


def _create(connection: Connection, item: Object) -> None:
    _give(connection, item)
    try:
        with connection.transaction():
            _run(connection, item)
    except (pg.InvalidFunctionDefinition, pg.InvalidTableDefinition):
        # It returns something else than an earlier version did.
        _drop(connection, item)
        _run(connection, item)
    # One that took something else in an earlier version is still there beside it.
    for function in signatures(connection, item)[1:]:
        execute_one(connection, f"DROP ROUTINE {function} CASCADE")


def _run(connection: Connection, item: Object) -> None:
    # Functions refer to each other in both directions.
    connection.execute("SET LOCAL check_function_bodies = off")
    with as_owner(connection, item):
        for statement in item.statements:
            execute_one(connection, statement)


def as_owner(connection: Connection, item: Object) -> AbstractContextManager[None]:
    """Act as the owner of an object: only that one takes rights away."""
    return nullcontext() if item.owner == OWNER else creating(connection, item.owner)


def _give(connection: Connection, item: Object) -> None:
    """Give a function that is there to its owner; whoever installs may, being both."""
    if item.kind != "function":
        return
    owner = owner_of(connection) if item.owner == OWNER else item.owner
    wrong = fetch(
        connection,
        "SELECT oid::regprocedure::text AS signature FROM pg_proc"
        " WHERE pronamespace = 'pyrepl'::regnamespace AND proname = %s"
        " AND pg_get_userbyid(proowner) <> %s",
        item.name,
        owner,
    )
    for row in wrong:
        with as_owner(connection, item), as_login(connection):
            execute_one(
                connection,
                f"ALTER ROUTINE {row['signature']} OWNER TO {quoted(str(owner))}",
            )


def _record(connection: Connection, items: list[Object]) -> None:
    fields = [[getattr(i, f) for i in items] for f in ("kind", "name", "source_hash")]
    restricted.call(connection, "SELECT pyrepl.record_objects(%s, %s, %s)", *fields)


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
            execute_one(connection, statement)


def apply(connection: Connection, items: Iterable[Object]) -> list[ObjectChange]:
    """Create or replace what is not current; return one change an object.

    What was made is recorded at the end: by a function that may be among it.
    """
    wanted = list(items)
    changes = []
    made = []
    replaced = anew = False
    kept = recorded(connection)
    for item, before in zip(wanted, states(connection, wanted, kept), strict=True):
        # What stood on an object that was replaced may have gone with it.
        found = state(connection, item, kept) if replaced else before
        if anew and item.kind == "function" and found == "current":
            # Open sessions have it compiled with a type that is no more.
            found = "outdated"
        if found in ("edited", "outdated"):
            # What is replaced keeps the rights that an older source gave.
            _give(connection, item)
            with as_owner(connection, item):
                _revoke(connection, item)
        if found == "missing":  # nothing that create would have to look for
            _run(connection, item)
            made.append(item)
        elif found != "current":
            _create(connection, item)
            made.append(item)
            replaced = True
        anew = anew or (item.kind == "type" and found not in ("current", "missing"))
        action = {"current": "unchanged", "missing": "created"}.get(found, "replaced")
        detail = found if action == "replaced" else ""
        changes.append(ObjectChange(str(item), action, detail))
        if action != "unchanged":
            log.debug("%s: %s %s", item, action, detail)
    if made:
        _record(connection, made)
    return changes


def drop(connection: Connection, item: Object) -> None:
    """Drop a recorded function, view or type, and what stands on it; forget it."""
    _drop(connection, item)
    query = "SELECT pyrepl.forget_objects(%s, ARRAY[%s])"
    restricted.call(connection, query, item.kind, item.name)


def _drop(connection: Connection, item: Object) -> None:
    if item.kind == "function":
        for function in signatures(connection, item):
            execute_one(connection, f"DROP ROUTINE {function} CASCADE")
    elif item.kind in ("view", "type"):
        connection.execute(
            sql.SQL("DROP {} IF EXISTS {} CASCADE").format(
                sql.SQL(item.kind.upper()), sql.Identifier("pyrepl", item.name)
            )
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
