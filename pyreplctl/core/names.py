"""Names as SQL and a shell take them: anybody chooses names, some choose badly."""

from __future__ import annotations

import re
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


_PLAIN = re.compile("[a-z_][a-z0-9_]*")
# The reserved words, one of which somebody may have called a role.
_RESERVED = (
    " all analyse analyze any array as asc authorization both case cast check collate"
    " column constraint create current_role current_user default desc distinct do else"
    " end except false fetch for foreign from grant group having in initially intersect"
    " into leading limit none not null offset on only or order placing primary public"
    " references returning select session_user some symmetric table then to trailing"
    " true union unique user using variadic when where window with "
)


def role(name: str) -> str:
    """Return the name of a role for people to paste: in quotes where it must be.

    >>> role("deployer"), role("user"), role("x; DROP ROLE y")
    ('deployer', '"user"', '"x; DROP ROLE y"')
    """
    plain = _PLAIN.fullmatch(name) and f" {name} " not in _RESERVED
    return name if plain else quoted(name)


def quoted_table(table: str) -> str:
    """Return the name of a table as SQL and regclass take it.

    >>> quoted_table("public.AuthUser")
    '"public"."AuthUser"'
    """
    return identifier(table).as_string()


def literal(text: str) -> str:
    """Return a text as SQL takes it."""
    return sql.Literal(text).as_string()


def in_quotes(text: str) -> str:
    """Return a text as a shell takes it, in quotes also where it needs none.

    >>> in_quotes("edX/toy/2012_Fall")
    "'edX/toy/2012_Fall'"
    """
    quote = "'"
    return quote + text.replace(quote, "'\"'\"'") + quote


def pasted(name: str) -> str:
    """Return a name as a shell takes it, to be put into a command that people paste.

    >>> pasted("forum"), pasted("forum; rm -r ~")
    ('forum', "'forum; rm -r ~'")
    """
    return shlex.quote(name)
