from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import connect
from pyreplctl.courses import register, state
from pyreplctl.courses import request as courses_request
from pyreplctl.delivery import status, wait, worker
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.support.clocks import working
from tests.support.platform import Platform
from tests.support.polling import until

TOY = "edX/toy/2012_Fall"


def test_worker_delivers_to_all_databases_and_is_seen(platform: Platform) -> None:
    first, second = platform.course(TOY), platform.course("edX/other")
    with working(platform.dsn):
        platform.member(1, TOY, "edX/other")
        until(lambda: first.users == second.users == [1])
        until(lambda: status.read(platform.connection).clocks)
        assert status.read(platform.connection).clocks[0].kind == "worker"
    platform.assert_equal()


def test_two_workers_share_the_work(platform: Platform) -> None:
    course = platform.course(TOY)
    with working(platform.dsn), working(platform.dsn):
        for number in range(1, 101):
            platform.member(number, TOY)
        until(lambda: len(course.enrollments) == 100)
    platform.assert_equal()


@pytest.mark.failure
def test_worker_delivers_when_a_course_server_is_back(
    platform: Platform, new_cluster: NewCluster, new_course: NewCourse
) -> None:
    server = new_cluster()
    near = platform.course("edX/near")
    far = platform.course("edX/far", cluster=server)
    with working(platform.dsn):
        server.kill()
        platform.member(1, "edX/near", "edX/far")
        until(lambda: near.users == [1])
        until(lambda: health(platform, far.name) == "backing_off")
        server.start()
        state.resume(platform.connection, [far.name])
        with psycopg.connect(far.dsn, autocommit=True) as again:
            until(
                lambda: again.execute("SELECT id FROM auth_user").fetchall() == [(1,)]
            )
    platform.assert_equal()


def health(platform: Platform, name: str) -> str:
    found = status.read(platform.connection).databases
    return next(d.health for d in found if d.name == name)


@pytest.mark.failure
def test_worker_reconnects_to_a_restarted_portal(
    new_cluster: NewCluster, new_portal: NewPortal, new_course: NewCourse
) -> None:
    server = new_cluster()
    dsn, course_dsn = new_portal(cluster=server), new_course()
    install(dsn, Config())
    with psycopg.connect(dsn, autocommit=True) as connection:
        request = courses_request.Request((TOY,), course_dsn)
        register.register(connection, Config(), request)
    with working(dsn), psycopg.connect(course_dsn, autocommit=True) as course:
        with psycopg.connect(dsn, autocommit=True) as before:
            until(lambda: status.read(before).clocks)
        server.kill()
        server.start()
        with psycopg.connect(dsn, autocommit=True) as connection:
            enroll_somebody(connection)
        until(lambda: course.execute("SELECT id FROM auth_user").fetchall() == [(7,)])


