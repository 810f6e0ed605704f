"""What an earlier release installed comes to the present, and nothing is lost."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pyreplctl.sandbox.embedded import Cluster
from tests.cli.run import Cli
from tests.conftest import drop
from tests.failure.restores import run
from tests.support.dump_release import FIXTURES
from tests.support.platform import Connection

RELEASES = sorted(path.name for path in FIXTURES.iterdir())
_numbers = itertools.count(1)
_LINKS: LiteralString = (
    "SELECT srvname, option_value FROM pg_user_mappings,"
    " pg_options_to_table(umoptions) WHERE option_name = 'user'"
)


@dataclass(frozen=True)
class Pair:
    """A portal and its course as a release left them, restored on other servers."""

    portal: Connection
    course: Connection
    dsn: str
    name: str

    def emails(self) -> dict[int, str]:
        return dict(
            self.course.execute(
                "SELECT id, email FROM auth_user ORDER BY id"
            ).fetchall()
        )


@pytest.fixture(params=RELEASES)
def pair(
    request: pytest.FixtureRequest,
    bare_cli: Cli,
    portal_cluster: Cluster,
    course_cluster: Cluster,
) -> Iterator[Pair]:
    folder = FIXTURES / request.param
    number = next(_numbers)
    with ExitStack() as stack:
        portal, course = (
            restored(
                stack, server, folder / f"{side}.sql", f"{side}_of_release_{number}"
            )
            for side, server in (("portal", portal_cluster), ("course", course_cluster))
        )
        bare_cli.at(portal_cluster.conninfo(portal.info.dbname))
        dsn = course_cluster.conninfo(course.info.dbname)
        yield Pair(portal, course, dsn, move(portal, course_cluster, course))


def restored(
    stack: ExitStack, server: Cluster, file: Path, database: str
) -> Connection:
    """Restore a dump; what it brought goes when the stack ends."""
    before = our_roles(server)
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database))
        )
    stack.callback(drop_roles, server, before)
    stack.callback(drop, server, database)
    dsn = server.conninfo(database)
    given = file.read_text(encoding="utf-8")
    run(server, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, given=given)
    return stack.enter_context(psycopg.connect(dsn, autocommit=True))


def our_roles(server: Cluster) -> set[str]:
    with psycopg.connect(server.conninfo()) as connection:
        rows = connection.execute(
            "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'pyrepl%'"
        )
        return {row[0] for row in rows}


def drop_roles(server: Cluster, before: set[str]) -> None:
    """Drop the roles of links; those of the installation serve other tests too."""
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        for role in our_roles(server) - before:
            if role.rpartition("_")[2].isdigit() or role.endswith("_immediate"):
                drop_role = sql.SQL("DROP ROLE {}").format(sql.Identifier(role))
                connection.execute(drop_role)


def move(portal: Connection, server: Cluster, course: Connection) -> str:
    """Tell the portal where its course database is now; returns that one's name.

    The dump has no passwords: the links get new ones.
    """
    port, database = str(server.port), course.info.dbname
    for link, role in portal.execute(_LINKS).fetchall():
        password = token_urlsafe()
        for statement in (
            sql.SQL("ALTER SERVER {} OPTIONS (SET port {}, SET dbname {})").format(
                sql.Identifier(link), port, database
            ),
            sql.SQL(
                "ALTER USER MAPPING FOR pyrepl_owner SERVER {}"
                " OPTIONS (SET password {})"
            ).format(sql.Identifier(link), password),
        ):
            portal.execute(statement)
        course.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), password)
        )
    row = portal.execute(
        "UPDATE pyrepl.database SET link = %s RETURNING name",
        (make_conninfo(host="127.0.0.1", port=port, dbname=database),),
    ).fetchone()
    assert row
    return str(row[0])


def test_a_release_is_upgraded(bare_cli: Cli, pair: Pair) -> None:
    cli = bare_cli
    assert pair.emails()[2] == "user2@example.com"
    assert cli("install").code == 0
    bound = cli("course", "refresh", "--rebind", pair.name, "--dsn", pair.dsn)
    assert bound.code == 0, bound.err
    assert cli("deliver", "--until-empty").code == 0
    assert pair.emails() == {
        1: "user1@example.com",
        2: "new@example.com",
        3: "user3@example.com",
    }
    for what in ("--structure", "--data"):
        found = cli("--json", "verify", what)
        assert found.document["ok"] is True, found.out
    assert cli("install", "--check").code == 0
    assert cli("status").code == 0


def test_a_copy_that_is_not_bound_delivers_nothing(bare_cli: Cli, pair: Pair) -> None:
    """So it is the upgrade that made the other test's course equal."""
    assert bare_cli("install").code == 0
    refused = bare_cli("deliver", "--until-empty")
    assert refused.code == 1
    assert "--rebind" in refused.err
    assert bare_cli("--json", "verify").document["ok"] is not True
    assert pair.emails()[2] == "user2@example.com"
