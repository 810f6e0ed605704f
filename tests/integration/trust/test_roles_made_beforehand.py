"""Who may make roles makes none that a later registration would use."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import delivery_mode, links, refresh, unregister
from tests.conftest import NewCourse
from tests.integration.trust.attacks import Attacker, attacker
from tests.integration.trust.test_owner_roles import as_before
from tests.support.logins import as_login
from tests.support.platform import Connection, Course, Platform, owner_of

TOY, OTHER = "edX/toy/2012_Fall", "edX/other/2012_Fall"


@pytest.fixture
def mine(platform: Platform) -> Course:
    """The course of somebody who makes roles on a server that he shares."""
    return platform.course(TOY)


@pytest.fixture
def he(mine: Course) -> Iterator[Attacker]:
    with attacker(mine.connection) as made:
        may = sql.SQL("ALTER ROLE {} CREATEROLE").format(made.role)
        mine.connection.execute(may)
        yield made


def make(he: Attacker, role: str) -> None:
    """Make a role, and be a member of it."""
    name = sql.Identifier(role)
    he.session.execute(sql.SQL("CREATE ROLE {}").format(name))
    he.session.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))


def drop(administrator: Connection, role: str) -> None:
    administrator.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def next_role(course: Course, suffix: str) -> str:
    """Return the name that a role of the next registration will have."""
    role, number = owner_of(course.connection).removesuffix("_owner").rsplit("_", 1)
    return f"{role}_{int(number) + 1}{suffix}"


def test_the_owner_that_an_upgrade_makes_is_refused_if_it_is_there(
    platform: Platform, mine: Course, he: Attacker
) -> None:
    role = owner_of(mine.connection)
    as_before(mine)
    make(he, role)
    given = (platform.connection, platform.config, mine.name, mine.dsn)
    with pytest.raises(NotSuitable, match=f"role {role} is there already"):
        refresh.refresh(*given)
    with pytest.raises(NotSuitable, match=f"role {role} is there already"):
        unregister.unregister(platform.connection, mine.name, mine.dsn)
    drop(mine.connection, role)
    unregister.unregister(platform.connection, mine.name, mine.dsn)


def test_control_taken_over_his_role_owns_what_is_ours(
    platform: Platform, mine: Course, he: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = owner_of(mine.connection)
    as_before(mine)
    make(he, role)
    monkeypatch.setattr(links, "refuse_role", lambda *_: None)
    refresh.refresh(platform.connection, platform.config, mine.name, mine.dsn)
    rows = he.session.execute("SELECT guard FROM pyrepl.binding").fetchall()
    assert rows == [("reject",)]


@pytest.mark.parametrize("suffix", ["_owner", "_immediate", ""])
def test_a_role_of_the_next_registration_is_refused(
    platform: Platform, mine: Course, he: Attacker, new_course: NewCourse, suffix: str
) -> None:
    role = next_role(mine, suffix)
    make(he, role)
    with pytest.raises(NotSuitable, match=f"role {role} is there already"):
        platform.register(new_course(), OTHER)
    drop(mine.connection, role)


def test_control_where_it_is_taken_over_the_hashes_of_another_course_are_read(
    platform: Platform,
    mine: Course,
    he: Attacker,
    new_course: NewCourse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make(he, next_role(mine, "_owner"))
    monkeypatch.setattr(links, "refuse_role", lambda *_: None)
    dsn = new_course()
    platform.register(dsn, OTHER)
    platform.member(1, OTHER)
    platform.deliver()
    with psycopg.connect(as_login(dsn, he.name), autocommit=True) as session:
        rows = session.execute("SELECT password FROM public.auth_user").fetchall()
    assert rows == [("secret",)]


def test_who_makes_roles_may_give_himself_the_owner_before_16_alone(
    mine: Course, he: Attacker
) -> None:
    owner = sql.Identifier(owner_of(mine.connection))
    take = sql.SQL("GRANT {} TO CURRENT_USER").format(owner)
    if mine.connection.info.server_version < 160000:
        he.session.execute(take)
        return
    with pytest.raises(errors.InsufficientPrivilege):
        he.session.execute(take)


def test_a_role_of_an_immediate_link_to_be_is_refused_and_stays(
    immediate: Platform,
) -> None:
    course = immediate.course(TOY)
    role = owner_of(course.connection).removesuffix("_owner") + "_immediate"
    course.connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
    with pytest.raises(NotSuitable, match=f"role {role} is there already"):
        delivery_mode.set_delivery(
            immediate.connection, immediate.config, course.name, "immediate", course.dsn
        )
    drop(course.connection, role)
    delivery_mode.set_delivery(
        immediate.connection, immediate.config, course.name, "immediate", course.dsn
    )
