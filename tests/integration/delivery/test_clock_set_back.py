"""The portal server's clock was set back: times noted before lie in the future.

A clock cannot be set here, but what it leaves behind can: the times are moved ahead.
"""

from __future__ import annotations

from typing import LiteralString

import pytest

from pyreplctl.delivery import status
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"
AHEAD: LiteralString = "'1 year'"
SOON: LiteralString = "'5 min'"  # less than the longest back-off


def serve(platform: Platform) -> None:
    with platform.session(autocommit=True) as session:
        session.execute("CALL pyrepl.serve('0 s')")


def move_ahead(platform: Platform, column: LiteralString, by: LiteralString) -> None:
    table: LiteralString = "retry" if column == "due_at" else "health"
    platform.execute(
        f"UPDATE pyrepl.{table} SET {column} = clock_timestamp() + interval {by}"
    )


@pytest.mark.parametrize(("by", "arrives"), [(AHEAD, True), (SOON, False)])
def test_a_back_off(platform: Platform, by: LiteralString, arrives: bool) -> None:
    course = platform.course(TOY)
    platform.execute("UPDATE pyrepl.health SET health = 'backing_off', phase = 'probe'")
    move_ahead(platform, "retry_at", by)
    platform.member(1, TOY)
    for _ in range(4):  # the probe, then the dossier by itself
        serve(platform)
    assert course.users == ([1] if arrives else [])


@pytest.mark.parametrize(("by", "arrives"), [(AHEAD, True), (SOON, False)])
def test_a_retry(platform: Platform, by: LiteralString, arrives: bool) -> None:
    course = platform.course(TOY)
    course.execute("ALTER TABLE auth_user ADD CHECK (username <> 'user1')")
    platform.member(1, TOY)
    platform.deliver()
    course.execute("ALTER TABLE auth_user DROP CONSTRAINT auth_user_username_check")
    assert status.read(platform.connection).databases[0].retrying == 1
    move_ahead(platform, "due_at", by)
    for _ in range(4):  # it may form its intent first
        serve(platform)
    assert course.users == ([1] if arrives else [])


def test_an_immediate_database_that_was_stalled(immediate: Platform) -> None:
    immediate.course(TOY, delivery="immediate")
    for by, expected in (("-1 s", "queued"), ("1 year", "immediate")):
        immediate.execute(
            "UPDATE pyrepl.health SET stalled_at = clock_timestamp() + %s::interval", by
        )
        [database] = status.read(immediate.connection).databases
        assert database.effective_delivery == expected


def test_marks_and_clocks_move_on(platform: Platform) -> None:
    platform.course(TOY)
    platform.member(1, TOY)
    serve(platform)
    for table, column in (
        ("route_mark", "saved_at"),
        ("outbox_mark", "saved_at"),
        ("clock", "seen_at"),
        ("health", "last_delivered_at"),
    ):
        platform.execute(
            f"UPDATE pyrepl.{table} SET {column} = {column} + interval '1 year'"
        )
    platform.execute("INSERT INTO pyrepl.clock VALUES ('cron', 'gone', 'infinity')")
    platform.member(2, TOY)
    serve(platform)
    assert platform.rows(
        "SELECT (SELECT max(saved_at) FROM pyrepl.route_mark) <= clock_timestamp(),"
        " (SELECT max(saved_at) FROM pyrepl.outbox_mark) <= clock_timestamp(),"
        " (SELECT max(seen_at) FROM pyrepl.clock) <= clock_timestamp(),"
        " (SELECT max(last_delivered_at) FROM pyrepl.health) <= clock_timestamp()"
    ) == [(True,) * 4]
