"""What belongs to the owner of schema pyrepl is read and called with his rights alone.

Whoever is a member of that owner may put a view in the place of a table of ours, or his
code into a function; and a session that took on a role can be made to put it off again.
So each such statement is the query of a materialized view that belongs to the owner,
and REFRESH runs it: in what PostgreSQL calls a security-restricted operation. No role
can be set there, nothing can be left for the COMMIT, and no setting, cursor, prepared
statement or temporary object stays behind.
"""

from __future__ import annotations

from typing import Any, LiteralString
from uuid import uuid4

import psycopg
from psycopg import errors as pg
from psycopg import sql

from pyreplctl.core.db import Connection
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.names import literal, quoted


def read(
    connection: Connection, query: LiteralString | sql.Composed, *values: Any
) -> list[dict[str, Any]]:
    """Return the rows of a query, as JSON has them; whatever it did is taken back."""
    with connection.transaction(force_rollback=True):
        return _refreshed(connection, query, values)


def call(connection: Connection, query: LiteralString, *values: Any) -> Any:
    """Call a function of ours that writes; return the first column of the first row."""
    with connection.transaction():
        rows = _refreshed(connection, query, values)
    return next(iter(rows[0].values())) if rows else None


# Deferred, a foreign key would be refused there, which is no attack. Something else
# may have been put in the view's place, and would be run by name: hence the division.
_STATEMENTS = """
    SELECT set_config('pyrepl.was', current_setting('role'), true);
    SELECT set_config('role', pg_get_userbyid(nspowner), true)
        FROM pg_namespace WHERE nspname = 'pyrepl';
    SET CONSTRAINTS ALL IMMEDIATE;
    CREATE MATERIALIZED VIEW {name} AS SELECT to_jsonb(q) AS row FROM (
        {query}
        ) q WITH NO DATA;
    REFRESH MATERIALIZED VIEW {name};
    SELECT 1 / count(*) FROM pg_class WHERE oid = to_regclass({text}) AND relkind = 'm';
    SELECT coalesce(array_agg(row), '{{}}') AS answer FROM {name};
    DROP MATERIALIZED VIEW {name};
    SELECT set_config('role', current_setting('pyrepl.was'), true)"""


def _refreshed(
    connection: Connection, query: LiteralString | sql.Composed, values: tuple[Any, ...]
) -> list[dict[str, Any]]:
    name = quoted("pyrepl", f"answer_{uuid4().hex}")
    given = psycopg.ClientCursor(connection).mogrify(query, values or None)
    sent = _STATEMENTS.format(name=name, text=literal(name), query=given)
    try:
        cursor = connection.execute(sent.encode())
    except pg.DivisionByZero as error:
        raise NotSuitable(
            "what stands in schema pyrepl has renamed what it was asked by",
            hint="Find out who may act as the owner of schema pyrepl there.",
        ) from error
    rows: list[dict[str, Any]] = []
    more: bool | None = True
    while more:
        if cursor.description and cursor.description[0].name == "answer":
            rows = cursor.fetchall()[0][0]
        more = cursor.nextset()
    return rows
