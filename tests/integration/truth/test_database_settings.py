"""What databases and roles set for their sessions changes nothing, on either side."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.cli.run import Cli
from tests.conftest import NewCourse, NewPortal
from tests.integration.truth import classes
from tests.support.platform import Connection, Platform

TOY = "edX/toy/2012_Fall"

# On both sides, for every session; some have their reasons for some of them.
SET = {
    **classes.ODD,
    "search_path": "",
    "client_encoding": "LATIN1",
    "row_security": "off",
    "check_function_bodies": "off",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "statement_timeout": "900ms",
    "lock_timeout": "100ms",
    "idle_in_transaction_session_timeout": "900ms",
    "idle_session_timeout": "900ms",
    "exit_on_error": "on",
    "synchronous_commit": "off",
    "default_text_search_config": "pg_catalog.german",
    "lc_monetary": "C.UTF-8",
    "default_table_access_method": "twin",
    "default_tablespace": "elsewhere",
    "temp_tablespaces": "elsewhere",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "plpgsql.extra_errors": "all",
    "enable_indexscan": "off",
    "jit_above_cost": "0",
    "createrole_self_grant": "inherit",
    "transaction_timeout": "900ms",
}
LISTS = ("datestyle", "restrict_nonsystem_relation_kind")
LATER = {"createrole_self_grant": 160000, "transaction_timeout": 170000}

# A session of a test's own, which no setting of the database reaches.
PLAIN = (
    "-c search_path=public -c default_transaction_read_only=off -c datestyle=ISO"
    " -c timezone=UTC -c client_encoding=UTF8 -c statement_timeout=0 -c lock_timeout=0"
    " -c default_transaction_isolation=read\\ committed -c idle_session_timeout=0"
    " -c standard_conforming_strings=on -c bytea_output=hex"
)


def settings(connection: Connection) -> dict[str, sql.Composable]:
    """Return the settings that this server has, with their values as SQL."""
    found: dict[str, sql.Composable] = {}
    for name, text in SET.items():
        if LATER.get(name, 0) <= connection.info.server_version:
            parts = text.split(", ") if name in LISTS else [text]
            found[name] = sql.SQL(", ").join(map(sql.Literal, parts))
    return found


def set_all(dsn: str, role: str | None) -> None:
    """Let a database say all of it for its sessions, or a role in it."""
    with psycopg.connect(dsn, autocommit=True, options=PLAIN) as administrator:
        twin = "CREATE ACCESS METHOD twin TYPE TABLE HANDLER heap_tableam_handler"
        administrator.execute(twin)
        query = "SELECT 1 FROM pg_tablespace WHERE spcname = 'elsewhere'"
        if not administrator.execute(query).fetchone():
            administrator.execute("SET allow_in_place_tablespaces = on")
            administrator.execute("CREATE TABLESPACE elsewhere LOCATION ''")
        database = sql.Identifier(administrator.info.dbname)
        what = sql.SQL("DATABASE {}").format(database)
        if role:
            what = sql.SQL("ROLE {} IN {}").format(sql.Identifier(role), what)
        for name, text in settings(administrator).items():
            named = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
            statement = sql.SQL("ALTER {} SET {} = {}").format(what, named, text)
            administrator.execute(statement)


def installed(cli: Cli, portal: str, course: str) -> None:
    """Install, register; all that follows finds it as it should be."""
    cli.at(portal)
    assert cli("install").code == 0
    checked = cli("install", "--check")
    assert checked.code == 0, checked.out
    registered = cli("course", "register", TOY, "--dsn", course)
    assert registered.code == 0, registered.err


def equal(cli: Cli, course: str) -> None:
    """Nothing waits, nothing differs, nobody has anything to do."""
    for command in (("status",), ("verify",), ("status", "--json"), ("wait",)):
        ran = cli(*command)
        assert ran.code == 0, ran
    again = cli("course", "refresh", "forum", "--dsn", course)
    assert (again.code, "replaced" in again.out + again.err) == (0, False), again


def mail(session: Connection, number: int) -> None:
    """Give a user another address."""
    statement = "UPDATE public.auth_user SET email = 'new@example.com' WHERE id = %s"
    session.execute(statement, (number,))


def mails(dsn: str) -> list[tuple[Any, ...]]:
    """Return ids and addresses."""
    with psycopg.connect(dsn, options=PLAIN) as session:
        query = "SELECT id, email, date_joined FROM auth_user ORDER BY id"
        return session.execute(query).fetchall()


@pytest.mark.parametrize("role", [None, "postgres"], ids=["database", "role"])
def test_twenty_settings_on_each_side_change_nothing(
    bare_cli: Cli, new_portal: NewPortal, new_course: NewCourse, role: str | None
) -> None:
    cli, portal, course = bare_cli, new_portal(), new_course("forum")
    for dsn in (portal, course):
        set_all(dsn, role)
    installed(cli, portal, course)
    with psycopg.connect(portal, autocommit=True, options=PLAIN) as session:
        platform = Platform(portal, session, str, None)  # type: ignore[arg-type]
        for number in (1, 2, 3):
            platform.member(number, TOY)
    assert cli("deliver", "--until-empty").code == 0
    equal(cli, course)
    # An application's session, as the database has it: it captures, and may serve.
    with psycopg.connect(portal, autocommit=True) as application:
        application.execute("SET default_transaction_read_only = off")
        mail(application, 2)
        application.execute("CALL pyrepl.serve('0 s')")
    assert cli("wait", "--timeout", "1s").code == 0, cli("status").out
    assert cli("explain", "2").code == 0
    assert mails(course) == mails(portal)
    with psycopg.connect(course, autocommit=True) as application:
        application.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.Error) as refused:
            mail(application, 3)
        assert refused.value.sqlstate == "PR030"
    equal(cli, course)


def test_without_its_own_setting_the_link_role_would_be_kept_out(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    name = sql.Identifier(course.connection.info.dbname)
    [(role,)] = course.rows("SELECT link_role FROM pyrepl.binding")
    for statement in (
        "ALTER DATABASE {} SET restrict_nonsystem_relation_kind = 'view'",
        "ALTER ROLE {} IN DATABASE {} RESET ALL",
    ):
        given = [sql.Identifier(role), name] if "ROLE" in statement else [name]
        course.connection.execute(sql.SQL(statement).format(*given))
    platform.member(1, TOY)
    assert platform.deliver() != {}
    assert course.users == []
