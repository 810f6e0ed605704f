"""Random pairs of types: what a contract calls the same arrives equal, else it is not.

The faults of test_contract_by_meaning.py were ten of a kind: this looks for others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql

from pyreplctl.schema import column_types, meaning, row_hash
from pyreplctl.schema.contracts import Column
from pyreplctl.schema.meaning import Difference
from pyreplctl.schema.sql_files import texts
from tests.conftest import NewCourse, NewPortal
from tests.support.platform import Connection
from tests.support.type_pairs import Pair, draw

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "100"))
SEED = Random().randrange(2**32) if "MODEL_EXAMPLES" in os.environ else 16
FORMATS = [
    line.removesuffix("\n") + ";"
    for line in texts("fragments")["text_formats"].splitlines()
    if line.startswith("SET")
]
# The images of all rows in two notations, their hashes, and what sorting makes of them.
LOOK = """
    SELECT array_agg(ARRAY[r.v::text, to_jsonb(r.v)::text] ORDER BY r.k) AS texts,
        array_agg({hash} ORDER BY r.k) AS hashes,
        array_agg(r.k ORDER BY r.v, r.k) AS sorted
    FROM (SELECT k, v, 5::bigint AS p_seed FROM {table}) r"""


class Arrived(NamedTuple):
    """What became of values: nothing where the course refused them."""

    equal: bool
    sorted: bool
    why: str = ""


class Sides(NamedTuple):
    """The two databases."""

    portal: Connection
    course: Connection

    def run(self, side: int, statement: str) -> psycopg.Cursor[tuple[object, ...]]:
        """Run one or more statements on a side."""
        return self[side].execute(statement.encode())

    def make(self, number: int, pair: Pair) -> None:
        """Make the types of a pair, and on each side a table with a column of it."""
        for side, each in enumerate((pair.portal, pair.course)):
            for statement in each.made:
                self.run(side, statement)
            self.run(side, f"CREATE TABLE pair_{number} (k serial, v {each.name})")


@pytest.fixture
def sides(new_portal: NewPortal, new_course: NewCourse) -> Iterator[Sides]:
    with (
        psycopg.connect(new_portal(), autocommit=True) as portal,
        psycopg.connect(new_course(), autocommit=True) as course,
    ):
        for connection in (portal, course):
            prepare(connection)
        yield Sides(portal, course)


def prepare(connection: Connection) -> None:
    for setting in FORMATS:
        connection.execute(setting.encode())
    connection.execute(
        "CREATE FUNCTION take(p_table text, p_type text, p_values text[])"
        " RETURNS void LANGUAGE plpgsql AS $$ DECLARE v_one text; BEGIN"
        " FOREACH v_one IN ARRAY p_values LOOP BEGIN EXECUTE format("
        " 'INSERT INTO %I (v) SELECT $1::%s', p_table, p_type) USING v_one;"
        " EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$"
    )


def compared(sides: Sides, count: int) -> list[tuple[Column, Difference | None]]:
    """Return what a contract says of each pair, and the column as it would travel."""
    tables = [f"public.pair_{n}" for n in range(count)]
    offered, held = (column_types.read(c, tables) for c in sides)
    found = []
    for table in tables:
        here, there = (each.columns[table, "v"] for each in (held, offered))
        column = Column("v", offered.types[there.type].name)
        found.append(
            (
                column.at_course(held.types[here.type].name),
                meaning.difference(held, here.value, offered, there.value),
            )
        )
    return found


def push(sides: Sides, number: int, pair: Pair, column: Column) -> Arrived:
    """Push values as a dossier travels: an array of rows as text, cast and inserted."""
    table = f"pair_{number}"
    values = Random(number).sample(pair.values, min(150, len(pair.values)))
    sides.portal.execute(
        "SELECT take(%s, %s, %s)", (table, pair.portal.name, [*values, None])
    )
    sides.run(0, f"CREATE TYPE row_{number} AS (k integer, v {column.type})")
    sides.run(
        1, f"CREATE TYPE row_{number} AS (k integer, v {column.cast.as_string()})"
    )
    (sent,) = sides.run(
        0, f"SELECT array_agg(ROW(k, v)::row_{number} ORDER BY k)::text FROM {table}"
    ).fetchone() or ("",)
    rows = f"unnest({sql.Literal(sent).as_string()}::row_{number}[]) n"
    image = f"ROW(t.v::{column.cast.as_string()})::record"
    differing = (
        f"SELECT count(*) FROM {table} t JOIN {rows} USING (k)"
        f" WHERE {image} *<> ROW(n.v)::record"
    )
    try:
        sides.run(1, f"INSERT INTO {table} (k, v) SELECT n.k, n.v FROM {rows}")
        first = sides.run(1, differing).fetchone()
        sides.run(1, f"UPDATE {table} t SET v = n.v FROM {rows} WHERE n.k = t.k")
        again = sides.run(1, differing).fetchone()
    except psycopg.Error as error:
        return Arrived(False, False, str(error))
    looks = [look(connection, table, column) for connection in sides]
    equal = looks[0][:2] == looks[1][:2] and first == again == (0,)
    return Arrived(equal, looks[0][2] == looks[1][2], f"{looks} {first} {again}")


def look(connection: Connection, table: str, column: Column) -> tuple[object, ...]:
    local = connection.execute(
        "SELECT format_type(atttypid, -1) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attname = 'v'",
        (table,),
    ).fetchone()
    assert local is not None
    own = Column("v", column.type).at_course(local[0])
    hashed = row_hash.hashes([own], [], connection.info.server_version)
    query = sql.SQL(LOOK).format(hash=hashed, table=sql.Identifier(table))
    return connection.execute(query).fetchone() or ()


def search(sides: Sides, examples: int = EXAMPLES) -> tuple[int, int]:
    """Draw pairs; return how many were the same, and how many were refused."""
    random = Random(SEED)
    pairs = [draw(random) for _ in range(examples)]
    for number, pair in enumerate(pairs):
        sides.make(number, pair)
    accepted = 0
    for number, (column, found) in enumerate(compared(sides, len(pairs))):
        pair = pairs[number]
        arrived = push(sides, number, pair, column)
        said = f"seed {SEED}, {pair.portal} to {pair.course}: {found} {arrived.why}"
        if found is None:
            assert arrived.equal, said
            assert arrived.sorted, said
            accepted += 1
        elif not found.check and "CHECK" not in str(pair.portal):
            # A CHECK is not looked through: neither one that no value violates, nor
            # one that leaves no value too long.
            assert not (arrived.equal and arrived.sorted), said
    return accepted, len(pairs) - accepted


def test_what_is_the_same_arrives_equal_and_what_is_not_is_refused_for_a_reason(
    sides: Sides,
) -> None:
    same, refused = search(sides)
    assert min(same, refused) > EXAMPLES // 5


def all_fit(*_: object) -> bool:
    return True


def only_alike(_: str, held: int, offered: int) -> bool:
    return held == offered


def no_difference(*_: object) -> None:
    return None


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("_kept", all_fit),
        ("_kept", only_alike),
        ("_labels", no_difference),
        ("_attributes", no_difference),
    ],
)
def test_control_a_rule_that_is_wrong_is_found(
    sides: Sides,
    monkeypatch: pytest.MonkeyPatch,
    rule: str,
    broken: Callable[..., object],
) -> None:
    monkeypatch.setattr(meaning, rule, broken)
    with pytest.raises(AssertionError, match="seed"):
        search(sides, 60)
