"""The migrations of both sides: which there are, which are applied; applied by yoyo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

from pyreplctl.core import restricted
from pyreplctl.core.db import Connection, value
from pyreplctl.install import strangers
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.sql_files import root


def files(side: str) -> list[Path]:
    """Return the files of all migrations of the portal or the course, in order."""
    return [
        path
        for path in sorted((root("migrations") / side).glob("*.sql"))
        if not path.name.endswith(".rollback.sql")
    ]


def names(side: str) -> list[str]:
    """Return the names of all migrations of the portal or the course, in order."""
    return [path.stem for path in files(side)]


def pending(connection: Connection, side: str) -> list[str]:
    """Return the names of the migrations that are still to be applied."""
    if value(connection, "SELECT to_regclass('pyrepl._yoyo_migration') IS NULL"):
        return names(side)
    applied = _applied(connection)
    return [name for name in names(side) if name not in applied]


def _applied(connection: Connection) -> set[str]:
    query: LiteralString = "SELECT migration_id FROM pyrepl._yoyo_migration"
    return {str(row["migration_id"]) for row in restricted.read(connection, query)}


def unknown(connection: Connection, side: str) -> list[str]:
    """Return applied migrations that this program does not have: it is too old."""
    if value(connection, "SELECT to_regclass('pyrepl._yoyo_migration') IS NULL"):
        return []
    return sorted(_applied(connection) - set(names(side)))


def apply(connection: Connection, side: str) -> None:
    """Apply all pending migrations in the transaction that is open."""
    with _yoyo(connection, side) as (backend, migrations):
        backend.apply_migrations(backend.to_apply(migrations))


def roll_back(connection: Connection, side: str) -> None:
    """Take all applied migrations back, the newest first; for the tests."""
    with _yoyo(connection, side) as (backend, migrations):
        backend.rollback_migrations(backend.to_rollback(migrations))


@contextmanager
def _yoyo(connection: Connection, side: str) -> Iterator[tuple[Any, Any]]:
    # Late: every command asks for names, and few for more.
    from yoyo import read_migrations

    from pyreplctl.install.yoyo_backend import backend

    with backend(connection) as opened:
        yield opened, read_migrations(str(root("migrations") / side))


def apply_pending(connection: Connection, side: str) -> list[ObjectChange]:
    """Apply the migrations of a side in the open transaction; one change each."""
    missing = set(pending(connection, side))
    if missing:
        if side == "course":
            strangers.refuse_odd_tables(connection)
        apply(connection, side)
    return [
        ObjectChange(f"migration {name}", "created" if name in missing else "unchanged")
        for name in names(side)
    ]
