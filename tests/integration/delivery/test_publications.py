"""A publication of all tables, and whatever else fails on the portal itself."""

from __future__ import annotations

import re
from typing import LiteralString

import pytest

from pyreplctl.core.errors import DatabaseError
from pyreplctl.courses import state
from pyreplctl.delivery import batches, status
from pyreplctl.verify import repair_structure, structure
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"
ALL: LiteralString = "CREATE PUBLICATION everything FOR ALL TABLES"

# Of ours those whose rows a subscriber could not tell from one another.
UNTOLD: LiteralString = (
    "SELECT c.relname::text FROM pg_class c WHERE c.relkind = 'r'"
    " AND c.relnamespace = 'pyrepl'::regnamespace AND c.relreplident <> 'f'"
    " AND NOT EXISTS (SELECT FROM pg_index i"
    "  WHERE i.indrelid = c.oid AND i.indisprimary)"
)


def actions(platform: Platform) -> list[str]:
    return status.read(platform.connection).actions()


@pytest.fixture
def course(platform: Platform) -> Course:
    course = platform.course(TOY)
    for user in (1, 2, 3):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return course


def test_every_table_of_ours_can_be_published(
    platform: Platform, course: Course
) -> None:
    assert platform.rows(UNTOLD) == []
    assert course.rows(UNTOLD) == []


def test_with_a_publication_of_all_tables_replication_goes_on(
    platform: Platform, course: Course
) -> None:
    platform.execute(ALL)
    course.execute(ALL)
    platform.execute("UPDATE auth_user SET email = 'new'")
    platform.unenroll(3, TOY)
    assert platform.deliver() == {}
    platform.assert_equal()
    assert actions(platform) == []
    found = structure.verify(platform.dsn, [])
    for items in (found.portal, found.databases[course.name].items):
        [item] = [item for item in items if item.object == "publication everything"]
        assert item.state == "current"
        assert "schema pyrepl" in item.detail


def test_with_a_publication_of_all_tables_a_commit_delivers(
    immediate: Platform,
) -> None:
    course = immediate.course(TOY, delivery="immediate")
    immediate.member(1, TOY)
    immediate.deliver()
    immediate.execute(ALL)
    immediate.execute("UPDATE auth_user SET email = 'new'")
    assert course.user(1)["email"] == "new"
    # The control: without what a publication asks for, the change waits; nobody fails.
    immediate.execute("ALTER TABLE pyrepl.change REPLICA IDENTITY DEFAULT")
    immediate.execute("UPDATE auth_user SET email = 'newer'")
    assert immediate.rows("SELECT users FROM pyrepl.change") == [([1],)]
    with pytest.raises(DatabaseError) as refused:
        immediate.deliver()
    assert refused.value.sqlstate == "55000"
    assert any("routing fails on the portal itself" in a for a in actions(immediate))

    immediate.execute("ALTER TABLE pyrepl.change REPLICA IDENTITY FULL")
    assert immediate.deliver() == {}
    assert course.user(1)["email"] == "newer"
    assert actions(immediate) == []


BROKEN: dict[str, tuple[LiteralString, LiteralString, str]] = {
    "identity of outbox": (
        "ALTER TABLE pyrepl.outbox REPLICA IDENTITY DEFAULT; " + ALL,
        "ALTER TABLE pyrepl.outbox REPLICA IDENTITY FULL",
        "55000",
    ),
    "a right of the reader": (
        "REVOKE SELECT ON auth_userprofile FROM pyrepl_reader",
        "GRANT SELECT ON auth_userprofile TO pyrepl_reader",
        "42501",
    ),
    "a function": (
        "ALTER FUNCTION pyrepl.dossiers_1(bigint[], bigint[]) RENAME TO away",
        "ALTER FUNCTION pyrepl.away(bigint[], bigint[]) RENAME TO dossiers_1",
        "42883",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_fails_on_the_portal_is_booked_on_nobody(
    platform: Platform, course: Course, name: str
) -> None:
    done, undone, sqlstate = BROKEN[name]
    run(platform, done)
    platform.execute("UPDATE auth_user SET email = 'new'")
    told = platform.deliver()  # which comes to an end
    assert told[course.name]
    [(kept, failures)] = platform.rows(
        "SELECT sqlstate, failures FROM pyrepl.own_failures()"
    )
    assert (kept, failures) == (sqlstate, 1)  # and is not tried again without a pause
    assert platform.rows("SELECT health, phase FROM pyrepl.health") == [
        ("ok", "normal")
    ]
    assert platform.rows("SELECT * FROM pyrepl.retry") == []
    [action] = [a for a in actions(platform) if "on the portal itself" in a]
    assert f"delivery to {course.name}" in action
    assert sqlstate in action

    run(platform, undone)
    state.resume(platform.connection, [course.name])
    assert platform.deliver() == {}
    platform.assert_equal()
    assert actions(platform) == []


def run(platform: Platform, statements: LiteralString) -> None:
    for one in statements.split(";"):
        platform.connection.execute(one.encode())


def test_serve_does_not_route_without_a_pause_where_that_fails(
    platform: Platform, course: Course
) -> None:
    platform.execute(ALL)
    platform.execute("ALTER TABLE pyrepl.change REPLICA IDENTITY DEFAULT")
    platform.execute("UPDATE auth_user SET email = 'new'")
    platform.execute("CALL pyrepl.serve(interval '1.5 s')")
    [(name, failures)] = platform.rows(
        "SELECT name, failures FROM pyrepl.own_failures()"
    )
    assert name is None
    assert 1 <= failures <= 3
    with pytest.raises(DatabaseError):
        batches.route(platform.connection)


def test_an_identity_that_is_lost_is_found_and_given_back(
    platform: Platform, course: Course
) -> None:
    platform.execute("ALTER TABLE pyrepl.outbox REPLICA IDENTITY DEFAULT")
    found = structure.verify(platform.dsn, [])
    [item] = [item for item in found.portal if item.state != "current"]
    assert re.search(r"REPLICA IDENTITY FULL", item.detail)
    assert not repair_structure.repair(
        platform.dsn, repair_structure.plan(found)
    ).failed
    assert platform.rows(UNTOLD) == []
