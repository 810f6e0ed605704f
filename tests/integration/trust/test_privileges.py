"""Every role against every object of ours is as the table in the repository has it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from psycopg import sql

from pyreplctl.schema.roles import ROLES
from tests.support.logins import new_login
from tests.support.platform import Connection, Course, Platform
from tests.support.privileges import TABLES, file_of, sweep

WRITES = "PYREPLCTL_WRITE_EXPECTED"  # set by make expected


@pytest.fixture
def course(immediate: Platform) -> Course:
    """Both links, so that all there can be is there."""
    return immediate.course("edX/toy/2012_Fall", delivery="immediate")


@pytest.fixture
def link(immediate: Platform, course: Course) -> str:
    assert course.name
    found: str = immediate.rows("SELECT link_role FROM pyrepl.database")[0][0]
    return found


@pytest.fixture(params=["portal", "course"])
def side(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def connection(side: str, immediate: Platform, course: Course) -> Connection:
    return immediate.connection if side == "portal" else course.connection


@pytest.fixture
def roles(side: str, connection: Connection, link: str) -> Iterator[dict[str, str]]:
    """All roles there are, by what they are called in the file."""
    ours = (
        tuple(ROLES)
        if side == "portal"
        else (f"{link}_owner", link, f"{link}_immediate")
    )
    with new_login(connection) as login, new_login(connection) as owner:
        for table in TABLES:
            statement = sql.SQL("ALTER TABLE {} OWNER TO {}")
            connection.execute(
                statement.format(sql.Identifier(table), sql.Identifier(owner))
            )
        yield {
            **{name.replace(link, "pyrepl_link"): name for name in ours},
            "PUBLIC": "public",
            "an ordinary login": login,
            "the owner of the platform's tables": owner,
        }
        for table in TABLES:
            statement = sql.SQL("ALTER TABLE {} OWNER TO CURRENT_USER")
            connection.execute(statement.format(sql.Identifier(table)))


def test_privileges_are_as_the_file_has_them(
    side: str, connection: Connection, roles: dict[str, str], link: str
) -> None:
    found = sweep(connection, roles, link)
    if WRITES in os.environ:
        file_of(side).write_text(found, encoding="utf-8")
    assert found == file_of(side).read_text(encoding="utf-8"), (
        'if each of these rights is meant, run "make expected"'
    )


@pytest.mark.parametrize("role", ["PUBLIC", "an ordinary login"])
def test_a_grant_too_many_is_seen(
    side: str, connection: Connection, roles: dict[str, str], link: str, role: str
) -> None:
    """The control, of each kind of object."""
    table = "pyrepl.chain"
    whom = sql.SQL("PUBLIC") if role == "PUBLIC" else sql.Identifier(roles[role])
    for given in (
        "USAGE ON SCHEMA pyrepl",
        f"SELECT (tag) ON {table}",
        "EXECUTE ON FUNCTION pyrepl.identity()",
    ):
        before = sweep(connection, roles, link)
        grant = sql.SQL("GRANT {} TO {}").format(sql.SQL(given), whom)
        connection.execute(grant)
        assert sweep(connection, roles, link) != before
