"""The contract: which columns travel, and the SQL fragments that are made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from psycopg import sql

from pyreplctl.config import Config
from pyreplctl.db import Connection, fetch, value
from pyreplctl.errors import NotSuitable
from pyreplctl.sources import Slots, render, texts

PARTS = ("user", "profile", "enrollment")
ACTIVE = "is_active"  # the user column that on_unenroll = "deactivate" is about

# How a column of a type is hashed fast: {0}, with the seed {1}. All others are hashed
# as text: their equality is coarser than their image (citext, numeric, float), depends
# on a collation (text), or they have no hash (json, xml, point).
_HASHES = {
    "smallint": "hashint2extended({0}, {1})",
    "integer": "hashint4extended({0}, {1})",
    # Constants are hashed once for all rows.
    "boolean": "CASE WHEN {0} THEN hashint4extended(1, {1})"
    " WHEN NOT {0} THEN hashint4extended(0, {1}) END",
    "uuid": "uuid_hash_extended({0}, {1})",
}
# Of these the binary output is hashed: their own hash folds 64 bits into 32, so that
# some values would always look equal.
_OUTPUTS = {
    "bigint": "int8send({0})",
    "timestamp without time zone": "timestamp_send({0})",
    "timestamp with time zone": "timestamptz_send({0})",
    "bytea": "{0}",
}
_BYTES = "hashbyteaextended(%s, {1})"
_BYTES_BEFORE_18 = "hash_record_extended(ROW(%s)::record, {1})"  # the same, slower
_AS_TEXT = 'hashtextextended({0}::text COLLATE "C", {1})'
_REFUSED = ("money", "reg")


@dataclass(frozen=True)
class Column:
    """A column of a table as the catalog has it."""

    name: str
    type: str  # without length or scale: casting to it never cuts
    full_type: str = ""
    not_null: bool = False
    has_default: bool = False
    generated: bool = False

    @property
    def identifier(self) -> sql.Identifier:
        """The column's name, quoted where it must be."""
        return sql.Identifier(self.name)


@dataclass(frozen=True)
class Contract:
    """The agreed columns of the three tables, in the order in which they travel."""

    user: tuple[Column, ...]
    profile: tuple[Column, ...]
    enrollment: tuple[Column, ...]
    tables: tuple[str, str, str]

    def part(self, name: str) -> tuple[Column, ...]:
        """Return the columns of "user", "profile" or "enrollment"."""
        columns: tuple[Column, ...] = getattr(self, name)
        return columns

    @property
    def fingerprint(self) -> str:
        """32 hex digits of tables, column names and types, in their order."""
        lines = [
            f"{table} {column.name} {column.type}"
            for part, table in zip(PARTS, self.tables, strict=True)
            for column in self.part(part)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]

    @property
    def short(self) -> str:
        """The part of the fingerprint that names the contract's types."""
        return self.fingerprint[:10]

    def missing_from(self, other: Contract) -> list[str]:
        """Return "table.column" for what this contract has and the other has not."""
        return [
            f"{table}.{column.name}"
            for part, table in zip(PARTS, self.tables, strict=True)
            for column in self.part(part)
            if (column.name, column.type)
            not in {(c.name, c.type) for c in other.part(part)}
        ]


def columns_of(connection: Connection, table: str) -> list[Column]:
    """Return the columns of a table in its order; none where there is no table.

    The table is looked for by name, so that no right on its schema is needed.
    Types of other schemas than pg_catalog are qualified, as our functions need them.
    """
    path = value(connection, "SELECT current_setting('search_path')")
    connection.execute("SELECT set_config('search_path', 'pg_catalog', false)")
    rows = fetch(
        connection,
        """
        SELECT a.attname::text AS name,
            format_type(a.atttypid, -1) AS type,
            format_type(a.atttypid, a.atttypmod) AS full_type,
            a.attnotnull AS not_null,
            a.atthasdef OR a.attidentity <> '' AS has_default,
            a.attgenerated <> '' AS generated
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname || '.' || c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum""",
        table,
    )
    connection.execute("SELECT set_config('search_path', %s, false)", (path,))
    return [Column(**row) for row in rows]


def table_names(config: Config) -> tuple[str, str, str]:
    """Return the names of the user, profile and enrollment tables."""
    tables = config.tables
    return tables.user.name, tables.profile.name, tables.enrollment.name


def required(config: Config) -> dict[str, list[str]]:
    """Return the columns by which we find our way, for each part."""
    tables = config.tables
    enrollment = [
        tables.enrollment.key,
        tables.enrollment.user,
        tables.enrollment.course,
    ]
    if tables.enrollment.active:
        enrollment.append(tables.enrollment.active)
    return {
        "user": [tables.user.key],
        "profile": [tables.profile.key, tables.profile.user],
        "enrollment": enrollment,
    }


