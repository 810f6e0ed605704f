"""Roles that log in, made for a test and dropped after it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.support.platform import Connection

_PASSWORD = "open sesame"
_numbers = itertools.count(1)


@contextmanager
def new_login(administrator: Connection, *memberships: str) -> Iterator[str]:
    """Create a role that may log in, a member of others; yields its name.

    Afterwards it goes, with what it owns in the administrator's database.
    """
    name = f"login_{next(_numbers)}"
    role = sql.Identifier(name)
    administrator.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, _PASSWORD)
    )
    for group in memberships:
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), role)
        administrator.execute(grant)
    try:
        yield name
    finally:
        administrator.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
        administrator.execute(sql.SQL("DROP ROLE {}").format(role))


def as_login(dsn: str, name: str) -> str:
    """Return the DSN by which such a role connects."""
    return make_conninfo(dsn, user=name, password=_PASSWORD)


@contextmanager
def logged_in(
    dsn: str, administrator: Connection, *memberships: str
) -> Iterator[Connection]:
    """Create a role and connect as it, in autocommit; both end with the block."""
    with (
        new_login(administrator, *memberships) as name,
        psycopg.connect(as_login(dsn, name), autocommit=True) as connection,
    ):
        yield connection
