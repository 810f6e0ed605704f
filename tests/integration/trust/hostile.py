"""What a superuser of a course's server can do to what we have there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import pytest

from pyreplctl.core import restricted
from pyreplctl.core.db import fetch, value
from tests.support.platform import Connection, Course, Platform

# Fires after pyrepl_apply, whose answer it falsifies.
_LIE: LiteralString = """
    CREATE OR REPLACE FUNCTION public.lie() RETURNS trigger LANGUAGE plpgsql AS $lie$
    BEGIN
        %s
        RETURN NEW;
    END $lie$;
    DROP TRIGGER IF EXISTS zz_lie ON pyrepl.inbox;
    CREATE TRIGGER zz_lie INSTEAD OF UPDATE ON pyrepl.inbox
        FOR EACH ROW EXECUTE FUNCTION public.lie();
"""

# The same before pyrepl_apply, which never comes to its turn.
_REFUSE: LiteralString = """
    CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql
    AS $refuse$
    BEGIN
        %s
        RETURN NEW;
    END $refuse$;
    DROP TRIGGER IF EXISTS aa_refuse ON pyrepl.inbox;
    CREATE TRIGGER aa_refuse INSTEAD OF UPDATE ON pyrepl.inbox
        FOR EACH ROW EXECUTE FUNCTION public.refuse();
"""


def lie(course: Course, statements: str) -> None:
    """Falsify what the inbox answers: `statements` change NEW."""
    course.connection.execute((_LIE % statements).encode())


def refuse(course: Course, statements: str) -> None:
    """Run statements instead of a push, before anything else is done."""
    course.connection.execute((_REFUSE % statements).encode())


@contextmanager
def altered(platform: Platform, function: str, old: str, new: str) -> Iterator[None]:
    """Have a function of the portal without what keeps an attack off: the control."""
    query = "SELECT pg_get_functiondef(%s::regproc)"
    (source,) = platform.rows(query, function)[0]
    assert old in source, f"{function} has no {old!r}"
    platform.connection.execute(source.replace(old, new).encode())
    try:
        yield
    finally:
        platform.connection.execute(source.encode())


def read_and_call_plainly(patch: pytest.MonkeyPatch) -> None:
    """Have what others own read and called by whoever has logged in: the control."""

    def read(
        connection: Connection, query: LiteralString, *values: Any
    ) -> list[dict[str, Any]]:
        return fetch(connection, query, *values)

    def call(connection: Connection, query: LiteralString, *values: Any) -> Any:
        return value(connection, query, *values)

    patch.setattr(restricted, "read", read)
    patch.setattr(restricted, "call", call)
