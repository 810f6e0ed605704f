"""Writes sql/expected/ after a new migration: `make expected`."""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

from pyreplctl.install import migrations
from pyreplctl.schema.roles import rights_of_ours
from pyreplctl.schema.sql_files import render, root, texts
from pyreplctl.schema.tables import HEADER
from tests.support.platform import Connection


def text_of(connection: Connection) -> str:
    """Return the tables of an installation as the file has them."""
    rows = connection.execute(
        "SELECT name, held FROM pyrepl.table_rows() WHERE kind = 'table'"
        " AND name NOT LIKE '%yoyo%' ORDER BY name"
    ).fetchall()
    blocks = [HEADER, *(f"table {name}\n{held}" for name, held in rows)]
    return "\n\n".join(blocks) + "\n"


def migrated(connection: Connection, side: str) -> str:
    """Return the same of a database with nothing but the migrations, then undo them."""
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE SCHEMA pyrepl")
        migrations.apply(connection, side)
        for name in ("privilege_problem", "table_rows"):
            source = render(
                texts("functions/both")[name],
                {
                    "owner": sql.Literal("pyrepl_owner"),
                    "rights_of_ours": rights_of_ours(),
                },
            )
            connection.execute(source.encode())
        return text_of(connection)


def file_of(side: str) -> Path:
    """Return the file with the tables of a side."""
    return root("sql") / "expected" / f"{side}.txt"


def main() -> None:
    """Write both files."""
    from tests.conftest import running_cluster

    with (
        running_cluster() as cluster,
        psycopg.connect(cluster.conninfo(), autocommit=True) as connection,
    ):
        connection.execute("CREATE ROLE pyrepl_owner")
        for side in ("portal", "course"):
            file_of(side).write_text(migrated(connection, side), encoding="utf-8")


if __name__ == "__main__":
    main()
