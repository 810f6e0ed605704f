"""A course database has one portal, and notices when there seem to be two."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pyreplctl.core.config import Config
from pyreplctl.courses import refresh, register
from pyreplctl.courses.request import Request
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.failure.restores import restore, restored, save
from tests.support.platform import Course, Platform
from tests.support.polling import until
from tests.support.standbys import copy_of

pytestmark = pytest.mark.failure

TOY = "edX/toy/2012_Fall"


@dataclass
class Home:
    """A portal on a server of its own, and a course database elsewhere."""

    server: Cluster
    platform: Platform
    course: Course


@pytest.fixture
def home(
    new_cluster: NewCluster, new_portal: NewPortal, new_course: NewCourse
) -> Iterator[Home]:
    server = new_cluster()
    dsn = new_portal(cluster=server)
    install(dsn, Config())
    with Platform.opened(dsn, new_course) as platform:
        yield Home(server, platform, populated(platform))


def populated(platform: Platform) -> Course:
    course = platform.course(TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return course


def edit(platform: Platform, user: int, email: str) -> None:
    platform.execute("UPDATE auth_user SET email = %s WHERE id = %s", email, user)


def push(platform: Platform, user: int, email: str) -> None:
    edit(platform, user, email)
    assert platform.deliver() == {}


def email(course: Course, user: int) -> object:
    return course.user(user)["email"]


def health(platform: Platform) -> str:
    found: str = platform.rows("SELECT health FROM pyrepl.status()")[0][0]
    return found


def assert_refused(platform: Platform, course: Course, state: str, *said: str) -> None:
    """Nothing is delivered, and the reason says what to do."""
    why = " ".join(platform.deliver()[course.name])
    assert health(platform) == state
    for words in (*said, "course refresh --rebind"):
        assert words in why


def rebind(platform: Platform, course: Course) -> None:
    """What the message says, and what then must hold without more."""
    refresh.refresh(
        platform.connection, platform.config, course.name, course.dsn, rebind=True
    )
    assert platform.deliver() == {}
    assert health(platform) == "ok"
    platform.assert_equal()


# A portal that was dumped and restored.


@pytest.mark.parametrize("where", ["the same cluster", "another cluster"])
def test_a_dumped_and_restored_portal_is_refused(
    platform: Platform, portal_cluster: Cluster, new_cluster: NewCluster, where: str
) -> None:
    course = populated(platform)
    target = portal_cluster if where == "the same cluster" else new_cluster()
    with restored(platform, portal_cluster, target) as copy:
        edit(copy, 1, "staging@example.com")
        copy.execute("CALL pyrepl.serve('0 s')")
        assert_refused(copy, course, "refused", "belongs to portal")
        assert email(course, 1) == "user1@example.com"

        push(platform, 2, "original@example.com")
        platform.assert_equal()

        rebind(copy, course)
        assert email(course, 1) == "staging@example.com"
        assert email(course, 2) == "user2@example.com"
        edit(platform, 1, "too late")
        assert_refused(platform, course, "refused", "belongs to portal")
        assert email(course, 1) == "staging@example.com"


# A physical copy has the system identifier of the original.


@contextmanager
def copied(home: Home) -> Iterator[Platform]:
    with (
        copy_of(home.server, standby=False) as server,
        Platform.opened(
            server.conninfo(home.platform.connection.info.dbname),
            home.platform.new_course,
        ) as copy,
    ):
        yield copy


def test_of_a_portal_and_its_physical_copy_only_one_can_go_on(home: Home) -> None:
    with copied(home) as copy:
        identity = "SELECT pyrepl.identity()"
        assert copy.rows(identity) == home.platform.rows(identity)
        for turn in (1, 2):
            push(home.platform, 1, f"original{turn}@example.com")
        edit(copy, 1, "copy@example.com")
        assert_refused(copy, home.course, "forked", "restored, cloned or failed over")
        assert email(home.course, 1) == "original2@example.com"
        push(home.platform, 1, "original3@example.com")
        home.platform.assert_equal()

        rebind(copy, home.course)
        assert email(home.course, 1) == "copy@example.com"
        edit(home.platform, 1, "too late")
        assert_refused(home.platform, home.course, "forked")
        assert email(home.course, 1) == "copy@example.com"


def test_the_portal_notices_when_a_copy_of_it_has_delivered(home: Home) -> None:
    """Whoever delivers second is refused, be it the original."""
    with copied(home) as copy:
        for turn in (1, 2):
            push(copy, 1, f"copy{turn}@example.com")
        edit(home.platform, 2, "original@example.com")
        assert_refused(home.platform, home.course, "forked")
        assert email(home.course, 2) == "user2@example.com"
        rebind(home.platform, home.course)
        assert email(home.course, 1) == "user1@example.com"
        edit(copy, 1, "too late")
        assert_refused(copy, home.course, "forked")
        home.platform.assert_equal()


def test_a_copy_that_is_one_push_behind_is_noticed_at_the_next(home: Home) -> None:
    """It looks like the original whose acknowledgement was lost; but not for long."""
    with copied(home) as copy:
        push(home.platform, 1, "original@example.com")
        push(copy, 2, "copy@example.com")
        edit(home.platform, 2, "original@example.com")
        assert_refused(home.platform, home.course, "forked")
        rebind(home.platform, home.course)
        edit(copy, 2, "too late")
        assert_refused(copy, home.course, "forked")
        assert email(home.course, 2) == "original@example.com"


# One of the two ends goes back in time.


def reconnect(platform: Platform) -> None:
    platform.connection = platform.session(autocommit=True)


def test_a_portal_restored_to_an_earlier_time_is_noticed(home: Home) -> None:
    platform, course = home.platform, home.course
    save(home.server)
    reconnect(platform)
    for turn in range(3):
        push(platform, 1, f"lost{turn}@example.com")
    platform.member(3, TOY)
    assert platform.deliver() == {}
    restore(home.server)
    reconnect(platform)
    edit(platform, 2, "new@example.com")
    assert_refused(platform, course, "forked", "restored, cloned or failed over")
    assert email(course, 1) == "lost2@example.com"
    assert email(course, 2) == "user2@example.com"
    rebind(platform, course)
    assert email(course, 1) == "user1@example.com"
    assert email(course, 2) == "new@example.com"
    assert course.users == [1, 2]  # the portal does not know that there was a third


@dataclass
class Away:
    """A portal, and a course database on a server of its own."""

    server: Cluster
    platform: Platform
    course: Course

    def course_again(self) -> Course:
        """The course by a new connection, the server's port being another perhaps."""
        dsn = self.server.conninfo(self.course.connection.info.dbname)
        connection = self.platform.stack.enter_context(
            psycopg.connect(dsn, autocommit=True)
        )
        return Course(self.course.name, dsn, connection)


