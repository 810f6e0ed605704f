"""Passwords are in no message, no log and no statistics."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.db import without_secrets
from pyreplctl.core.errors import UsageError
from pyreplctl.courses import links
from pyreplctl.install import roles
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.schema.sql_files import texts
from tests.cli.run import Cli
from tests.conftest import NewCluster, NewCourse
from tests.support.platform import Platform

SECRET = "hunter2"
MALFORMED = (
    f"postgresql://me:{SECRET}%@host/db",
    f"postgresql://me:{SECRET}%zz@host/db",
    f"postgresql://me:%00{SECRET}@host/db",
    f"postgresql://me:one@{SECRET}@host/db",
    f"postgresql://me:one/{SECRET}@host/db",
    f"postgresql://me:{SECRET}/two@host/db",
    f"postgresql://me:{SECRET}@host:port/db",
    f"postgresql://me:{SECRET}@[::1/db",
    f"postgresql://me:{SECRET}@[::1]x/db",
    f"postgresql://host/db?password={SECRET}&nonsense={SECRET}",
    f"postgresql://host/db?password={SECRET}={SECRET}",
    f"postgresql://host/db?{SECRET}",
    f"postgresql://host/db?password={SECRET}%4",
    f"postgres://me:{SECRET}\n@host/db%",
    f"host=h password={SECRET} {SECRET}",
    f"host=h password='{SECRET}",
    f"host=h password={SECRET}\\",
    f"host=h passwort={SECRET}",
    f"host=h {SECRET} = x",
    f"password {SECRET}",
    f"host=h password={SECRET}\x00",
    f"host=h password={SECRET} \udcff",
    f"{SECRET}",
    f"host=h oauth_client_secrets={SECRET}",
)


@pytest.mark.parametrize("dsn", MALFORMED)
def test_a_malformed_connection_string_is_not_told(bare_cli: Cli, dsn: str) -> None:
    said = ""
    try:
        # libpq takes a password that ends in a backslash.
        said = without_secrets(dsn)
    except UsageError as error:
        said = f"{error} {error.hint} {error.__cause__!r}"
    assert SECRET not in said
    if "\x00" in dsn:
        return  # no shell passes it on
    for arguments in (("status",), ("course", "register", "c", "--dsn", dsn)):
        portal = dsn if arguments == ("status",) else "host=127.0.0.1 port=1"
        ran = bare_cli("--portal", portal, *arguments)
        assert ran.code in (1, 2), ran
        assert SECRET not in ran.err + ran.out
        assert "Traceback" not in ran.err


def test_libpq_itself_would_tell() -> None:
    with pytest.raises(psycopg.ProgrammingError, match=SECRET):
        psycopg.conninfo.conninfo_to_dict(MALFORMED[0])


@pytest.mark.parametrize(
    "option",
    [
        f"password={SECRET}",
        f"sslpassword={SECRET}",
        f"scram_client_key={SECRET}",
        f"scram_server_key={SECRET}",
        f"oauth_client_secret={SECRET}",
        f"passfile={SECRET}",
        f"sslkey='pkcs11:token=t?pin-value={SECRET}'",
    ],
)
def test_no_secret_of_libpq_is_kept(option: str) -> None:
    try:
        kept = without_secrets(f"host=h {option}")
    except UsageError as error:  # a libpq that does not have it
        kept = str(error)
    assert SECRET not in kept


@pytest.mark.parametrize(
    "text",
    [
        f'portal = "postgres://u:{SECRET}@h/db"',
        f'[portal]\ndsn = ["host=h password={SECRET}"]',
        f'[portal]\ndsn = {{ password = "{SECRET}" }}',
        f'[portal]\ndns = "password={SECRET}"',
        f'[portal]\n"password={SECRET}" = 1',
        f'[tables.user]\nname = "postgres://u:{SECRET}@h/db"',
        f'[policy]\nguard = "password={SECRET}"',
        f'[portal]\ndsn = "host=h password={SECRET}',
    ],
)
def test_a_configuration_is_not_told_either(bare_cli: Cli, text: str) -> None:
    bare_cli.configure(text)
    ran = bare_cli("status")
    assert ran.code == 2, ran
    assert SECRET not in ran.err + ran.out


@pytest.mark.parametrize(
    "text",
    [
        f"host=h password={SECRET},forum,c\n",
        f"name,dsn,courses\nforum,host=h password={SECRET} {SECRET},c\n",
        f"name;dsn;courses\nforum;host=h password={SECRET};c\n",
        f'name,dsn,courses\n"forum,host=h password={SECRET},c\n',
        f"name,dsn,courses\nforum,host=h,c,password={SECRET}\n",
    ],
)
def test_nor_a_file_of_databases(bare_cli: Cli, text: str) -> None:
    (bare_cli.directory / "many.csv").write_text(text)
    portal = ("--portal", "host=127.0.0.1 port=1")
    ran = bare_cli(*portal, "course", "register", "--from", "many.csv")
    assert ran.code in (1, 2), ran
    assert SECRET not in ran.err + ran.out


@pytest.fixture
def recorded(new_cluster: NewCluster, new_course: NewCourse) -> Iterator[Platform]:
    """A portal whose server records every statement, those in functions too."""
    cluster: Cluster = new_cluster(
        shared_preload_libraries="pg_stat_statements",
        **{"pg_stat_statements.track": "all"},
    )
    dsn = cluster.conninfo()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(texts("demo")["edx_2012"].encode())
        connection.execute("CREATE EXTENSION pg_stat_statements")
    install(dsn, Config())
    with Platform.opened(dsn, new_course) as made:
        yield made


def passwords(platform: Platform) -> list[str]:
    rows = platform.rows(
        "SELECT o.option_value FROM pg_user_mappings m,"
        " pg_options_to_table(m.umoptions) o WHERE o.option_name = 'password'"
    )
    return [row[0] for row in rows]


def statements(platform: Platform) -> str:
    return str(platform.rows("SELECT query FROM pg_stat_statements"))


def test_statistics_of_statements_hold_no_password(recorded: Platform) -> None:
    course = recorded.course("c")
    held = passwords(recorded)
    links.rotate_password(recorded.connection, course.name, course.dsn)
    held += passwords(recorded)
    assert len(held) == 2
    kept = statements(recorded)
    assert "new_link_password" in kept or "pg_user_mappings" in kept
    for password in held:
        assert password not in kept


def test_they_would_if_nobody_switched_them_off(
    recorded: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "_track", lambda *_: False)
    recorded.course("c")
    assert passwords(recorded)[0] in statements(recorded)


def test_who_may_not_switch_them_off_still_gets_a_link(recorded: Platform) -> None:
    course = recorded.course("c")
    recorded.execute("CREATE ROLE deployer LOGIN PASSWORD 'x' IN ROLE pyrepl_owner")
    with recorded.session(autocommit=True, user="deployer", password="x") as session:
        links.rotate_password(session, course.name, course.dsn)
        name = sql.Literal("pg_stat_statements.track").as_string()
        query = f"SELECT current_setting({name})".encode()
        assert session.execute(query).fetchone() == ("all",)


def test_files_that_may_hold_one_are_for_their_owner_only(bare_cli: Cli) -> None:
    before = os.umask(0o022)
    try:
        assert bare_cli("init", "some.toml").code == 0
    finally:
        os.umask(before)
    file: Path = bare_cli.directory / "some.toml"
    assert file.stat().st_mode & 0o777 == 0o600
