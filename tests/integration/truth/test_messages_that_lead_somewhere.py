"""Whoever runs what a message says ends what it tells of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from pyreplctl.core.errors import NotSuitable
from pyreplctl.delivery.dead_letters import DeadLetter, named, retry
from pyreplctl.install.portal import install
from tests.conftest import NewPortal
from tests.support.platform import Connection, Platform

TOY = "edX/toy/2012_Fall"

_NOTE = """
    CREATE TABLE public.seen (number bigint);
    CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql {} AS
        $$ BEGIN INSERT INTO {} VALUES (NEW.id); RETURN NEW; END $$;
    CREATE TRIGGER note AFTER INSERT ON auth_user
        FOR EACH ROW EXECUTE FUNCTION public.note()"""
UNQUALIFIED = _NOTE.format("SECURITY DEFINER", "seen")
AUDIT = _NOTE.format("", "public.seen")
INDEX = """
    CREATE FUNCTION public.same(text) RETURNS text IMMUTABLE LANGUAGE sql
        AS $$ SELECT $1 $$;
    CREATE FUNCTION public.plain(text) RETURNS text IMMUTABLE LANGUAGE plpgsql
        SET search_path = public AS $$ BEGIN RETURN same($1); END $$;
    CREATE INDEX plain ON auth_user (public.plain(email));
    ALTER FUNCTION public.plain(text) RESET search_path"""
ROWS = "ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY"
DOMAIN = """
    CREATE DOMAIN public.tier AS text NOT NULL;
    ALTER TABLE auth_user ADD COLUMN tier public.tier"""
REQUIRED = "ALTER TABLE auth_user ADD COLUMN tier integer NOT NULL"
ENUM = """
    CREATE TYPE public.mood AS ENUM ('sad');
    ALTER TABLE auth_userprofile ADD COLUMN mood public.mood"""
KEPT_APART = """
    CREATE SCHEMA ext;
    CREATE TYPE ext.mood AS ENUM ('sad');
    ALTER TABLE auth_userprofile ADD COLUMN mood ext.mood"""
LOCAL = """
    INSERT INTO auth_user SELECT 7, 'local', 'F', 'L', 'l@x', 'x', false, true, false,
        now(), now();
    INSERT INTO auth_userprofile
        (id, user_id, name, meta, courseware, language, location)
        VALUES (90007, 7, 'Local', '', '', '', '');
    INSERT INTO student_courseenrollment (id, user_id, course_id)
        VALUES (90007, 7, 'local');
    CREATE TABLE public.post (author integer REFERENCES auth_user ON DELETE CASCADE,
        editor integer REFERENCES auth_user);
    INSERT INTO post VALUES (7, 7)"""


@dataclass(frozen=True)
class Condition:
    """What is done at a course after its registration, and what is then said."""

    at_course: str
    said: str
    statement: str
    at_portal: str = ""
    before: str = ""


LATER = {
    "a trigger with unqualified names": Condition(
        UNQUALIFIED,
        "a table or view is missing at the course, in public.note()",
        r"ALTER FUNCTION public\.note\(\) SET search_path = public, pg_temp;",
    ),
    "an index with unqualified names": Condition(
        INDEX,
        "a function is missing at the course, in public.plain(text)",
        r"ALTER FUNCTION public\.plain\(text\) SET search_path = public, pg_temp;",
    ),
    "an audit trigger without rights": Condition(
        AUDIT,
        "a right is missing at the course, in public.note()",
        r"ALTER FUNCTION public\.note\(\) SECURITY DEFINER SET .*, pg_temp;",
    ),
    "row level security": Condition(
        ROWS,
        "a right is missing at the course",
        r"ALTER TABLE public\.auth_user DISABLE ROW LEVEL SECURITY;",
    ),
    "a domain that is NOT NULL": Condition(
        DOMAIN,
        "a column of the course needs a value",
        r"ALTER TABLE public\.auth_user ALTER COLUMN tier SET DEFAULT '';",
    ),
    "a column that is NOT NULL": Condition(
        REQUIRED,
        "a column of the course needs a value, table auth_user, column tier",
        r"ALTER TABLE public\.auth_user ALTER COLUMN tier SET DEFAULT 0;",
    ),
    "an agreed column that became NOT NULL": Condition(
        "ALTER TABLE auth_userprofile ALTER COLUMN year_of_birth SET NOT NULL",
        "a column of the course needs a value, table auth_userprofile, column y",
        r"ALTER TABLE public\.auth_userprofile ALTER COLUMN \w+ DROP NOT NULL;",
    ),
    "a label that an enum has not": Condition(
        "",
        "a value is none of its type at the course",
        r"ALTER TYPE public\.mood ADD VALUE",
        at_portal="ALTER TYPE public.mood ADD VALUE 'glad'",
        before=ENUM,
    ),
    "a local account with the id": Condition(
        LOCAL,
        "local account in the way: user 7 of the course is not a copy",
        r"SELECT pyrepl\.move_accounts\('\{7\}'\);",
    ),
}


@pytest.fixture
def course(platform: Platform) -> Iterator[Connection]:
    """A course database that is not registered yet."""
    with psycopg.connect(platform.new_course(), autocommit=True) as connection:
        yield connection


def dsn_of(connection: Connection) -> str:
    """Return the connection string, with its password."""
    return f"{connection.info.dsn} password={connection.info.password}"


def run(connection: Connection, statements: str) -> None:
    """Run them as the administrator of the database."""
    connection.execute(statements.encode())


@pytest.mark.parametrize("name", LATER)
def test_a_remedy_of_a_dead_letter_ends_it(
    platform: Platform, course: Connection, name: str
) -> None:
    condition = LATER[name]
    for side in (platform.connection, course):
        run(side, condition.before)
    install(platform.dsn, platform.config)
    platform.register(dsn_of(course), TOY)
    # A table that is rewritten or empty takes a NOT NULL column.
    run(course, condition.at_course)
    run(platform.connection, condition.at_portal)
    platform.member(7, TOY)
    if "mood" in condition.before:
        platform.execute("UPDATE auth_userprofile SET mood = 'glad'")
    [why] = platform.deliver().values()
    assert condition.said in why[0]
    [letter] = fetch_letters(platform)
    assert letter.message.startswith(condition.said)
    assert letter.hint is not None
    found = re.search(condition.statement, letter.hint)
    assert found, letter.hint
    run(course, found[0] + (" 'glad'" if found[0].endswith("VALUE") else ""))
    assert retry(platform.connection, [letter]).failed == []
    platform.assert_equal()
    if name == "a local account with the id":
        moved = "SELECT id FROM auth_user WHERE username = 'local'"
        query = f"SELECT author, editor, ({moved}) FROM post"
        assert course.execute(query.encode()).fetchall() == [(2147483647,) * 3]


def fetch_letters(platform: Platform) -> list[DeadLetter]:
    """Return all letters, also those that are tried again."""
    ids = [row[0] for row in platform.rows("SELECT id FROM pyrepl.retry")]
    return named(platform.connection, ids)


BEFORE = {
    "an audit trigger without rights": (AUDIT, r"ALTER FUNCTION public\.note\(\) .*;"),
    "a trigger with unqualified names": (
        UNQUALIFIED,
        r"ALTER FUNCTION public\.note\(\) .*;",
    ),
    "row level security": (ROWS, r"ALTER TABLE .* DISABLE ROW LEVEL SECURITY;"),
    "a domain that is NOT NULL": (DOMAIN, r"ALTER TABLE .* SET DEFAULT '';"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_a_remedy_of_a_refused_registration_ends_it(
    platform: Platform, course: Connection, name: str
) -> None:
    statements, remedy = BEFORE[name]
    run(course, statements)
    platform.member(7, TOY)
    with pytest.raises(NotSuitable) as refused:
        platform.register(dsn_of(course), TOY)
    assert "pyrepl_worker" not in (refused.value.hint or "")
    found = re.search(remedy, refused.value.hint or "")
    assert found, refused.value.hint
    run(course, found[0])
    made, _ = platform.register(dsn_of(course), TOY)
    assert made.users == [7]


def test_types_may_be_in_a_schema_without_rights(
    platform: Platform, course: Connection
) -> None:
    for side in (platform.connection, course):
        run(side, KEPT_APART)
    install(platform.dsn, platform.config)
    platform.member(7, TOY)
    made, _ = platform.register(dsn_of(course), TOY)
    platform.execute("UPDATE auth_userprofile SET mood = 'sad'")
    assert platform.deliver() == {}
    assert made.rows("SELECT mood::text FROM auth_userprofile") == [("sad",)]


OWNERS = """
    CREATE FUNCTION public.own() RETURNS event_trigger LANGUAGE plpgsql
    SECURITY DEFINER AS $$ DECLARE r record; BEGIN
        FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() LOOP
            EXECUTE format('ALTER %s %s OWNER TO CURRENT_USER', r.object_type,
                r.object_identity);
        END LOOP; END $$;
    CREATE EVENT TRIGGER own ON ddl_command_end WHEN TAG IN ('CREATE TABLE',
        'CREATE FUNCTION') EXECUTE FUNCTION public.own()"""


def disabled(error: NotSuitable) -> tuple[str, str]:
    """Return the statements before and after the command."""
    assert "own (" in str(error)
    found = re.findall(r"ALTER EVENT TRIGGER own (?:DISABLE|ENABLE);", error.hint or "")
    assert len(found) == 2
    return found[0], found[1]


def test_an_event_trigger_that_sets_owners_is_named(
    platform: Platform, course: Connection, new_portal: NewPortal
) -> None:
    run(course, OWNERS)
    with pytest.raises(NotSuitable) as refused:
        platform.register(dsn_of(course), TOY)
    disable, enable = disabled(refused.value)
    run(course, disable)
    platform.register(dsn_of(course), TOY)
    run(course, enable)

    with psycopg.connect(new_portal(), autocommit=True) as portal:
        run(portal, OWNERS)
        with pytest.raises(NotSuitable) as refused:
            install(dsn_of(portal), platform.config)
        run(portal, disabled(refused.value)[0])
        assert install(dsn_of(portal), platform.config)
