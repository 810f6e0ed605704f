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
from psycopg import sql

from pyreplctl.core.db import Connection, value
from pyreplctl.core.errors import NotSuitable


def read(
    connection: Connection, query: LiteralString | sql.Composed, *values: Any
) -> list[dict[str, Any]]:
    """Return the rows of a query, as JSON has them; whatever it did is taken back."""
    with connection.transaction(force_rollback=True):
        return _refreshed(connection, query, values)[1]


def call(connection: Connection, query: LiteralString, *values: Any) -> Any:
    """Call a function of ours that writes; return the first column of the first row."""
    with connection.transaction():
        name, rows = _refreshed(connection, query, values)
        connection.execute(sql.SQL("DROP MATERIALIZED VIEW {}").format(name))
    return next(iter(rows[0].values())) if rows else None


def _refreshed(
    connection: Connection, query: LiteralString | sql.Composed, values: tuple[Any, ...]
) -> tuple[sql.Identifier, list[dict[str, Any]]]:
    name = sql.Identifier("pyrepl", f"answer_{uuid4().hex}")
    given = psycopg.ClientCursor(connection).mogrify(query, values or None)
    role = value(connection, "SELECT current_setting('role')")
    connection.execute(
        "SELECT set_config('role', pg_get_userbyid(nspowner), true)"
        " FROM pg_namespace WHERE nspname = 'pyrepl'"
    )
    # Deferred, a foreign key would be refused there, which is nobody's attack.
    connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    create = sql.SQL("CREATE MATERIALIZED VIEW {} AS SELECT to_jsonb(q) AS row FROM (")
    made = create.format(name).as_string() + given + ") q WITH NO DATA"
    connection.execute(made.encode())
    oid = _oid(connection, name)
    connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(name))
    # Something else may have been put in its place: by name alone it would be run.
    if _oid(connection, name) != oid:
        raise NotSuitable(
            "what stands in schema pyrepl has renamed what it was asked by",
            hint="Find out who may act as the owner of schema pyrepl there.",
        )
    rows = connection.execute(sql.SQL("SELECT row FROM {}").format(name)).fetchall()
    connection.execute("SELECT set_config('role', %s, true)", (role,))
    return name, [row[0] for row in rows]


def _oid(connection: Connection, name: sql.Identifier) -> Any:
    query = "SELECT oid FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'm'"
    return value(connection, query, name.as_string())
