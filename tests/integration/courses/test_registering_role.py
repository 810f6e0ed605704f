"""A role that may install may also register: no superuser on the portal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import (
    delivery_mode,
    guard,
    hosting,
    links,
    refresh,
    register,
    state,
    unregister,
)
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from pyreplctl.schema.roles import OWNERS
from tests.conftest import NewCluster, NewCourse
from tests.support.logins import as_login, new_login
from tests.support.platform import Connection, Platform

TABLES = ("auth_user", "auth_userprofile", "student_courseenrollment")

# Whatever of ours belongs to somebody else.
OTHERS: LiteralString = """
    SELECT proname::text FROM pg_proc p WHERE pronamespace = 'pyrepl'::regnamespace
        AND proowner NOT IN ('pyrepl_owner'::regrole, 'pyrepl_reader'::regrole,
            'pyrepl_capture'::regrole) AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.objid = p.oid
            AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
    UNION ALL
    SELECT relname::text FROM pg_class WHERE relnamespace = 'pyrepl'::regnamespace
        AND relowner <> 'pyrepl_owner'::regrole
    UNION ALL
    SELECT srvname::text FROM pg_foreign_server
    WHERE srvowner <> 'pyrepl_owner'::regrole"""


@pytest.fixture
def member(immediate: Platform) -> Iterator[Connection]:
    """A connection of a member of our owners that owns the three tables."""
    with new_login(immediate.connection, *OWNERS, "pyrepl_worker") as name:
        for table in TABLES:
            immediate.connection.execute(
                f"ALTER TABLE {table} OWNER TO {name}".encode()
            )
        dsn = as_login(immediate.dsn, name)
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
        for table in TABLES:
            statement = f"ALTER TABLE {table} OWNER TO postgres"
            immediate.connection.execute(statement.encode())


def test_it_registers_changes_and_unregisters(
    immediate: Platform, member: Connection, new_course: NewCourse
) -> None:
    config, dsn = Config(), new_course()
    immediate.member(1, "a")
    done = register.register(member, config, Request(("a", "b"), dsn))
    name = done.name
    assert immediate.rows(OTHERS) == []
    assert batches.until_empty(member, {name: 1}) == {}

    again = Request(("c",), dsn, guard="warn", delivery="immediate")
    assert register.register(member, config, again).courses == ("c",)
    assert immediate.rows(OTHERS) == []
    assert guard.set_guard(member, name, "warn", dsn) == []
    assert delivery_mode.set_delivery(member, config, name, "immediate", dsn) == []
    assert delivery_mode.set_delivery(member, config, name, "queued")
    hosting.remove_course(member, name, "b")
    assert state.details(member, name)["former_courses"] == ["b"]
    assert (state.pause(member, [name]), state.pause(member, [name])) == ([name], [])
    assert (state.resume(member, [name]), state.resume(member, [name])) == ([name], [])
    links.rotate_password(member, name, dsn)
    assert refresh.refresh(member, config, name, dsn, rebind=True)
    assert batches.until_empty(member, {name: 1}) == {}
    immediate.assert_equal()
    assert immediate.rows(OTHERS) == []

    gone = unregister.unregister(member, name, dsn, purge=True)
    assert next(change.object for change in gone) == "1 copies"
    assert immediate.rows("SELECT srvname FROM pg_foreign_server") == []
    assert immediate.rows("SELECT FROM pyrepl.database") == []


def test_memberships_that_lack_are_named_before_anything_is_changed(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    with (
        new_login(platform.connection, "pyrepl_owner") as name,
        psycopg.connect(as_login(platform.dsn, name), autocommit=True) as member,
    ):
        for act in (
            lambda: register.register(member, Config(), Request(("a",), dsn)),
            lambda: refresh.refresh(member, Config(), "forum", dsn),
        ):
            with pytest.raises(NotSuitable, match=f"{name} may not") as refused:
                act()
        assert platform.rows("SELECT FROM pyrepl.database") == []
        grant = (refused.value.hint or "").splitlines()[-1]
        platform.connection.execute(grant.encode())
        assert register.register(member, Config(), Request(("a",), dsn)).created


def test_the_owner_of_a_course_who_may_create_roles_can_prepare_it(
    platform: Platform, new_cluster: NewCluster, new_course: NewCourse
) -> None:
    """On a server where pyrepl_owner is not there yet: it must not be left outside."""
    dsn = new_course(cluster=new_cluster())
    with psycopg.connect(dsn, autocommit=True) as course, new_login(course) as name:
        course.execute(f"ALTER ROLE {name} CREATEROLE".encode())
        database = course.info.dbname
        course.execute(f"ALTER DATABASE {database} OWNER TO {name}".encode())
        for table in TABLES:
            course.execute(f"ALTER TABLE {table} OWNER TO {name}".encode())
        owner = as_login(dsn, name)
        platform.member(1, "a")
        made, _ = platform.register(owner, "a")
        assert made.users == [1]
        args = (platform.connection, Config(), made.name, owner)
        assert refresh.refresh(*args) == []
        assert refresh.refresh(*args, rebind=True)
        platform.deliver()
        platform.assert_equal()
        made.connection.close()
        course.execute(f"ALTER DATABASE {database} OWNER TO postgres".encode())


def test_one_connection_to_the_course_does_all_of_a_second_registration(
    immediate: Platform, new_course: NewCourse, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = new_course()
    config = Config()
    register.register(immediate.connection, config, Request(("a",), dsn))
    opened = []
    connect = psycopg.connect

    def counting(*args: object, **options: object) -> Connection:
        opened.append(args)
        return connect(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("psycopg.connect", counting)
    again = Request(("b",), dsn, guard="off", delivery="immediate")
    done = register.register(immediate.connection, config, again)
    assert {change.object for change in done.changes} == {"guard", "delivery"}
    assert len(opened) == 1
