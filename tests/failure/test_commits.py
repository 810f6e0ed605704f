"""A COMMIT that hangs, gets lost, or was not durable: on one of the two sides."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.courses import state
from pyreplctl.delivery import worker
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.failure.hanging import begin, let_commits_hang, let_go, waiting
from tests.support.clocks import working
from tests.support.platform import Connection, Course, Platform
from tests.support.polling import until

pytestmark = pytest.mark.failure

TOY = "edX/toy/2012_Fall"
OLD, NEW = "user1@example.com", "new@example.com"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


def populated(platform: Platform, cluster: Cluster | None = None) -> Course:
    course = platform.course(TOY, cluster=cluster)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return course


def edit(platform: Platform, email: str, user: int = 1) -> None:
    platform.execute("UPDATE auth_user SET email = %s WHERE id = %s", email, user)


def email(course: Course) -> object:
    return course.user(1)["email"]


def delivery_cut_off_in_commit(
    platform: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    """The portal's session ends while the course's COMMIT hangs."""
    pid, delivery = begin(platform, pool)
    until(lambda: waiting(course) == 1)
    platform.execute("SELECT pg_terminate_backend(%s)", pid)
    assert isinstance(delivery.exception(), psycopg.OperationalError)
    until(lambda: not platform.rows("SELECT FROM pg_stat_activity WHERE pid = %s", pid))
    assert waiting(course) == 1


def chain_off(course: Course) -> None:
    course.execute(
        "CREATE OR REPLACE FUNCTION pyrepl.check_push(p_portal text, p_contract text,"
        " p_prev uuid, p_tag uuid, p_users bigint[]) RETURNS bigint[] LANGUAGE sql"
        " AS 'SELECT ''{}''::bigint[]'"
    )


def test_a_commit_that_hung_cannot_overtake_a_newer_delivery(
    platform: Platform, pool: ThreadPoolExecutor
) -> None:
    course = populated(platform)
    let_commits_hang(course)
    edit(platform, "older")
    delivery_cut_off_in_commit(platform, course, pool)

    # The row that the hung COMMIT will change still looks as it should: only the chain
    # makes this delivery wait.
    edit(platform, OLD)
    _, newer = begin(platform, pool)
    until(lambda: waiting(course) == 2)
    let_go(course)
    assert newer.result().outcome == "failed"
    assert platform.rows("SELECT sqlstate FROM pyrepl.health") == [("40001",)]
    assert email(course) == "older"
    assert platform.deliver() == {}
    assert email(course) == OLD
    platform.assert_equal()


def test_control_without_the_chain_it_overwrites_the_newer_one(
    platform: Platform, pool: ThreadPoolExecutor
) -> None:
    course = populated(platform)
    let_commits_hang(course)
    chain_off(course)
    edit(platform, "older")
    delivery_cut_off_in_commit(platform, course, pool)
    edit(platform, OLD)
    assert platform.deliver() == {}
    let_go(course)
    until(lambda: email(course) == "older")
    assert platform.deliver() == {}
    assert email(course) == "older"
    assert [found.stale for found in platform.verify().values()] == [1]


# Between the course's COMMIT and the portal's.


def test_a_delivery_cut_off_between_the_two_commits_is_repeated(
    platform: Platform, pool: ThreadPoolExecutor
) -> None:
    course = populated(platform)
    let_commits_hang(course)
    edit(platform, NEW)
    delivery_cut_off_in_commit(platform, course, pool)
    let_go(course)
    until(lambda: email(course) == NEW)
    assert platform.rows("SELECT user_id FROM pyrepl.outbox") == [(1,)]
    assert platform.deliver() == {}
    assert course.rows("SELECT count(*) FROM written") == [(1,)]
    platform.assert_equal()


def test_a_portal_that_crashes_between_the_two_commits_repeats_the_delivery(
    new_cluster: NewCluster,
    new_portal: NewPortal,
    new_course: NewCourse,
    pool: ThreadPoolExecutor,
) -> None:
    server = new_cluster()
    dsn = new_portal(cluster=server)
    install(dsn, Config())
    with Platform.opened(dsn, new_course) as platform:
        course = populated(platform)
        let_commits_hang(course)
        edit(platform, NEW)
        _, delivery = begin(platform, pool)
        until(lambda: waiting(course) == 1)
        server.kill()
        assert isinstance(delivery.exception(), psycopg.OperationalError)
        let_go(course)
        until(lambda: email(course) == NEW)
        server.start()
        platform.connection = platform.session(autocommit=True)
        assert platform.rows("SELECT user_id FROM pyrepl.outbox") == [(1,)]
        assert platform.deliver() == {}
        assert course.rows("SELECT count(*) FROM written") == [(1,)]
        platform.assert_equal()


def test_control_a_course_that_forgets_the_tag_before_refuses_it(
    platform: Platform, pool: ThreadPoolExecutor
) -> None:
    course = populated(platform)
    let_commits_hang(course)
    edit(platform, NEW)
    delivery_cut_off_in_commit(platform, course, pool)
    let_go(course)
    until(lambda: email(course) == NEW)
    course.execute("UPDATE pyrepl.chain SET before = gen_random_uuid()")
    assert "does not follow" in platform.deliver()[course.name][0]


def test_a_worker_ends_a_delivery_whose_commit_hangs(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time-out of the link ends it: the course's server does not time its COMMIT."""
    course = populated(platform)
    let_commits_hang(course)
    monkeypatch.setattr(worker, "TOO_LONG", 0.2)
    with working(platform.dsn):
        edit(platform, NEW)
        until(lambda: platform.rows("SELECT sqlstate FROM pyrepl.health")[0][0])
        let_go(course)
        until(lambda: email(course) == NEW)
        state.resume(platform.connection, [course.name])
        until(lambda: not platform.rows("SELECT FROM pyrepl.outbox"))
    platform.assert_equal()


