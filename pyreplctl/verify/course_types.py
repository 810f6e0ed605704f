"""The types of a course's columns against those that the portal has now."""

from __future__ import annotations

from pyreplctl.core.config import Config
from pyreplctl.core.texts import clean
from pyreplctl.schema import meaning
from pyreplctl.schema.column_types import ColumnMeaning, Types
from pyreplctl.schema.contracts import PARTS, Contract
from pyreplctl.verify.findings import Finding, Remedy


def at_course(contract: Contract, held: Types) -> Contract:
    """Return a contract by the names that its types have at a course."""
    tables = dict(zip(contract.tables, PARTS, strict=True))
    names = {
        (tables[table], column): held.types[told.type].name
        for (table, column), told in held.columns.items()
        if table in tables
    }
    return contract.at_course(names)


def compare(
    config: Config, contract: Contract, held: Types, offered: Types, refresh: Remedy
) -> list[Finding]:
    """Return the agreed columns that no longer take what the portal's hold."""
    remedy = Remedy(f"{refresh.text}: it names the statement that ends it")
    found = []
    for part, table in zip(PARTS, contract.tables, strict=True):
        key = getattr(config.tables, part).key
        for column in contract.part(part):
            here = held.columns.get((table, column.name))
            there = offered.columns.get((table, column.name))
            if here is None or there is None:
                continue  # that a column is gone is told of the contract
            if said := _problem(held, here, offered, there, is_key=column.name == key):
                name = f"column {table}.{column.name}"
                found.append(Finding.wrong(name, "outdated", clean(said), remedy))
    return found or [Finding("types of columns", "current")]


def _problem(
    held: Types,
    here: ColumnMeaning,
    offered: Types,
    there: ColumnMeaning,
    *,
    is_key: bool,
) -> str | None:
    if problem := meaning.unwritable(here, is_key):
        return problem
    other = meaning.difference(held, here.value, offered, there.value)
    if other is None:
        return None
    said = f": {other.said}" if other.said else ""
    return f"is {here.full_type} and cannot take the portal's {there.full_type}{said}"
