"""The SQL that install and register run, as one text."""

from __future__ import annotations

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection
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
        blank = sql.SQL("is_active = false /* and what else the course allows */")
        server = connection.info.server_version
        items = course_objects.wanted_objects(
            config, contract, _LINK_ROLE, blank, server
        )
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
    for item in items:
        # The triggers are on tables of the platform, whose owner runs install.
        run = f"{item.source.rstrip().rstrip(';')};"
        if item.kind == "triggers":
            run = f"RESET ROLE;\n{run}\n{become}"
        parts.append(f"-- {item}\n{run}")
    return "\n".join([*parts, "RESET ROLE;"])


def _portal_roles(config: Config) -> list[str]:
    return [
        *(f"CREATE ROLE {role} NOLOGIN" for role in roles.ROLES),
        "CREATE SCHEMA pyrepl AUTHORIZATION pyrepl_owner",
        "GRANT USAGE ON SCHEMA pyrepl TO pyrepl_worker, pyrepl_monitor",
        "CREATE EXTENSION postgres_fdw SCHEMA pyrepl",
        "GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO pyrepl_owner",
        *_table_grants(config, "SELECT", roles.OWNER),
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


def _table_grants(config: Config, granted: str, owner: str) -> list[str]:
    names = [
        sql.Identifier(*name.split(".")).as_string()
        for name in contracts.table_names(config)
    ]
    schemas = dict.fromkeys(name.partition(".")[0] for name in names)
    return [
        *(f"GRANT USAGE ON SCHEMA {schema} TO {owner}" for schema in schemas),
        *(f"GRANT {granted} ON {name} TO {owner}" for name in names),
    ]