@pytest.fixture
def away(platform: Platform, new_cluster: NewCluster) -> Away:
    server = new_cluster()
    course = platform.course(TOY, cluster=server)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return Away(server, platform, course)


@pytest.mark.parametrize("lost", [1, 3])
def test_a_course_restored_to_an_earlier_time_is_noticed(away: Away, lost: int) -> None:
    platform = away.platform
    save(away.server)
    for turn in range(lost):
        edit(platform, 1, f"lost{turn}@example.com")
        until(lambda: platform.deliver() == {})  # the link was cut by the restart
    restore(away.server)
    course = away.course_again()
    assert email(course, 1) == "user1@example.com"
    edit(platform, 2, "new@example.com")
    assert_refused(platform, course, "forked", "restored, cloned or failed over")
    assert email(course, 2) == "user2@example.com"
    rebind(platform, course)
    assert email(course, 1) == f"lost{lost - 1}@example.com"


# A standby is promoted that has not received everything.


def is_following(primary: Cluster, standby: Cluster) -> bool:
    """Whether the standby has replayed all that the primary has written."""
    with (
        psycopg.connect(primary.conninfo(), autocommit=True) as one,
        psycopg.connect(standby.conninfo(), autocommit=True) as other,
    ):
        written = one.execute("SELECT pg_current_wal_lsn()").fetchone()
        assert written
        seen = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        return other.execute(seen, written).fetchone() == (True,)


