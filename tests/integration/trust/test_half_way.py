"""A command that was killed anywhere has done nothing, or all, or is to be seen."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pyreplctl.core import databases
from pyreplctl.core.errors import Error, NotSuitable
from pyreplctl.courses import (
    delivery_mode,
    guard,
    links,
    refresh,
    register,
    unfinished,
    unregister,
)
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches, status
from pyreplctl.verify import data, structure
from tests.cli.run import Cli
from tests.support.killing import Killer, killer
from tests.support.platform import Connection, Course, Platform

TOY = "edX/toy/2012_Fall"

_new = itertools.count()

Act = Callable[[Connection, Platform, Course], object]

# Each with how many statements lie between one kill and the next.
COMMANDS: dict[str, tuple[Act, int]] = {
    "rotate-password": (
        lambda at, _, to: links.rotate_password(at, to.name, to.dsn),
        1,
    ),
    "guard": (lambda at, _, to: guard.set_guard(at, to.name, "warn", to.dsn), 1),
    "rebind": (
        lambda at, made, to: refresh.refresh(
            at, made.config, to.name, to.dsn, rebind=True
        ),
        13,
    ),
    "unregister": (
        lambda at, _, to: unregister.unregister(at, to.name, to.dsn, purge=True),
        5,
    ),
    "immediate": (
        lambda at, made, to: delivery_mode.set_delivery(
            at, made.config, to.name, "immediate", to.dsn
        ),
        7,
    ),
}


@pytest.fixture
def course(immediate: Platform) -> Course:
    made = immediate.course(TOY)
    immediate.member(1, TOY)
    assert immediate.deliver() == {}
    return made


def is_told(platform: Platform, name: str) -> bool:
    """Whether status says, of this database, which command is to be run again."""
    actions = status.read(platform.connection).actions()
    return any(f"{name}: " in said and "run again" in said for said in actions)


def is_whole(platform: Platform, course: Course) -> bool:
    """Whether everything is in place, and deliveries arrive by a new session."""
    found = structure.verify(platform.dsn, [course.name])
    if not (found.ok and found.databases[course.name].ok):
        return False
    platform.execute("UPDATE auth_user SET email = %s WHERE id = 1", str(next(_new)))
    with psycopg.connect(platform.dsn, autocommit=True) as session:
        if batches.until_empty(session, databases.numbers(session, [])):
            return False
    return bool(course.user(1)["email"] == email(platform))


def email(platform: Platform) -> str:
    found: str = platform.rows("SELECT email FROM auth_user WHERE id = 1")[0][0]
    return found


def attempt(
    killed: Killer, platform: Platform, course: Course, act: Act, at: int
) -> bool:
    with psycopg.connect(platform.dsn, autocommit=True) as session:
        return killed.kills(at, lambda: act(session, platform, course))


def again(platform: Platform, course: Course, act: Act) -> None:
    with psycopg.connect(platform.dsn, autocommit=True) as session:
        act(session, platform, course)


def restored(platform: Platform, course: Course) -> None:
    """As before the command: registered, with what it changes changed back."""
    names = [row[0] for row in platform.rows("SELECT name FROM pyrepl.databases()")]
    if course.name not in names:
        platform.register(course.dsn, TOY)
    guard.set_guard(platform.connection, course.name, "reject", course.dsn)
    delivery_mode.set_delivery(
        platform.connection, platform.config, course.name, "queued", course.dsn
    )
    platform.deliver()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "times", [pytest.param(1, marks=pytest.mark.long), 6], ids=["dense", "sparse"]
)
def test_what_was_killed_is_whole_or_told_and_can_be_run_again(
    monkeypatch: pytest.MonkeyPatch,
    immediate: Platform,
    course: Course,
    command: str,
    times: int,
) -> None:
    act, stride = COMMANDS[command]
    with killer(monkeypatch, immediate.connection, course.connection) as killed:
        at, kills = 0, 0
        while attempt(killed, immediate, course, act, at):
            told = is_told(immediate, course.name)
            assert told or is_whole(immediate, course), at
            again(immediate, course, act)
            assert not is_told(immediate, course.name)
            restored(immediate, course)
            assert is_whole(immediate, course)
            at, kills = at + stride * times, kills + 1
    assert kills > 3 / times


@pytest.mark.long
def test_without_the_note_a_password_half_changed_is_not_seen(
    monkeypatch: pytest.MonkeyPatch, immediate: Platform, course: Course
) -> None:
    """The control: the portal logs in by a password that the course has no more."""
    act, _ = COMMANDS["rotate-password"]
    monkeypatch.setattr(unfinished, "begin", lambda *_: None)
    hidden = []
    with killer(monkeypatch, immediate.connection, course.connection) as killed:
        at = 0
        while attempt(killed, immediate, course, act, at):
            hidden.append(
                not is_told(immediate, course.name) and not is_whole(immediate, course)
            )
            again(immediate, course, act)
            at += 1
    assert any(hidden)


@pytest.mark.long
def test_a_registration_that_was_killed_leaves_nothing_in_the_way(
    monkeypatch: pytest.MonkeyPatch, immediate: Platform
) -> None:
    immediate.member(1, TOY)
    dsn = immediate.new_course("newly")
    request = Request((TOY,), dsn)
    with killer(monkeypatch, immediate.connection) as killed:
        at = 0
        while True:
            with psycopg.connect(immediate.dsn, autocommit=True) as session:
                if not killed.kills(
                    at, lambda: register.register(session, immediate.config, request)
                ):
                    break
            known = immediate.rows("SELECT name FROM pyrepl.databases()")
            if known:
                break  # the last statements come when all is there
            assert status.read(immediate.connection).databases == []
            at += 25
    assert at > 75
    immediate.register(dsn, TOY)
    immediate.assert_equal()
    found = structure.verify(immediate.dsn, [])
    assert found.databases["newly"].ok


@pytest.fixture
def half(
    monkeypatch: pytest.MonkeyPatch, immediate: Platform, course: Course
) -> Course:
    """A database whose removal was killed when its copies had gone."""
    act, _ = COMMANDS["unregister"]
    with killer(monkeypatch, immediate.connection, course.connection) as killed:
        at = 10
        while course.users:
            assert attempt(killed, immediate, course, act, at)
            at += 1
    assert course.rows("SELECT to_regnamespace('pyrepl') IS NOT NULL") == [(True,)]
    return course


def test_nothing_but_its_end_is_done_to_what_is_half_removed(
    immediate: Platform, half: Course
) -> None:
    at: dict[str, Any] = {"connection": immediate.connection}
    for command in (
        lambda: immediate.register(half.dsn, TOY),
        lambda: immediate.register(half.dsn, "edX/other/2012_Fall"),
        lambda: refresh.refresh(
            at["connection"], immediate.config, half.name, half.dsn
        ),
        lambda: refresh.refresh(
            at["connection"], immediate.config, half.name, half.dsn, rebind=True
        ),
        lambda: links.rotate_password(at["connection"], half.name, half.dsn),
        lambda: guard.set_guard(at["connection"], half.name, "off", half.dsn),
    ):
        with pytest.raises(NotSuitable, match="half unregistered") as refused:
            command()
        assert f"course unregister {half.name}" in (refused.value.hint or "")
    [result] = data.verify(immediate.dsn, immediate.config, [half.name])
    assert result.ok is None
    assert "half unregistered" in (result.error or "")
    found = structure.verify(immediate.dsn, [half.name]).databases[half.name]
    assert [(i.object, i.state) for i in found.items] == [("registration", "outdated")]
    assert found.items[0].remedy.step == ""
    unregister.unregister(immediate.connection, half.name, half.dsn)
    assert half.rows("SELECT to_regnamespace('pyrepl')") == [(None,)]
    immediate.register(half.dsn, TOY)
    immediate.assert_equal()


def test_status_and_verify_end_with_3_where_a_removal_is_half_done(
    cli: Cli, platform: Platform
) -> None:
    course = platform.course(TOY)
    platform.execute("UPDATE pyrepl.database SET state = 'removing'")
    shown = cli("status")
    assert shown.code == 3
    assert f"pyreplctl course unregister {course.name}" in shown.err + shown.out
    repaired = cli("verify", "--repair")
    assert repaired.code != 0
    assert "half unregistered" in repaired.out + repaired.err
    with pytest.raises(Error):
        platform.register(course.dsn, TOY)
