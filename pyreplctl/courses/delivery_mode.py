"""Immediate delivery of a course database: its own link, and switching to and fro."""

from __future__ import annotations

from contextlib import suppress

from psycopg import sql

from pyreplctl.core import databases
from pyreplctl.core.config import Config, Mode
from pyreplctl.core.db import (
    Connection,
    driver_errors,
    fetch,
    parameters,
    value,
)
from pyreplctl.core.errors import Error, NotSuitable
from pyreplctl.courses import binding, conninfo, links
from pyreplctl.install import installed, objects
from pyreplctl.schema import contracts, link, portal_objects
from pyreplctl.schema.link import Link
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
    query = "SELECT delivery FROM pyrepl.database WHERE id = %s"
    if value(connection, query, number) == mode:
        return []
    if mode == "queued":
        with databases.delivery_stopped(connection, number):
            _switch(connection, number, mode)
        return [ObjectChange("delivery", "replaced", mode)]
    check_portal(connection)
    with conninfo.connect_course(connection, number, name, dsn) as course:
        held = binding.binding(course)
        binding.check_bound(held, installed.identity(connection), number, name)
        with databases.delivery_stopped(connection, number):
            _link(connection, course, config, number)
            _switch(connection, number, mode)
    return [ObjectChange("delivery", "replaced", mode)]


def _switch(connection: Connection, number: int, mode: Mode) -> None:
    connection.execute(
        "UPDATE pyrepl.database SET delivery = %s WHERE id = %s", (mode, number)
    )
    # Receipts may turn up after the end, too: settled they are from now on.
    connection.execute(
        "UPDATE pyrepl.health SET settle_at = now() WHERE database_id = %s", (number,)
    )
    connection.execute(
        "UPDATE pyrepl.settings SET immediate ="
        " EXISTS (SELECT FROM pyrepl.database WHERE delivery = 'immediate')"
    )


def _link(
    connection: Connection, course: Connection, config: Config, number: int
) -> None:
    """Create what is missing of the link of immediate delivery, and try a push."""
    row = fetch(
        connection,
        "SELECT link, link_role, contract_id FROM pyrepl.database WHERE id = %s",
        number,
    )[0]
    way = Link(number, link.immediate_role(row["link_role"]), immediate=True)
    is_new = way not in links.ways(connection, number)
    try:
        if is_new:
            password = links.create(connection, way, parameters(row["link"]))
            _create_role(course, way.role, row["link_role"], password)
        contract = contracts.stored(connection, row["contract_id"])
        wanted = portal_objects.database_objects(connection, config, contract, number)
        objects.apply(connection, wanted)
        with driver_errors("a trial push"):
            connection.execute("SELECT pyrepl.trial_push(%s, true)", (number,))
    except BaseException:
        if is_new:
            with suppress(Error), driver_errors("the course database"):
                statement = sql.SQL("DROP ROLE IF EXISTS {}")
                course.execute(statement.format(sql.Identifier(way.role)))
        raise


def _create_role(course: Connection, role: str, link_role: str, password: str) -> None:
    """Create the role of immediate delivery: it may do what the link role may."""
    with driver_errors("the course database"), course.transaction():
        links.set_role_password(course, role, password)
        course.execute(
            sql.SQL("GRANT {} TO {}").format(
                sql.Identifier(link_role), sql.Identifier(role)
            )
        )