def offered(connection: Connection, config: Config) -> Contract:
    """Return the contract that the portal offers now, by its catalog and configuration.

    Raises `NotSuitable` for a column that is not there or cannot travel.
    """
    chosen: dict[str, tuple[Column, ...]] = {}
    for part, table in zip(PARTS, table_names(config), strict=True):
        held = {column.name: column for column in columns_of(connection, table)}
        listed: Sequence[str] | str = getattr(config.tables, part).columns
        names = list(held) if listed == "all" else list(listed)
        names += [name for name in required(config)[part] if name not in names]
        chosen[part] = tuple(_chosen(name, held, table) for name in names)
    return Contract(tables=table_names(config), **chosen)


def _chosen(name: str, held: dict[str, Column], table: str) -> Column:
    column = held.get(name)
    if column is None:
        raise NotSuitable(
            f"{table} has no column {name} on the portal",
            hint="Correct [tables] in pyreplctl.toml, or migrate the table first. "
            f"It has: {', '.join(held)}.",
        )
    if column.generated:
        raise NotSuitable(
            f"{table}.{name} is a generated column and cannot be replicated",
            hint=f"Leave it out: list the columns of {table} in pyreplctl.toml.",
        )
    if column.type.startswith(_REFUSED):
        raise NotSuitable(
            f"{table}.{name} is of type {column.type}, whose text means something else "
            "on another server",
            hint=f"Leave it out: list the columns of {table} in pyreplctl.toml.",
        )
    return column


def store(connection: Connection, contract: Contract) -> int:
    """Write a contract to the portal if it is new; return its number."""
    number: int | None = value(
        connection,
        "SELECT id FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    )
    if number is not None:
        return number
    number = value(
        connection,
        "INSERT INTO pyrepl.contract (fingerprint) VALUES (%s) RETURNING id",
        contract.fingerprint,
    )
    assert number is not None
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO pyrepl.contract_column (contract_id, part, position,"
            " table_name, column_name, type_name) VALUES (%s, %s, %s, %s, %s, %s)",
            [(number, *row) for row in rows_of(contract)],
        )
    return number


def rows_of(contract: Contract) -> list[tuple[str, int, str, str, str]]:
    """Return (part, position, table, column, type) for each column."""
    return [
        (part, position, table, column.name, column.type)
        for part, table in zip(PARTS, contract.tables, strict=True)
        for position, column in enumerate(contract.part(part), 1)
    ]


def stored(connection: Connection, number: int) -> Contract:
    """Read a contract from the portal."""
    rows = fetch(
        connection,
        "SELECT part, table_name, column_name, type_name FROM pyrepl.contract_column"
        " WHERE contract_id = %s ORDER BY part, position",
        number,
    )
    return from_rows(rows)


def from_rows(rows: Sequence[dict[str, str]]) -> Contract:
    """Return the contract of rows (part, table_name, column_name, type_name)."""
    tables = {row["part"]: row["table_name"] for row in rows}
    columns = {
        part: tuple(
            Column(row["column_name"], row["type_name"])
            for row in rows
            if row["part"] == part
        )
        for part in PARTS
    }
    return Contract(
        tables=(tables["user"], tables["profile"], tables["enrollment"]), **columns
    )


def in_use(connection: Connection) -> list[Contract]:
    """Return the contracts that databases are served in."""
    rows = fetch(
        connection, "SELECT DISTINCT contract_id AS id FROM pyrepl.database ORDER BY 1"
    )
    return [stored(connection, row["id"]) for row in rows]


def _listed(alias: str, columns: Iterable[Column]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(alias, c.name) for c in columns)


def _cast(alias: str, columns: Iterable[Column]) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{}::{}").format(sql.Identifier(alias, c.name), _type(c))
        for c in columns
    )


def _same_types(alias: str, columns: Iterable[Column]) -> sql.Composed:
    """Return a condition that is refused where a column is not of its type."""
    same = sql.SQL("pyrepl.same_type({}, NULL::{})")
    return sql.SQL(" AND ").join(
        same.format(sql.Identifier(alias, c.name), _type(c)) for c in columns
    )


def _own(column: Column) -> sql.Composed:
    return sql.SQL("{}::{}").format(sql.Identifier("r", column.name), _type(column))


def _way(column: Column, server: int) -> str:
    """Return how a column is hashed: {0}, with the seed {1}."""
    if column.type in _OUTPUTS:
        form = _BYTES if server >= 180000 else _BYTES_BEFORE_18
        return form % _OUTPUTS[column.type]
    return _HASHES.get(column.type, _AS_TEXT)


def _hash(column: Column, seed: sql.Composable, server: int) -> sql.Composed:
    """Return the hash of a column's image; 0 where it is NULL."""
    way = sql.SQL(_way(column, server)).format(_own(column), seed)
    return sql.SQL("coalesce({}, 0)").format(way)