def enroll_somebody(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    connection.execute(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (7, 'ada', '', '', 'ada@example.com', '', false, true, false,"
        " now(), now())"
    )
    connection.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id) VALUES (7, %s)",
        (TOY,),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_on_a_signal(platform: Platform, number: signal.Signals) -> None:
    course = platform.course(TOY)
    process = subprocess.Popen(
        [sys.executable, "-m", "pyreplctl", "run", "--jobs", "1"],
        env=os.environ | {"PYREPLCTL_PORTAL": platform.dsn},
        stderr=subprocess.PIPE,
    )
    try:
        platform.member(1, TOY)
        until(lambda: course.users == [1])
    finally:
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"stopped" in said


def test_a_poll_ends_when_a_change_is_committed(platform: Platform) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    poller = platform.session(autocommit=True)
    waits = "SELECT FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    with ThreadPoolExecutor(1) as pool, platform.session() as writer:
        polled = pool.submit(poller.execute, "CALL pyrepl.poll('600 s')")
        until(lambda: platform.rows(waits, poller.info.backend_pid))
        writer.execute("UPDATE auth_user SET email = 'x' WHERE id = 1")
        assert not polled.done()
        writer.commit()
        number = databases.numbers(platform.connection, [])[course.name]
        assert polled.result(60).fetchone() == (1, [number])


def test_a_poll_sees_a_transaction_that_was_open_at_the_last_one(
    platform: Platform,
) -> None:
    platform.user(1)
    platform.deliver()
    with platform.session() as writer:
        writer.execute("UPDATE auth_user SET email = 'x' WHERE id = 1")
        platform.execute("SELECT pg_current_xact_id()")  # a later transaction has ended
        platform.execute("UPDATE pyrepl.route_mark SET saved_at = '-infinity'")
        platform.execute("CALL pyrepl.poll('0 s')")
        assert platform.rows("SELECT pyrepl.has_unrouted()") == [(False,)]
        writer.commit()
    assert platform.rows("SELECT pyrepl.has_unrouted()") == [(True,)]
    platform.execute("CALL pyrepl.poll('0 s')")
    assert platform.rows("SELECT pyrepl.has_unrouted()") == [(False,)]


def test_a_poll_names_those_whom_changes_concern_or_all_who_are_due(
    platform: Platform,
) -> None:
    first, second = platform.course(TOY), platform.course("edX/other")
    number = databases.numbers(platform.connection, [])
    platform.member(1, TOY)
    platform.execute("CALL pyrepl.poll('0 s')")
    platform.member(2, "edX/other")
    (concerned,) = platform.rows("CALL pyrepl.poll('0 s', false)")
    assert concerned[1] == [number[second.name]]
    (everybody,) = platform.rows("CALL pyrepl.poll('0 s', false)")
    assert set(everybody[1]) == {number[first.name], number[second.name]}


def test_a_poll_that_finds_nothing_ends_in_time(platform: Platform) -> None:
    assert platform.rows("CALL pyrepl.poll('0 s')") == [(0, [])]


def test_dossiers_that_are_tried_by_themselves_follow_one_another(
    platform: Platform,
) -> None:
    platform.course(TOY)
    for number in (1, 2):
        platform.member(number, TOY)
    platform.deliver()
    platform.execute(
        "INSERT INTO pyrepl.retry (database_id, user_id, due_at, attempts, sqlstate,"
        " message) SELECT 1, n, now(), 1, '22001', 'x' FROM generate_series(1, 2) n"
    )
    serving = worker.Worker(platform.dsn)
    session = platform.session(autocommit=True)
    assert serving._serve(session, 1) == (0.0, True)
    assert serving._serve(session, 1) == (0.0, True)
    assert platform.rows("SELECT 1 FROM pyrepl.retry") == []
    assert serving._serve(session, 1) == (0.0, False)


def test_serve_does_the_same_work_from_sql(platform: Platform) -> None:
    first, second = platform.course(TOY), platform.course("edX/other")
    platform.member(1, TOY, "edX/other")
    platform.execute("CALL pyrepl.serve('0 s')")
    platform.execute("CALL pyrepl.serve('0 s')")
    assert first.users == second.users == [1]
    assert status.read(platform.connection).clocks[0].kind == "serve"


def test_serve_goes_on_with_others_when_a_database_fails(platform: Platform) -> None:
    broken, well = platform.course(TOY), platform.course("edX/other")
    broken.execute("DROP TRIGGER pyrepl_apply ON pyrepl.inbox")
    platform.member(1, TOY, "edX/other")

    def served() -> bool:
        platform.execute("CALL pyrepl.serve('0 s')")
        return health(platform, broken.name) == "backing_off"

    until(served)
    assert well.users == [1]


def test_serve_delivers_what_is_queued_where_routing_has_stopped(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    platform.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 1")
    platform.execute("SELECT pyrepl.route()")
    platform.execute("UPDATE auth_user SET email = 'newer@example.com' WHERE id = 1")
    platform.execute(
        "CREATE OR REPLACE FUNCTION pyrepl.route() RETURNS integer LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM nothing FROM auth_user; END'"
    )
    platform.execute("CALL pyrepl.serve('0 s')")
    assert course.user(1)["email"] == "newer@example.com"


@pytest.mark.failure
def test_a_serve_that_died_with_its_connection_names_the_database(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    platform.execute(
        "UPDATE pyrepl.health h SET serving = 2147483647 FROM pyrepl.database d"
        " WHERE d.id = h.database_id AND d.name = %s",
        course.name,
    )
    platform.member(1, TOY)

    def served() -> bool:
        platform.execute("CALL pyrepl.serve('0 s')")
        return course.users == [1]

    until(served)
    assert platform.rows("SELECT serving, health FROM pyrepl.health") == [(None, "ok")]


def test_wait_returns_when_what_was_committed_is_delivered(platform: Platform) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    late = wait.wait(platform.connection, [], None, timeout=0)
    assert late.unrouted
    with working(platform.dsn):
        done = wait.wait(platform.connection, [], None, timeout=30)
    assert (done.left, done.unrouted, course.users) == ({}, 0, [1])


def test_wait_names_and_skips_paused_databases(platform: Platform) -> None:
    course = platform.course(TOY)
    state.pause(platform.connection, [course.name])
    platform.member(1, TOY)
    platform.deliver()
    done = wait.wait(platform.connection, [], None, timeout=0)
    assert (done.left, done.skipped) == ({}, [course.name])
    assert course.users == []
    state.resume(platform.connection, [course.name])
    platform.deliver()
    assert course.users == [1]


def test_status_asks_for_a_clock_where_something_waits(platform: Platform) -> None:
    platform.course(TOY)
    assert status.read(platform.connection).actions() == []
    platform.member(1, TOY)
    actions = status.read(platform.connection).actions()
    assert "no clock has been seen" in actions[0]


def test_a_frozen_course_holds_up_nobody_else(
    platform: Platform, new_cluster: NewCluster
) -> None:
    server: Cluster = new_cluster()
    frozen, well = platform.course("edX/far", cluster=server), platform.course(TOY)
    with working(platform.dsn):
        server.freeze()
        try:
            platform.member(1, "edX/far", TOY)
            until(lambda: well.users == [1])
            platform.member(2, "edX/far", TOY)
            until(lambda: well.users == [1, 2])
        finally:
            server.thaw()
        state.resume(platform.connection, [frozen.name])
        until(lambda: frozen.users == [1, 2])


def test_more_frozen_courses_than_jobs_hold_up_nobody_else(
    platform: Platform, new_cluster: NewCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "HANGS", 0.1)
    server = new_cluster()
    frozen = [platform.course(f"edX/far{n}", cluster=server) for n in (1, 2)]
    well = platform.course(TOY)
    keys = ("edX/far1", "edX/far2", TOY)
    with working(platform.dsn, jobs=1):
        platform.member(1, *keys)
        until(lambda: all(course.users == [1] for course in (*frozen, well)))
        server.freeze()
        try:
            for number in (2, 3):
                platform.member(number, *keys)
                until(lambda: well.users[-1] == number)  # noqa: B023
        finally:
            server.thaw()
        state.resume(platform.connection, [course.name for course in frozen])
        until(lambda: all(course.users == [1, 2, 3] for course in frozen))


@pytest.mark.failure
def test_a_worker_ends_when_it_is_told_though_the_portal_says_nothing(
    new_cluster: NewCluster, new_portal: NewPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "GRACE", 0.5)
    cluster = new_cluster()
    dsn = new_portal(cluster=cluster)
    install(dsn, Config())
    serving = worker.Worker(dsn, 1)
    thread = threading.Thread(target=serving.run)
    thread.start()
    with psycopg.connect(dsn, autocommit=True) as session:
        until(lambda: status.read(session).clocks)
        cluster.freeze()
        try:
            serving.stop()
            thread.join(30)
            assert not thread.is_alive()
        finally:
            cluster.thaw()


def test_a_fault_of_the_worker_itself_ends_it_with_that(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(worker.Worker, "_poll", fails)
    with pytest.raises(ZeroDivisionError):
        worker.Worker(platform.dsn).run()


def test_a_portal_that_is_gone_without_a_word_is_noticed(platform: Platform) -> None:
    with connect(platform.dsn) as connection:
        set_here = connection.info.get_parameters()
    assert set_here["keepalives_idle"] == "10"
    assert set_here["tcp_user_timeout"] == "20000"
    with connect(platform.dsn + " tcp_user_timeout=1000") as connection:
        assert connection.info.get_parameters()["tcp_user_timeout"] == "1000"
