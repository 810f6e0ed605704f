"""Names as SQL and a shell take them: anybody chooses names, some choose badly."""

from __future__ import annotations

import shlex

from psycopg import sql


def identifier(table: str) -> sql.Identifier:
    """Return a table, named schema.table without quotes, as an identifier."""
    return sql.Identifier(*table.split(".", 1))


def quoted(*parts: str) -> str:
    """Return a name of one or more parts, each in quotes.

    >>> quoted("public", 'a"b')
    '"public"."a""b"'
    """
    return sql.Identifier(*parts).as_string()


def quoted_table(table: str) -> str:
    """Return the name of a table as SQL and regclass take it.

    >>> quoted_table("public.AuthUser")
    '"public"."AuthUser"'
    """
    return identifier(table).as_string()


def literal(text: str) -> str:
    """Return a text as SQL takes it."""
    return sql.Literal(text).as_string()


def pasted(name: str) -> str:
    """Return a name as a shell takes it, to be put into a command that people paste.

    >>> pasted("forum"), pasted("forum; rm -r ~")
    ('forum', "'forum; rm -r ~'")
    """
    return shlex.quote(name)
