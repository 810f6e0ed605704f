"""What is run on a copy of the portal changes no course database of the original."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pyreplctl.core.errors import NotSuitable, UsageError
from pyreplctl.courses import forget, guard, identity, links, refresh, unregister
from pyreplctl.courses.identity import Checked, NotThisPortals
from pyreplctl.delivery import status
from pyreplctl.sandbox.embedded import Cluster
from tests.cli.run import Cli
from tests.conftest import NewCourse
from tests.failure.restores import restored
from tests.support.platform import Course, Platform

TOY, OTHER = "edX/toy/2012_Fall", "edX/other/2012_Fall"

Act = Callable[[Platform, Course], object]

COMMANDS: dict[str, Act] = {
    "unregister": lambda at, to: unregister.unregister(at.connection, to.name, to.dsn),
    "purge": lambda at, to: unregister.unregister(
        at.connection, to.name, to.dsn, purge=True
    ),
    "rotate-password": lambda at, to: links.rotate_password(
        at.connection, to.name, to.dsn
    ),
    "guard": lambda at, to: guard.set_guard(at.connection, to.name, "off", to.dsn),
    "refresh": lambda at, to: refresh.refresh(
        at.connection, at.config, to.name, to.dsn
    ),
    "register": lambda at, to: at.register(to.dsn, TOY, OTHER),
}


@pytest.fixture
def course(platform: Platform) -> Course:
    """A course database of production, with copies."""
    made = platform.course(TOY)
    for user in (1, 2, 3):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return made


@pytest.fixture
def copy(
    platform: Platform, course: Course, portal_cluster: Cluster
) -> Iterator[Platform]:
    """The portal, dumped and restored beside it: staging."""
    assert course.users == [1, 2, 3]
    with restored(platform, portal_cluster, portal_cluster) as made:
        yield made


def everything(course: Course) -> dict[str, list[tuple[Any, ...]]]:
    """All at a course that a command of ours could change."""
    return {
        "users": course.rows("SELECT u.* FROM auth_user u ORDER BY id"),
        "schema": course.rows("SELECT to_regnamespace('pyrepl') IS NOT NULL"),
        "objects": course.rows("SELECT o.* FROM pyrepl.object o ORDER BY 1, 2")
        if course.rows("SELECT to_regclass('pyrepl.object')")[0][0]
        else [],
        "binding": course.rows("SELECT b.* FROM pyrepl.binding b")
        if course.rows("SELECT to_regclass('pyrepl.binding')")[0][0]
        else [],
        "roles": course.rows(
            "SELECT r.rolname, r.rolpassword, a.privilege_type"
            " FROM pg_database d, aclexplode(d.datacl) a"
            " JOIN pg_authid r ON r.oid = a.grantee AND r.rolname LIKE 'pyrepl%'"
            " WHERE d.datname = current_database() ORDER BY 1, 3"
        ),
        "triggers": course.rows(
            "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger"
            " WHERE tgname LIKE 'pyrepl%' ORDER BY 1, 2"
        ),
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_on_a_copy_changes_a_course(
    platform: Platform, copy: Platform, course: Course, command: str
) -> None:
    before = everything(course)
    with pytest.raises(NotSuitable, match="portal") as refused:
        COMMANDS[command](copy, course)
    assert "another portal" in str(refused.value) or isinstance(
        refused.value, NotThisPortals
    )
    assert everything(course) == before
    platform.member(4, TOY)
    assert platform.deliver() == {}
    platform.assert_equal()


@pytest.mark.parametrize("command", ["purge", "rotate-password", "guard"])
def test_without_the_comparison_a_copy_wipes_production(
    monkeypatch: pytest.MonkeyPatch, copy: Platform, course: Course, command: str
) -> None:
    """The control: it is the comparison that keeps the course."""

    def trusting(*given: Any, **_: Any) -> Checked:
        return Checked(given[1])

    monkeypatch.setattr(identity, "check", trusting)
    before = everything(course)
    COMMANDS[command](copy, course)
    assert everything(course) != before


def test_uninstall_on_a_copy_touches_no_course(
    cli: Cli, platform: Platform, copy: Platform, course: Course
) -> None:
    before = everything(course)
    cli.at(copy.dsn)
    done = cli("uninstall", "--yes")
    assert done.code == 0, done.err
    assert f"{course.name} (skipped: {course.name} is bound to portal" in done.out
    assert copy.rows("SELECT to_regnamespace('pyrepl')") == [(None,)]
    assert everything(course) == before
    platform.member(4, TOY)
    assert platform.deliver() == {}
    platform.assert_equal()


def test_uninstall_on_a_copy_takes_no_right_on_the_original(
    cli: Cli, platform: Platform, copy: Platform
) -> None:
    """Roles belong to the server; so do rights on databases."""
    name = platform.connection.info.dbname
    for right in ("CONNECT", "TEMPORARY"):
        grant = f"GRANT {right} ON DATABASE {name} TO pyrepl_worker"
        platform.connection.execute(grant.encode())
    held = "SELECT datacl::text FROM pg_database WHERE datname = current_database()"
    before = platform.rows(held)
    cli.at(copy.dsn)
    assert cli("uninstall", "--yes").code == 0
    assert platform.rows(held) == before


def test_a_copy_forgets_and_begins_with_courses_of_its_own(
    cli: Cli,
    platform: Platform,
    copy: Platform,
    course: Course,
    new_course: NewCourse,
) -> None:
    copy.execute("UPDATE auth_user SET email = 'staging' WHERE id = 1")
    before = everything(course)
    cli.at(copy.dsn)
    asked = cli("forget")
    assert (asked.code, copy.rows("SELECT count(*) FROM pyrepl.database")) == (
        2,
        [(1,)],
    )
    done = cli("forget", "--yes")
    assert done.code == 0, done.err
    assert f"registration {course.name}" in done.out
    assert everything(course) == before
    assert copy.rows("SELECT FROM pg_foreign_server WHERE srvname ~ '^pyrepl_'") == []
    assert cli("status").code == 0
    assert cli("verify").code == 0
    assert cli("forget", "--yes").code == 0
    with pytest.raises(NotSuitable, match="another portal"):
        copy.register(course.dsn, TOY)
    copy.register(new_course(), TOY)
    copy.assert_equal()
    assert everything(course) == before
    platform.assert_equal()


def test_production_does_not_forget(
    cli: Cli, platform: Platform, course: Course
) -> None:
    refused = cli("forget", "--yes")
    assert refused.code == 2
    assert "--clone" in refused.err
    assert platform.rows("SELECT count(*) FROM pyrepl.database") == [(1,)]
    with pytest.raises(UsageError, match=course.name):
        forget.forget(platform.connection)


def test_a_copy_with_the_same_identity_does_not_take_production_for_a_leftover(
    platform: Platform, course: Course
) -> None:
    """What forgets with --clone looks like its original for ever."""
    before = everything(course)
    forget.forget(platform.connection, clone=True)
    with pytest.raises(NotSuitable, match="a copy, as number"):
        platform.register(course.dsn, TOY)
    assert everything(course) == before


def test_a_copy_with_the_same_identity_does_not_take_over_roles(
    platform: Platform, course: Course, new_course: NewCourse
) -> None:
    """The original has registered another course since, by the next number."""
    number = platform.rows("SELECT max(id) + 1 FROM pyrepl.database")[0][0]
    role = platform.rows("SELECT link_role FROM pyrepl.database")[0][0]
    theirs = f"{role.rsplit('_', 1)[0]}_{number}"
    create = f"CREATE ROLE {theirs} LOGIN PASSWORD 'theirs'"
    course.connection.execute(create.encode())
    before = everything(course)
    try:
        with pytest.raises(NotSuitable, match="there already"):
            platform.register(new_course(), OTHER)
        assert everything(course) == before
    finally:
        course.connection.execute(f"DROP ROLE {theirs}".encode())


def fall_behind(course: Course, pushes: int) -> None:
    """Let the course have pushes that this portal has not sent: the original has."""
    for _ in range(pushes):
        course.execute("UPDATE pyrepl.chain SET before = tag, tag = gen_random_uuid()")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_physical_copy_that_has_fallen_behind_changes_no_course(
    platform: Platform, course: Course, command: str
) -> None:
    """It has the original's identity; the chain tells."""
    fall_behind(course, 2)
    before = everything(course)
    with pytest.raises(NotSuitable, match="last push"):
        COMMANDS[command](platform, course)
    assert everything(course) == before


@pytest.mark.parametrize("command", ["rotate-password", "guard", "purge"])
def test_a_push_whose_acknowledgement_was_lost_is_no_copy(
    platform: Platform, course: Course, command: str
) -> None:
    fall_behind(course, 1)
    COMMANDS[command](platform, course)


def test_what_is_bound_by_another_is_said_by_status(
    copy: Platform, course: Course
) -> None:
    copy.deliver()
    copy.execute("UPDATE auth_user SET email = 'staging' WHERE id = 1")
    copy.deliver()
    [said] = [a for a in status.read(copy.connection).actions() if "refused" in a]
    assert course.name in said
    assert "pyreplctl forget" in said
