from __future__ import annotations

import threading

import psycopg
import pytest
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.courses import refresh, register, state, unregister
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from pyreplctl.install import portal
from tests.conftest import NewCluster, NewCourse
from tests.support.platform import Course, Platform
from tests.support.polling import until

TOY = "edX/toy/2012_Fall"
LOCAL = (
    "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
    " is_staff, is_active, is_superuser, last_login, date_joined)"
    " VALUES (%s, %s, '', '', '', '', false, true, false, now(), now())"
)


def number(platform: Platform, course: Course) -> int:
    return databases.numbers(platform.connection, [course.name])[course.name]


def drop_people(platform: Platform) -> None:
    platform.execute("DELETE FROM student_courseenrollment")
    platform.execute("DELETE FROM auth_userprofile")
    platform.execute("DELETE FROM auth_user")


def test_bad_dossiers_behind_one_set_aside_do_not_loop(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    n = number(platform, course)
    course.execute(
        "CREATE FUNCTION public.no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN IF NEW.username ~ '^bad' THEN RAISE 'no'; END IF; RETURN NEW; END $$"
    )
    course.execute(
        "CREATE TRIGGER no BEFORE INSERT ON auth_user FOR EACH ROW"
        " EXECUTE FUNCTION public.no()"
    )
    platform.member(1, TOY, username="bad1")
    platform.member(2, TOY, username="bad2")
    platform.member(3, TOY)
    batches.route(platform.connection)
    for _ in range(100):
        batches.deliver(platform.connection, n)
    assert course.users == [3]


def test_a_running_worker_survives_a_refresh(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    platform.member(1, TOY)
    platform.deliver()  # this session keeps its link
    platform.execute("ALTER TABLE auth_userprofile ADD COLUMN bio text")
    course.execute("ALTER TABLE auth_userprofile ADD COLUMN bio text")
    portal.install(platform.dsn, platform.config)
    with psycopg.connect(platform.dsn, autocommit=True) as admin:
        refresh.refresh(admin, platform.config, course.name, course.dsn)
    platform.execute("UPDATE auth_userprofile SET bio = 'x'")
    assert not platform.deliver()


def test_route_mark_stays_behind_what_was_not_taken(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    platform.member(1, TOY)
    platform.deliver()
    platform.execute("DELETE FROM pyrepl.route_mark")
    platform.execute(
        "INSERT INTO pyrepl.change (database_id, users) VALUES (999, '{1}')"
    )
    platform.execute(
        "INSERT INTO pyrepl.change (users) SELECT '{9}' FROM generate_series(1, 4999)"
    )
    platform.execute("UPDATE auth_user SET email = 'new@x'")  # number 5001
    other = platform.session()  # as unregister does
    other.execute("DELETE FROM pyrepl.change WHERE database_id = 999")

    def route() -> None:
        with psycopg.connect(platform.dsn, autocommit=True) as c:
            c.execute("SELECT pyrepl.route()")

    thread = threading.Thread(target=route)
    thread.start()
    until(lambda: platform.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
    other.commit()
    thread.join()
    platform.deliver()
    assert course.user(1)["email"] == "new@x"


def test_a_push_that_nobody_answered_is_no_delivery(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    course.connection.execute(
        f"ALTER DATABASE {course.name} SET session_replication_role = replica".encode()
    )
    platform.member(1, TOY)
    with psycopg.connect(platform.dsn, autocommit=True) as c:
        stuck = batches.until_empty(c, databases.numbers(c, []))
    assert stuck or course.users == [1]


def test_one_dossier_that_crashes_the_server_is_set_aside(
    platform: Platform, new_cluster: NewCluster
) -> None:
    cluster = new_cluster()
    dsn = platform.new_course("crashy", askbot=True, cluster=cluster)
    course, _ = platform.register(dsn, TOY)
    n = number(platform, course)
    course.execute(
        "CREATE FUNCTION public.boom() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER AS $$"
        " BEGIN IF NEW.username = 'boom' THEN EXECUTE format("
        "'COPY (SELECT 1) TO PROGRAM ''kill -9 %s''', pg_backend_pid()); END IF;"
        " RETURN NEW; END $$"
    )
    course.execute(
        "CREATE TRIGGER boom BEFORE INSERT ON auth_user FOR EACH ROW"
        " EXECUTE FUNCTION public.boom()"
    )
    platform.member(1, TOY, username="boom")
    platform.member(2, TOY)
    batches.route(platform.connection)

    def set_aside() -> list[TupleRow]:
        cluster.start()
        if batches.deliver(platform.connection, n).outcome == "waiting":
            state.resume(platform.connection, [course.name])
        return platform.rows("SELECT user_id FROM pyrepl.retry")

    until(set_aside)
    assert platform.rows("SELECT user_id, attempts FROM pyrepl.retry") == [(1, 1)]
    until(lambda: batches.deliver(platform.connection, n).users == 1)
    with psycopg.connect(dsn) as c:
        assert c.execute("SELECT id FROM auth_user").fetchall() == [(2,)]


def test_a_new_person_who_is_no_member_is_not_written_on_an_erased_copy(
    platform: Platform,
) -> None:
    course = platform.course(TOY, askbot=True)
    course.execute("CREATE TABLE post (author int REFERENCES auth_user)")
    refresh.refresh(platform.connection, platform.config, course.name, course.dsn)
    platform.member(1, TOY, username="ann")
    platform.deliver()
    course.execute("INSERT INTO post VALUES (1)")
    drop_people(platform)
    platform.user(1, "stranger")
    platform.deliver()
    assert course.user(1)["username"] != "stranger"


def test_a_row_without_user_does_not_stop_route(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    platform.execute("ALTER TABLE student_courseenrollment ALTER user_id DROP NOT NULL")
    platform.execute(
        "INSERT INTO student_courseenrollment (course_id) VALUES (%s)", TOY
    )
    platform.member(1, TOY)
    platform.deliver()
    assert course.users == [1]


def test_serve_notices_that_another_died_serving(platform: Platform) -> None:
    platform.course(TOY, askbot=True)
    platform.execute("UPDATE pyrepl.health SET serving = 4000000")
    platform.member(1, TOY)
    platform.execute("CALL pyrepl.serve('0 s')")
    assert platform.rows("SELECT failed_at IS NOT NULL FROM pyrepl.health") == [(True,)]


def test_until_empty_goes_on_after_a_dead_serve(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    platform.execute("UPDATE pyrepl.health SET serving = 4000000")
    platform.member(1, TOY)
    assert platform.deliver() or course.users == [1]


def test_citext(platform: Platform) -> None:
    statement = (
        "CREATE EXTENSION citext; ALTER TABLE auth_user ALTER username TYPE citext"
    )
    platform.execute(statement)
    portal.install(platform.dsn, platform.config)
    dsn = platform.new_course(None, askbot=True)
    with psycopg.connect(dsn, autocommit=True) as c:
        c.execute(statement)
    course, _ = platform.register(dsn, TOY)
    platform.member(1, TOY)
    assert not platform.deliver()
    assert course.users == [1]


def test_adopt_with_profile_and_enrollment_of_its_own(platform: Platform) -> None:
    platform.member(1, TOY, username="ann")
    dsn = platform.new_course(None, askbot=True)
    with psycopg.connect(dsn, autocommit=True) as c:
        c.execute(LOCAL, (1, "ann"))
        c.execute(
            "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware,"
            " language, location) VALUES (7, 1, '', '', '', '', '')"
        )
        c.execute("INSERT INTO student_courseenrollment VALUES (900, 1, 'other')")
    platform.register(dsn, TOY, adopt=True)
    platform.assert_equal()


def test_adoption_outlives_a_locked_row(platform: Platform) -> None:
    platform.member(1, TOY, username="ann")
    platform.member(2, TOY)
    dsn = platform.new_course(None, askbot=True)
    with psycopg.connect(dsn, autocommit=True) as c, psycopg.connect(dsn) as holder:
        c.execute(LOCAL, (1, "ann"))
        register.register(
            platform.connection, platform.config, Request((TOY,), dsn, adopt=True)
        )
        holder.execute("SELECT FROM auth_user WHERE id = 1 FOR UPDATE")
        platform.execute(
            "ALTER SERVER pyrepl_1 OPTIONS (SET options '-c lock_timeout=100ms')"
        )
        n = next(iter(databases.numbers(platform.connection, []).values()))
        batches.route(platform.connection)
        while c.execute("SELECT count(*) FROM auth_user").fetchone() == (1,):
            batches.deliver(platform.connection, n)
        holder.rollback()
        platform.execute("UPDATE pyrepl.retry SET due_at = now()")
        assert not platform.deliver()


@pytest.mark.parametrize("adopt", [True, False])
def test_a_local_account_with_a_members_name(platform: Platform, adopt: bool) -> None:
    platform.member(1, TOY, username="ann")
    platform.member(2, TOY)
    dsn = platform.new_course(None, askbot=True)
    with psycopg.connect(dsn, autocommit=True) as c:
        c.execute(LOCAL, (500, "ann"))
    request = Request((TOY,), dsn, adopt=adopt)
    if adopt:
        register.register(platform.connection, platform.config, request)
    else:
        with pytest.raises(Exception, match="500"):
            register.register(platform.connection, platform.config, request)


def test_a_right_revoked_is_the_databases_fault(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    n = number(platform, course)
    course.about_owner("REVOKE INSERT ON auth_user FROM OWNER")
    platform.member(1, TOY)
    batches.route(platform.connection)
    for _ in range(10):
        batches.deliver(platform.connection, n)
    assert platform.rows("SELECT count(*) FROM pyrepl.retry") == [(0,)]


def test_unregister_beside_a_running_route_leaves_nothing(platform: Platform) -> None:
    course = platform.course(TOY, askbot=True)
    platform.member(1, TOY)
    router = platform.session()
    router.execute("SELECT pyrepl.route()")

    def forget() -> None:
        with psycopg.connect(platform.dsn, autocommit=True) as connection:
            unregister.unregister(connection, course.name, forget=True)

    thread = threading.Thread(target=forget)
    thread.start()
    until(lambda: platform.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
    router.commit()
    thread.join()
    assert platform.rows("SELECT count(*) FROM pyrepl.outbox") == [(0,)]


def test_serve_calls_no_operator_of_the_callers_path(platform: Platform) -> None:
    platform.course(TOY)
    platform.execute(
        "CREATE FUNCTION public.evil(integer[], integer) RETURNS integer[]"
        " LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'caught: ran as %', current_user; END $$"
    )
    platform.execute(
        "CREATE OPERATOR public.|| (FUNCTION = public.evil, LEFTARG = integer[],"
        " RIGHTARG = integer)"
    )
    platform.member(1, TOY)
    platform.execute("CALL pyrepl.serve('0 s')")


def test_registration_names_what_goes_with_an_enrollment(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    with psycopg.connect(dsn, autocommit=True) as course:
        course.execute(
            "CREATE TABLE certificate (enrollment integer"
            " REFERENCES student_courseenrollment ON DELETE CASCADE)"
        )
    _, told = platform.register(dsn, TOY)
    assert told.cascades == (
        "public.certificate (with public.student_courseenrollment)",
    )
