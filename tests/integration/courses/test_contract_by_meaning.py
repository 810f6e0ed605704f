"""A contract is about meaning: what only looks alike is refused, with what ends it.

Registered once, and wrong: numeric(10,2) for numeric(12,4) was stale for ever, an
interval was cut to months, bit(3) failed, a column GENERATED ALWAYS AS IDENTITY failed
at the first update, an enum at the label that it lacked, and a composite with its
attributes in another order exchanged values while verify said that all was equal.
"""

from __future__ import annotations

from typing import LiteralString, NamedTuple

import psycopg
import pytest

from pyreplctl.core.errors import NotSuitable
from pyreplctl.install import portal
from pyreplctl.verify import structure
from tests.conftest import NewCourse
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"

TYPES: LiteralString = """
    CREATE SCHEMA IF NOT EXISTS {0};
    CREATE EXTENSION citext SCHEMA {0};
    CREATE EXTENSION hstore SCHEMA {0};
    CREATE TYPE mood AS ENUM ({1});
    CREATE TYPE turned AS ENUM ({2});
    CREATE TYPE address AS ({3});
    CREATE DOMAIN short AS text{4};
    CREATE DOMAIN given AS text{5};
    CREATE COLLATION loose FROM "C";
    -- As one of ICU would be, which the bundled server is built without.
    UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'"""
PORTAL = TYPES.format(
    "public", "'sad', 'ok', 'glad'", "'low', 'high'", "city text, street text", "", ""
)
COURSE = TYPES.format(
    "ext",
    "'sad', 'glad'",
    "'high', 'low'",
    "street text, city text",
    " CHECK (length(VALUE) < 9)",
    " NOT NULL",
)


class Pair(NamedTuple):
    """A column on the portal and at the course, a value, and what is said of it."""

    portal: str
    course: str
    value: str
    said: str = ""  # nothing where the two are the same


PAIRS = {
    "more_digits": Pair("numeric(10,2)", "numeric(12,4)", "1.50", "numeric(12,4) and"),
    "less_before": Pair("numeric(10,2)", "numeric(10,4)", "87654321.00", "cannot take"),
    "negative": Pair("numeric(5,1)", "numeric(5,-2)", "1234.5", "numeric(5,-2) and"),
    "cut": Pair("interval", "interval year to month", "1 mon 3 days", "cannot take"),
    "whole": Pair("interval", "interval(0)", "00:00:01.5", "interval(0) and"),
    "bits": Pair("bit(3)", "bit(5)", "101", "bit(5) and"),
    "at": Pair("timestamptz", "timestamptz(0)", "2012-09-01 12:00:00.5+00", "cannot"),
    "hour": Pair("time(3)", "time(2)", "12:00:00.125", "time(2)"),
    "padded": Pair("char(5)", "char(8)", "ab", "character(8) and"),
    "number": Pair(
        "integer NOT NULL DEFAULT 0",
        "integer GENERATED ALWAYS AS IDENTITY",
        "7",
        "is GENERATED ALWAYS AS IDENTITY and cannot be updated",
    ),
    "made": Pair("text", "text GENERATED ALWAYS AS ('x') STORED", "y", "generated"),
    "lives": Pair(
        "address", "address", '(Bonn,"Am Hof")', "attributes are street, city"
    ),
    "feels": Pair("mood", "mood", "ok", "it has no label 'ok'"),
    "moves_to": Pair("address", "address", "(Bonn,)", "attributes are street, city"),
    "all_felt": Pair("mood[]", "mood[]", "{ok,sad}", "it has no label 'ok'"),
    "level": Pair("turned", "turned", "low", "its labels have another order"),
    "brief": Pair(
        "text", "short", "a long text", "has a CHECK that the portal's has not"
    ),
    "known": Pair("text", "given", "x", "domain public.given is NOT NULL"),
    "alike": Pair("text", "text COLLATE loose", "Bob", "other texts for equal"),
    "nick": Pair("citext", "text", "Bob", "cannot take the portal's public.citext"),
    "words": Pair("text[]", "varchar(2)[]", "{abc}", "cannot take"),
    # No difference, or room for more:
    "mail": Pair("citext", "ext.citext", "Bob@Example.com"),
    "tags": Pair("hstore", "ext.hstore", '"a"=>NULL, "b"=>"1"'),
    "mails": Pair("citext[]", "ext.citext[]", "{Bob,bob}"),
    "price": Pair("numeric(10,2)", "numeric(12,2)", "12345678.90"),
    "endless": Pair("numeric(10,2)", "numeric", "1.50"),
    "roomy": Pair("varchar(5)", "varchar(9)", "abcde"),
    "texts": Pair("varchar(5)[]", "text[]", "{abcde}"),
    "counts": Pair("integer[]", "bigint[]", "[2:3]={1,2}"),
    "days": Pair("interval day", "interval day to second(3)", "3 days"),
    "early": Pair("timestamp(3)", "timestamp", "2012-09-01 12:00:00.125"),
    "plain": Pair("short", "text", "a text"),
}


