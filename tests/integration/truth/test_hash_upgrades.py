"""A course app on a newer Django hashes a password anew at login."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from pyreplctl.core.config import Config, Policy
from pyreplctl.install.portal import install
from tests.cli.run import Cli
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"
UPGRADE: LiteralString = (
    "UPDATE auth_user SET password = 'pbkdf2_sha256$870000$salt$other' WHERE id = 1"
)


@pytest.fixture
def exempt(platform: Platform) -> Course:
    """A course that may upgrade hashes, with two members."""
    policy = Policy(guard_exempt=("last_login", "password"))
    platform.config = Config(policy=policy)
    install(platform.dsn, platform.config)
    course = platform.course(TOY)
    for number in (1, 2):
        platform.member(number, TOY)
    assert platform.deliver() == {}
    return course


def refused(course: Course, statement: LiteralString) -> None:
    """The guard lets nobody do this."""
    with pytest.raises(psycopg.Error) as error:
        course.execute(statement)
    assert error.value.sqlstate == "PR030"


def test_it_is_refused_unless_the_column_is_exempt(platform: Platform) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    refused(course, UPGRADE)


def test_an_exempt_hash_passes_and_all_else_is_guarded_and_verified(
    platform: Platform, cli: Cli, exempt: Course
) -> None:
    cli.configure('[policy]\nguard_exempt = ["last_login", "password"]\n')
    exempt.execute(UPGRADE)
    ran = cli("verify")
    assert ran.code == 0
    assert "not compared, as guard_exempt has them: last_login, password" in ran.err
    refused(exempt, "UPDATE auth_user SET password = 'x', email = 'x' WHERE id = 1")
    exempt.tamper("UPDATE auth_user SET email = 'x' WHERE id = 2")
    [found] = platform.verify().values()
    assert found.drifted == [2]


def test_a_change_on_the_portal_brings_its_hash_again(
    platform: Platform, exempt: Course
) -> None:
    exempt.execute(UPGRADE)
    platform.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 1")
    assert platform.deliver() == {}
    assert exempt.user(1)["password"] == "secret"
