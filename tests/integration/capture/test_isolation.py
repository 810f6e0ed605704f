"""Nothing is lost, whatever runs at the same time and at whatever isolation level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, product
from typing import LiteralString

import psycopg
import pytest
from psycopg import IsolationLevel, errors, sql

from pyreplctl.core import databases
from pyreplctl.core.errors import DatabaseError
from pyreplctl.courses import register as registration
from pyreplctl.courses import state
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from tests.conftest import NewCourse
from tests.support.platform import Connection, Course, Platform
from tests.support.polling import until

TOY, OTHER = "edX/toy/2012_Fall", "MITx/6.002x/2012_Fall"
LEVELS = [
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.REPEATABLE_READ,
    IsolationLevel.SERIALIZABLE,
]


def begun(platform: Platform, level: IsolationLevel) -> Connection:
    """A transaction whose snapshot, if it keeps one, is taken."""
    session = platform.session()
    session.isolation_level = level
    session.execute("SELECT 1")
    return session


def enrolls(user: int) -> Callable[[Connection], object]:
    return lambda session: session.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id) VALUES (%s, %s)",
        (user, TOY),
    )


def edits(user: int) -> Callable[[Connection], object]:
    return lambda session: session.execute(
        "UPDATE auth_user SET email = 'edited' WHERE id = %s", (user,)
    )


def race(
    platform: Platform,
    level: IsolationLevel,
    first: Callable[[Connection], object],
    second: Callable[[Connection], object],
    *,
    late: bool,
    delivered: bool,
) -> None:
    """Run two transactions at once; the first to be named commits first.

    With `late` the second writes only when the first has committed, with a snapshot
    from before; with `delivered` a delivery runs between the commits.
    """
    one, other = begun(platform, level), begun(platform, level)
    first(one)
    if not late:
        second(other)
    one.commit()
    if delivered:
        assert platform.deliver() == {}
    if late:
        second(other)
    other.commit()
    one.close()
    other.close()
    assert platform.deliver() == {}


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_an_enrollment_and_an_edit_at_once_both_arrive_in_every_order(
    platform: Platform, level: IsolationLevel
) -> None:
    course = platform.course(TOY)
    numbers = count(1)
    for edit_first, late, delivered in product([True, False], repeat=3):
        user = platform.user(next(numbers))
        both = [edits(user), enrolls(user)]
        first, second = both if edit_first else reversed(both)
        race(platform, level, first, second, late=late, delivered=delivered)
        order = (edit_first, late, delivered)
        assert course.user(user).get("email") == "edited", order
    platform.assert_equal()


def fan_out_in_the_writer(platform: Platform) -> None:
    """Replace capture of users by triggers that join the enrollments themselves."""
    platform.execute(
        """
        DROP TRIGGER pyrepl_update ON auth_user;
        CREATE FUNCTION fan_out() RETURNS trigger LANGUAGE plpgsql AS $fan_out$
        BEGIN
            INSERT INTO pyrepl.outbox (database_id, user_id, priority, at)
            SELECT DISTINCT h.database_id, n.id, 0, now()
            FROM new_rows n
            JOIN student_courseenrollment e ON e.user_id = n.id
            JOIN pyrepl.hosting h ON h.course = e.course_id;
            RETURN NULL;
        END $fan_out$;
        CREATE TRIGGER fan_out AFTER UPDATE ON auth_user
        REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION fan_out()"""
    )


@pytest.mark.parametrize(
    ("level", "arrives"),
    [
        (IsolationLevel.READ_COMMITTED, "edited"),
        (IsolationLevel.REPEATABLE_READ, "user1@example.com"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_control_a_fan_out_in_the_writer_loses_the_edit(
    platform: Platform, level: IsolationLevel, arrives: str
) -> None:
    course = platform.course(TOY)
    fan_out_in_the_writer(platform)
    user = platform.user(1)
    race(platform, level, enrolls(user), edits(user), late=True, delivered=True)
    assert course.user(user)["email"] == arrives
    [found] = platform.verify().values()
    assert (found.ok, found.pending) == (arrives == "edited", 0)


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_an_unenrollment_and_an_enrollment_elsewhere_at_once_both_arrive(
    platform: Platform, level: IsolationLevel
) -> None:
    toy, other = platform.course(TOY), platform.course(OTHER)
    user = platform.member(1, TOY)
    assert platform.deliver() == {}
    race(
        platform,
        level,
        lambda session: session.execute("DELETE FROM student_courseenrollment"),
        lambda session: session.execute(
            "INSERT INTO student_courseenrollment (user_id, course_id) VALUES (%s, %s)",
            (user, OTHER),
        ),
        late=True,
        delivered=True,
    )
    assert (toy.enrollments, other.enrollments) == ([], [(1, OTHER)])
    platform.assert_equal()


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_a_writer_that_outlives_many_deliveries_is_not_forgotten(
    platform: Platform, level: IsolationLevel
) -> None:
    course = platform.course(TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    writer = begun(platform, level)
    edits(1)(writer)
    for number in range(4):  # let the mark move on each time
        platform.execute("UPDATE pyrepl.route_mark SET saved_at = '-infinity'")
        platform.execute("UPDATE auth_user SET email = %s WHERE id = 2", str(number))
        assert platform.deliver() == {}
    writer.commit()
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "edited"
    platform.assert_equal()


def test_control_a_mark_that_forgets_who_was_running_loses_that_writer(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    writer = begun(platform, IsolationLevel.READ_COMMITTED)
    edits(1)(writer)
    edits(2)(platform.connection)
    platform.execute("UPDATE pyrepl.route_mark SET saved_at = '-infinity'")
    assert platform.deliver() == {}
    platform.execute(
        "UPDATE pyrepl.route_mark SET snapshot = (pg_snapshot_xmax(snapshot) || ':'"
        " || pg_snapshot_xmax(snapshot) || ':')::pg_snapshot"
    )
    writer.commit()
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "user1@example.com"


def register(platform: Platform, dsn: str, *, backfill: bool = True) -> str:
    request = Request((TOY,), dsn, backfill=backfill)
    return registration.register(platform.connection, platform.config, request).name


def held(platform: Platform, dsn: str) -> list[int]:
    assert platform.deliver() == {}
    with psycopg.connect(dsn) as connection:
        query = "SELECT user_id FROM student_courseenrollment ORDER BY 1"
        return [row[0] for row in connection.execute(query)]


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_an_enrollment_that_is_open_while_a_course_is_registered_is_not_missed(
    platform: Platform, new_course: NewCourse, level: IsolationLevel
) -> None:
    dsn = new_course()
    for user in (1, 2):
        platform.user(user)
    platform.enroll(1, TOY)
    writer = begun(platform, level)
    enrolls(2)(writer)
    register(platform, dsn)
    assert held(platform, dsn) == [1]
    writer.commit()
    assert held(platform, dsn) == [1, 2]
    platform.assert_equal()


@pytest.mark.parametrize(
    ("again", "backfill", "expected"),
    [
        (False, True, [1, 2]),
        (True, True, [1, 2]),
        pytest.param(False, False, [], id="control: no backfill routed afterwards"),
    ],
)
def test_an_enrollment_that_commits_during_a_registration_is_not_missed(
    platform: Platform,
    new_course: NewCourse,
    again: bool,
    backfill: bool,
    expected: list[int],
) -> None:
    dsn = new_course()
    if again:  # the database is known, the course is added
        platform.register(dsn, OTHER)
    for user in (1, 2):
        platform.user(user)
    platform.enroll(1, TOY)
    with platform.connection.transaction():
        platform.connection.execute("SELECT 1")
        register(platform, dsn, backfill=backfill)
        meanwhile = platform.session(autocommit=True)
        enrolls(2)(meanwhile)
        # Routed where the registration is not seen: nobody hosts the course.
        batches.route(meanwhile)
        assert platform.rows("SELECT FROM pyrepl.change WHERE users IS NOT NULL") == []
    assert held(platform, dsn) == expected


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as made:
        yield made


def delivering(platform: Platform, pool: ThreadPoolExecutor) -> Future[object]:
    """Begin a delivery in another session."""
    session = platform.session(autocommit=True)
    return pool.submit(lambda: batches.deliver(session, 1).outcome)


def someone_waits(course: Course) -> bool:
    return bool(course.rows("SELECT FROM pg_locks WHERE NOT granted"))


def edit_while_a_delivery_is_in_hand(
    platform: Platform, course: Course, pool: ThreadPoolExecutor
) -> None:
    """Hold a delivery up at the course, after its dossiers were read, and edit."""
    platform.member(1, TOY)
    assert platform.deliver() == {}
    platform.execute("UPDATE auth_user SET email = 'first' WHERE id = 1")
    batches.route(platform.connection)
    with psycopg.connect(course.dsn) as holder:
        holder.execute("SELECT FROM auth_user WHERE id = 1 FOR UPDATE")
        delivery = delivering(platform, pool)
        until(lambda: someone_waits(course))
        platform.execute("UPDATE auth_user SET email = 'second' WHERE id = 1")
        batches.route(platform.connection)
    assert delivery.result() == "delivered"
    assert course.user(1)["email"] == "first"
    assert platform.deliver() == {}


def test_a_change_that_commits_while_its_dossier_is_delivered_is_delivered_again(
    platform: Platform, pool: ThreadPoolExecutor
) -> None:
    course = platform.course(TOY)
    edit_while_a_delivery_is_in_hand(platform, course, pool)
    assert course.user(1)["email"] == "second"
    platform.assert_equal()


def test_control_coalescing_with_a_pair_in_hand_loses_the_change(
    platform: Platform, pool: ThreadPoolExecutor
) -> None:
    course = platform.course(TOY)
    [(source,)] = platform.rows(
        "SELECT pg_get_functiondef('pyrepl.route_changes()'::regprocedure)"
    )
    without = source.replace("FOR KEY SHARE SKIP LOCKED", "")
    assert without != source
    platform.connection.execute(without.encode())
    edit_while_a_delivery_is_in_hand(platform, course, pool)
    assert course.user(1)["email"] == "first"
    assert not next(iter(platform.verify().values())).ok


def test_only_one_session_delivers_to_a_database_and_only_one_routes(
    platform: Platform,
) -> None:
    platform.course(TOY)
    first, second = platform.session(), platform.session(autocommit=True)
    first.execute("SELECT pyrepl.deliver(1)")
    assert batches.deliver(second, 1).outcome == "busy"
    first.rollback()
    first.execute("SELECT pyrepl.route()")
    assert second.execute("SELECT pyrepl.route()").fetchone() == (None,)
    first.rollback()
    assert batches.deliver(second, 1).outcome == "idle"


def test_several_sessions_deliver_while_others_write(
    platform: Platform, pool: ThreadPoolExecutor
) -> None:
    keys = [TOY, OTHER]
    held_by = [platform.course(key) for key in keys]
    for user in range(1, 21):
        platform.user(user)

    def write(worker: int, level: IsolationLevel) -> None:
        session = sessions[worker]
        session.isolation_level = level
        for step in range(25):
            user = 1 + (7 * step + worker) % 20
            key = keys[step % 2]
            try:
                with session.transaction():
                    session.execute(
                        "UPDATE auth_user SET email = %s WHERE id = %s",
                        (f"{worker}-{step}", user),
                    )
                    session.execute(
                        "MERGE INTO student_courseenrollment e USING (VALUES (%s, %s))"
                        " AS s (id, key) ON e.user_id = s.id AND e.course_id = s.key"
                        " WHEN MATCHED THEN DELETE"
                        " WHEN NOT MATCHED THEN INSERT (user_id, course_id)"
                        " VALUES (s.id, s.key)",
                        (user, key),
                    )
            except (
                errors.SerializationFailure,
                errors.UniqueViolation,
            ):
                continue

    def serve(session: Connection) -> None:
        while not all(writer.done() for writer in writers):
            batches.until_empty(session, databases.numbers(session, []))

    sessions = [platform.session(autocommit=True) for _ in range(6)]
    writers = [pool.submit(write, n, level) for n, level in enumerate(LEVELS)]
    servers = [pool.submit(serve, session) for session in sessions[3:]]
    for each in (*writers, *servers):
        each.result()
    assert platform.deliver() == {}
    platform.assert_equal()
    assert any(course.users for course in held_by)


CALLS: list[LiteralString] = [
    "SELECT pyrepl.route()",
    "SELECT pyrepl.deliver(1)",
    "SELECT pyrepl.delivery_failed(1, '08006', 'lost', NULL, NULL)",
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: level.name)
def test_route_and_deliver_refuse_a_snapshot_older_than_their_locks(
    platform: Platform, call: LiteralString, level: IsolationLevel
) -> None:
    session = platform.session()
    session.isolation_level = level
    session.execute("SET ROLE pyrepl_worker")
    with pytest.raises(psycopg.Error) as refused:
        session.execute(call)
    assert refused.value.sqlstate == "PR001"


@pytest.mark.parametrize("call", CALLS)
def test_route_and_deliver_refuse_a_transaction_that_has_written(
    platform: Platform, call: LiteralString
) -> None:
    session = platform.session()
    session.execute("UPDATE auth_user SET email = email")
    session.execute(call)  # nothing was written yet: there are no users
    session.rollback()
    platform.user(1)
    session.execute("UPDATE auth_user SET email = email")
    with pytest.raises(psycopg.Error) as refused:
        session.execute(call)
    assert refused.value.sqlstate == "PR001"


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("weak", ["off", "local"])
def test_route_and_deliver_wait_for_the_log_whatever_the_default(
    platform: Platform, call: LiteralString, weak: LiteralString
) -> None:
    session = platform.session(options=f"-c synchronous_commit={weak}")
    assert session.execute("SHOW synchronous_commit").fetchone() == (weak,)
    session.execute(call)
    assert session.execute("SHOW synchronous_commit").fetchone() == ("on",)
    session.commit()
    assert session.execute("SHOW synchronous_commit").fetchone() == (weak,)


def test_the_course_waits_for_the_log_whatever_its_default(platform: Platform) -> None:
    course = platform.course(TOY)
    course.connection.execute(
        sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(
            sql.Identifier(course.name)
        )
    )
    course.about_owner(
        """
        CREATE TABLE seen AS SELECT '' AS commits, '' AS level;
        GRANT ALL ON seen TO OWNER;
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $note$
        BEGIN
            UPDATE public.seen SET commits = current_setting('synchronous_commit'),
                level = current_setting('transaction_isolation');
            RETURN NEW;
        END $note$;
        CREATE TRIGGER note BEFORE INSERT ON auth_user
        FOR EACH ROW EXECUTE FUNCTION note()"""
    )
    reconnect(platform)
    platform.member(1, TOY)
    assert platform.deliver() == {}
    assert course.rows("SELECT * FROM seen") == [("on", "repeatable read")]


def reconnect(platform: Platform) -> None:
    """Let the portal's next push log in anew, with the database's settings of now."""
    platform.execute("SELECT pyrepl.postgres_fdw_disconnect_all()")


def protect(platform: Platform, table: LiteralString) -> None:
    """Let a policy hide every row from everybody who is no superuser."""
    platform.execute("ALTER TABLE " + table + " ENABLE ROW LEVEL SECURITY")


def refusal(platform: Platform) -> str | None:
    """The SQLSTATE with which route raises, or deliver."""
    try:
        platform.deliver()
    except (psycopg.Error, DatabaseError) as error:
        return error.sqlstate
    [(sqlstate,)] = platform.rows("SELECT sqlstate FROM pyrepl.failures(1)")
    return str(sqlstate)


TABLES: list[LiteralString] = [
    "auth_user",
    "auth_userprofile",
    "student_courseenrollment",
]


@pytest.mark.parametrize("table", TABLES)
def test_a_policy_added_later_stops_deliveries_instead_of_hiding_rows(
    platform: Platform, table: LiteralString
) -> None:
    course = platform.course(TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    protect(platform, table)
    platform.execute("UPDATE auth_user SET email = 'new'")
    assert refusal(platform) == errors.InsufficientPrivilege.sqlstate
    assert (course.users, course.profiles) == ([1, 2], [1, 2])
    assert course.enrollments == [(1, TOY), (2, TOY)]

    platform.execute("ALTER TABLE " + table + " DISABLE ROW LEVEL SECURITY")
    state.resume(platform.connection, [course.name])
    assert platform.deliver() == {}
    assert course.user(1)["email"] == "new"
    platform.assert_equal()


def test_control_with_row_security_on_hidden_rows_look_deleted(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    assert platform.deliver() == {}
    platform.execute(
        "ALTER FUNCTION pyrepl.dossiers_1(bigint[], bigint[]) SET row_security = on"
    )
    protect(platform, "auth_user")
    platform.execute("UPDATE auth_user SET email = 'new'")
    assert platform.deliver() == {}
    assert course.users == []


@pytest.mark.parametrize("table", TABLES)
def test_a_truncate_of_rows_that_a_policy_hides_concerns_everybody(
    platform: Platform, table: LiteralString
) -> None:
    platform.member(1, TOY)
    assert platform.deliver() == {}
    protect(platform, table)
    platform.execute("TRUNCATE " + table + " CASCADE")
    rows = platform.rows("SELECT users FROM pyrepl.change WHERE users IS NULL")
    assert rows
