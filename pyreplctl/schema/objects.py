"""Objects that install and register create: what should be, and what is.

An object is created from a file, and two hashes are kept in pyrepl.object: of the
source, and of what the catalog held afterwards. So each has one state: current,
outdated (the source has changed), missing, edited (the catalog has changed), disabled,
orphan.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import LiteralString

from psycopg import Cursor, sql

from pyreplctl.core import restricted
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.names import quoted_table
from pyreplctl.schema.roles import OWNER
from pyreplctl.schema.slots import catalog_hash

# (kind, name): the hashes of the source, and of what the catalog held afterwards.
Recorded = dict[tuple[str, str], tuple[str, str]]

_OWNER = re.compile(r"^-- Owner: (\w+)$", re.MULTILINE)


@dataclass(frozen=True)
class Object:
    """A function, procedure, view, composite type or set of triggers, and its SQL."""

    kind: str
    name: str
    statements: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """All its SQL, as one text."""
        return "".join(self.statements)

    @property
    def source_hash(self) -> str:
        """sha256 of the SQL, in hex."""
        return hashlib.sha256(self.source.encode()).hexdigest()

    @property
    def owner(self) -> str:
        """Whose it is to be, and as whom it runs, by the head of its file."""
        found = _OWNER.search(self.source)
        return found[1] if found else OWNER

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class ObjectChange:
    """What happened to an object: created, replaced, unchanged, dropped; or a state."""

    object: str
    state: str
    detail: str = ""


def catalog_query(connection: Connection, query: str, items: list[Object]) -> Cursor:
    """Run a query on the items `o`; {catalog_hash} in it is that of what is there.

    What it hashes is written the same whatever the session's search_path.
    """
    fields = [[getattr(i, f) for i in items] for f in ("kind", "name", "source_hash")]
    given = sql.SQL(
        "unnest({}::text[], {}::text[], {}::text[])"
        " WITH ORDINALITY o(kind, name, source_hash, place)"
    ).format(*fields)
    statements = sql.SQL(
        "SELECT set_config('pyrepl.path', current_setting('search_path'), true),"
        " set_config('search_path', 'pg_catalog, pg_temp', true);"
        " {};"
        " SELECT set_config('search_path', current_setting('pyrepl.path'), true)"
    )
    cursor = connection.execute(
        statements.format(
            sql.SQL(query).format(items=given, catalog_hash=catalog_hash())
        )
    )
    cursor.nextset()
    return cursor


def states(
    connection: Connection, items: Iterable[Object], kept: Recorded | None = None
) -> list[str]:
    """Return how each object is: current, outdated, missing, edited or disabled.

    `kept` is what `recorded` returned, if that has been asked already.
    """
    wanted = list(items)
    kept = recorded(connection) if kept is None else kept
    query = "SELECT {catalog_hash} AS held FROM {items} ORDER BY o.place"
    cursor = catalog_query(connection, query, wanted)
    return [
        _state(connection, item, held, kept)
        for item, (held,) in zip(wanted, cursor.fetchall(), strict=True)
    ]


def state(connection: Connection, item: Object, kept: Recorded | None = None) -> str:
    """Return the state of an object."""
    return states(connection, [item], kept)[0]


def recorded(connection: Connection) -> Recorded:
    """Return what was recorded when objects were created."""
    query: LiteralString = (
        # A view of which an older version kept no text is made again.
        "SELECT kind, name, CASE WHEN kind = 'view'"
        " AND to_jsonb(o) ->> 'definition' IS NULL THEN '' ELSE source_hash END"
        " AS source_hash, catalog_hash FROM pyrepl.object o"
    )
    return {
        (str(row["kind"]), str(row["name"])): (row["source_hash"], row["catalog_hash"])
        for row in restricted.read(connection, query)
    }


def _state(
    connection: Connection, item: Object, held: str | None, kept: Recorded
) -> str:
    if held is None:
        return "missing"
    source, catalog = kept.get((item.kind, item.name), (None, None))
    if source != item.source_hash:
        return "outdated"
    if catalog != held:
        return "disabled" if _disabled(connection, item) else "edited"
    return "current"


def _disabled(connection: Connection, item: Object) -> bool:
    return item.kind == "triggers" and bool(
        value(
            connection,
            "SELECT bool_or(tgenabled <> 'A') FROM pg_trigger"
            " WHERE tgrelid = to_regclass(%s) AND tgname LIKE 'pyrepl\\_%%'",
            quoted_table(item.name),
        )
    )


def signatures(connection: Connection, item: Object) -> list[str]:
    """Return the signatures under which a function is there, the newest first."""
    rows = fetch(
        connection,
        "SELECT oid::regprocedure::text AS signature FROM pg_proc"
        " WHERE pronamespace = 'pyrepl'::regnamespace AND proname = %s"
        " ORDER BY age(xmin)",
        item.name if item.kind == "function" else None,
    )
    return [row["signature"] for row in rows]


def orphans(
    connection: Connection, items: Iterable[Object], *kinds: str
) -> list[Object]:
    """Return recorded objects that are wanted no longer; of some kinds, or of all."""
    wanted = {(item.kind, item.name) for item in items}
    return [
        Object(kind, name)
        for kind, name in sorted(recorded(connection))
        if (kind, name) not in wanted and (not kinds or kind in kinds)
    ]
