"""What fills the slots of the SQL files, by configuration, contract and database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import LiteralString

from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.names import quoted_table
from pyreplctl.schema import row_hash
from pyreplctl.schema.contracts import ACTIVE, PARTS, Column, Contract
from pyreplctl.schema.roles import rights_of_ours
from pyreplctl.schema.sql_files import Slots, render, texts


def _listed(alias: str, columns: Iterable[Column]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, c.name) for c in columns)


def _cast(alias: str, columns: Iterable[Column]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Identifier(alias, c.name), c.cast) for c in columns
    )


def _same_types(alias: str, columns: Iterable[Column]) -> sql.Composed:
    """Return a condition that is refused where a column is not of its type."""
    same = sql.SQL("pyrepl.same_type({}, NULL::{})")
    return sql.SQL(" AND ").join(
        same.format(sql.Identifier(alias, c.name), c.cast) for c in columns
    )


def _chosen_users(column: sql.Composable) -> sql.Composed:
    """Return the condition that a digest is asked for a row: by user, or by range.

    CASE, as it is gone before the planner looks for an index; OR would not be.
    """
    return sql.SQL(
        "CASE WHEN p_users IS NULL THEN {0} >= p_first AND {0} < p_last"
        " ELSE {0} = ANY ((SELECT p_users)::bigint[]) END"
    ).format(column)


def row_type(part: str, contract: Contract, name: str) -> tuple[str, str]:
    """Return the statements that make the composite type of a part again."""
    columns = sql.SQL(",\n    ").join(
        sql.SQL("{} {}").format(column.identifier, column.cast)
        for column in contract.part(part)
    )
    of = sql.Identifier("pyrepl", name)
    drop = sql.SQL("DROP TYPE IF EXISTS {} CASCADE;\n").format(of)
    create = sql.SQL("CREATE TYPE {} AS (\n    {})").format(of, columns)
    return drop.as_string(), create.as_string()


def table_slots(config: Config) -> Slots:
    """Return the slots that tables, keys and policy fill."""
    slots: Slots = {}
    for part in PARTS:
        table = getattr(config.tables, part)
        slots[f"{part}_table"] = table.identifier
        slots[f"{part}_table_name"] = sql.Literal(quoted_table(table.name))
        slots[f"{part}_key"] = sql.Identifier(table.key)
        slots[f"{part}_key_name"] = sql.Literal(table.key)
        if part != "user":
            slots[f"{part}_user"] = sql.Identifier(table.user)
            slots[f"{part}_user_name"] = sql.Literal(table.user)
        by = table.key if part == "user" else table.user
        slots[f"{part}_chosen"] = _chosen_users(sql.Identifier("r", by))
    enrollment = config.tables.enrollment
    slots["enrollment_course"] = sql.Identifier(enrollment.course)
    slots["enrollment_active"] = (
        sql.Identifier("e", enrollment.active) if enrollment.active else sql.SQL("true")
    )
    slots["enrollment_counts"] = (
        sql.Identifier("r", enrollment.active) if enrollment.active else sql.SQL("true")
    )
    slots["rights_of_ours"] = rights_of_ours()
    slots["copy_chosen"] = _chosen_users(sql.Identifier("r", "user_id"))
    own = config.policy.enrollments == "own"
    slots["reaches_copies"] = sql.SQL("t.courses IS NULL" if own else "true")
    slots["catalog_hash"] = catalog_hash()
    slots["installed_hash"] = catalog_hash(_AS_INSTALLED)
    slots["table_problems"] = table_problems(sql.SQL("p_tables"))
    slots["column_types"] = _fragment("column_types", {"tables": sql.SQL("p_tables")})
    slots |= _policy_slots(config)
    for name in ("fan_out_users", "fan_out", "text_formats", "require_tables"):
        slots[name] = _fragment(name, slots)
    return slots


# The text of a view c as it was installed, where this server makes the same of that.
_AS_INSTALLED = """CASE
        WHEN o.server <> current_setting('server_version_num')::integer / 10000
            AND pyrepl.rewritten_view(o.definition) = pg_get_viewdef(c.oid)
        THEN o.definition ELSE pg_get_viewdef(c.oid) END"""


def catalog_hash(view_text: LiteralString = "pg_get_viewdef(c.oid)") -> sql.SQL:
    """Return the expression for what the catalog holds of an object `o`."""
    given: Slots = {"kind": sql.SQL("o.kind"), "name": sql.SQL("o.name")}
    return _fragment("catalog_hash", given | {"view_text": sql.SQL(view_text)})


def table_problems(tables: sql.Composable) -> sql.SQL:
    """Return the query for what keeps tables, an array of names, from replication."""
    return _fragment("table_problems", {"tables": tables})


def _fragment(name: str, slots: Slots) -> sql.SQL:
    return sql.SQL(render(texts("fragments")[name], slots))


def _policy_slots(config: Config) -> Slots:
    """Return what becomes of copies whose user has left, as push and verify see it.

    Present: the dossier holds user and profile; without, the course erases the copy. So
    it is of whoever is neither member nor copy there, whatever the course says.
    Frozen: the course leaves the copy as it is.
    """
    policy = config.policy
    here = sql.SQL("{} IS NOT NULL").format(sql.Identifier("u", config.tables.user.key))
    frozen: sql.Composable = sql.SQL("false")
    if policy.on_unenroll == "freeze":
        frozen += sql.SQL(" OR {} AND m.same AND NOT m.member").format(here)
    if policy.on_user_delete == "keep":
        frozen += sql.SQL(" OR m.known AND NOT {}").format(here)
    deletes = policy.on_unenroll == "delete"
    keeps = policy.on_user_delete == "keep"
    stays = sql.SQL("m.member" if deletes else "(m.member OR m.same)")
    return {
        "present": sql.SQL("({} AND {})").format(here, stays),
        "frozen": sql.SQL("({})").format(frozen),
        "former_stays": sql.SQL("false" if deletes else "true"),
        "deleted_stays": sql.SQL("true" if keeps else "false"),
    }


def portal_slots(config: Config, contracts: Sequence[Contract]) -> Slots:
    """Return the slots of the portal's functions; capture compares all contracts."""
    slots = table_slots(config)
    for part in PARTS:
        columns = {c.name: c for contract in contracts for c in contract.part(part)}
        slots[f"{part}_new"] = _listed("n", columns.values())
        slots[f"{part}_old"] = _listed("o", columns.values())
    slots["database"] = sql.Identifier("p_database")
    slots["membership"] = _fragment("membership", slots)
    named = any(column.name == "username" for column in contracts[0].user)
    slots["user_name"] = sql.SQL("u.username::text" if named else "NULL::text")
    mailed = any(column.name == "email" for column in contracts[0].user)
    slots["user_email"] = sql.SQL("u.email::text" if mailed else "NULL::text")
    return slots


