"""What the guard of a course database does, and its triggers."""

from __future__ import annotations

from pyreplctl.core import restricted
from pyreplctl.core.config import Config, Guard
from pyreplctl.core.databases import numbers
from pyreplctl.core.db import Connection, value
from pyreplctl.core.locks import Patience
from pyreplctl.courses import unfinished
from pyreplctl.courses.conninfo import connect_course
from pyreplctl.courses.identity import Checked
from pyreplctl.install.objects import drop
from pyreplctl.install.triggers import apply_triggers, drop_triggers
from pyreplctl.schema.contracts import PARTS
from pyreplctl.schema.guard import triggers
from pyreplctl.schema.objects import ObjectChange, orphans


def set_guard(
    connection: Connection, name: str, mode: Guard, dsn: str | None = None
) -> list[ObjectChange]:
    """Say what the guard of a course database does, on both sides."""
    number = numbers(connection, [name])[name]
    with connect_course(connection, number, name, dsn) as course:
        return set_both(connection, course, name, mode)


def set_both(
    connection: Connection, course: Checked, name: str, mode: Guard
) -> list[ObjectChange]:
    """Do the same by a connection to the course database that is open."""
    number = numbers(connection, [name])[name]
    command = f"course set {name} --guard {mode}"
    unfinished.begin(connection, number, command)
    with connection.transaction():
        query = "SELECT pyrepl.set_guard(%s, %s)"
        there = value(connection, query, number, mode)
        here = set_mode(course, mode)
        unfinished.end(connection, number, command)
    return [ObjectChange("guard", "replaced", mode)] if here or there else []


def set_mode(course: Checked, mode: Guard) -> bool:
    """Say at the course what its guard does; return whether that is new."""
    return bool(restricted.call(course, "SELECT pyrepl.set_guard(%s)", mode))


def apply(
    course: Checked,
    config: Config,
    owner: str,
    patience: Patience | None = None,
    missed: list[str] | None = None,
) -> list[ObjectChange]:
    """Bring the triggers up to date: one transaction a table, under a lock time-out.

    Goes after the functions, which must have been committed. `missed` is as of
    `apply_triggers`.
    """
    patience = patience or Patience()
    wanted = triggers(config, owner)
    changes = [
        apply_triggers(course, item, patience, part, missed)
        for part, item in zip(PARTS, wanted, strict=True)
    ]
    for item in orphans(course, wanted, "triggers"):
        changes += drop_triggers(course, patience, item.name)
        drop(course, item)
    return changes
