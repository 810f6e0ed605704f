"""What the guard of a course database does, and its triggers."""

from __future__ import annotations

from pyreplctl.core.config import Config, Guard
from pyreplctl.core.databases import numbers
from pyreplctl.core.db import Connection
from pyreplctl.core.locks import Patience
from pyreplctl.courses import binding
from pyreplctl.courses.conninfo import connect_course
from pyreplctl.install import installed
from pyreplctl.install import objects as install_objects
from pyreplctl.install import triggers as install_triggers
from pyreplctl.schema import objects
from pyreplctl.schema.guard import triggers
from pyreplctl.schema.objects import ObjectChange


def set_guard(
    connection: Connection, name: str, mode: Guard, dsn: str | None = None
) -> list[ObjectChange]:
    """Say what the guard of a course database does, on both sides."""
    number = numbers(connection, [name])[name]
    with (
        connect_course(connection, number, name, dsn) as course,
        connection.transaction(),
    ):
        identity = installed.identity(connection)
        held = binding.binding(course)
        binding.check_bound(held, identity, number, name)
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        there = connection.execute(
            "UPDATE pyrepl.database SET guard = %s WHERE id = %s AND guard <> %s"
            " RETURNING guard",
            (mode, number, mode),
        ).fetchone()
        here = course.execute(
            "UPDATE pyrepl.binding SET guard = %s WHERE guard <> %s RETURNING guard",
            (mode, mode),
        ).fetchone()
    return [ObjectChange("guard", "replaced", mode)] if here or there else []


def apply(
    course: Connection, config: Config, patience: Patience | None = None
) -> list[ObjectChange]:
    """Bring the triggers up to date: one transaction a table, under a lock time-out.

    Goes after the functions, which must have been committed.
    """
    patience = patience or Patience()
    wanted = triggers(config)
    changes = [
        install_triggers.apply_triggers(course, item, patience) for item in wanted
    ]
    for item in objects.orphans(course, wanted, "triggers"):
        changes += install_triggers.drop_triggers(course, patience, item.name)
        install_objects.drop(course, item)
    return changes
