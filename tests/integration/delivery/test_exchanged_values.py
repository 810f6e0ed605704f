"""Values that must be unique pass from one copy to another, whatever their type."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import psycopg

from pyreplctl.core.config import Config
from pyreplctl.delivery import batches, dead_letters
from pyreplctl.install.portal import install
from tests.integration.courses.test_local_accounts import add_account
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


def at_a_course(
    platform: Platform, cases: dict[str, Case], *members: dict[Case, str]
) -> Course:
    """Two members, or those with these values, at a course where all must be unique."""
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
    if not members:
        members = (
            {case: case.one for case in cases.values()},
            {case: case.two for case in cases.values()},
        )
    for user, values in enumerate(members, 1):
        platform.user(user)
        for case, value in values.items():
            give(platform, case, user, value)
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


def test_where_nothing_can_stand_in_between_table_and_index_are_named(
    platform: Platform,
) -> None:
    """A person must decide: a dead letter at once, and nothing is half done."""
    case = Case(
        "text NOT NULL DEFAULT 't'",
        "CONSTRAINT taken UNIQUE (COL), ADD CHECK (COL IN ('t', 'f'))",
        *("t", "f"),
    )
    COLUMNS[case] = "answer"
    course = at_a_course(platform, {"": case})
    exchange(platform, case, "t", "f")
    [why] = {text.partition(": ")[2] for text in platform.deliver()[course.name]}
    assert why.startswith(
        "users exchange a value of taken, and no column of public.auth_userprofile"
        " takes another one in between"
    )
    assert held(course, case) == ["t", "f"]
    assert platform.rows("SELECT sqlstate, due_at FROM pyrepl.retry ORDER BY 1") == [
        ("PR023", None),
        ("PR023", None),
    ]
    # as the hint has it
    course.execute(
        "ALTER TABLE auth_userprofile DROP CONSTRAINT taken,"
        " ADD CONSTRAINT taken UNIQUE (answer) DEFERRABLE"
    )
    dead_letters.retry(platform.connection, dead_letters.dead(platform.connection))
    assert platform.deliver() == {}
    assert held(course, case) == ["f", "t"]


def test_a_value_passes_from_a_frozen_former_member(platform: Platform) -> None:
    platform.config = msgspec.convert({"policy": {"on_unenroll": "freeze"}}, Config)
    install(platform.dsn, platform.config)
    phone = {"a text": CASES["a text"]}
    course = at_a_course(platform, phone)
    platform.unenroll(1, TOY)
    assert platform.deliver() == {}
    exchange(platform, CASES["a text"], "a", "c")
    assert platform.deliver() == {}
    assert held(course, CASES["a text"]) == ["c", "a"]


PARTIAL = "CREATE UNIQUE INDEX partly ON auth_user (lower(email)) WHERE email <> ''"


def with_empty_mail(platform: Platform) -> Course:
    """A local account without an address, at a course where addresses are unique."""
    course = platform.course(TOY)
    run(course, PARTIAL)
    add_account(course.connection)
    course.execute("UPDATE auth_user SET email = '' WHERE id = 5")
    for user in (1, 2):
        platform.member(user, TOY)
    return course


def exchange_names(platform: Platform) -> None:
    """Exchange two names, and one of the two has no address any more."""
    exchange(platform, CASES["a checked user name"], "user1", "user2")
    platform.execute("UPDATE auth_user SET email = '' WHERE id = 1")


def test_an_account_that_an_index_excludes_is_not_blamed(platform: Platform) -> None:
    course = with_empty_mail(platform)
    assert platform.deliver() == {}
    exchange_names(platform)
    assert platform.deliver() == {}
    platform.assert_equal()
    # and who is in the way by that index is named
    course.execute("UPDATE auth_user SET email = 'Taken@Example.com' WHERE id = 5")
    platform.execute("UPDATE auth_user SET email = 'taken@example.com' WHERE id = 2")
    [why] = platform.deliver()[course.name]
    assert why.startswith(
        "user 2: local account in the way: user 5 of the course holds a value of partly"
        " that must be unique"
    )


def test_control_without_the_predicate_the_account_is_blamed(
    platform: Platform,
) -> None:
    course = with_empty_mail(platform)
    assert platform.deliver() == {}
    edited(course, "unique_indexes", "pg_get_expr(i.indpred, i.indrelid)", "NULL")
    exchange_names(platform)
    assert "user 5 of the course" in str(platform.deliver())


def edited(side: Platform | Course, function: str, old: str, new: str) -> None:
    """Take a piece out of a function of ours."""
    [[body]] = side.rows(
        "SELECT pg_get_functiondef(p.oid) FROM pg_proc p"
        " WHERE p.pronamespace = 'pyrepl'::regnamespace AND p.proname = %s",
        function,
    )
    assert old in body
    run(side, body.replace(old, new))


def shifted(platform: Platform, count: int, batch: int) -> Course:
    """Each takes the name of the next, and the last one a new one; in a few batches."""
    course = platform.course(TOY, backfill=False)
    platform.members(count, TOY)
    platform.member(1000, TOY, username="bystander")
    platform.deliver()
    platform.execute("UPDATE pyrepl.settings SET batch = %s", batch)
    platform.execute(
        "ALTER TABLE auth_user DROP CONSTRAINT auth_user_username_key;"
        " UPDATE auth_user SET username = 'user' || id + 1 WHERE id < 1000"
    )
    return course


def batches_until(platform: Platform, course: Course, user: int) -> int:
    """Return in how many batches the change of this user, made last, arrives."""
    platform.execute("UPDATE auth_user SET first_name = 'Other' WHERE id = %s", user)
    connection = platform.connection
    batches.route(connection)
    [[number]] = platform.rows("SELECT id FROM pyrepl.database")
    for count in range(1, 500):
        batches.deliver(connection, number)
        if course.user(user)["first_name"] == "Other":
            return count
    raise AssertionError("it has never arrived")


def test_six_hundred_names_move_on_by_one_and_nobody_waits(platform: Platform) -> None:
    course = shifted(platform, 600, batch=100)
    assert batches_until(platform, course, 1000) < 20
    assert platform.deliver() == {}
    assert course.user(1)["username"] == "user2"
    assert course.user(600)["username"] == "user601"
    platform.assert_equal()


def test_a_bad_dossier_in_the_row_holds_up_those_before_it_alone(
    platform: Platform,
) -> None:
    course = shifted(platform, 60, batch=20)
    course.execute(
        "ALTER TABLE auth_user ADD CONSTRAINT odd CHECK (last_name <> 'Bad')"
    )
    platform.execute("UPDATE auth_user SET last_name = 'Bad' WHERE id = 30")
    assert batches_until(platform, course, 1000) < 200  # retries take every other turn
    course.execute("ALTER TABLE auth_user DROP CONSTRAINT odd")
    dead_letters.retry(platform.connection, dead_letters.dead(platform.connection))
    platform.execute("UPDATE pyrepl.retry SET due_at = now()")
    assert platform.deliver() == {}
    platform.assert_equal()


def test_control_if_holders_came_one_by_one_all_would_wait(platform: Platform) -> None:
    course = shifted(platform, 60, batch=10)
    edited(platform, "bring_along", "w.id <> ALL (v_batch) LIMIT 5000", "false")
    assert batches_until(platform, course, 1000) > 60
