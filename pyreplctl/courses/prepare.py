"""What a course database gets: schema, tables, functions and the link role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from pyreplctl.core import restricted
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.core.names import quoted_table
from pyreplctl.courses import links
from pyreplctl.courses.identity import Checked
from pyreplctl.install import grants, migrations, objects, roles
from pyreplctl.schema import contracts
from pyreplctl.schema.contracts import Contract
from pyreplctl.schema.course_objects import wanted_objects
from pyreplctl.schema.objects import ObjectChange, orphans
from pyreplctl.schema.roles import OWNER, course_owner, link_roles


def prepare(
    course: Checked,
    config: Config,
    contract: Contract,
    agreed: Sequence[tuple[Any, ...]],
    role: str,
) -> list[ObjectChange]:
    """Bring schema, rights, tables and functions up to date in the open transaction.

    All but the guard's triggers, for which `guard.apply` takes transactions of its own.
    `agreed` is what `preflight.check_course` returned. The link role must exist.
    """
    owner = course_owner(role)
    if roles.owner_of(course) == OWNER:  # of an older version: this one is to be new
        links.refuse_role(course, owner)
    roles.create_role(course, owner, "owns schema pyrepl of one course database")
    changes = roles.take_from_shared(course, owner)
    if value(course, "SELECT to_regnamespace('pyrepl') IS NULL"):
        create = sql.SQL("CREATE SCHEMA pyrepl AUTHORIZATION {}")
        course.execute(create.format(sql.Identifier(owner)))
    changes += roles.repair(course, "course", _roles(course, role), owner)
    _grants(course, config, role)
    for link_role in _roles(course, role).keys() - {owner}:
        links.pin_role(course, link_role)
    roles.become_owner(course, owner)
    changes += migrations.apply_pending(course, "course")
    server = course.info.server_version
    local = {(part, column): type_ for part, _, _, column, _, type_ in agreed}
    here = contract.at_course(local)
    wanted = wanted_objects(config, here, role, server)
    changes += objects.apply(course, wanted)
    for item in orphans(course, wanted, "function", "view", "type"):
        objects.drop(course, item)
        changes.append(ObjectChange(str(item), "dropped"))
    parts, _, *columns = map(list, zip(*agreed, strict=True))
    query = "SELECT pyrepl.set_contract(%s, %s, %s, %s, %s, %s)"
    restricted.call(course, query, contract.fingerprint, parts, *columns)
    roles.become_login(course)
    return changes


def _roles(course: Connection, role: str) -> dict[str, bool]:
    """Return the roles of ours at a course, and whether each logs in."""
    rows = course.execute(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)",
        (link_roles(role),),
    )
    return {course_owner(role): False} | {row[0]: True for row in rows}


def _grants(course: Connection, config: Config, role: str) -> None:
    owner = course_owner(role)
    wanted = ("SELECT", "INSERT", "UPDATE", "DELETE")
    for table in contracts.table_names(config):
        grants.grant_table(course, table, wanted, owner)
    grants.grant_types(course, contracts.table_names(config), owner)
    # erase looks whether the course refers to a user: it must be able to read that.
    for row in fetch(
        course,
        "SELECT n.nspname::text AS schema, r.relname::text AS table,"
        " ARRAY(SELECT a.attname::text FROM pg_attribute a"
        "  WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)) AS columns"
        " FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid"
        " JOIN pg_namespace n ON n.oid = r.relnamespace"
        " WHERE c.contype = 'f' AND c.confrelid = to_regclass(%s)",
        quoted_table(config.tables.user.name),
    ):
        course.execute(
            sql.SQL("GRANT SELECT ({}) ON {} TO {}").format(
                sql.SQL(", ").join(map(sql.Identifier, row["columns"])),
                sql.Identifier(row["schema"], row["table"]),
                sql.Identifier(owner),
            )
        )
        grants.grant_schema(course, row["schema"], owner)
    name = sql.Identifier(role)
    course.execute(sql.SQL("GRANT USAGE ON SCHEMA pyrepl TO {}").format(name))
    course.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(course.info.dbname), name
        )
    )
