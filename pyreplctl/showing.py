"""The SQL that install and register run, as one text."""

from __future__ import annotations

from psycopg import sql

from pyreplctl import contracts, course_side, links, portal
from pyreplctl.config import Config
from pyreplctl.db import Connection
from pyreplctl.objects import Object
from pyreplctl.sources import root


def statements(connection: Connection, config: Config, side: str) -> str:
    """Return what is run at the portal or at a course, migrations first.

    Nothing of it is run; passwords are not in it.
    """
    contract = contracts.offered(connection, config)
    if side == "portal":
        items = portal.planned_objects(connection, config, contract)
        link = links.link_sql(1, "pyrepl_…_1", {"host": "…", "dbname": "…"})
        items.append(Object("link", "to a course database, here number 1", link))
    else:
        role = "pyrepl_…_1"
        blank = sql.SQL("/* blanks, by the course's own NOT NULLs */")
        items = course_side.wanted_objects(config, contract, role, blank)
    parts = [
        f"-- migration {path.stem}\n{path.read_text(encoding='utf-8')}"
        for path in sorted((root("migrations") / side).glob("*.sql"))
        if not path.name.endswith(".rollback.sql")
    ]
    parts += [f"-- {item}\n{item.source};" for item in items]
    return "\n".join(parts)
