"""What is told when something keeps dossiers from arriving, and in which words."""

from __future__ import annotations

import logging

import pytest

from pyreplctl.courses import state
from tests.cli.run import Cli
from tests.support.clocks import working
from tests.support.platform import Course, Platform
from tests.support.polling import until

TOY = "edX/toy/2012_Fall"
# What the detail of postgres_fdw's error says; its primary message has only the number.
REFUSED = 'connection to server at "127.0.0.1", port 1 failed'


@pytest.fixture
def forum(platform: Platform) -> Course:
    """A course database with one member, delivered."""
    platform.member(1, TOY)
    return platform.course(TOY, name="forum")


@pytest.fixture
def unreachable(platform: Platform, forum: Course) -> Course:
    """The same, and from now on the portal's server cannot reach it."""
    platform.execute("ALTER SERVER pyrepl_1 OPTIONS (SET port '1')")
    platform.execute(
        "UPDATE pyrepl.database SET link = regexp_replace(link, 'port=\\d+', 'port=1')"
    )
    return forum


def test_wait_names_dead_letters(cli: Cli, platform: Platform, forum: Course) -> None:
    forum.execute("ALTER TABLE auth_user ADD CONSTRAINT picky CHECK (id < 2)")
    platform.member(2, TOY)
    platform.deliver()
    platform.execute("UPDATE pyrepl.retry SET due_at = NULL")
    ran = cli("wait", "--timeout", "0")
    assert ran.code == 1
    assert ran.out.splitlines()[0] == "forum: 1 dossier not yet delivered"
    assert "  dead letter 1, of user 2: " in ran.out
    assert "picky" in ran.out
    assert cli("wait", "--user", "1", "--timeout", "0").code == 0
    why = cli("wait", "--timeout", "0", "--json").document["why"]
    assert list(why) == ["forum"]


def test_wait_names_a_database_that_takes_nothing(
    cli: Cli, platform: Platform, unreachable: Course
) -> None:
    platform.member(2, TOY)
    platform.deliver()
    ran = cli("wait", "--timeout", "0")
    assert ran.code == 1
    assert f"  backing_off: {REFUSED}" in ran.out
    platform.execute("UPDATE pyrepl.health SET health = 'blocked', message = 'alike'")
    assert "  blocked: alike" in cli("wait", "--timeout", "0").out


