"""A course server that is frozen while something is on its way to it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

import pytest

from tests.conftest import NewCluster
from tests.failure.hanging import begin
from tests.platform import Platform
from tests.polling import until

pytestmark = pytest.mark.failure

TOY = "edX/toy/2012_Fall"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.mark.parametrize(
    "migration",
    [
        "ALTER TABLE auth_user ADD COLUMN bio text",
        "ALTER TABLE auth_userprofile ADD COLUMN bio text",
        "ALTER TABLE student_courseenrollment ADD COLUMN bio text",
    ],
    ids=lambda statement: statement.split()[2],
)
def test_the_portals_tables_can_be_altered_while_a_course_is_frozen(
    platform: Platform,
    new_cluster: NewCluster,
    pool: ThreadPoolExecutor,
    migration: LiteralString,
) -> None:
    server = new_cluster()
    course = platform.course(TOY, cluster=server)
    session = platform.session(autocommit=True)
    platform.member(1, TOY)
    _, delivery = begin(platform, pool, session)  # so that this session has a link
    assert delivery.result().users == 1

    platform.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 1")
    server.freeze()
    try:
        pid, delivery = begin(platform, pool, session)
        until(
            lambda: platform.rows(
                "SELECT FROM pg_stat_activity"
                " WHERE pid = %s AND wait_event_type = 'Extension'",
                pid,
            )
        )
        platform.execute("SET lock_timeout = '2s'")
        platform.execute(migration)
        assert not delivery.done()
    finally:
        server.thaw()
    assert delivery.result().outcome == "delivered"
    assert course.user(1)["email"] == "new@example.com"
