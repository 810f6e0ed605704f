"""How verify hashes rows: equal values alike on both sides, whatever their versions."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import sql

from pyreplctl.schema.contracts import PARTS, Column

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


def _own(column: Column) -> sql.Composed:
    return sql.SQL("{}::{}").format(sql.Identifier("r", column.name), column.cast)


def _way(column: Column, server: int) -> str:
    """Return how a column is hashed: {0}, with the seed {1}."""
    if column.type in _OUTPUTS:
        form = _BYTES if server >= 180000 else _BYTES_BEFORE_18
        return form % _OUTPUTS[column.type]
    return _HASHES.get(column.type, _AS_TEXT)


def _hash(column: Column, seed: sql.Composable, server: int) -> sql.Composed:
    """Return the hash of a column's image; 0 where it is NULL."""
    hashed = sql.SQL(_way(column, server)).format(_own(column), seed)
    return sql.SQL("coalesce({}, 0)").format(hashed)


def digest(
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
        # As text: what nests hundreds deep is more than the composer's stack holds.
        digest = sql.SQL(digest.as_string())
    return digest


def hashes(
    columns: Iterable[Column], exempt: Iterable[str], server: int
) -> sql.Composed:
    """Return one hash a column, in the contract's order; NULL for those exempt."""
    seed = sql.SQL("p_seed")
    return sql.SQL(", ").join(
        sql.SQL("NULL") if column.name in exempt else _hash(column, seed, server)
        for column in columns
    )
