"""A course server that hangs holds nothing up at the portal but its own deliveries."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg import errors

from pyreplctl import courses, deliveries
from pyreplctl.embedded import Cluster
from tests.conftest import NewCluster
from tests.platform import Connection, Platform
from tests.polling import until

pytestmark = pytest.mark.failure

TOY = "edX/toy/2012_Fall"
LETS_GO = "RAISE SQLSTATE 'PR000'"


@contextmanager
def delivery_in_hand(platform: Platform, server: Cluster) -> Iterator[None]:
    """Freeze the course's server while a session delivers that was linked before."""
    session: Connection = platform.session(autocommit=True)
    chosen = courses.numbers(session, [])
    platform.member(1, TOY)
    assert deliveries.until_empty(session, chosen) == {}
    platform.member(2, TOY)
    deliveries.route(session)
    server.freeze()
    thread = threading.Thread(
        target=deliveries.deliver, args=(session, *chosen.values())
    )
    thread.start()
    try:
        until(
            lambda: platform.rows(
                "SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active'"
                " AND wait_event_type = 'Extension'",
                session.info.backend_pid,
            )
        )
        yield
    finally:
        server.thaw()
        thread.join()


@pytest.fixture
def server(platform: Platform, new_cluster: NewCluster) -> Cluster:
    """The server of a course that is registered."""
    server = new_cluster()
    platform.course(TOY, cluster=server)
    return server


def test_a_migration_of_the_portal_does_not_wait_for_a_course_that_hangs(
    platform: Platform, server: Cluster
) -> None:
    platform.execute("SET lock_timeout = '1s'")
    with delivery_in_hand(platform, server):
        platform.execute("ALTER TABLE auth_user ADD remark text")
        platform.execute("ALTER TABLE auth_userprofile ADD remark text")
        platform.execute("TRUNCATE student_courseenrollment")
    assert platform.deliver() == {}
    platform.assert_equal()


def test_control_it_waits_where_the_push_keeps_the_locks_of_what_it_has_read(
    platform: Platform, server: Cluster
) -> None:
    for (definition,) in platform.rows(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'push_%'"
    ):
        assert LETS_GO in definition
        platform.connection.execute(definition.replace(LETS_GO, "NULL"))
    platform.execute("SET lock_timeout = '1s'")
    with delivery_in_hand(platform, server), pytest.raises(errors.LockNotAvailable):
        platform.execute("ALTER TABLE auth_user ADD remark text")
