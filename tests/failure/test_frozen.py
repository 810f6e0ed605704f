"""A course server that is frozen while something is on its way to it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from psycopg import errors

from pyreplctl.delivery.batches import Outcome
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import NewCluster
from tests.failure.hanging import begin
from tests.support.platform import Course, Platform
from tests.support.polling import until

pytestmark = pytest.mark.failure

TOY = "edX/toy/2012_Fall"
LETS_GO = "RAISE SQLSTATE 'PR009'"


@dataclass
class Scene:
    """A course on a server of its own, with one member who has arrived."""

    platform: Platform
    server: Cluster
    course: Course
    pool: ThreadPoolExecutor

    @contextmanager
    def frozen_delivery(self) -> Iterator[Future[Outcome]]:
        """Deliver an edit, by a session that was linked before, while all is frozen."""
        session = self.platform.session(autocommit=True)
        self.platform.execute("UPDATE auth_user SET email = 'old@example.com'")
        assert begin(self.platform, self.pool, session)[1].result().users == 1
        self.platform.execute("UPDATE auth_user SET email = 'new@example.com'")
        self.server.freeze()
        pid, delivery = begin(self.platform, self.pool, session)
        try:
            until(
                lambda: self.platform.rows(
                    "SELECT FROM pg_stat_activity"
                    " WHERE pid = %s AND wait_event_type = 'Extension'",
                    pid,
                )
            )
            self.platform.execute("SET lock_timeout = '1s'")
            yield delivery
        finally:
            self.server.thaw()


@pytest.fixture
def scene(platform: Platform, new_cluster: NewCluster) -> Iterator[Scene]:
    server = new_cluster()
    platform.member(1, TOY)
    course = platform.course(TOY, cluster=server)
    with ThreadPoolExecutor() as pool:
        yield Scene(platform, server, course, pool)


def test_the_portals_tables_can_be_altered_while_a_course_is_frozen(
    scene: Scene,
) -> None:
    with scene.frozen_delivery() as delivery:
        scene.platform.execute("ALTER TABLE auth_user ADD remark text")
        scene.platform.execute("ALTER TABLE auth_userprofile ADD remark text")
        scene.platform.execute("TRUNCATE student_courseenrollment")
        assert not delivery.done()
    assert delivery.result().outcome == "delivered"
    assert scene.course.user(1)["email"] == "new@example.com"


def test_control_they_cannot_where_a_push_keeps_the_locks_of_what_it_has_read(
    scene: Scene,
) -> None:
    for (definition,) in scene.platform.rows(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname ~ '^dossiers_[0-9]'"
    ):
        assert LETS_GO in definition
        scene.platform.connection.execute(definition.replace(LETS_GO, "NULL"))
    with scene.frozen_delivery(), pytest.raises(errors.LockNotAvailable):
        scene.platform.execute("ALTER TABLE auth_user ADD remark text")
