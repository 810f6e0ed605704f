from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import refresh
from pyreplctl.delivery import batches
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"


def tag(platform: Platform) -> TupleRow:
    return platform.rows("SELECT tag FROM pyrepl.chain ORDER BY id DESC LIMIT 1")[0]


def health(platform: Platform) -> str:
    found: str = platform.rows("SELECT health FROM pyrepl.health")[0][0]
    return found


def edited(platform: Platform) -> Course:
    """A course with user 1, and a change of that user which waits."""
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    platform.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 1")
    return course


def test_a_push_whose_acknowledgement_was_lost_is_repeated(platform: Platform) -> None:
    course = edited(platform)
    before = tag(platform)
    platform.deliver()
    # As after a crash between the course's COMMIT and the portal's: the rows that say
    # "still to do" are there, and the portal has not heard of the last tag.
    platform.execute("UPDATE pyrepl.chain SET tag = %s", *before)
    platform.execute(
        "INSERT INTO pyrepl.outbox (database_id, user_id, priority, at)"
        " VALUES (1, 1, 0, now())"
    )
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "new@example.com"
    assert course.rows("SELECT tag FROM pyrepl.chain") == [tag(platform)]


def test_a_push_that_does_not_follow_the_last_one_is_refused(
    platform: Platform,
) -> None:
    course = edited(platform)
    platform.execute("UPDATE pyrepl.chain SET tag = %s", uuid4())
    stuck = platform.deliver()
    assert "restored, cloned or failed over" in stuck[course.name][0]
    assert health(platform) == "forked"
    assert course.user(1)["email"] == "user1@example.com"
    refresh.refresh(
        platform.connection, platform.config, course.name, course.dsn, rebind=True
    )
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "new@example.com"
    platform.assert_equal()


def test_control_without_the_chain_a_fork_would_write(platform: Platform) -> None:
    course = edited(platform)
    course.execute(
        "CREATE OR REPLACE FUNCTION pyrepl.check_push(p_portal text, p_contract text,"
        " p_prev uuid, p_tag uuid, p_users bigint[]) RETURNS bigint[] LANGUAGE sql"
        " AS 'SELECT ''{}''::bigint[]'"
    )
    platform.execute("UPDATE pyrepl.chain SET tag = %s", uuid4())
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "new@example.com"


def test_a_copy_of_the_portal_is_refused(platform: Platform) -> None:
    course = edited(platform)
    platform.connection.execute("SELECT pyrepl.postgres_fdw_disconnect_all()")
    original = platform.connection.info.dbname
    dsn = platform.dsn.replace(f"dbname={original}", f"dbname={original}_staging")
    with psycopg.connect(
        platform.dsn.replace(f"dbname={original}", "dbname=postgres"), autocommit=True
    ) as server:
        platform.connection.close()
        server.execute(
            f"CREATE DATABASE {original}_staging TEMPLATE {original}".encode()
        )
        try:
            with psycopg.connect(dsn, autocommit=True) as staging:
                chosen = databases.numbers(staging, [])
                stuck = batches.until_empty(staging, chosen)
                assert "belongs to portal" in stuck[course.name][0]
                row = staging.execute("SELECT health FROM pyrepl.health").fetchone()
                assert row == ("refused",)
        finally:
            server.execute(f"DROP DATABASE {original}_staging WITH (FORCE)".encode())
    assert course.user(1)["email"] == "user1@example.com"


def test_marks_of_another_database_count_as_none(platform: Platform) -> None:
    course = edited(platform)
    platform.execute("UPDATE pyrepl.route_mark SET identity = 'elsewhere/1'")
    platform.execute(
        "UPDATE pyrepl.outbox_mark SET identity = 'elsewhere/1', id = id + 100"
    )
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "new@example.com"


def test_refresh_says_when_a_course_is_bound_elsewhere(platform: Platform) -> None:
    course = platform.course(TOY)
    course.execute("UPDATE pyrepl.binding SET portal = '7301/1'")
    with pytest.raises(NotSuitable, match="portal 7301/1, not to this one"):
        refresh.refresh(platform.connection, platform.config, course.name, course.dsn)
