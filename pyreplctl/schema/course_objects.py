"""What a course database should have: types, functions, views."""

from __future__ import annotations

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.schema import guard
from pyreplctl.schema.contracts import PARTS, Contract
from pyreplctl.schema.objects import Object
from pyreplctl.schema.roles import course_owner
from pyreplctl.schema.slots import course_slots, row_type
from pyreplctl.schema.sql_files import statements, texts


def wanted_objects(
    config: Config, contract: Contract, role: str, server: int
) -> list[Object]:
    """Return all types, functions and views that a course database should have.

    `server` is the version of its server: 180001.
    """
    slots = course_slots(config, contract, server)
    slots["link_role"] = sql.Identifier(role)
    slots["owner"] = sql.Literal(course_owner(role))
    wanted = []
    for part in PARTS:
        name = f"{part}_row"
        wanted.append(Object("type", name, row_type(part, contract, name)))
    for folder in ("functions/both", "functions/course"):
        wanted += [
            Object("function", name, statements(text, slots))
            for name, text in texts(folder).items()
            if name != "guard"
        ]
    wanted += guard.functions(config, contract)
    triggers = texts("triggers/course")
    wanted += [
        Object(
            "view",
            name,
            statements(text, slots) + statements(triggers.get(name, ""), slots),
        )
        for name, text in texts("views/course").items()
    ]
    return wanted


def expected_objects(
    config: Config, contract: Contract, role: str, server: int
) -> list[Object]:
    """Return all objects that a course should have, the guard's triggers too."""
    wanted = wanted_objects(config, contract, role, server)
    return wanted + guard.triggers(config, course_owner(role))
