"""What the portal should have: types, functions and triggers, for each database too."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, fetch, value
from pyreplctl.schema import contracts
from pyreplctl.schema.contracts import PARTS, Contract
from pyreplctl.schema.objects import Object
from pyreplctl.schema.roles import OWNER
from pyreplctl.schema.slots import database_slots, portal_slots, row_type
from pyreplctl.schema.sql_files import Slots, statements, texts

# For each database there are the dossiers that push sends, and what verify has.
READERS = ("dossiers", "truth", "truth_rows", "truth_sums", "truth_total")
OF_EACH_DATABASE = ("push", *READERS)


def planned_objects(
    connection: Connection, config: Config, contract: Contract
) -> list[Object]:
    """Return what install would create where nothing is registered yet."""
    held = columns_held(connection, config)
    return _own_objects(config, contract, [], held) + triggers(config)


def wanted_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    used: Sequence[Contract],
    only: int | None = None,
) -> list[Object]:
    """Return all types and functions that the portal should have.

    With `only` of one course database; else of all.
    """
    held = columns_held(connection, config)
    wanted = _own_objects(config, contract, used, held)
    agreed: dict[int, Contract] = {}
    for row in fetch(
        connection,
        "SELECT id, contract_id FROM pyrepl.database"
        " WHERE id = coalesce(%s, id) ORDER BY id",
        only,
    ):
        of = row["contract_id"]
        agreed[of] = agreed.get(of) or contracts.stored(connection, of)
        wanted += database_objects(connection, config, agreed[of], row["id"])
    return wanted


def expected_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    agreed: dict[int, Contract],
) -> list[Object]:
    """Return all objects that the portal should have, triggers too; reads no table.

    `agreed` are the contracts of the course databases by number.
    """
    used = {each.fingerprint: each for each in agreed.values()}
    held = columns_held(connection, config)
    wanted = _own_objects(config, contract, list(used.values()), held)
    for number, each in agreed.items():
        wanted += database_objects(connection, config, each, number)
    return wanted + triggers(config)


def columns_held(connection: Connection, config: Config) -> dict[str, set[str]]:
    """Return the names of the columns that the three tables have on the portal."""
    return {
        part: {c.name for c in contracts.columns_of(connection, table)}
        for part, table in zip(PARTS, contracts.table_names(config), strict=True)
    }


def _own_objects(
    config: Config,
    contract: Contract,
    used: Sequence[Contract],
    held: dict[str, set[str]],
) -> list[Object]:
    compared = [contract, *(_only(old, held) for old in used)]
    slots = portal_slots(config, compared)
    slots["owner"] = sql.Literal(OWNER)
    wanted = []
    by_fingerprint = {c.fingerprint: c for c in [contract, *used]}
    for each in by_fingerprint.values():
        for part in PARTS:
            name = f"{part}_row_{each.short}"
            source = row_type(part, each, name)
            wanted.append(Object("type", name, source))
    for folder in ("functions/both", "functions/portal"):
        wanted += [
            Object("function", name, statements(text, slots))
            for name, text in texts(folder).items()
            if name not in OF_EACH_DATABASE
        ]
    return wanted


def _only(contract: Contract, held: dict[str, set[str]]) -> Contract:
    """Return a contract without the columns that the portal has no more."""
    kept = {
        part: tuple(c for c in contract.part(part) if c.name in held[part])
        for part in PARTS
    }
    return Contract(tables=contract.tables, **kept)


def database_objects(
    connection: Connection, config: Config, contract: Contract, number: int
) -> list[Object]:
    """Return what the portal has for one course database alone."""
    server = connection.info.server_version
    slots = database_slots(config, contract, number, server)
    found = texts("functions/portal")
    wanted = [
        Object("function", f"push_{number}", statements(found["push"], slots)),
        *(
            Object("function", f"{name}_{number}", statements(found[name], slots))
            for name in READERS
        ),
    ]
    immediate = f"{number}_immediate"
    query = "SELECT 1 FROM pg_foreign_server WHERE srvname = %s"
    if value(connection, query, f"pyrepl_{immediate}"):
        slots["push"] = sql.Identifier(f"push_{immediate}")
        slots["inbox"] = sql.Identifier(f"inbox_{immediate}")
        source = statements(found["push"], slots)
        wanted.append(Object("function", f"push_{immediate}", source))
    return wanted


def triggers(config: Config) -> list[Object]:
    """Return the triggers of the three tables, and that of immediate delivery."""
    text = texts("triggers/portal")["capture"]
    items = []
    for part in PARTS:
        table = getattr(config.tables, part)
        slots: Slots = {
            "table": table.identifier,
            "capture": sql.Identifier(f"capture_{part}"),
            "part": sql.Literal(part),
        }
        items.append(Object("triggers", table.name, statements(text, slots)))
    immediate = texts("triggers/portal")["immediate"]
    return [*items, Object("triggers", "pyrepl.change", statements(immediate, {}))]
