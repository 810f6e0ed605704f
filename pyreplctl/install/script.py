"""The SQL that install and register run, as one text."""

from __future__ import annotations

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection
from pyreplctl.core.names import quoted, quoted_table
from pyreplctl.install import migrations
from pyreplctl.schema import contracts, course_objects, guard, portal_objects, roles
from pyreplctl.schema.link import Link, link_sql
from pyreplctl.schema.objects import Object

_LINK_ROLE = "pyrepl_…_1"


def statements(connection: Connection, config: Config, side: str) -> str:
    """Return what is run at the portal or at a course, in order.

    As on a fresh server: what is there already is left out when it is run. Nothing of
    it is run here; passwords are not in it.
    """
    contract = contracts.offered(connection, config)
    owner = roles.OWNER
    if side == "portal":
        before = _portal_roles(config)
        items = portal_objects.planned_objects(connection, config, contract)
        link = link_sql(Link(1, _LINK_ROLE), {"host": "…", "dbname": "…"})
        items.append(Object("link", "to a course database, here number 1", link))
    else:
        before = _course_roles(connection, config)
        server = connection.info.server_version
        items = course_objects.wanted_objects(config, contract, _LINK_ROLE, server)
        owner = roles.course_owner(_LINK_ROLE)
        items += guard.triggers(config, owner)
    parts = [f"{statement};" for statement in before]
    # As install does: functions refer to each other in both directions.
    become = sql.SQL("SET ROLE {};").format(sql.Identifier(owner)).as_string()
    parts += ["SET check_function_bodies = off;", become]
    parts += [
        f"-- migration {path.stem}\n{path.read_text(encoding='utf-8')}"
        for path in migrations.files(side)
    ]
    if side == "portal":
        parts += [f"{statement};" for statement in _our_grants()]
    for item in items:
        # The triggers are on tables of the platform, whose owner runs install.
        run = f"{item.source.rstrip().rstrip(';')};"
        if item.kind == "triggers":
            run = f"RESET ROLE;\n{run}\n{become}"
        elif item.owner != roles.OWNER:
            run = (
                f"GRANT CREATE ON SCHEMA pyrepl TO {item.owner};\n"
                f"SET ROLE {item.owner};\n{run}\n{become}\n"
                f"REVOKE CREATE ON SCHEMA pyrepl FROM {item.owner};"
            )
        parts.append(f"-- {item}\n{run}")
    return "\n".join([*parts, "RESET ROLE;"])


def _portal_roles(config: Config) -> list[str]:
    users = [role for role in roles.ROLES if role != roles.OWNER]
    return [
        *(f"CREATE ROLE {role} NOLOGIN" for role in roles.ROLES),
        "CREATE SCHEMA pyrepl AUTHORIZATION pyrepl_owner",
        f"GRANT USAGE ON SCHEMA pyrepl TO {', '.join(users)}",
        "CREATE EXTENSION postgres_fdw SCHEMA pyrepl",
        "GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO pyrepl_owner",
        *_table_grants(config, "SELECT", roles.READER),
    ]


def _course_roles(connection: Connection, config: Config) -> list[str]:
    role = sql.Identifier(_LINK_ROLE).as_string(connection)
    owner = sql.Identifier(roles.course_owner(_LINK_ROLE)).as_string(connection)
    return [
        f"CREATE ROLE {role} LOGIN CONNECTION LIMIT {roles.CONNECTION_LIMIT}",
        f"CREATE ROLE {owner} NOLOGIN",
        f"CREATE SCHEMA pyrepl AUTHORIZATION {owner}",
        *_table_grants(config, "SELECT, INSERT, UPDATE, DELETE", owner),
        f"GRANT USAGE ON SCHEMA pyrepl TO {role}",
    ]


def _our_grants() -> list[str]:
    granted = []
    for role, right, table, columns in roles.TABLE_RIGHTS:
        listed = f" ({', '.join(columns)})" if columns else ""
        granted.append(f"GRANT {right}{listed} ON pyrepl.{table} TO {role}")
    return granted


def _table_grants(config: Config, granted: str, role: str) -> list[str]:
    names = [quoted_table(name) for name in contracts.table_names(config)]
    schemas = dict.fromkeys(
        quoted(name.partition(".")[0]) for name in contracts.table_names(config)
    )
    return [
        *(f"GRANT USAGE ON SCHEMA {schema} TO {role}" for schema in schemas),
        *(f"GRANT {granted} ON {name} TO {role}" for name in names),
    ]
