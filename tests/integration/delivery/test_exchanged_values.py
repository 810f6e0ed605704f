"""Values that must be unique pass from one copy to another, whatever their type."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
import pytest

from pyreplctl.install.portal import install
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"


@dataclass(frozen=True)
class Case:
    """A new column of the profile, or one of the user table; COL is its name."""

    type: str
    unique: str
    one: str
    two: str
    column: str = ""

    @property
    def table(self) -> str:
        return "auth_user" if self.column else "auth_userprofile"

    @property
    def key(self) -> str:
        return "id" if self.column else "user_id"


CASES = {
    "a text": Case("text", "UNIQUE (COL)", "a", "b"),
    "a text, NOT NULL": Case("text NOT NULL DEFAULT 'x'", "UNIQUE (COL)", "a", "b"),
    "an integer": Case("integer", "UNIQUE (COL)", "1", "2"),
    "a small integer": Case(
        "smallint NOT NULL DEFAULT 0", "UNIQUE (COL), ADD CHECK (COL >= 0)", "1", "2"
    ),
    "a number in bounds": Case(
        "numeric(4,1) NOT NULL DEFAULT 1",
        "UNIQUE (COL), ADD CHECK (COL BETWEEN 1 AND 20)",
        *("1.5", "2.5"),
    ),
    "a uuid": Case(
        "uuid NOT NULL DEFAULT gen_random_uuid()",
        "UNIQUE (COL)",
        *(f"{1:032}", f"{2:032}"),
    ),
    "a date": Case(
        "date NOT NULL DEFAULT 'epoch'",
        "UNIQUE (COL), ADD CHECK (COL < '2020-01-01')",
        *("2001-01-01", "2001-01-02"),
    ),
    "a time of day": Case(
        "time NOT NULL DEFAULT '0:00'", "UNIQUE (COL)", "10:00", "11:00"
    ),
    "a moment": Case(
        "timestamptz NOT NULL DEFAULT 'epoch'",
        "UNIQUE (COL)",
        *("2001-01-01", "2001-01-02"),
    ),
    "bytes": Case("bytea NOT NULL DEFAULT ''", "UNIQUE (COL)", r"\x01", r"\x02"),
    "an address": Case(
        "inet NOT NULL DEFAULT '::1'", "UNIQUE (COL)", "10.0.0.1", "10.0.0.2"
    ),
    "two characters": Case(
        "varchar(2) NOT NULL DEFAULT ''", "UNIQUE (COL)", "aa", "bb"
    ),
    "a form": Case(
        "varchar(10) NOT NULL DEFAULT ''",
        r"UNIQUE (COL), ADD CHECK (COL ~ '^(\+\d{4})?$')",
        *("+1234", "+2345"),
    ),
    "equal nulls": Case("text", "UNIQUE NULLS NOT DISTINCT (COL)", "a", "b"),
    "not the same": Case(
        "text NOT NULL DEFAULT ''",
        "EXCLUDE USING btree (lower(COL) WITH =)",
        *("a", "b"),
    ),
    "ranges": Case(
        "int4range NOT NULL DEFAULT 'empty'",
        "EXCLUDE USING gist (COL WITH &&)",
        *("[1,5)", "[5,9)"),
    ),
    "ranges that are not empty": Case(
        "daterange NOT NULL DEFAULT '[2000-01-01,2000-01-02)'",
        "EXCLUDE USING gist (COL WITH &&), ADD CHECK (NOT isempty(COL))",
        *("[2001-01-01,2001-02-01)", "[2001-02-01,2001-03-01)"),
    ),
    "a checked user name": Case(
        "", "CHECK (COL ~ '^[a-z0-9_]+$')", "ann", "bob", "username"
    ),
    "a checked e-mail": Case(
        "", "UNIQUE (COL), ADD CHECK (COL ~ '@')", "a@x", "b@x", "email"
    ),
    "lower case": Case(
        "",
        "CHECK (true); CREATE UNIQUE INDEX lowered ON auth_user (lower(COL))",
        *("One", "Two", "password"),
    ),
    "a generated column": Case(
        "",
        "made text GENERATED ALWAYS AS (lower(COL)) STORED, ADD own integer DEFAULT 7;"
        " CREATE UNIQUE INDEX made ON auth_user (made, own) WHERE COL <> 'First'",
        *("One", "Two", "first_name"),
    ),
}
COLUMNS = {case: case.column or f"c{n}" for n, case in enumerate(CASES.values())}


def run(side: Platform | Course, statement: str, *values: object) -> None:
    side.connection.execute(statement.encode(), values or None)


def give(platform: Platform, case: Case, user: int, value: str) -> None:
    run(
        platform,
        f"UPDATE {case.table} SET {COLUMNS[case]} = %s WHERE {case.key} = %s",
        *(value, user),
    )


def held(side: Platform | Course, case: Case) -> list[object]:
    query = f"SELECT {COLUMNS[case]} FROM {case.table} ORDER BY {case.key}"
    return [row[0] for row in side.connection.execute(query.encode()).fetchall()]


def at_a_course(platform: Platform, cases: dict[str, Case]) -> Course:
    """Two members at a course where the columns of these cases must be unique."""
    dsn = platform.new_course()
    with psycopg.connect(dsn, autocommit=True) as there:
        for case in cases.values():
            column = COLUMNS[case]
            add = f"ALTER TABLE {case.table} ADD".encode()
            if case.type:
                for side in (platform.connection, there):
                    side.execute(add + f" {column} {case.type}".encode())
            there.execute(add + b" " + case.unique.replace("COL", column).encode())
    if any(case.type for case in cases.values()):
        install(platform.dsn, platform.config)
    for user in (1, 2):
        platform.user(user)
        for case in cases.values():
            give(platform, case, user, case.one if user == 1 else case.two)
        platform.enroll(user, TOY)
    return platform.register(dsn, TOY)[0]


def exchange(platform: Platform, case: Case, one: str, two: str) -> None:
    """In one transaction of the portal, whose own index is not deferrable."""
    with platform.connection.transaction():
        if case.column == "username":
            give(platform, case, 1, "in_between")
        give(platform, case, 2, one)
        give(platform, case, 1, two)


def test_two_members_exchange_a_value_that_must_be_unique(platform: Platform) -> None:
    course = at_a_course(platform, CASES)
    assert course.users == [1, 2]
    found = {}
    for name, case in CASES.items():
        exchange(platform, case, case.one, case.two)
        found[name] = platform.deliver() or held(course, case) == held(platform, case)
        if found[name] is not True:  # so that the others are not held up
            exchange(platform, case, case.two, case.one)
            platform.deliver()
    assert found == dict.fromkeys(CASES, True)
    platform.assert_equal()
