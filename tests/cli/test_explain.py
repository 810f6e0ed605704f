from __future__ import annotations

import pytest

from tests.cli.run import Cli
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"


def test_it_says_where_a_user_should_be_and_is(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    platform.member(7, TOY, "nobody/hosts/this")
    platform.deliver()
    platform.execute("UPDATE auth_user SET first_name = 'new' WHERE id = 7")
    for who in ("7", "USER7", "user7@example.com"):
        (found,) = cli("explain", who, "--json").document
        assert (found["user_id"], found["username"]) == (7, "user7")
        assert found["unrouted"] == 1
        assert found["unhosted"] == ["nobody/hosts/this"]
        (forum,) = found["databases"]
        assert (forum["database"], forum["courses"]) == ("forum", [TOY])
        assert (forum["copy"], forum["pending"]) == (True, False)
    said = cli("explain", "7").out
    assert "user 7 (user7)" in said
    assert "1 change not yet routed" in said
    assert f"is to hold a copy: member of {TOY}" in said


def test_it_says_what_waits_and_why(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    cli("course", "pause", "forum")
    platform.member(7, TOY)
    platform.deliver()
    said = cli("explain", "7").out
    assert "no copy is there" in said
    assert "a dossier waits to be delivered" in said
    assert "deliveries are paused" in said


def test_it_says_what_failed(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY, name="forum")
    course.execute("ALTER TABLE auth_user ADD CHECK (first_name <> 'bad')")
    platform.member(7, TOY)
    platform.execute("UPDATE auth_user SET first_name = 'bad' WHERE id = 7")
    platform.deliver()
    said = cli("explain", "7").out
    assert "the dossier failed" in said
    assert "a check of the course is violated" in said
    platform.execute("UPDATE pyrepl.retry SET due_at = NULL")
    assert "dead letter 1, tried" in cli("explain", "7").out


def test_a_user_who_is_gone_is_found_by_id(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    said = cli("explain", "99").out
    assert "user 99: not at the portal" in said
    assert "no course database has to do with this user" in said


@pytest.mark.parametrize("who", ["somebody", "", "%", "12345678901234567890"])
def test_nobody_is_a_usage_error(cli: Cli, platform: Platform, who: str) -> None:
    assert platform.rows("SELECT") == [()]
    ran = cli("explain", who)
    assert ran.code == 2
    assert "no user" in ran.err
