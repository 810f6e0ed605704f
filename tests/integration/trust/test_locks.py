"""Who holds a lock of ours is named, and who only looks holds none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from pyreplctl.core import databases, locks
from pyreplctl.core.databases import delivery_stopped
from pyreplctl.core.errors import DatabaseError
from pyreplctl.delivery import batches, status
from tests.support.logins import as_login, logged_in, new_login
from tests.support.platform import Connection, Course, Platform

TOY = "edX/toy/2012_Fall"


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.member(1, TOY)
    assert platform.deliver() == {}
    return made


@pytest.fixture
def stranger(platform: Platform) -> Iterator[Connection]:
    """A login that has been given nothing."""
    with logged_in(platform.dsn, platform.connection) as connection:
        yield connection


@pytest.fixture
def monitor(platform: Platform) -> Iterator[Connection]:
    with (
        new_login(platform.connection, "pyrepl_monitor") as name,
        psycopg.connect(as_login(platform.dsn, name)) as connection,
    ):
        yield connection


def wait_long(platform: Platform) -> None:
    """Let what waits have waited for more than a minute."""
    platform.execute("UPDATE pyrepl.change SET at = at - '2 min'::interval")
    platform.execute("UPDATE pyrepl.outbox SET at = at - '2 min'::interval")
    platform.execute("DELETE FROM pyrepl.route_mark")
    platform.execute(
        "UPDATE pyrepl.health SET last_delivered_at = last_delivered_at"
        " - '2 min'::interval"
    )


def said(connection: Connection) -> list[str]:
    return [a for a in status.read(connection).actions() if "pg_terminate" in a]


HELD: dict[str, LiteralString] = {
    "route": "SELECT pg_advisory_lock(1887007344, 0)",
    "delivery": "SELECT pg_advisory_lock_shared(1887007344, 1)",
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "TURN_PATIENCE", 0.5)


def stuck(platform: Platform) -> str:
    """What deliver says that cannot route, or deliver; it does not wait for ever."""
    try:
        return " ".join(text for told in platform.deliver().values() for text in told)
    except DatabaseError as error:
        return str(error)


@pytest.mark.parametrize("what", HELD)
def test_a_stranger_who_holds_a_lock_is_named_with_what_ends_it(
    platform: Platform, course: Course, stranger: Connection, what: str
) -> None:
    stranger.execute(HELD[what])
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    assert said(platform.connection) == []  # as yet it does not matter
    told = stuck(platform)
    assert f"backend {stranger.info.backend_pid} ({stranger.info.user}" in told
    assert course.user(1)["email"] != "new"
    wait_long(platform)
    [action] = said(platform.connection)
    assert f"lock of {what}" in action
    assert f"backend {stranger.info.backend_pid} ({stranger.info.user}" in action
    end = action.partition("end it: ")[2]
    platform.connection.execute(end.encode())
    with pytest.raises(psycopg.Error):
        stranger.execute("SELECT 1")
    platform.deliver()
    assert course.user(1)["email"] == "new"
    assert said(platform.connection) == []


def test_a_monitor_sees_it_too(
    platform: Platform, course: Course, stranger: Connection, monitor: Connection
) -> None:
    stranger.execute(HELD["route"])
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    wait_long(platform)
    assert len(said(monitor)) == 1


def test_who_waits_for_an_install_names_the_holder(
    platform: Platform, stranger: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "INSTALL_PATIENCE", 0.3)
    stranger.execute("SELECT pg_advisory_lock(1887007344, -1)")
    with (
        pytest.raises(DatabaseError) as refused,
        locks.install_lock(platform.connection),
    ):
        pass
    assert f"backend {stranger.info.backend_pid}" in str(refused.value)
    assert str(stranger.info.user) in str(refused.value)


def test_who_waits_for_a_database_names_the_holder(
    platform: Platform,
    course: Course,
    stranger: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert course.name
    monkeypatch.setattr(locks, "DELIVERY_PATIENCE", "300ms")
    stranger.execute("SELECT pg_advisory_lock(1887007344, 1)")
    with (
        pytest.raises(DatabaseError) as refused,
        delivery_stopped(platform.connection, 1),
    ):
        pass
    assert f"backend {stranger.info.backend_pid}" in str(refused.value)
    assert str(stranger.info.user) in str(refused.value)
    assert "pg_terminate_backend" in (refused.value.hint or "")


@pytest.mark.parametrize("delivery", ["queued", "immediate"])
def test_a_monitors_open_transaction_blocks_no_delivery(
    platform: Platform, course: Course, monitor: Connection, delivery: str
) -> None:
    platform.execute("UPDATE pyrepl.database SET delivery = %s", delivery)
    monitor.execute("SELECT * FROM pyrepl.recheck_users(1, '{1}', 7)")
    for query in (
        "SELECT * FROM pyrepl.status()",
        "SELECT * FROM pyrepl.structure()",
        "SELECT * FROM pyrepl.course_structure(1)",
        "SELECT * FROM pyrepl.extent(1)",
    ):
        monitor.execute(query.encode())
    assert held_by(platform, monitor) == []
    platform.execute("UPDATE pyrepl.database SET delivery = 'queued'")
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    platform.deliver()
    assert course.user(1)["email"] == "new"


def held_by(platform: Platform, holder: Connection) -> list[tuple[int]]:
    return platform.connection.execute(
        "SELECT objid::integer FROM pg_locks WHERE locktype = 'advisory' AND pid = %s",
        (holder.info.backend_pid,),
    ).fetchall()


def test_one_that_kept_the_lock_would(
    platform: Platform, course: Course, monitor: Connection
) -> None:
    """The control: as it was, the lock went with the transaction."""
    monitor.execute("SELECT pg_advisory_xact_lock_shared(1887007344, 1)")
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    assert f"backend {monitor.info.backend_pid}" in stuck(platform)
    assert course.user(1)["email"] != "new"
    monitor.rollback()
    platform.deliver()
    assert course.user(1)["email"] == "new"


def test_a_stranger_who_holds_the_lock_of_a_user_is_named(
    platform: Platform, course: Course, stranger: Connection
) -> None:
    """Deliver takes him for a writer, as there are where delivery is immediate."""
    key = platform.rows("SELECT pyrepl.user_lock(1)")[0][0]
    platform.execute("UPDATE pyrepl.health SET settle_at = 'infinity'")
    stranger.execute("SELECT pg_advisory_lock(1887007344, %s)", (key,))
    assert said(platform.connection) == []
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    (number,) = databases.numbers(platform.connection, []).values()
    batches.route(platform.connection)
    assert batches.deliver(platform.connection, number).outcome == "busy"
    platform.execute("UPDATE pyrepl.outbox SET at = at - interval '1 hour'")
    [action] = said(platform.connection)
    assert "lock of user" in action
    assert f"backend {stranger.info.backend_pid} ({stranger.info.user}" in action
    stranger.execute("SELECT pg_advisory_unlock_all()")
    platform.deliver()
    assert course.user(1)["email"] == "new"
    assert said(platform.connection) == []
