"""Every setting is known: it changes a meaning and is pinned, or it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from pyreplctl.core import session
from pyreplctl.install.portal import install
from pyreplctl.schema import link
from tests.conftest import running_cluster
from tests.integration.truth import classes
from tests.support import servers
from tests.support.platform import Connection, Course, Platform

TOY = "edX/toy/2012_Fall"
OURS = {each.name.lower() for each in session.SETTINGS} | set(classes.BY_LOOK)

# Whatever ALTER DATABASE or ALTER ROLE … SET may say.
SETTABLE: LiteralString = (
    "SELECT name FROM pg_settings"
    " WHERE context NOT IN ('internal', 'postmaster', 'sighup')"
)


@pytest.fixture(params=servers.bin_dirs(), scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """One of each version on this machine, with the libraries that have settings."""
    with (
        running_cluster(servers.bin_dirs()[request.param]) as cluster,
        psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection,
    ):
        connection.execute("LOAD 'plpgsql'")
        connection.execute("LOAD 'postgres_fdw'")
        yield connection


def test_every_setting_of_this_server_is_classed(server: Connection) -> None:
    settable = {row[0].lower() for row in server.execute(SETTABLE)}
    assert settable - OURS - classes.harmless().keys() == set()
    assert OURS & classes.harmless().keys() == set()


def test_what_is_pinned_is_a_setting_of_some_server(server: Connection) -> None:
    settable = {row[0].lower() for row in server.execute(SETTABLE)}
    version = server.info.server_version
    here = {each.name for each in session.SETTINGS if each.since(version)}
    assert here - settable == {"role"}  # not shown among the others


def test_a_link_pins_the_same_or_it_is_known_why_not() -> None:
    on_links = set(re.findall(r"-c ([\w.]+)=", link._DEFAULTS["options"]))
    excused = {n for names in classes.NOT_THE_LINKS.values() for n in names.split()}
    assert OURS - on_links - excused == set()
    assert on_links & excused == set()
    by_role = classes.NOT_THE_LINKS["set for the role, as not every server has it"]
    assert {name for name, *_ in link.ROLE_SETTINGS} == set(by_role.split())


# Made by text_formats; more are found by the next test where they are needed.
FORMATTING: LiteralString = (
    "SELECT proname, proconfig FROM pg_proc WHERE pronamespace = 'pyrepl'::regnamespace"
    " AND proname ~ '^(apply|dossiers_.*|truth.*|digest_(total|sums|buckets|rows))$'"
)


@pytest.fixture
def course(platform: Platform) -> Course:
    """A course whose profiles hold all that a setting may read otherwise."""
    columns = (
        "words text[], lasted interval, seen timestamptz, born date,"
        " raw bytea, share double precision, nested public.part"
    )
    dsn = platform.new_course()
    with psycopg.connect(dsn, autocommit=True) as there:
        for connection in (platform.connection, there):
            connection.execute("CREATE TYPE public.part AS (names text[], at date)")
            for each in columns.split(", "):
                connection.execute(
                    f"ALTER TABLE auth_userprofile ADD COLUMN {each}".encode()
                )
    install(platform.dsn, platform.config)
    return platform.register(dsn, TOY)[0]


VALUES: LiteralString = (
    "UPDATE auth_userprofile SET words = ARRAY[NULL, 'NULL', 'a'],"
    " lasted = '-1 mon 2 days 03:04:05.6', seen = '2012-03-04 05:06:07.891+00',"
    " born = '2012-03-04', raw = '\\x5c00ff'::bytea, share = float8 '0.1' + 0.2,"
    " nested = ROW(ARRAY[NULL, 'NULL'], '2012-05-06')"
)
READ: LiteralString = (
    "SELECT words, lasted::text, seen::text, born::text, raw::text,"
    " share::text, nested::text FROM auth_userprofile"
)


def set_odd(connection: Connection) -> None:
    """Let a database say all of it for its sessions."""
    name = sql.Identifier(connection.info.dbname)
    for setting, text in classes.ODD.items():
        parts = sql.SQL(", ").join(map(sql.Literal, text.split(", ")))
        statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
        connection.execute(statement.format(name, sql.Identifier(setting), parts))


def strip(platform: Platform) -> None:
    """Take from the link what it says of texts, as a pooler would."""
    platform.execute("ALTER SERVER pyrepl_1 OPTIONS (SET options '-c jit=off')")


def served(platform: Platform, course: Course) -> list[tuple[object, ...]]:
    """Write and deliver in a session as the database has them; what arrived."""
    strip(platform)
    for connection in (platform.connection, course.connection):
        set_odd(connection)
    platform.member(1, TOY)
    platform.execute(VALUES)
    with psycopg.connect(platform.dsn, autocommit=True) as application:
        application.execute("CALL pyrepl.serve('0 s')")
    return course.rows(READ)


def test_texts_mean_the_same_without_a_word_of_the_link(
    platform: Platform, course: Course
) -> None:
    arrived = served(platform, course)
    assert arrived == platform.rows(READ)
    assert arrived[0][0] == [None, "NULL", "a"]
    platform.assert_equal()


def test_functions_that_make_or_read_texts_say_how(
    platform: Platform, course: Course
) -> None:
    for rows in (platform.rows(FORMATTING), course.rows(FORMATTING)):
        assert rows
        for name, config in rows:
            said = {each.partition("=")[0] for each in config}
            assert set(classes.OF_TEXTS) <= said, name


@pytest.mark.parametrize(
    ("here", "function", "setting"),
    [
        ("course", "apply()", "array_nulls"),
        ("portal", "dossiers_1(bigint[], bigint[])", "extra_float_digits"),
    ],
)
def test_without_it_something_else_arrives(
    platform: Platform, course: Course, here: str, function: str, setting: str
) -> None:
    where = platform.connection if here == "portal" else course.connection
    where.execute(f"ALTER FUNCTION pyrepl.{function} RESET {setting}".encode())
    assert served(platform, course) != platform.rows(READ)
