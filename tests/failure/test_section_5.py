"""DESIGN.md, section 5: what must hold when things fail. One test for each row.

They are named after the rows and go from end to end; other modules test the details.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, LiteralString, get_args, get_type_hints

import msgspec
import psycopg
import pytest
from psycopg import sql

from pyreplctl.core import databases
from pyreplctl.core.config import Config, Policy
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import guard as courses_guard
from pyreplctl.courses import refresh, state
from pyreplctl.delivery import batches, dead_letters, status
from pyreplctl.delivery.status import Database
from pyreplctl.install import portal
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.failure.hanging import let_commits_hang, waiting
from tests.failure.restores import restore, restored, save
from tests.support.clocks import working
from tests.support.platform import Course, Platform
from tests.support.polling import until
from tests.support.standbys import copy_of

pytestmark = pytest.mark.failure

TOY, OTHER = "edX/toy/2012_Fall", "MITx/6.002x/2012_Fall"


def shown(platform: Platform, course: Course) -> Database:
    """The row of a course database in status."""
    rows = {d.name: d for d in status.read(platform.connection).databases}
    return rows[course.name]


def clock(platform: Platform) -> None:
    """One turn of a clock."""
    platform.execute("CALL pyrepl.serve('0 s')")


def edit(platform: Platform, email: str, *users: int) -> None:
    platform.execute(
        "UPDATE auth_user SET email = %s WHERE id = ANY (%s)", email, list(users)
    )


def emails(course: Course) -> list[str]:
    return [row[0] for row in course.rows("SELECT email FROM auth_user ORDER BY id")]


def populated(platform: Platform, cluster: Cluster | None = None) -> Course:
    """A course database with the members 1, 2 and 3."""
    course = platform.course(TOY, cluster=cluster)
    for user in (1, 2, 3):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return course


def test_course_database_down_for_days(
    platform: Platform, new_cluster: NewCluster
) -> None:
    server = new_cluster()
    course = populated(platform, server)
    other = platform.course(OTHER)
    for user in (1, 2, 3):
        platform.enroll(user, OTHER)
    assert platform.deliver() == {}
    server.kill()
    for day in range(7):
        edit(platform, f"day{day}", 1, 2, 3)
        clock(platform)
        assert emails(other) == [f"day{day}"] * 3
    down = shown(platform, course)
    assert (down.pending, down.retrying, down.dead) == (3, 0, 0)
    assert (down.health, shown(platform, other).health) == ("backing_off", "ok")

    server.start()

    def delivered() -> bool:
        clock(platform)
        return shown(platform, course).pending == 0

    until(delivered)
    platform.assert_equal()


@pytest.mark.parametrize(
    ("breaks", "remedies"),
    [
        (
            # The database's own default changes nothing: links say otherwise.
            "ALTER FUNCTION pyrepl.apply() SET transaction_read_only = on",
            # RESET refuses this one.
            (
                "UPDATE pg_proc SET proconfig ="
                " array_remove(proconfig, 'transaction_read_only=on')"
                " WHERE oid = 'pyrepl.apply()'::regprocedure"
            ),
        ),
        (
            "REVOKE UPDATE ON pyrepl.inbox FROM {}",
            "GRANT UPDATE ON pyrepl.inbox TO {}",
        ),
        (
            "ALTER TABLE student_courseenrollment RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO student_courseenrollment",
        ),
    ],
    ids=["read-only", "a right revoked", "a table gone"],
)
def test_any_failure_of_a_batch_where_the_database_is_at_fault(
    platform: Platform, breaks: LiteralString, remedies: LiteralString
) -> None:
    course = populated(platform)
    [(role,)] = course.rows("SELECT link_role FROM pyrepl.binding")
    name = sql.Identifier(course.name if "DATABASE" in breaks else role)
    course.connection.execute(sql.SQL(breaks).format(name))
    platform.execute("SELECT pyrepl.postgres_fdw_disconnect_all()")
    edit(platform, "new", 1, 2, 3)
    assert course.name in platform.deliver()
    sick = shown(platform, course)
    assert sick.health in ("backing_off", "waiting_contract")
    assert (sick.pending, sick.retrying, sick.dead) == (3, 0, 0)
    assert platform.rows("SELECT FROM pyrepl.health WHERE retry_at > now()")

    course.execute("SET default_transaction_read_only = off")
    course.connection.execute(sql.SQL(remedies).format(name))
    platform.execute("SELECT pyrepl.postgres_fdw_disconnect_all()")
    state.resume(platform.connection, [course.name])
    assert platform.deliver() == {}
    platform.assert_equal()


@pytest.mark.parametrize("fault", ["bad data", "a locked row"])
def test_any_failure_of_a_batch_where_the_dossiers_are_at_fault(
    platform: Platform, fault: str
) -> None:
    course = populated(platform)
    edit(platform, "new", 1, 2, 3)
    with psycopg.connect(course.dsn) as obstacle:
        if fault == "a locked row":
            options = "-c lock_timeout=50ms -c synchronous_commit=on"
            platform.connection.execute(
                f"ALTER SERVER pyrepl_1 OPTIONS (SET options '{options}')".encode()
            )
            obstacle.execute("SELECT FROM auth_user WHERE id = 2 FOR UPDATE")
        else:
            course.execute("ALTER TABLE auth_user ADD CHECK (id <> 2 OR email ~ '@')")
        assert course.name in platform.deliver()
        assert emails(course) == ["new", "user2@example.com", "new"]
        assert shown(platform, course).health == "ok"
        rows = platform.rows("SELECT user_id, sqlstate FROM pyrepl.retry")
        assert rows == [(2, "55P03" if fault == "a locked row" else "23514")]
    edit(platform, "new@example.com", 2)
    assert platform.deliver() == {}
    platform.assert_equal()


def test_one_dossier_that_fails_alone(platform: Platform) -> None:
    course = populated(platform)
    course.execute(
        "ALTER TABLE auth_user ADD CONSTRAINT polite CHECK (email !~ 'rude')"
    )
    edit(platform, "rude@example.com", 2)
    edit(platform, "new@example.com", 1)
    assert course.name in platform.deliver()
    assert emails(course)[:2] == ["new@example.com", "user2@example.com"]
    backoff = "SELECT extract(epoch FROM due_at - failed_at)::integer FROM pyrepl.retry"
    waits = []
    while not dead_letters.dead(platform.connection):
        waits += [row[0] for row in platform.rows(backoff)]
        platform.execute("UPDATE pyrepl.retry SET due_at = now()")
        assert course.name in platform.deliver()
    assert waits == sorted(set(waits))
    [letter] = dead_letters.dead(platform.connection)
    assert (letter.user_id, letter.sqlstate) == (2, "23514")
    assert "polite" in letter.message
    assert letter.advice
    edit(platform, "new@example.com", 3)
    assert course.name in platform.deliver()
    assert emails(course)[2] == "new@example.com"

    edit(platform, "kind@example.com", 2)
    assert platform.deliver() == {}
    assert dead_letters.dead(platform.connection) == []
    platform.assert_equal()


def test_the_portal_gains_a_column(platform: Platform) -> None:
    course, other = populated(platform), platform.course(OTHER)
    platform.enroll(1, OTHER)
    add: LiteralString = "ALTER TABLE auth_userprofile ADD city text DEFAULT 'Paris'"
    platform.execute(add)
    edit(platform, "meanwhile", 1)
    assert platform.deliver() == {}
    assert emails(course)[0] == "meanwhile"
    portal.install(platform.dsn, platform.config)
    for each in (course, other):
        assert shown(platform, each).pending_columns == ["public.auth_userprofile.city"]

    other.execute("ALTER TABLE auth_userprofile ADD city text")
    refresh.refresh(platform.connection, platform.config, other.name, other.dsn)
    edit(platform, "afterwards", 1)
    assert platform.deliver() == {}
    assert other.rows("SELECT city FROM auth_userprofile") == [("Paris",)]
    assert emails(course)[0] == emails(other)[0] == "afterwards"
    assert shown(platform, other).pending_columns == []
    platform.assert_equal()


@pytest.mark.parametrize("side", ["portal", "course"])
@pytest.mark.parametrize(
    ("change", "back"),
    [
        (
            "ALTER TABLE auth_userprofile DROP goals",
            "ALTER TABLE auth_userprofile ADD goals text",
        ),
        (
            "ALTER TABLE auth_userprofile ALTER goals TYPE varchar(9)",
            "ALTER TABLE auth_userprofile ALTER goals TYPE text",
        ),
    ],
    ids=["dropped", "retyped"],
)
def test_a_column_of_the_contract_is_dropped_or_retyped_on_one_side(
    platform: Platform, side: str, change: LiteralString, back: LiteralString
) -> None:
    course = populated(platform)
    where: Callable[[LiteralString], None] = (
        platform.execute if side == "portal" else course.execute
    )
    where(change)
    edit(platform, "meanwhile", 1, 2, 3)
    [why] = platform.deliver()[course.name]
    assert "goals" in why
    assert "course refresh" in why
    assert shown(platform, course).health == "waiting_contract"
    assert emails(course)[0] == "user1@example.com"
    where(back)
    state.resume(platform.connection, [course.name])
    assert platform.deliver() == {}
    assert emails(course) == ["meanwhile"] * 3
    platform.assert_equal()


def test_unique_conflict_at_the_course_with_a_copy(platform: Platform) -> None:
    """The username is freed by user 1 and taken by user 2, in a batch of its own."""
    course = populated(platform)
    platform.unenroll(1, TOY)
    assert platform.deliver() == {}
    platform.execute("UPDATE pyrepl.settings SET batch = 1")
    rename(platform, 1, "freed")
    rename(platform, 2, "user1")
    # What is due for user 2 goes first.
    batches.route(platform.connection)
    platform.execute("UPDATE pyrepl.outbox SET id = DEFAULT WHERE user_id = 1")
    assert platform.deliver() == {}
    names = {user: course.user(user)["username"] for user in (1, 2)}
    assert names == {1: "freed", 2: "user1"}
    assert dead_letters.dead(platform.connection) == []
    platform.assert_equal()


def test_unique_conflict_at_the_course_with_a_local_account(
    platform: Platform,
) -> None:
    course = populated(platform)
    course.execute(
        "INSERT INTO auth_user SELECT (jsonb_populate_record(u,"
        """ '{"id": 900, "username": "taken"}')).* FROM auth_user u WHERE id = 1"""
    )
    rename(platform, 2, "taken")
    edit(platform, "new", 1, 3)
    assert course.name in platform.deliver()
    assert [email for email in emails(course) if email == "new"] == ["new", "new"]
    [letter] = dead_letters.dead(platform.connection)
    assert letter.user_id == 2
    assert "900" in f"{letter.message} {letter.hint}"
    assert course.user(900)["username"] == "taken"
    assert course.user(2)["username"] == "user2"


def rename(platform: Platform, user: int, name: str) -> None:
    platform.execute("UPDATE auth_user SET username = %s WHERE id = %s", name, user)


def test_every_single_one_fails_alike_and_none_succeeds(platform: Platform) -> None:
    """Of the row on dossiers that fail alone: the database is blocked then."""
    course = platform.course(TOY)
    course.execute("ALTER TABLE auth_user ADD CHECK (email = '')")
    for user in range(1, 31):
        platform.member(user, TOY)
    for _ in range(10):
        platform.deliver()
        platform.execute("UPDATE pyrepl.retry SET due_at = now()")
        state.resume(platform.connection, [course.name])
    assert platform.deliver()
    assert shown(platform, course).health == "blocked"
    assert dead_letters.dead(platform.connection) == []
    course.execute("ALTER TABLE auth_user DROP CONSTRAINT auth_user_email_check")
    state.resume(platform.connection, [course.name])
    platform.execute("UPDATE pyrepl.retry SET due_at = now()")
    assert platform.deliver() == {}
    platform.assert_equal()


def test_the_course_already_holds_an_id_or_a_username_that_arrives(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    account = (
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined) VALUES"
        " (%s, %s, '', '', '', '', false, true, false, now(), now())"
    )
    with psycopg.connect(dsn) as connection:
        connection.execute(account, (1, "user1"))
    platform.member(1, TOY)
    with pytest.raises(NotSuitable, match="already"):
        platform.register(dsn, TOY)
    course, _ = platform.register(dsn, TOY, adopt=True)
    assert course.user(1)["email"] == "user1@example.com"
    course.connection.execute(account, (1_000_002, "user3"))
    course.connection.execute(account, (2, "local"))
    for user in (2, 3):
        platform.member(user, TOY)
    assert "local account in the way" in " ".join(platform.deliver()[course.name])
    set_aside = platform.rows("SELECT user_id FROM pyrepl.retry ORDER BY 1")
    assert set_aside == [(2,), (3,)]
    assert course.user(2)["username"] == "local"
    assert course.user(1_000_002)["username"] == "user3"


PLUGS = ["worker killed", "portal crashed", "course crashed", "connection cut"]


@pytest.mark.parametrize("plug", PLUGS)
def test_worker_killed_portal_crashed_course_crashed_connection_cut_at_any_point(
    new_cluster: NewCluster,
    new_portal: NewPortal,
    new_course: NewCourse,
    portal_cluster: Cluster,
    course_cluster: Cluster,
    plug: str,
) -> None:
    """At the worst one: the course has been asked to COMMIT and has not answered."""
    here = new_cluster() if plug == "portal crashed" else portal_cluster
    there = new_cluster() if plug == "course crashed" else course_cluster
    dsn = new_portal(cluster=here)
    portal.install(dsn, Config())
    with Platform.opened(dsn, new_course) as platform:
        course = populated(platform, there)
        let_commits_hang(course)
        with worker_process(dsn) as worker:
            edit(platform, "new", 1, 2, 3)
            until(lambda: waiting(course) == 1)
            if plug == "worker killed":
                worker.kill()
            elif plug == "portal crashed":
                here.kill()
            elif plug == "course crashed":
                there.kill()
            else:
                course.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_locks"
                    " WHERE locktype = 'advisory' AND NOT granted"
                )
        here.start()
        there.start()
        platform.connection = platform.session(autocommit=True)
        course.connection.close()  # it has held the COMMIT up
        course.connection = platform.stack.enter_context(
            psycopg.connect(course.dsn, autocommit=True)
        )
        assert set(emails(course)) in OLD_OR_NEW
        with working(dsn):
            until(lambda: emails(course) == ["new"] * 3)
            until(lambda: not platform.rows("SELECT FROM pyrepl.outbox"))
        platform.assert_equal()


OLD_OR_NEW = ({f"user{n}@example.com" for n in (1, 2, 3)}, {"new"})


@contextmanager
def worker_process(dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that may be killed, and is at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pyreplctl", "run", "--jobs", "1"],
        env=os.environ | {"PYREPLCTL_PORTAL": dsn},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def policies(name: str) -> list[str]:
    """All that the configuration takes for a policy."""
    return list(get_args(get_type_hints(Policy)[name]))


def configure(platform: Platform, policy: str, choice: str) -> None:
    platform.config = msgspec.convert({"policy": {policy: choice}}, Config)
    portal.install(platform.dsn, platform.config)


@pytest.mark.parametrize("choice", policies("on_user_delete"))
def test_user_deleted_on_the_portal(
    platform: Platform, new_course: NewCourse, choice: str
) -> None:
    configure(platform, "on_user_delete", choice)
    dsn = new_course(askbot=True)
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "CREATE TABLE post (author integer REFERENCES auth_user ON DELETE CASCADE)"
        )
    course, _ = platform.register(dsn, TOY)
    for user in (1, 2, 3):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    course.execute("INSERT INTO post VALUES (2)")
    for table in ("student_courseenrollment", "auth_userprofile", "auth_user"):
        column = "id" if table == "auth_user" else "user_id"
        platform.connection.execute(f"DELETE FROM {table} WHERE {column} < 3".encode())
    assert platform.deliver() == {}
    assert course.rows("SELECT author FROM post") == [(2,)]
    assert (3, TOY) in course.enrollments
    if choice == "erase":
        assert course.users == [2, 3]
        left = course.user(2)
        assert (left["is_active"], left["email"], left["password"]) == (False, "", "")
        assert (course.profiles, course.enrollments) == ([3], [(3, TOY)])
        platform.assert_equal()
    else:
        assert course.users == [1, 2, 3]
        assert course.user(2)["username"] == "user2"


@pytest.mark.parametrize("choice", policies("on_unenroll"))
def test_unenrolled_from_the_last_course_of_a_database(
    platform: Platform, choice: str
) -> None:
    configure(platform, "on_unenroll", choice)
    course = populated(platform)
    platform.unenroll(1, TOY)
    assert platform.deliver() == {}
    edit(platform, "afterwards", 1, 2)
    assert platform.deliver() == {}
    assert course.enrollments == [(2, TOY), (3, TOY)]
    assert course.user(2)["email"] == "afterwards"
    left = course.user(1)
    if choice == "keep":
        assert (left["email"], left["is_active"]) == ("afterwards", True)
    elif choice == "freeze":
        assert (left["email"], left["is_active"]) == ("user1@example.com", True)
    elif choice == "deactivate":
        assert left["is_active"] is False
    else:
        assert left == {}
    platform.enroll(1, TOY)
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "afterwards"
    assert course.user(1)["is_active"] is True
    platform.assert_equal()


def test_portal_dumped_and_restored_as_a_staging_copy_clock_started_there(
    platform: Platform, portal_cluster: Cluster
) -> None:
    course = populated(platform)
    with restored(platform, portal_cluster, portal_cluster) as staging:
        edit(staging, "staging", 1, 2, 3)
        with working(staging.dsn):
            until(lambda: shown(staging, course).health == "refused")
        assert emails(course)[0] == "user1@example.com"
        edit(platform, "original", 1, 2, 3)
        assert platform.deliver() == {}
        platform.assert_equal()

        refresh.refresh(
            staging.connection, staging.config, course.name, course.dsn, rebind=True
        )
        assert staging.deliver() == {}
        assert emails(course) == ["staging"] * 3
        staging.assert_equal()


TWINS = ["physical copy of the portal", "portal restored", "course restored"]


@pytest.mark.parametrize("which", TWINS)
def test_physical_copy_of_the_portal_portal_or_course_restored_or_failed_over_with_loss(
    new_cluster: NewCluster,
    new_portal: NewPortal,
    new_course: NewCourse,
    course_cluster: Cluster,
    portal_cluster: Cluster,
    which: str,
) -> None:
    """Standbys that are promoted with loss: test_binding.py."""
    server = new_cluster()
    dsn = new_portal(cluster=portal_cluster if which == "course restored" else server)
    portal.install(dsn, Config())
    with Platform.opened(dsn, new_course) as platform, ExitStack() as stack:
        there = server if which == "course restored" else course_cluster
        course = populated(platform, there)
        if which == "physical copy of the portal":
            copy = stack.enter_context(copy_of(server, standby=False))
            dsn = copy.conninfo(platform.connection.info.dbname)
        else:
            save(server)
            platform.connection = platform.session(autocommit=True)
        for turn in range(3):
            edit(platform, f"lost{turn}", 1, 2, 3)
            until(lambda: not platform.deliver())
        if which != "physical copy of the portal":
            restore(server)

        second = stack.enter_context(Platform.opened(dsn, new_course))
        edit(second, "new", 1)
        assert "restored, cloned or failed over" in second.deliver()[course.name][0]
        actions = status.read(second.connection).actions()
        assert any("forked" in action for action in actions)
        refresh.refresh(
            second.connection, second.config, course.name, course.dsn, rebind=True
        )
        assert second.deliver() == {}
        second.assert_equal()


@pytest.mark.parametrize("guard", ["reject", "warn", "off"])
def test_someone_writes_a_replicated_column_at_the_course(
    platform: Platform, new_course: NewCourse, guard: Literal["reject", "warn", "off"]
) -> None:
    course, _ = platform.register(new_course(askbot=True), TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    local: LiteralString = (
        "INSERT INTO auth_user SELECT (jsonb_populate_record(u, %s)).*"
        " FROM auth_user u WHERE id = 1"
    )
    course.execute(local, '{"id": 900, "username": "local"}')
    courses_guard.set_guard(platform.connection, course.name, guard, course.dsn)
    writes: list[LiteralString] = [
        "UPDATE auth_user SET email = 'other' WHERE id IN (1, 900)",
        "INSERT INTO student_courseenrollment VALUES (900, 1, 'mine')",
        "DELETE FROM auth_userprofile WHERE user_id = 1",
        "TRUNCATE student_courseenrollment",
    ]
    warned: list[str | None] = []
    course.connection.add_notice_handler(lambda said: warned.append(said.sqlstate))
    for write in writes:
        if guard == "reject":
            with pytest.raises(psycopg.Error) as refused:
                course.execute(write)
            assert refused.value.sqlstate == "PR030"
        else:
            course.execute(write)
    assert warned.count("PR030") == (len(writes) if guard == "warn" else 0)
    assert platform.verify()[course.name].ok is (guard == "reject")

    warned.clear()
    course.execute("UPDATE auth_user SET reputation = 7, last_login = now()")
    course.execute("UPDATE auth_user SET email = 'mine' WHERE id = 900")
    assert warned == []
    databases.backfill(platform.connection, [1])
    assert platform.deliver() == {}
    assert course.rows("SELECT reputation FROM auth_user") == [(7,)] * 3
    assert course.user(900)["email"] == "mine"
    platform.assert_equal()
