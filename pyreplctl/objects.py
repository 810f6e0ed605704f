"""Objects that install and register create: what should be, and what is.

An object is created from a file, and two hashes are kept in pyrepl.object: of the
source, and of what the catalog held afterwards. So each has one state: current,
outdated (the source has changed), missing, edited (the catalog has changed), disabled,
orphan.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import errors as pg
from psycopg import sql

from pyreplctl.db import Connection, fetch, value
from pyreplctl.sources import texts


@dataclass(frozen=True)
class Object:
    """A function, procedure, view, composite type or set of triggers, and its SQL."""

    kind: str
    name: str
    source: str

    @property
    def source_hash(self) -> str:
        """sha256 of the SQL, in hex."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Change:
    """What happened to an object: created, replaced, unchanged, dropped; or a state."""

    object: str
    state: str
    detail: str = ""


def _catalog_hash(connection: Connection, item: Object) -> str | None:
    """Return the hash of what the catalog holds, whatever the session's search_path."""
    text = sql.SQL(texts("fragments")["catalog_hash"])
    hashed = text.format(kind=sql.Literal(item.kind), name=sql.Literal(item.name))
    query = sql.SQL(
        "SELECT set_config('pyrepl.path', current_setting('search_path'), true),"
        " set_config('search_path', 'pg_catalog, pg_temp', true);"
        " SELECT {};"
        " SELECT set_config('search_path', current_setting('pyrepl.path'), true)"
    ).format(hashed)
    cursor = connection.execute(query)
    cursor.nextset()
    row = cursor.fetchone()
    found: str | None = row[0] if row else None
    return found


def state(connection: Connection, item: Object) -> str:
    """Return the state of an object: current, outdated, missing, edited or disabled."""
    held = _catalog_hash(connection, item)
    if held is None:
        return "missing"
    recorded = fetch(
        connection,
        "SELECT source_hash, catalog_hash FROM pyrepl.object"
        " WHERE kind = %s AND name = %s",
        item.kind,
        item.name,
    )
    if not recorded or recorded[0]["source_hash"] != item.source_hash:
        return "outdated"
    if recorded[0]["catalog_hash"] != held:
        return "disabled" if _disabled(connection, item) else "edited"
    return "current"


def _disabled(connection: Connection, item: Object) -> bool:
    return item.kind == "triggers" and bool(
        value(
            connection,
            "SELECT bool_or(tgenabled <> 'A') FROM pg_trigger"
            " WHERE tgrelid = to_regclass(%s) AND tgname LIKE 'pyrepl\\_%%'",
            item.name,
        )
    )


def create(connection: Connection, item: Object) -> None:
    """Run the object's SQL and record both hashes, in the open transaction."""
    try:
        with connection.transaction():
            _run(connection, item)
    except (pg.InvalidFunctionDefinition, pg.InvalidTableDefinition):
        # It returns something else than an earlier version did.
        drop(connection, item)
        _run(connection, item)
    # One that took something else in an earlier version is still there beside it.
    for function in _functions(connection, item)[1:]:
        connection.execute(f"DROP ROUTINE {function} CASCADE".encode())
    _record(connection, item)


def _run(connection: Connection, item: Object) -> None:
    # Functions refer to each other in both directions.
    statements = f"SET LOCAL check_function_bodies = off; {item.source}"
    connection.execute(statements.encode())


def _record(connection: Connection, item: Object) -> None:
    connection.execute(
        "INSERT INTO pyrepl.object (kind, name, source_hash, catalog_hash)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (kind, name) DO UPDATE"
        " SET source_hash = excluded.source_hash, catalog_hash = excluded.catalog_hash",
        (item.kind, item.name, item.source_hash, _catalog_hash(connection, item)),
    )


def _functions(connection: Connection, item: Object) -> list[str]:
    """Return the signatures under which a function is there, the newest first."""
    rows = fetch(
        connection,
        "SELECT oid::regprocedure::text AS signature FROM pg_proc"
        " WHERE pronamespace = 'pyrepl'::regnamespace AND proname = %s"
        " ORDER BY age(xmin)",
        item.name if item.kind == "function" else None,
    )
    return [row["signature"] for row in rows]


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


def bring(connection: Connection, items: Iterable[Object]) -> list[Change]:
    """Create or replace what is not current; return one change an object."""
    changes = []
    anew = False
    for item in items:
        found = state(connection, item)
        if anew and item.kind == "function" and found == "current":
            # Open sessions have it compiled with a type that is no more.
            found = "outdated"
        if found == "edited":
            _revoke(connection, item)
        if found == "missing":  # nothing that create would have to look for
            _run(connection, item)
            _record(connection, item)
        elif found != "current":
            create(connection, item)
        anew = anew or (item.kind == "type" and found not in ("current", "missing"))
        action = {"current": "unchanged", "missing": "created"}.get(found, "replaced")
        detail = found if action == "replaced" else ""
        changes.append(Change(str(item), action, detail))
    return changes


def orphans(
    connection: Connection, items: Iterable[Object], *kinds: str
) -> list[Object]:
    """Return recorded objects that are wanted no longer; of some kinds, or of all."""
    wanted = {(item.kind, item.name) for item in items}
    rows = fetch(connection, "SELECT kind, name FROM pyrepl.object ORDER BY kind, name")
    return [
        Object(row["kind"], row["name"], "")
        for row in rows
        if (row["kind"], row["name"]) not in wanted
        and (not kinds or row["kind"] in kinds)
    ]


def drop(connection: Connection, item: Object) -> None:
    """Drop a recorded function, view or type, and what stands on it."""
    if item.kind == "function":
        for function in _functions(connection, item):
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