# What was acknowledged must outlive a crash, whatever the servers' defaults.

WEAK = {"synchronous_commit": "off", "wal_writer_delay": "10s"}


def hold_back_the_log(connection: Connection) -> None:
    """Let nothing reach the disk but what a COMMIT waits for."""
    row = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
    ).fetchone()
    assert row
    os.kill(row[0], signal.SIGSTOP)


def crash(server: Cluster) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("waits", [True, False], ids=["", "control"])
def test_what_a_course_has_acknowledged_outlives_its_crash(
    platform: Platform, new_cluster: NewCluster, waits: bool
) -> None:
    server = new_cluster(**WEAK)
    course = populated(platform, server)
    if not waits:
        platform.execute(
            "ALTER SERVER pyrepl_1 OPTIONS (SET options '-c synchronous_commit=off')"
        )
        edit(platform, OLD, 2)  # by a new connection
        until(lambda: platform.deliver() == {})
    course.execute("CHECKPOINT")
    hold_back_the_log(course.connection)
    edit(platform, NEW)
    assert platform.deliver() == {}
    crash(server)
    edit(platform, NEW, 2)
    said = platform.deliver()
    with psycopg.connect(course.dsn) as again:
        rows = again.execute("SELECT email FROM auth_user ORDER BY id").fetchall()
    if waits:
        assert (said, rows) == ({}, [(NEW,), (NEW,)])
    else:
        assert rows[0] == (OLD,)
        assert "does not follow" in said[course.name][0]


@pytest.mark.parametrize("waits", [True, False], ids=["", "control"])
def test_what_a_portal_has_delivered_outlives_its_crash(
    new_cluster: NewCluster, new_portal: NewPortal, new_course: NewCourse, waits: bool
) -> None:
    server = new_cluster(**WEAK)
    dsn = new_portal(cluster=server)
    install(dsn, Config())
    with Platform.opened(dsn, new_course) as platform:
        course = populated(platform)
        if not waits:
            platform.execute(
                "CREATE OR REPLACE FUNCTION pyrepl.require_own_transaction()"
                " RETURNS void LANGUAGE sql AS ''"
            )
        platform.execute("CHECKPOINT")
        hold_back_the_log(platform.connection)
        for turn in range(3):
            edit(platform, f"turn{turn}")
            assert platform.deliver() == {}
        crash(server)
        platform.connection = platform.session(autocommit=True)
        edit(platform, NEW, 2)
        said = platform.deliver()
        assert email(course) == "turn2"
        if waits:
            assert said == {}
            platform.assert_equal()
        else:
            assert "does not follow" in said[course.name][0]