def _digest(
    part: str, columns: Iterable[Column], exempt: Iterable[str], server: int
) -> sql.Composable:
    """Return one hash of a row: equal values in two columns or parts hash otherwise.

    What is hashed as text comes last, each with the hash of all before as its seed.
    That makes a digest of hashes, and spares operators, which cost as much as a hash.
    NULL is hashed as the digits of the seed, which nobody can have known.
    """
    first = PARTS.index(part) << 16
    numbered = [(n, c) for n, c in enumerate(columns) if c.name not in exempt]
    hashes: list[sql.Composable] = [sql.SQL("p_seed + {}").format(sql.Literal(first))]
    images: list[sql.Composable] = []
    for position, column in numbered:
        if _way(column, server) == _AS_TEXT:
            given = sql.SQL("coalesce({}::text, p_seed::text)").format(_own(column))
            images.append(given)
        else:
            seed = sql.SQL("p_seed + {}").format(sql.Literal(first + position + 1))
            hashes.append(_hash(column, seed, server))
    digest: sql.Composable = sql.SQL("({})").format(sql.SQL(" # ").join(hashes))
    for image in images or [sql.SQL("''")]:
        digest = sql.SQL('hashtextextended({} COLLATE "C", {})').format(image, digest)
    return digest


def _hashes(
    columns: Iterable[Column], exempt: Iterable[str], server: int
) -> sql.Composed:
    """Return one hash a column, in the contract's order; NULL for those exempt."""
    seed = sql.SQL("p_seed")
    return sql.SQL(", ").join(
        sql.SQL("NULL") if column.name in exempt else _hash(column, seed, server)
        for column in columns
    )


def _chosen_users(column: sql.Composable) -> sql.Composed:
    """Return the condition that a digest is asked for a row: by user, or by range.

    CASE, as it is gone before the planner looks for an index; OR would not be.
    """
    return sql.SQL(
        "CASE WHEN p_users IS NULL THEN {0} >= p_first AND {0} < p_last"
        " ELSE {0} = ANY ((SELECT p_users)::bigint[]) END"
    ).format(column)


def _type(column: Column) -> sql.SQL:
    return sql.SQL(column.type)


def row_type(part: str, contract: Contract, name: str) -> str:
    """Return the SQL that makes the composite type of a part, anew if need be."""
    columns = sql.SQL(",\n    ").join(
        sql.SQL("{} {}").format(column.identifier, _type(column))
        for column in contract.part(part)
    )
    return (
        sql.SQL("DROP TYPE IF EXISTS {0} CASCADE;\nCREATE TYPE {0} AS (\n    {1})")
        .format(sql.Identifier("pyrepl", name), columns)
        .as_string()
    )


def table_slots(config: Config) -> Slots:
    """Return the slots that tables, keys and policy fill."""
    slots: Slots = {}
    for part in PARTS:
        table = getattr(config.tables, part)
        slots[f"{part}_table"] = table.identifier
        slots[f"{part}_table_name"] = sql.Literal(table.name)
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
    slots["copy_chosen"] = _chosen_users(sql.Identifier("r", "user_id"))
    own = config.policy.enrollments == "own"
    slots["reaches_copies"] = sql.SQL("t.courses IS NULL" if own else "true")
    slots["catalog_hash"] = sql.SQL(
        render(
            texts("fragments")["catalog_hash"],
            {"kind": sql.SQL("o.kind"), "name": sql.SQL("o.name")},
        )
    )
    slots |= _policy_slots(config)
    for name in ("fan_out_users", "fan_out"):
        slots[name] = sql.SQL(render(texts("fragments")[name], slots))
    return slots


def _policy_slots(config: Config) -> Slots:
    """Return what becomes of copies whose user has left, as push and verify see it.

    Present: the dossier holds user and profile; without, the course erases the copy.
    Frozen: the course leaves the copy as it is.
    """
    policy = config.policy
    here = sql.SQL("{} IS NOT NULL").format(sql.Identifier("u", config.tables.user.key))
    frozen: sql.Composable = sql.SQL("false")
    if policy.on_unenroll == "freeze":
        frozen += sql.SQL(" OR {} AND NOT m.member").format(here)
    if policy.on_user_delete == "keep":
        frozen += sql.SQL(" OR NOT {}").format(here)
    deletes = policy.on_unenroll == "delete"
    keeps = policy.on_user_delete == "keep"
    return {
        "present": sql.SQL("({} AND m.member)").format(here) if deletes else here,
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
    slots["enrollment_here"] = (
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
    slots["database"] = sql.Literal(number)
    slots["fingerprint"] = sql.Literal(contract.fingerprint)
    for name in ("push", "inbox", "truth", "truth_rows", "truth_sums", "truth_total"):
        slots[name] = sql.Identifier(f"{name}_{number}")
    return slots


def _verified(part: str, config: Config, contract: Contract, server: int) -> Slots:
    columns, exempt = contract.part(part), config.policy.guard_exempt
    return {
        f"{part}_digest": _digest(part, columns, exempt, server),
        f"{part}_hashes": _hashes(columns, exempt, server),
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
