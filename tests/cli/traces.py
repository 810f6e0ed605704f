"""What a command may have left behind in a database and in its cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg

_QUERIES: dict[str, LiteralString] = {
    "roles": "SELECT rolname FROM pg_roles WHERE rolname LIKE 'pyrepl%' ORDER BY 1",
    "schemas": "SELECT nspname, nspacl::text FROM pg_namespace"
    " WHERE nspname !~ '^pg_(toast_)?temp' ORDER BY 1",
    "relations": "SELECT oid::regclass::text,"
    " coalesce(relacl, acldefault('r', relowner))::text FROM pg_class"
    " WHERE relkind IN ('r', 'v', 'f') ORDER BY 1",
    "functions": "SELECT oid::regprocedure::text FROM pg_proc"
    " WHERE pronamespace = to_regnamespace('pyrepl') ORDER BY 1",
    "links": "SELECT srvname, umuser::regrole::text FROM pg_user_mappings ORDER BY 1",
    "triggers": "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'pyrepl%' ORDER BY 1",
    "extensions": "SELECT extname FROM pg_extension ORDER BY 1",
}
_ROWS: tuple[LiteralString, ...] = ("database", "hosting", "health", "chain", "change")


def traces(dsn: str) -> dict[str, list[tuple[object, ...]]]:
    """Return roles, schemas, rights, functions, links, triggers and registrations."""
    with psycopg.connect(dsn) as connection:
        found = {name: connection.execute(q).fetchall() for name, q in _QUERIES.items()}
        for table in _ROWS:
            there = "SELECT to_regclass(%s) IS NOT NULL"
            if connection.execute(there, (f"pyrepl.{table}",)).fetchone() == (True,):
                query = f"SELECT t::text FROM pyrepl.{table} t ORDER BY 1".encode()
                found[table] = connection.execute(query).fetchall()
    return found


@contextmanager
def untouched(*dsns: str) -> Iterator[None]:
    """Assert that a block leaves nothing behind in these databases."""
    before = [traces(dsn) for dsn in dsns]
    yield
    for dsn, then in zip(dsns, before, strict=True):
        now = traces(dsn)
        # Another test of this cluster may have left roles, and one that nobody needs
        # any more goes with a registration that is taken back.
        assert set(now.pop("roles")) <= set(then.pop("roles"))
        assert now == then
