"""Dead letters: listed, shown, tried again, given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from pyreplctl.core import databases
from pyreplctl.core.errors import UsageError
from pyreplctl.core.locks import LOCK_CLASS
from pyreplctl.courses import state
from pyreplctl.delivery import dead_letters, status
from tests.cli.run import Cli
from tests.support.logins import as_login, new_login
from tests.support.platform import Course, Platform
from tests.support.polling import until

TOY = "edX/toy/2012_Fall"
CHECK = "ALTER TABLE auth_user ADD CONSTRAINT picky CHECK (username !~ '^user[2-9]')"
KEYS = (
    "id, database, user_id, attempts, since, failed_at, due_at, sqlstate, message, hint"
)


@pytest.fixture
def course(platform: Platform) -> Course:
    """A course with a copy of user 1, and dead letters for users 2 and 3."""
    made = platform.course(TOY, name="forum")
    made.execute(CHECK)
    for number in (1, 2, 3):
        platform.member(number, TOY)
    platform.deliver()
    assert made.users == [1]
    die(platform)
    return made


def die(platform: Platform) -> None:
    """Let every dossier that is set aside have failed for the last time."""
    platform.execute("UPDATE pyrepl.retry SET due_at = NULL, attempts = 7")


def number_of(platform: Platform, user: int) -> str:
    (row,) = platform.rows("SELECT id FROM pyrepl.retry WHERE user_id = %s", user)
    return str(row[0])


def test_a_list_names_users_and_reasons(
    cli: Cli, platform: Platform, course: Course
) -> None:
    found = cli("dead", "list", "--json").document
    assert ", ".join(found[0]) == KEYS
    assert [letter["user_id"] for letter in found] == [2, 3]
    assert {letter["sqlstate"] for letter in found} == {"23514"}
    shown = cli("dead", "list").out
    assert shown.count("constraint picky") == 2
    assert cli("status").err.count('"pyreplctl dead list" says why') == 1
    platform.execute("UPDATE auth_user SET username = 'a2' WHERE id = 2")
    platform.execute("UPDATE auth_user SET username = 'a3' WHERE id = 3")
    platform.deliver()
    assert cli("dead", "list", "--json").document == []
    assert cli("dead", "list").err == "no dead letters\n"


def test_a_letter_is_shown_with_what_to_do(
    cli: Cli, platform: Platform, course: Course
) -> None:
    number = number_of(platform, 2)
    ran = cli("dead", "show", number)
    assert (ran.code, "user_id    2\n" in ran.out) == (0, True)
    assert f"pyreplctl dead retry {number}" in ran.out
    found = cli("dead", "show", number, "--json").document
    assert ", ".join(found) == f"{KEYS}, advice"


def test_a_retry_delivers_what_was_mended(
    cli: Cli, platform: Platform, course: Course
) -> None:
    course.execute("ALTER TABLE auth_user DROP CONSTRAINT picky")
    number = number_of(platform, 2)
    ran = cli("dead", "retry", number)
    assert (ran.code, ran.out) == (0, f"{number}: user 2 at forum: delivered\n")
    assert course.users == [1, 2]
    assert cli("dead", "retry", "--all").code == 0
    assert course.users == [1, 2, 3]
    platform.assert_equal()
    assert cli("dead", "retry", "--all").code == 0


def test_a_retry_says_what_still_fails_and_can_be_repeated(
    cli: Cli, platform: Platform, course: Course
) -> None:
    number = number_of(platform, 3)
    for _ in range(2):
        ran = cli("dead", "retry", number)
        assert (ran.code, ran.out) == (1, "")
        assert f"{number}: user 3 at forum: " in ran.err
        assert "constraint picky" in ran.err
        (letter,) = dead_letters.named(platform.connection, [int(number)])
        assert (letter.attempts, letter.due_at is None) == (1, False)
    assert "It is not dead" in cli("dead", "show", number).out
    (other,) = dead_letters.dead(platform.connection)
    assert (other.user_id, other.attempts) == (2, 7)


def test_a_retry_says_that_a_database_takes_nothing(
    cli: Cli, platform: Platform, course: Course
) -> None:
    state.pause(platform.connection, ["forum"])
    ran = cli("dead", "retry", number_of(platform, 2))
    assert ran.code == 1
    assert "user 2 at forum: not tried yet" in ran.err
    assert "forum: it is paused" in ran.err


def test_a_letter_is_discarded_until_the_next_change(
    cli: Cli, platform: Platform, course: Course
) -> None:
    number = number_of(platform, 2)
    ran = cli("dead", "discard", number)
    assert (ran.code, ran.out) == (0, f"{number}: user 2 at forum: discarded\n")
    assert "verify will show 1 user as drift" in ran.err
    assert platform.verify()["forum"].missing == 2
    assert cli("dead", "discard", number).code == 2
    assert cli("dead", "discard", "--all").code == 0
    assert dead_letters.dead(platform.connection) == []
    course.execute("ALTER TABLE auth_user DROP CONSTRAINT picky")
    assert cli("deliver", "--until-empty").code == 0
    assert course.users == [1]
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id IN (2, 3)")
    platform.deliver()
    platform.assert_equal()


def test_what_is_still_tried_again_is_not_discarded(
    cli: Cli, platform: Platform, course: Course
) -> None:
    platform.execute("UPDATE pyrepl.retry SET due_at = now() WHERE user_id = 2")
    ran = cli("dead", "discard", number_of(platform, 2), number_of(platform, 3))
    assert ran.code == 2
    assert "not dead, but tried again" in ran.err
    assert len(platform.rows("SELECT FROM pyrepl.retry")) == 2


@pytest.mark.parametrize("command", ["retry", "discard"])
def test_unknown_numbers_are_named_and_nothing_changes(
    cli: Cli, platform: Platform, course: Course, command: str
) -> None:
    before = platform.rows("SELECT * FROM pyrepl.retry")
    ran = cli("dead", command, number_of(platform, 2), "777", "888")
    assert ran.code == 2
    assert "no dead letter has the number 777, 888" in ran.err
    assert platform.rows("SELECT * FROM pyrepl.retry") == before
    assert cli("dead", "show", "777").code == 2
    assert cli("dead", command).code == 2
    assert cli("dead", command, "1", "--all").code == 2
    assert cli("dead", command, str(2**63)).code == 2


def test_a_monitor_may_look_and_not_touch(platform: Platform, course: Course) -> None:
    with (
        new_login(platform.connection, "pyrepl_monitor") as name,
        psycopg.connect(as_login(platform.dsn, name), autocommit=True) as monitor,
    ):
        found = dead_letters.dead(monitor)
        assert [letter.user_id for letter in found] == [2, 3]
        assert dead_letters.named(monitor, [found[0].id]) == found[:1]
        for command in (dead_letters.retry, dead_letters.discard):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                command(monitor, found)
    assert dead_letters.dead(platform.connection) == found


def test_a_worker_may_not_even_look(platform: Platform, course: Course) -> None:
    with (
        new_login(platform.connection, "pyrepl_worker") as name,
        psycopg.connect(as_login(platform.dsn, name), autocommit=True) as worker,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        dead_letters.dead(worker)


@pytest.mark.parametrize("command", ["retry", "discard"])
def test_letters_are_touched_only_while_nobody_delivers(
    platform: Platform, course: Course, command: str
) -> None:
    number = databases.numbers(platform.connection, [])["forum"]
    found = dead_letters.dead(platform.connection)
    with delivering(platform, number), platform.session(autocommit=True) as session:
        done = threading.Thread(
            target=getattr(dead_letters, command), args=(session, found)
        )
        done.start()
        waits = "SELECT FROM pg_locks WHERE NOT granted AND objid::integer = %s"
        until(lambda: platform.rows(waits, number))
        assert dead_letters.dead(platform.connection) == found
        platform.execute("SELECT pg_advisory_unlock(%s, %s)", LOCK_CLASS, number)
        done.join()
    assert dead_letters.dead(platform.connection) != found


@contextmanager
def delivering(platform: Platform, number: int) -> Iterator[None]:
    platform.execute("SELECT pg_advisory_lock(%s, %s)", LOCK_CLASS, number)
    yield
    platform.execute("SELECT pg_advisory_unlock_all()")


def test_long_lists_are_cut(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY, name="forum")
    course.execute(CHECK)
    for number in range(200, 213):
        platform.member(number, TOY)
    cli("deliver", "--until-empty")
    platform.execute(
        "INSERT INTO pyrepl.retry (database_id, user_id, attempts, sqlstate, message)"
        " SELECT d.id, n, 7, '23514', 'constraint picky'"
        " FROM pyrepl.database d, generate_series(200, 212) n"
        " ON CONFLICT (database_id, user_id) DO UPDATE SET due_at = NULL"
    )
    ran = cli("deliver", "--until-empty")
    assert ran.code == 1
    assert ran.err.count("[dead letter]") == 10
    assert 'forum: and 3 more; see "pyreplctl dead list"' in ran.err
    ran = cli("dead", "retry", "--all")
    assert ran.code == 1
    assert "and 3 more" in ran.err
    assert status.read(platform.connection).databases[0].retrying == 13


def test_an_unknown_number_is_a_usage_error(platform: Platform) -> None:
    with pytest.raises(UsageError):
        dead_letters.named(platform.connection, [1])
