"""Names are hostile: whoever may name a column, a table or a schema gains nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from pyreplctl.core import session
from pyreplctl.core.config import Config
from pyreplctl.core.errors import DatabaseError, Error, NotSuitable
from pyreplctl.courses import refresh, unregister
from pyreplctl.install import objects
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.schema import sql_files
from tests.cli.run import Cli
from tests.conftest import NewPortal
from tests.integration.trust.attacks import Attacker, attacker
from tests.support.platform import AS_OWNER, Connection, Platform

PROFILE = "public.auth_userprofile"


@pytest.fixture
def portal(new_portal: NewPortal) -> Iterator[Connection]:
    """A portal with nothing of ours in it."""
    with psycopg.connect(new_portal(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def owner(portal: Connection) -> Iterator[Attacker]:
    """The owner of the profile table, who has a procedure for others to call."""
    with attacker(portal) as made:
        made.owns(PROFILE)
        made.procedure("x")
        yield made


def dsn_of(connection: Connection) -> str:
    return connection.info.dsn + f" password={connection.info.password}"


def add_column(owner: Attacker, name: str) -> None:
    statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} text")
    table = sql.Identifier(*PROFILE.split("."))
    owner.session.execute(statement.format(table, sql.Identifier(name)))


def breaks_out(tag: str) -> str:
    return f"${tag}$;RESET ROLE;CALL x();SELECT ${tag}$"


def as_one_text(connection: Connection, statement: str | sql.Composed) -> None:
    """Send a statement as it was sent before: whatever is in it."""
    connection.execute(statement.encode() if isinstance(statement, str) else statement)


def open_session(connection: Connection) -> None:
    """Leave a session as the database has it."""


NEVER = re.compile("(?!)")


def test_a_column_cannot_end_the_body_of_a_function(
    portal: Connection, owner: Attacker
) -> None:
    add_column(owner, breaks_out("capture_profile"))
    with pytest.raises(NotSuitable, match=r"\$capture_profile\$"):
        install(dsn_of(portal), Config())
    assert not owner.is_superuser
    held = portal.execute("SELECT to_regnamespace('pyrepl') IS NULL").fetchone()
    assert held == (True,)


def test_nor_by_a_later_install(portal: Connection, owner: Attacker) -> None:
    install(dsn_of(portal), Config())
    add_column(owner, breaks_out("capture_profile"))
    with pytest.raises(NotSuitable, match=r"\$capture_profile\$"):
        install(dsn_of(portal), Config())
    assert not owner.is_superuser


def test_one_statement_is_sent_at_a_time_even_so(
    portal: Connection, owner: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_files, "_TAG", NEVER)
    add_column(owner, breaks_out("capture_profile"))
    with pytest.raises(DatabaseError) as refused:
        install(dsn_of(portal), Config())
    assert refused.value.sqlstate == "42601"
    assert not owner.is_superuser


def test_without_both_the_column_would_make_its_owner_a_superuser(
    portal: Connection, owner: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_files, "_TAG", NEVER)
    monkeypatch.setattr(sql_files, "split", lambda text: (text,))
    monkeypatch.setattr(objects, "execute_one", as_one_text)
    monkeypatch.setattr(session, "pin", open_session)
    add_column(owner, breaks_out("capture_profile"))
    try:
        install(dsn_of(portal), Config())
    except Error:
        portal.execute("SELECT 1")  # it was noticed too late, or not at all
    # RESET ROLE and the call were in the transaction that the error took back, or not.
    assert owner.is_superuser


@pytest.mark.parametrize("tag", ["push", "find"])
def test_nor_at_the_registration_of_a_course(
    platform: Platform, tag: LiteralString
) -> None:
    with attacker(platform.connection) as owner:
        owner.owns(PROFILE)
        owner.procedure("x")
        course = platform.course("c")
        add_column(owner, breaks_out(tag))
        course.execute(
            f'ALTER TABLE auth_userprofile ADD COLUMN "{breaks_out(tag)}" text'
        )
        try:
            install(platform.dsn, platform.config)
            refresh.refresh(
                platform.connection, platform.config, course.name, course.dsn
            )
        except NotSuitable as error:
            assert f"${tag}$" in str(error)  # noqa: PT017
        assert not owner.is_superuser


def test_a_trigger_of_the_course_gains_nothing_from_a_purge(
    platform: Platform,
) -> None:
    course = platform.course("c")
    platform.member(1, "c")
    platform.deliver()
    with attacker(course.connection) as owner:
        plant_trigger(owner)
        unregister.unregister(platform.connection, course.name, course.dsn, purge=True)
        assert course.users == []
        assert not owner.is_superuser


def test_it_would_if_the_purge_only_took_a_role(platform: Platform) -> None:
    course = platform.course("c")
    platform.member(1, "c")
    platform.deliver()
    with attacker(course.connection) as owner:
        plant_trigger(owner)
        with course.connection.transaction():
            course.execute(AS_OWNER)
            course.execute("SELECT pyrepl.erase('{1}')")
        assert owner.is_superuser


def plant_trigger(owner: Attacker) -> None:
    owner.owns("public.auth_user")
    owner.trigger_function("x", "RESET ROLE;")
    owner.session.execute(
        "CREATE TRIGGER x AFTER DELETE ON auth_user"
        " FOR EACH ROW EXECUTE FUNCTION public.x()"
    )


BAD_SCHEMA = "public TO forum;ALTER ROLE forum SUPERUSER;--"


@pytest.mark.parametrize("schema", [BAD_SCHEMA, "Forum Data", 'a"b', "{x} %s i%d"])
def test_a_schema_of_the_course_is_a_name(platform: Platform, schema: str) -> None:
    dsn = platform.new_course()
    with (
        psycopg.connect(dsn, autocommit=True) as administrator,
        attacker(administrator, "forum") as forum,
    ):
        name = sql.Identifier(schema)
        administrator.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        statement = "GRANT ALL ON SCHEMA {} TO forum"
        administrator.execute(sql.SQL(statement).format(name))
        administrator.execute("GRANT REFERENCES ON auth_user TO forum")
        forum.session.execute(
            sql.SQL(
                "CREATE TABLE {} (id integer PRIMARY KEY,"
                ' "who; is" integer REFERENCES public.auth_user)'
            ).format(sql.Identifier(schema, 'it\'s; a "table"'))
        )
        course, _ = platform.register(dsn, "c")
        platform.member(1, "c")
        platform.deliver()
        platform.assert_equal()
        made = refresh.refresh(platform.connection, platform.config, course.name, dsn)
        assert made == []
        platform.execute("DELETE FROM student_courseenrollment")
        platform.execute("DELETE FROM auth_userprofile")
        platform.execute("DELETE FROM auth_user")
        assert platform.deliver() == {}
        assert course.users == []
        unregister.unregister(platform.connection, course.name, dsn, purge=True)
        assert not forum.is_superuser


# Tables and columns, of the portal and of the course.
SCHEMA = "Forum Data; DROP TABLE x; --"
USER = "Auth;User %s {table}"
ENROLLMENT = "student's enrollment"
COLUMNS = (
    "i%d",
    "{braces} {0}",
    'quote"quote',
    "it's",
    "semi;colon--",
    "back\\slash",
    "a.b",
    "select",
    "$$",
    "$1",
    "Ünïcode ☃",
)
TOML = f"""
[tables.user]
name = '''{SCHEMA}.{USER}'''
[tables.profile]
name = "public.AuthUserProfile"
[tables.enrollment]
name = '''{SCHEMA}.{ENROLLMENT}'''
course = "the course_id %d"
"""


def rename(connection: Connection, portal: bool) -> None:
    """Give everything names that nobody should."""
    schema = sql.Identifier(SCHEMA)
    statements = [
        sql.SQL("CREATE SCHEMA {}").format(schema),
        sql.SQL("ALTER TABLE auth_userprofile RENAME TO {}").format(
            sql.Identifier("AuthUserProfile")
        ),
    ]
    for old, new in (("auth_user", USER), ("student_courseenrollment", ENROLLMENT)):
        statements += [
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                sql.Identifier(old), sql.Identifier(new)
            ),
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(sql.Identifier(new), schema),
        ]
    table = sql.Identifier(SCHEMA, ENROLLMENT)
    statements.append(
        sql.SQL("ALTER TABLE {} RENAME COLUMN course_id TO {}").format(
            table, sql.Identifier("the course_id %d")
        )
    )
    statements += [
        sql.SQL("ALTER TABLE public.{} ADD COLUMN {} text DEFAULT 'x'").format(
            sql.Identifier("AuthUserProfile"), sql.Identifier(name)
        )
        for name in COLUMNS
    ]
    user = sql.Identifier(SCHEMA, USER)
    odd = sql.Identifier("odd; DROP %s {x} '\"")
    statements += [
        sql.SQL("CREATE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql AS {}").format(
            sql.Identifier(SCHEMA, "odd; DROP %s {x} '\""), "BEGIN RETURN NULL; END"
        ),
        sql.SQL("CREATE TRIGGER {} AFTER UPDATE ON {} EXECUTE FUNCTION {}()").format(
            odd, user, sql.Identifier(SCHEMA, "odd; DROP %s {x} '\"")
        ),
        sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK (id > 0)").format(user, odd),
        sql.SQL("ALTER SEQUENCE {} RENAME TO {}").format(
            sql.Identifier(SCHEMA, "auth_user_id_seq"), sql.Identifier("s; -- '\"")
        ),
    ]
    for statement in statements:
        connection.execute(statement)


def test_everything_works_whatever_things_are_called(
    bare_cli: Cli, portal_cluster: Cluster, course_cluster: Cluster
) -> None:
    names = {portal_cluster: "por\"tal'; --", course_cluster: "cou\"rse'; {x} %s"}
    dsns = {}
    for cluster, name in names.items():
        with psycopg.connect(cluster.conninfo(), autocommit=True) as administrator:
            create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
            administrator.execute(create)
        dsns[cluster] = cluster.conninfo(name)
        with psycopg.connect(dsns[cluster], autocommit=True) as connection:
            text = (sql_files.root("sql") / "demo" / "edx_2012.sql").read_bytes()
            connection.execute(text)
            rename(connection, cluster is portal_cluster)
    try:
        used(bare_cli, dsns[portal_cluster], dsns[course_cluster])
    finally:
        for cluster, name in names.items():
            with psycopg.connect(cluster.conninfo(), autocommit=True) as administrator:
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
                administrator.execute(drop.format(sql.Identifier(name)))


def used(cli: Cli, portal: str, course: str) -> None:
    cli.configure(TOML)
    cli.at(portal)
    name = "cou\"rse'; {x} %s"
    key = "a key; -- '\"$$ {} %s %d"
    done(cli, "install")
    assert done(cli, "install", "--check") == ""
    with psycopg.connect(portal, autocommit=True) as connection:
        user = sql.Identifier(SCHEMA, USER)
        connection.execute(
            sql.SQL(
                "INSERT INTO {} VALUES (1, 'one', '', '', '', '', false, true, false,"
                " now(), now())"
            ).format(user)
        )
        connection.execute(
            'INSERT INTO public."AuthUserProfile" (id, user_id, name, meta, courseware,'
            " language, location) VALUES (1, 1, '', '', '', '', '')"
        )
        connection.execute(
            sql.SQL("INSERT INTO {} (user_id, {}) VALUES (1, {})").format(
                sql.Identifier(SCHEMA, ENROLLMENT),
                sql.Identifier("the course_id %d"),
                sql.Literal(key),
            )
        )
        done(cli, "course", "register", key, "--dsn", course)
        connection.execute(sql.SQL("UPDATE {} SET username = 'other'").format(user))
        done(cli, "deliver", "--until-empty")
        done(cli, "verify")
        done(cli, "course", "refresh", name, "--dsn", course)
        done(cli, "explain", "other")
        done(cli, "course", "set", name, "--guard", "warn", "--dsn", course)
        done(cli, "course", "show", name)
        done(cli, "course", "rotate-password", name, "--dsn", course)
        done(cli, "verify", "--repair")
        connection.execute(
            sql.SQL("DELETE FROM {}").format(sql.Identifier(SCHEMA, ENROLLMENT))
        )
        connection.execute('DELETE FROM public."AuthUserProfile"')
        connection.execute(sql.SQL("DELETE FROM {}").format(user))
        done(cli, "deliver", "--until-empty")
        done(cli, "verify")
    done(cli, "course", "unregister", name, "--purge", "--dsn", course)
    done(cli, "uninstall", "--yes")


def done(cli: Cli, *arguments: str) -> str:
    ran = cli(*arguments)
    assert ran.code == 0, ran
    return ran.out