def test_wait_names_a_database_that_was_paused_meanwhile(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    platform.member(2, TOY)
    platform.execute("SELECT pyrepl.route()")
    assert "paused" not in cli("wait", "--timeout", "0").out

    def pause(_: float) -> None:
        state.pause(platform.connection, ["forum"])

    cli.monkeypatch.setattr("pyreplctl.delivery.wait.wait.__defaults__", (pause,))
    assert "  paused\n" in cli("wait", "--timeout", "200ms").out


def test_a_clock_that_was_not_seen_lately_does_not_count(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    platform.execute("SELECT pyrepl.tick('worker', 'host:1')")
    assert "clocks: worker host:1 (seen 0 s ago)" in cli("status").err
    platform.member(2, TOY)
    assert cli("status").code == 0
    seen(platform, "worker", 40)
    ran = cli("status")
    assert ran.code == 3
    assert "clocks: none; worker host:1 was last seen 40 s ago" in ran.err
    assert "no clock has been seen lately" in ran.err
    (clock,) = cli("status", "--json").document["clocks"]
    assert 40 <= clock["seconds_ago"] < 80


def test_a_call_of_cron_counts_until_the_next_is_overdue(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    platform.execute("CALL pyrepl.serve('0 s')")
    platform.member(2, TOY)
    seen(platform, "serve", 60)
    assert cli("status").code == 0
    seen(platform, "serve", 180)
    assert cli("status").code == 3


def seen(platform: Platform, kind: str, seconds: int) -> None:
    platform.execute(
        "UPDATE pyrepl.clock SET seen_at = now() - interval '1 s' * %s WHERE kind = %s",
        seconds,
        kind,
    )


def test_what_cannot_be_reached_is_told_by_host_and_port(
    cli: Cli, platform: Platform, unreachable: Course
) -> None:
    platform.member(2, TOY)
    told = [cli("deliver", "--until-empty").err, cli("status").out, cli("verify").out]
    for text in told:
        assert "forum" in text
        assert REFUSED in text
        assert "pyrepl_1" not in text


def test_serve_tells_host_and_port_too(
    cli: Cli, platform: Platform, unreachable: Course
) -> None:
    platform.member(2, TOY)
    platform.execute("CALL pyrepl.serve('0 s')")
    (database,) = cli("status", "--json").document["databases"]
    assert database["last_error"].startswith(REFUSED)


def test_the_log_of_a_worker_names_the_database(
    platform: Platform, unreachable: Course, caplog: pytest.LogCaptureFixture
) -> None:
    platform.member(2, TOY)
    with caplog.at_level(logging.WARNING), working(platform.dsn):
        until(lambda: f"forum: {REFUSED}" in caplog.text)
    assert "database 1" not in caplog.text


def test_pausing_and_resuming_say_when_there_is_nothing_to_do(
    cli: Cli, forum: Course
) -> None:
    assert cli("course", "pause", "forum").err == ""
    ran = cli("course", "pause", "forum")
    assert (ran.code, ran.out, ran.err) == (0, "", "forum was paused already\n")
    assert cli("course", "resume", "forum").err == ""
    ran = cli("course", "resume", "--all")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "forum was neither paused nor backing off\n"


def test_statements_to_be_run_stand_on_lines_of_their_own(
    cli: Cli, platform: Platform
) -> None:
    ran = cli("course", "register", TOY, "--dsn", platform.new_course("forum"))
    told = [line for line in ran.err.splitlines() if "ALTER SEQUENCE" in line]
    assert len(told) == 3
    assert all(line.startswith("  ALTER") and line.endswith(";") for line in told)


def test_verify_says_what_pending_is(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    assert "pending:" not in cli("verify").out
    platform.member(2, TOY)
    ran = cli("verify")
    assert ran.code == 0
    assert "forum: pending: 1 user of whom something is on its way" in ran.out
    assert "not yet routed" in ran.out


@pytest.mark.parametrize("command", ["refresh", "rotate-password", "unregister"])
def test_a_kept_way_in_that_leads_nowhere_asks_for_another(
    cli: Cli, platform: Platform, forum: Course, command: str
) -> None:
    platform.execute(
        "UPDATE pyrepl.database SET administrator = 'host=127.0.0.1 port=1'"
    )
    ran = cli("course", command, "forum")
    assert (ran.code, "--dsn gives another" in ran.err) == (1, True)
    given = ("--dsn", "host=127.0.0.1 port=1")
    assert "--dsn gives another" not in cli("course", command, "forum", *given).err
    assert cli("course", command, "forum", "--dsn", forum.dsn).code == 0


def test_status_shows_that_immediate_delivery_has_fallen_back(
    cli: Cli, immediate: Platform
) -> None:
    immediate.course(TOY, name="forum", delivery="immediate")
    cli_at = (*("--portal", immediate.dsn), "status")
    assert "immediate " in cli(*cli_at).out
    cli("course", "pause", "forum", "--portal", immediate.dsn)
    assert "immediate, now queued" in cli(*cli_at).out


def test_verbose_logs_what_is_done(cli: Cli, platform: Platform, forum: Course) -> None:
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    quiet = cli("deliver", "--until-empty")
    assert "connected to" not in quiet.err
    platform.execute("UPDATE auth_user SET email = 'newer' WHERE id = 1")
    told = cli("deliver", "--until-empty", "--verbose").err
    assert "connected to the portal (" in told
    assert "database 1: delivered, users: 1" in told
    assert "password" not in told