@pytest.fixture
def both(platform: Platform, new_course: NewCourse) -> tuple[Platform, str]:
    """A portal and a course with all of these columns, and one member."""
    dsn = new_course()
    for made, types, side in ((platform.dsn, PORTAL, 0), (dsn, COURSE, 1)):
        listed = ", ".join(f"ADD {name} {pair[side]}" for name, pair in PAIRS.items())
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute("SET search_path = public, ext")
            connection.execute(types.encode())
            connection.execute(f"ALTER TABLE auth_userprofile {listed}".encode())
    portal.install(platform.dsn, platform.config)
    platform.member(1, TOY)
    values = ", ".join(f"{name} = '{pair.value}'" for name, pair in PAIRS.items())
    platform.connection.execute(f"UPDATE auth_userprofile SET {values}".encode())
    return platform, dsn


def column_of(line: str) -> str:
    return line.removeprefix("  public.auth_userprofile.").split(" ")[0]


def test_what_only_looks_alike_is_refused_and_what_is_said_to_end_it_does(
    both: tuple[Platform, str],
) -> None:
    platform, dsn = both
    with pytest.raises(NotSuitable) as refused:
        platform.register(dsn, TOY)
    said = {column_of(each): each for each in str(refused.value).splitlines()[1:]}
    assert said.keys() == {name for name, pair in PAIRS.items() if pair.said}
    for name, line in said.items():
        assert PAIRS[name].said in line
    _, *remedies = str(refused.value.hint).splitlines()
    assert " ext.citext" in next(line for line in remedies if '"nick"' in line)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in "\n".join(remedies).split(";\n"):
            connection.execute(statement.encode())

    course, _ = platform.register(dsn, TOY)
    listed = ", ".join(f"{name}::text" for name in PAIRS)
    query = f"SELECT {listed} FROM auth_userprofile".encode()
    here, there = (
        connection.execute(query).fetchall()
        for connection in (platform.connection, course.connection)
    )
    assert here == there
    # And a change of each arrives.
    for name, pair in PAIRS.items():
        back = f"SET {name} = '{pair.value}'"
        lost = back if "NOT NULL" in pair.portal else f"SET {name} = NULL"
        update = f"UPDATE auth_userprofile {lost}; UPDATE auth_userprofile {back}"
        platform.connection.execute(update.encode())
    assert platform.deliver() == {}
    platform.assert_equal()
    assert altered(platform) == {}

    course.execute(
        "ALTER TABLE auth_userprofile ALTER price TYPE numeric(12,1),"
        " ALTER number SET GENERATED ALWAYS, ALTER tags TYPE text;"
        "ALTER TYPE mood RENAME VALUE 'ok' TO 'so so';"
        "ALTER DOMAIN short ADD CHECK (VALUE <> 'me')"
    )
    platform.execute("ALTER TABLE auth_userprofile ALTER early TYPE timestamp(6)")
    said = altered(platform)
    assert said.keys() == {"price", "number", "tags", "feels", "all_felt", "brief"}
    assert "numeric(12,1) and cannot take the portal's numeric(10,2)" in said["price"]
    assert "course refresh" in said["price"]


def altered(platform: Platform) -> dict[str, str]:
    """Return the columns that verify finds altered, with what it says."""
    found = structure.verify(platform.dsn, [], jobs=1)
    (looked,) = found.databases.values()
    start = "column public.auth_userprofile."
    return {
        item.object.removeprefix(start): item.detail
        for item in looked.items
        if item.state != "current" and item.object.startswith(start)
    }