def database_slots(
    config: Config, contract: Contract, number: int, server: int
) -> Slots:
    """Return the slots of what the portal has for one course database.

    `server` is its version as libpq has it: 180001.
    """
    slots = table_slots(config)
    hosted = sql.SQL(
        "EXISTS (SELECT FROM pyrepl.hosting h WHERE h.course = {}.{}"
        " AND h.database_id = {} AND h.active)"
    )
    own = config.policy.enrollments == "own"
    slots["enrollment_hosted"] = (
        hosted.format(sql.SQL("e"), slots["enrollment_course"], sql.Literal(number))
        if own
        else sql.SQL("true")
    )
    slots["enrollment_kept"] = sql.SQL("h.course IS NOT NULL" if own else "true")
    slots["enrollment_makes_member"] = (  # of those kept
        sql.SQL("{}" if own else "{} AND h.course IS NOT NULL").format(
            slots["enrollment_counts"]
        )
    )
    for part, alias in zip(PARTS, "upe", strict=True):
        slots[f"{part}_values"] = _listed(alias, contract.part(part))
        slots[f"{part}_types"] = _same_types(alias, contract.part(part))
        slots |= _verified(part, config, contract, server)
        slots[f"{part}_row"] = sql.Identifier(f"{part}_row_{contract.short}")
    if config.policy.on_unenroll == "deactivate":
        slots["user_values"] = _active_while_member(contract)
    slots["digest_pieces"] = _fragment("digest_pieces", slots)
    slots["database"] = sql.Literal(number)
    slots["membership"] = _fragment("membership", slots)
    slots["fingerprint"] = sql.Literal(contract.fingerprint)
    for name in (
        *("inbox", "push", "dossiers"),
        *("truth", "truth_rows", "truth_sums", "truth_total"),
    ):
        slots[name] = sql.Identifier(f"{name}_{number}")
    return slots


def _verified(part: str, config: Config, contract: Contract, server: int) -> Slots:
    columns, exempt = contract.part(part), config.policy.guard_exempt
    return {
        f"{part}_digest": row_hash.digest(part, columns, exempt, server),
        f"{part}_hashes": row_hash.hashes(columns, exempt, server),
    }


def _active_while_member(contract: Contract) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} AND m.member" if column.name == ACTIVE else "{}").format(
            sql.Identifier("u", column.name)
        )
        for column in contract.user
    )


def course_slots(config: Config, contract: Contract, server: int) -> Slots:
    """Return the slots of the course's functions and views; see `database_slots`."""
    slots = table_slots(config)
    for part, alias in zip(PARTS, "utt", strict=True):
        columns = contract.part(part)
        key = getattr(config.tables, part).key
        slots[f"{part}_new"] = _listed("n", columns)
        slots[f"{part}_here"] = _cast(alias, columns)
        slots[f"{part}_columns"] = sql.SQL(", ").join(c.identifier for c in columns)
        slots[f"{part}_set"] = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(c.identifier, sql.Identifier("n", c.name))
            for c in columns
            if c.name != key
        )
        slots |= _verified(part, config, contract, server)
    exempt = list(config.policy.guard_exempt)
    slots["exempt"] = sql.SQL("{}::name[]").format(sql.Literal(exempt))
    slots["digest_pieces"] = _fragment("digest_pieces", slots)
    held = {c.name for c in contract.user}
    same = [name for name in ("username", "date_joined") if name in held]
    slots["same_person"] = _same(same) if len(same) == 2 else sql.SQL("false")
    joined = "date_joined" in held
    slots["same_joined"] = _same(["date_joined"]) if joined else sql.SQL("true")
    slots["same_name"] = _same(same[:1]) if "username" in held else sql.SQL("false")
    slots["user_name_here"] = sql.SQL(
        "u.username::text" if "username" in held else "NULL::text"
    )
    return slots


def _same(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(" AND ").join(
        sql.SQL("u.{0} IS NOT DISTINCT FROM n.{0}").format(sql.Identifier(name))
        for name in names
    )
