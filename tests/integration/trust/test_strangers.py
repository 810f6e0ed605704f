"""What stands under our names beforehand is not used unless it is ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.errors import NotSuitable
from pyreplctl.install import installed, preflight, strangers
from pyreplctl.install.portal import install
from pyreplctl.schema.sql_files import texts
from tests.cli.run import Cli
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.integration.trust.attacks import Attacker, attacker
from tests.integration.trust.hostile import read_and_call_plainly
from tests.support.platform import Connection, Platform, owner_of


@contextmanager
def database_owner(dsn: str) -> Iterator[Attacker]:
    with (
        psycopg.connect(dsn, autocommit=True) as administrator,
        attacker(administrator) as owner,
    ):
        owner.owns_database()
        yield owner


def trap(owner: Attacker, signature: str, returns: str) -> None:
    """Make a function that makes its owner a superuser, if one calls it."""
    owner.session.execute(
        f"CREATE FUNCTION {signature} RETURNS {returns} LANGUAGE plpgsql AS"
        f" $$ BEGIN EXECUTE 'ALTER ROLE {owner.name} SUPERUSER';"
        " RETURN NULL; END $$".encode()
    )


def view(owner: Attacker, name: str, columns: str) -> None:
    """Make a view that calls such a function."""
    owner.session.execute("CREATE SCHEMA pyrepl")
    trap(owner, "pyrepl.trap()", "text")
    owner.session.execute(
        f"CREATE VIEW pyrepl.{name} AS SELECT {columns}"
        " FROM (SELECT pyrepl.trap() AS t OFFSET 0) x".encode()
    )


def migration_table(owner: Attacker) -> None:
    view(owner, "_yoyo_migration", "t AS migration_id")


def migrations_function(owner: Attacker) -> None:
    owner.session.execute("CREATE SCHEMA pyrepl")
    trap(owner, "pyrepl.migrations()", "text")


def empty_schema(owner: Attacker) -> None:
    owner.session.execute("CREATE SCHEMA pyrepl")


def object_in_a_schema_of_a_superuser(owner: Attacker) -> None:
    owner.administrator.execute("CREATE SCHEMA pyrepl")
    grant = sql.SQL("GRANT ALL ON SCHEMA pyrepl TO {}").format(owner.role)
    owner.administrator.execute(grant)
    owner.session.execute("CREATE TABLE pyrepl.settings (singleton boolean)")


def domain(owner: Attacker) -> None:
    owner.session.execute("CREATE SCHEMA pyrepl")
    owner.session.execute("CREATE DOMAIN pyrepl.user_row AS text")
    owner.session.execute("ALTER SCHEMA pyrepl OWNER TO CURRENT_USER")


TRAPS: tuple[Callable[[Attacker], None], ...] = (
    migration_table,
    migrations_function,
    empty_schema,
    object_in_a_schema_of_a_superuser,
    domain,
)


@pytest.mark.parametrize("lay", TRAPS, ids=lambda lay: lay.__name__)
def test_a_portal_with_strangers_under_our_names_is_refused(
    bare_cli: Cli, new_portal: NewPortal, lay: Callable[[Attacker], None]
) -> None:
    dsn = new_portal()
    bare_cli.at(dsn)
    with database_owner(dsn) as owner:
        lay(owner)
        for command in (
            ("install",),
            ("install", "--check"),
            ("status",),
            ("verify",),
            ("deliver",),
            ("run",),
            ("course", "register", "c", "--dsn", "host=127.0.0.1"),
            ("uninstall", "--yes"),
        ):
            ran = bare_cli(*command)
            assert ran.code == 1, ran
            assert owner.name in ran.err
            assert "pyrepl" in ran.err.partition("hint: ")[2]
        assert not owner.is_superuser


def binding_view(owner: Attacker) -> None:
    view(owner, "binding", "t AS portal, 1 AS database_id, t AS link_role")


def settings_view(owner: Attacker) -> None:
    view(owner, "settings", "t AS version")


@pytest.mark.parametrize(
    "lay", [*TRAPS, binding_view, settings_view], ids=lambda lay: lay.__name__
)
def test_so_is_a_course_database(
    platform: Platform, new_course: NewCourse, lay: Callable[[Attacker], None]
) -> None:
    dsn = new_course()
    with database_owner(dsn) as owner:
        lay(owner)
        with pytest.raises(NotSuitable, match=owner.name):
            platform.register(dsn, "c")
        assert not owner.is_superuser
        assert platform.rows("SELECT name FROM pyrepl.database") == []


@pytest.mark.parametrize("lay", [migration_table, migrations_function])
def test_without_that_look_the_owner_would_be_a_superuser(
    new_portal: NewPortal,
    monkeypatch: pytest.MonkeyPatch,
    lay: Callable[[Attacker], None],
) -> None:
    def believe(*_: object) -> None:
        """Take what is there for ours."""

    read_and_call_plainly(monkeypatch)  # which keeps some of it off, too
    monkeypatch.setattr(installed, "refuse_strangers", believe)
    monkeypatch.setattr(preflight, "refuse_strangers", believe)
    dsn = new_portal()
    with database_owner(dsn) as owner:
        lay(owner)
        with psycopg.connect(dsn, autocommit=True) as connection, suppress(Exception):
            installed.require_installed(connection)
        with suppress(Exception):
            install(dsn, Config())
        assert owner.is_superuser


def test_an_object_that_somebody_puts_there_later_is_named(platform: Platform) -> None:
    with attacker(platform.connection) as owner:
        grant = sql.SQL("GRANT CREATE ON SCHEMA pyrepl TO {}").format(owner.role)
        platform.connection.execute(grant)
        owner.session.execute("CREATE VIEW pyrepl.extra AS SELECT 1 AS one")
        with pytest.raises(NotSuitable, match="view extra") as refused:
            install(platform.dsn, platform.config)
        assert refused.value.hint is not None
        remedy = refused.value.hint.rpartition("superuser: ")[2]
        platform.connection.execute(remedy.encode())
        install(platform.dsn, platform.config)


def test_a_server_of_somebody_else_is_not_linked_to(platform: Platform) -> None:
    with attacker(platform.connection) as owner:
        platform.connection.execute(
            sql.SQL("GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {}").format(
                owner.role
            )
        )
        owner.session.execute(
            "CREATE SERVER pyrepl_1 FOREIGN DATA WRAPPER postgres_fdw"
        )
        with pytest.raises(NotSuitable, match="server pyrepl_1, of"):
            platform.course("c")
        assert platform.rows("SELECT name FROM pyrepl.database") == []


MADE_UP = (
    ("LOGIN", "LOGIN"),
    ("SUPERUSER", "SUPERUSER"),
    ("ROLE friend", "with member friend"),
    ("IN ROLE friend", "member of friend"),
)


def test_a_role_of_ours_that_somebody_made_is_refused(new_cluster: NewCluster) -> None:
    dsn = new_cluster().conninfo()
    with psycopg.connect(dsn, autocommit=True) as administrator:
        administrator.execute(texts("demo")["edx_2012"].encode())
        administrator.execute("CREATE ROLE friend")
        for role in ("pyrepl_owner", "pyrepl_worker"):
            for attributes, said in MADE_UP:
                administrator.execute(f"CREATE ROLE {role} {attributes}".encode())
                with pytest.raises(NotSuitable, match=f"role {role}") as refused:
                    install(dsn, Config())
                assert said in str(refused.value)
                assert refused.value.hint is not None
                remedy = refused.value.hint.rpartition("superuser: ")[2]
                administrator.execute(remedy.encode())
        used_elsewhere(administrator, dsn)
        query = "SELECT count(*) FROM pg_namespace WHERE nspname = 'pyrepl'"
        assert administrator.execute(query).fetchone() == (0,)
        install(dsn, Config())


def used_elsewhere(administrator: Connection, dsn: str) -> None:
    """Make a role that has a right in another database, as ours would; he keeps it."""
    administrator.execute("CREATE ROLE stranger CREATEROLE")
    administrator.execute("CREATE DATABASE other")
    administrator.execute("SET ROLE stranger; CREATE ROLE pyrepl_reader; RESET ROLE")
    with psycopg.connect(dsn, dbname="other", autocommit=True) as other:
        other.execute("CREATE SCHEMA x; GRANT USAGE ON SCHEMA x TO pyrepl_reader")
    if administrator.info.server_version < 160000:
        return  # there he could give it to himself at any time
    with pytest.raises(NotSuitable, match="with member stranger") as no:
        install(dsn, Config())
    assert no.value.hint is not None
    administrator.execute(no.value.hint.rpartition("superuser: ")[2].encode())


def owned_by_the_owner_at_another_course(owner: Attacker, role: str) -> None:
    """Make schema pyrepl as a role whose members are nobody here."""
    name = sql.Identifier(role)
    owner.administrator.execute(sql.SQL("GRANT {} TO {}").format(name, owner.role))
    database = sql.Identifier(owner.administrator.info.dbname)
    owner.session.execute(
        sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(database, name)
    )
    owner.session.execute(sql.SQL("SET ROLE {}").format(name))
    binding_view(owner)
    owner.session.execute("RESET ROLE")


def test_the_owner_at_one_course_is_a_stranger_at_another(
    platform: Platform, new_course: NewCourse
) -> None:
    his = owner_of(platform.course("a").connection)
    dsn = new_course()
    with database_owner(dsn) as owner:
        owned_by_the_owner_at_another_course(owner, his)
        with pytest.raises(NotSuitable, match=f"schema pyrepl, of {his}"):
            platform.register(dsn, "c")
        assert not owner.is_superuser
        drop_what(owner, his)


def test_control_if_names_like_his_were_ours_he_would_be_a_superuser(
    platform: Platform, new_course: NewCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    his = owner_of(platform.course("a").connection)
    monkeypatch.setattr(strangers, "_without_members", lambda _: [his])
    read_and_call_plainly(monkeypatch)
    dsn = new_course()
    with database_owner(dsn) as owner:
        owned_by_the_owner_at_another_course(owner, his)
        with suppress(Exception):
            platform.register(dsn, "c")
        assert owner.is_superuser
        drop_what(owner, his)


def drop_what(owner: Attacker, role: str) -> None:
    statement = sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role))
    owner.administrator.execute(statement)
