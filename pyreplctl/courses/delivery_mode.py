"""Immediate delivery of a course database: its own link, and switching to and fro."""

from __future__ import annotations

from contextlib import suppress

from psycopg import sql

from pyreplctl.core import databases
from pyreplctl.core.config import Config, Mode
from pyreplctl.core.db import Connection, driver_errors, fetch, parameters, value
from pyreplctl.core.errors import Error, NotSuitable
from pyreplctl.courses import conninfo, links
from pyreplctl.courses.identity import Checked
from pyreplctl.install import objects, roles
from pyreplctl.schema import contracts, portal_objects
from pyreplctl.schema.link import Link, immediate_role
from pyreplctl.schema.objects import ObjectChange


def check_portal(connection: Connection) -> None:
    """Refuse a portal on which a writer's COMMIT cannot always deliver."""
    most = value(connection, "SELECT current_setting('max_prepared_transactions')")
    if most != "0":
        raise NotSuitable(
            f"the portal has max_prepared_transactions = {most}; immediate delivery"
            " needs 0: a transaction that is prepared may not use postgres_fdw",
            hint="Set it to 0 and restart the portal's server, or use queued delivery.",
        )


def set_delivery(
    connection: Connection,
    config: Config,
    name: str,
    mode: Mode,
    dsn: str | None = None,
) -> list[ObjectChange]:
    """Switch a course database to queued or immediate delivery; return what changed.

    The first time, immediate delivery gets a link of its own, with a role of its own at
    the course: what the application's sessions take of it the queue does not miss. It
    stays when the database goes back to queued.
    """
    number = databases.numbers(connection, [name])[name]
    if not _is_new(connection, number, mode):
        return []
    if mode == "queued":
        return _switch(connection, number, mode)
    check_portal(connection)
    with conninfo.connect_course(connection, number, name, dsn) as course:
        return set_both(connection, course, config, name, mode)


def set_both(
    connection: Connection, course: Checked, config: Config, name: str, mode: Mode
) -> list[ObjectChange]:
    """Do the same by a connection to the course database that is open."""
    number = databases.numbers(connection, [name])[name]
    if not _is_new(connection, number, mode):
        return []
    if mode == "queued":
        return _switch(connection, number, mode)
    check_portal(connection)
    with databases.delivery_stopped(connection, number):
        _link(connection, course, config, number)
        return _switch(connection, number, mode)


def _is_new(connection: Connection, number: int, mode: Mode) -> bool:
    query = "SELECT delivery FROM pyrepl.database WHERE id = %s"
    return bool(value(connection, query, number) != mode)


def _switch(connection: Connection, number: int, mode: Mode) -> list[ObjectChange]:
    query = "SELECT pyrepl.set_delivery(%s, %s)"
    changed = value(connection, query, number, mode)
    return [ObjectChange("delivery", "replaced", mode)] if changed else []


def _link(connection: Connection, course: Checked, config: Config, number: int) -> None:
    """Create what is missing of the link of immediate delivery, and try a push."""
    row = fetch(
        connection,
        "SELECT link, link_role, contract_id FROM pyrepl.database WHERE id = %s",
        number,
    )[0]
    link = Link(number, immediate_role(row["link_role"]), immediate=True)
    is_new = link not in links.existing(connection, number)
    if is_new and not _is_left(course, link.role, row["link_role"]):
        links.refuse_role(course, link.role)
    roles.become_owner(connection)
    try:
        if is_new:
            password = links.create(connection, link, parameters(row["link"]))
            _create_role(course, link.role, row["link_role"], password)
        contract = contracts.stored(connection, row["contract_id"])
        wanted = portal_objects.database_objects(connection, config, contract, number)
        objects.apply(connection, wanted)
        with driver_errors("a trial push"):
            connection.execute("SELECT pyrepl.trial_push(%s, true)", (number,))
    except BaseException:
        if is_new:
            with suppress(Error), driver_errors("the course database"):
                statement = sql.SQL("DROP ROLE IF EXISTS {}")
                course.execute(statement.format(sql.Identifier(link.role)))
        raise


def _is_left(course: Checked, role: str, link_role: str) -> bool:
    """Tell whether a role is ours, of a switch that was killed half-way."""
    query = (
        "SELECT EXISTS (SELECT FROM pg_auth_members a"
        " WHERE a.member = to_regrole(%s) AND a.roleid = to_regrole(%s))"
    )
    return bool(value(course, query, role, link_role))


def _create_role(course: Checked, role: str, link_role: str, password: str) -> None:
    """Create the role of immediate delivery: it may do what the link role may."""
    with driver_errors("the course database"), course.transaction():
        links.set_role_password(course, role, password)
        course.execute(
            sql.SQL("GRANT {} TO {}").format(
                sql.Identifier(link_role), sql.Identifier(role)
            )
        )