def execute(server: Cluster, *statements: LiteralString) -> None:
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def cut_off(primary: Cluster, standby: Cluster) -> None:
    """Let a standby receive all there is, and then nothing more."""
    until(lambda: is_following(primary, standby))
    execute(
        standby,
        "ALTER SYSTEM SET primary_conninfo = ''",
        "SELECT pg_reload_conf()",
    )
    until(lambda: not is_received(standby))


def is_received(standby: Cluster) -> bool:
    with psycopg.connect(standby.conninfo(), autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_stat_wal_receiver").fetchall()
    return bool(found)


def fail_over(primary: Cluster, standby: Cluster) -> None:
    primary.kill()
    execute(standby, "SELECT pg_promote()")


@contextmanager
def portal_promoted_without(home: Home, *emails: str) -> Iterator[Platform]:
    """The portal's standby, promoted; it has not heard of these pushes of user 1."""
    with copy_of(home.server, standby=True) as standby:
        cut_off(home.server, standby)
        for email in emails:
            push(home.platform, 1, email)
        fail_over(home.server, standby)
        dsn = standby.conninfo(home.platform.connection.info.dbname)
        with Platform.opened(dsn, home.platform.new_course) as promoted:
            yield promoted


def test_a_portal_promoted_without_its_last_pushes_is_noticed(home: Home) -> None:
    with portal_promoted_without(home, "lost1", "lost2") as promoted:
        edit(promoted, 2, "new@example.com")
        assert_refused(promoted, home.course, "forked", "restored, cloned or failed")
        rebind(promoted, home.course)
        assert email(home.course, 1) == "user1@example.com"
        assert email(home.course, 2) == "new@example.com"


def test_a_portal_promoted_without_its_very_last_push_sends_these_users_again(
    home: Home,
) -> None:
    """The chain cannot tell: it looks as if only the acknowledgement had been lost.

    But the course says whom that push was about. So it follows the portal, to which
    that change has never happened, without anybody's doing.
    """
    with portal_promoted_without(home, "lost") as promoted:
        assert email(home.course, 1) == "lost"
        push(promoted, 2, "new@example.com")
        assert health(promoted) == "ok"
        assert email(home.course, 2) == "new@example.com"
        assert email(home.course, 1) == "user1@example.com"
        promoted.assert_equal()


@pytest.mark.parametrize("lost", [1, 2])
def test_a_course_promoted_without_its_last_pushes_is_noticed(
    platform: Platform, new_cluster: NewCluster, new_course: NewCourse, lost: int
) -> None:
    """The link names both servers, and so finds the promoted one by itself."""
    primary = new_cluster()
    with copy_of(primary, standby=True) as standby:
        dsn = new_course(cluster=primary)
        both = f"host=127.0.0.1,127.0.0.1 port={primary.port},{standby.port}"
        link = f"{both} target_session_attrs=read-write"
        request = Request((TOY,), dsn, link=link)
        done = register.register(platform.connection, platform.config, request)
        for user in (1, 2):
            platform.member(user, TOY)
        assert platform.deliver() == {}
        cut_off(primary, standby)
        for turn in range(lost):
            push(platform, 1, f"lost{turn}")
        fail_over(primary, standby)

        there = make_conninfo(dsn, port=standby.port)
        with psycopg.connect(there, autocommit=True) as connection:
            course = Course(done.name, there, connection)
            assert email(course, 1) == "user1@example.com"
            edit(platform, 2, "new@example.com")
            until(lambda: "restored" in " ".join(platform.deliver()[done.name]))
            assert_refused(platform, course, "forked")
            assert email(course, 2) == "user2@example.com"
            rebind(platform, course)
            assert email(course, 1) == f"lost{lost - 1}"
            assert email(course, 2) == "new@example.com"
        primary.start()  # as it was: the fixture drops its databases
