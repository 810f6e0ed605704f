"""Values of rows that differ, read on both sides with the administrator's rights."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from pyreplctl.core import databases, restricted
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, fetch
from pyreplctl.core.texts import clean
from pyreplctl.courses import conninfo
from pyreplctl.install import installed
from pyreplctl.schema.contracts import PARTS
from pyreplctl.verify.data import Difference

SECRET = "password"  # what a column is called whose values nobody is shown

Rows = list[dict[str, str | None]]


@dataclass(frozen=True)
class Values:
    """The rows of a user in one table at the portal and at the course, as text."""

    portal: Rows
    course: Rows


def read(
    dsn: str, config: Config, name: str, differences: list[Difference]
) -> list[Values]:
    """Read what differs: the columns that do, or all; passwords never."""
    with connect(dsn, "the portal") as here:
        contract = installed.installed_contract(here, config)
        number = databases.numbers(here, [name])[name]
        with conninfo.connect_course(here, number, name, None, look=True) as there:
            found = []
            for each in differences:
                part = next(
                    part
                    for part in PARTS
                    if getattr(config.tables, part).name == each.table
                )
                columns = each.columns or [c.name for c in contract.part(part)]
                asked = [c for c in columns if SECRET not in c.lower()]
                args = (config, part, each.user_id, asked)
                portal = _portal_rows(here, part, each.user_id, asked)
                found.append(Values(portal, _rows(there, *args)))
            return found


def _portal_rows(
    connection: Connection, part: str, user: int, columns: list[str]
) -> Rows:
    """Read by the role that reads: no code of the tables' owner is to run as us."""
    query = "SELECT r FROM pyrepl.rows_as_text(%s, %s, %s) r"
    rows = fetch(connection, query, part, user, columns) if columns else []
    return [row["r"] for row in rows]


def _rows(
    connection: Connection, config: Config, part: str, user: int, columns: list[str]
) -> Rows:
    """Read by the owner of ours: the tables, and what they run, are the course's."""
    table = getattr(config.tables, part)
    query = sql.SQL("SELECT {} FROM {} WHERE {} = %s ORDER BY {} LIMIT 100").format(
        sql.SQL(", ").join(
            sql.SQL("left({0}::text, 1000) AS {0}").format(sql.Identifier(name))
            for name in columns
        ),
        table.identifier,
        sql.Identifier(table.key if part == "user" else table.user),
        sql.Identifier(table.key),
    )
    rows = restricted.read(connection, query, user) if columns else []
    return [
        {k: None if v is None else clean(v) for k, v in row.items()} for row in rows
    ]
