"""The guard: triggers that keep others from writing a course's copies."""

from __future__ import annotations

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.schema import contracts
from pyreplctl.schema.contracts import PARTS, Contract
from pyreplctl.schema.objects import Object
from pyreplctl.schema.sql_files import Slots, statements, texts


def functions(config: Config, contract: Contract) -> list[Object]:
    """Return the trigger functions, one a table."""
    text = texts("functions/course")["guard"]
    return [
        Object(
            "function", _name(part), statements(text, _slots(config, contract, part))
        )
        for part in PARTS
    ]


def triggers(config: Config, owner: str) -> list[Object]:
    """Return the triggers of each table; they let the owner of our schema pass."""
    text = texts("triggers/course")["guard"]
    items = []
    for part in PARTS:
        table = getattr(config.tables, part)
        slots: Slots = {
            "table": table.identifier,
            "owner": sql.Literal(owner),
            "guard": sql.Identifier(_name(part)),
        }
        items.append(Object("triggers", table.name, statements(text, slots)))
    return items


def _name(part: str) -> str:
    return f"guard_{part}"


def _slots(config: Config, contract: Contract, part: str) -> Slots:
    table = getattr(config.tables, part)
    # What says whose row it is can be nobody else's to change.
    needed = contracts.required(config)[part]
    names = [
        column.name
        for column in contract.part(part)
        if column.name in needed or column.name not in config.policy.guard_exempt
    ]
    return {
        "guard": sql.Identifier(_name(part)),
        "guarded_user": sql.Identifier(table.key if part == "user" else table.user),
        "guarded_names": sql.SQL("{}::text[]").format(sql.Literal(names)),
        "guarded_new": _fields("new", names),
        "guarded_old": _fields("old", names),
    }


def _fields(row: str, names: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(row, name) for name in names)
