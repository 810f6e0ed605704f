from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import IsolationLevel

from pyreplctl.core.config import Config
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import delivery_mode as mode
from pyreplctl.delivery import batches, status
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import NewCluster
from tests.support.platform import Course, Platform
from tests.support.polling import until

TOY, OTHER = "edX/toy/2012_Fall", "MITx/6.002x/2012_Fall"


@pytest.fixture
def course(immediate: Platform) -> Course:
    return immediate.course(TOY, delivery="immediate")


def effective(platform: Platform) -> str:
    (database,) = status.read(platform.connection).databases
    return database.effective_delivery


def waiting(platform: Platform) -> int:
    """Count what the queues hold, of whatever database."""
    query = "SELECT (SELECT count(*) FROM pyrepl.change)"
    [(changes,)] = platform.rows(query)
    [(pairs,)] = platform.rows("SELECT count(*) FROM pyrepl.outbox")
    return int(changes) + int(pairs)


def test_rows_are_at_the_course_when_commit_returns(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    assert course.users == [1]
    assert course.profiles == [1]
    assert course.enrollments == [(1, TOY)]
    immediate.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 1")
    assert course.user(1)["email"] == "new@example.com"
    immediate.unenroll(1, TOY)
    assert course.enrollments == []
    assert waiting(immediate) == 0
    immediate.assert_equal()


def test_they_are_not_there_before(immediate: Platform, course: Course) -> None:
    immediate.member(1, TOY)
    session = immediate.session()
    session.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 1")
    assert course.user(1)["email"] != "new@example.com"
    session.commit()
    assert course.user(1)["email"] == "new@example.com"


def test_what_is_rolled_back_never_gets_there(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    session = immediate.session()
    session.execute("UPDATE auth_user SET first_name = 'kept' WHERE id = 1")
    session.execute("SAVEPOINT s")
    session.execute("UPDATE auth_user SET last_name = 'lost' WHERE id = 1")
    session.execute("ROLLBACK TO s")
    session.commit()
    session.execute("UPDATE auth_user SET last_name = 'lost' WHERE id = 1")
    session.rollback()
    assert course.user(1)["first_name"] == "kept"
    assert course.user(1)["last_name"] == "Last"


def test_constraints_set_immediate_push_in_the_middle(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    session = immediate.session()
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for name in ("one", "two", "three"):
        session.execute("UPDATE auth_user SET first_name = %s WHERE id = 1", (name,))
    assert course.user(1)["first_name"] == "First"
    session.commit()
    assert course.user(1)["first_name"] == "three"
    assert waiting(immediate) == 0


@pytest.mark.parametrize(
    "level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE]
)
def test_other_isolation_levels_stay_queued(
    immediate: Platform, course: Course, level: IsolationLevel
) -> None:
    immediate.member(1, TOY)
    session = immediate.session()
    session.isolation_level = level
    session.execute("UPDATE auth_user SET first_name = 'later' WHERE id = 1")
    session.commit()
    assert course.user(1)["first_name"] == "First"
    assert waiting(immediate) == 1
    assert immediate.deliver() == {}
    assert course.user(1)["first_name"] == "later"


@pytest.mark.parametrize("users", [20, 21])
def test_more_than_twenty_users_stay_queued(
    immediate: Platform, course: Course, users: int
) -> None:
    for number in range(1, users + 1):
        immediate.user(number, profile=False)
    with immediate.session() as session:
        for number in range(1, users + 1):
            session.execute(
                "INSERT INTO student_courseenrollment (user_id, course_id)"
                " VALUES (%s, %s)",
                (number, TOY),
            )
    assert len(course.users) == (20 if users == 20 else 0)
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_a_queued_database_gets_its_part_from_the_queue(
    immediate: Platform, course: Course
) -> None:
    queued = immediate.course(OTHER)
    immediate.member(1, TOY, OTHER)
    assert (course.users, queued.users) == ([1], [])
    assert immediate.deliver() == {}
    assert queued.users == [1]
    immediate.execute("UPDATE auth_user SET first_name = 'new' WHERE id = 1")
    [(number,)] = immediate.rows("SELECT database_id FROM pyrepl.change")
    assert immediate.rows(
        "SELECT name FROM pyrepl.databases() WHERE id = %s", number
    ) == [(queued.name,)]
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_a_course_that_is_away_fails_no_writer_and_needs_no_clock_afterwards(
    immediate: Platform, new_cluster: NewCluster
) -> None:
    server = new_cluster()
    course = immediate.course(TOY, delivery="immediate", cluster=server)
    for number in range(1, 31):
        immediate.member(number, TOY)
    server.stop("immediate")
    immediate.execute("UPDATE auth_user SET first_name = 'away' WHERE id <= 15")
    immediate.execute("UPDATE auth_user SET first_name = 'too' WHERE id > 15")
    assert effective(immediate) == "queued"
    server.start()
    course.connection.close()
    # Some seconds later:
    immediate.execute("UPDATE pyrepl.health SET retry_at = NULL, stalled_at = NULL")
    for number in range(1, 10):
        immediate.execute(
            "UPDATE auth_user SET last_name = %s WHERE id = 1", str(number)
        )
    assert effective(immediate) == "immediate"
    assert waiting(immediate) == 0
    immediate.assert_equal()


def test_where_a_clock_is_alive_writers_do_not_do_its_work(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    immediate.member(2, TOY)
    immediate.execute("UPDATE pyrepl.database SET state = 'paused'")
    immediate.execute("UPDATE auth_user SET first_name = 'waits' WHERE id = 1")
    immediate.execute("UPDATE pyrepl.database SET state = 'active'")
    clock = immediate.session(autocommit=True)
    clock.execute("SELECT pyrepl.tick('worker', 'me')")
    immediate.execute("UPDATE auth_user SET first_name = 'goes' WHERE id = 2")
    assert course.user(2)["first_name"] == "goes"
    assert course.user(1)["first_name"] == "First"
    clock.close()

    def taken_up() -> bool:
        immediate.execute("UPDATE auth_user SET first_name = 'a' WHERE id = 2")
        immediate.execute("UPDATE auth_user SET first_name = 'b' WHERE id = 2")
        return bool(course.user(1)["first_name"] == "waits")

    until(taken_up)


def test_a_bad_dossier_fails_no_writer_and_is_set_aside(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    immediate.member(2, TOY)
    course.execute("ALTER TABLE auth_user ADD CHECK (first_name <> 'bad')")
    immediate.execute("UPDATE auth_user SET first_name = 'bad' WHERE id = 1")
    stuck = immediate.deliver()
    assert list(stuck) == [course.name]
    assert immediate.rows("SELECT user_id FROM pyrepl.retry") == [(1,)]
    immediate.execute("UPDATE auth_user SET first_name = 'good' WHERE id = 2")
    assert course.user(2)["first_name"] == "good"
    immediate.execute("UPDATE auth_user SET first_name = 'repaired' WHERE id = 1")
    assert immediate.deliver() == {}
    assert course.user(1)["first_name"] == "repaired"


def test_a_paused_database_is_left_to_its_queue(
    immediate: Platform, course: Course
) -> None:
    immediate.execute("UPDATE pyrepl.database SET state = 'paused'")
    immediate.member(1, TOY)
    assert course.users == []
    assert effective(immediate) == "queued"
    immediate.execute("UPDATE pyrepl.database SET state = 'active'")
    assert immediate.deliver() == {}
    assert course.users == [1]


def test_an_application_delivers_without_any_right_of_ours(
    immediate: Platform, course: Course
) -> None:
    immediate.execute("DROP ROLE IF EXISTS application")
    immediate.execute("CREATE ROLE application")
    immediate.execute("GRANT SELECT, UPDATE ON auth_user TO application")
    immediate.member(1, TOY)
    session = immediate.session()
    session.execute("SET ROLE application")
    session.execute("UPDATE auth_user SET first_name = 'new' WHERE id = 1")
    session.commit()
    assert course.user(1)["first_name"] == "new"
    session.close()
    immediate.execute("DROP OWNED BY application")
    immediate.execute("DROP ROLE application")


def test_its_role_has_connections_of_its_own(
    immediate: Platform, course: Course
) -> None:
    immediate.member(1, TOY)
    [(role,)] = immediate.rows("SELECT link_role FROM pyrepl.database")
    hurried = f"{role}_immediate"
    course.connection.execute(f"ALTER ROLE {hurried} CONNECTION LIMIT 0".encode())
    clock = immediate.session(autocommit=True)
    clock.execute("SELECT pyrepl.tick('worker', 'me')")
    session = immediate.session(autocommit=True)  # the first one keeps its connection
    session.execute("UPDATE auth_user SET first_name = 'queued' WHERE id = 1")
    assert course.user(1)["first_name"] == "First"
    assert immediate.deliver() == {}
    assert course.user(1)["first_name"] == "queued"


def test_a_database_goes_to_and_fro(immediate: Platform) -> None:
    course = immediate.course(TOY)
    immediate.member(1, TOY)
    assert course.users == []
    change = mode.set_delivery(
        immediate.connection, Config(), course.name, "immediate", course.dsn
    )
    assert [(c.object, c.detail) for c in change] == [("delivery", "immediate")]
    again = mode.set_delivery(immediate.connection, Config(), course.name, "immediate")
    assert again == []
    immediate.execute("UPDATE auth_user SET first_name = 'new' WHERE id = 1")
    assert course.user(1)["first_name"] == "new"
    mode.set_delivery(immediate.connection, Config(), course.name, "queued")
    immediate.execute("UPDATE auth_user SET first_name = 'newer' WHERE id = 1")
    assert course.user(1)["first_name"] == "new"
    assert effective(immediate) == "queued"
    mode.set_delivery(
        immediate.connection, Config(), course.name, "immediate", course.dsn
    )
    immediate.execute("UPDATE auth_user SET first_name = 'newest' WHERE id = 1")
    assert course.user(1)["first_name"] == "newest"
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_a_portal_with_prepared_transactions_is_refused(
    platform: Platform, portal_cluster: Cluster
) -> None:
    del portal_cluster
    with pytest.raises(NotSuitable, match="max_prepared_transactions = 10"):
        platform.course(TOY, delivery="immediate")
    assert platform.rows("SELECT FROM pyrepl.database") == []


def test_a_half_done_switch_leaves_no_role_behind(immediate: Platform) -> None:
    course = immediate.course(TOY)
    course.about_owner("REVOKE ALL ON FUNCTION pyrepl.check_push FROM OWNER")
    with pytest.raises(Exception, match="trial push"):
        mode.set_delivery(
            immediate.connection, Config(), course.name, "immediate", course.dsn
        )
    assert effective(immediate) == "queued"
    [(role,)] = immediate.rows("SELECT link_role FROM pyrepl.database")
    role += "_immediate"
    assert course.rows("SELECT FROM pg_roles WHERE rolname = %s", role) == []
    servers = immediate.rows("SELECT srvname::text FROM pg_foreign_server")
    assert servers == [("pyrepl_1",)]


def test_a_frozen_course_holds_only_the_writers_that_were_on_their_way(
    immediate: Platform, new_cluster: NewCluster
) -> None:
    server = new_cluster()
    immediate.course(TOY, delivery="immediate", cluster=server)
    immediate.member(1, TOY)
    immediate.member(2, TOY)
    session = immediate.session(autocommit=True)
    session.execute("UPDATE auth_user SET first_name = 'warm' WHERE id = 1")
    server.freeze()
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(
            session.execute, "UPDATE auth_user SET first_name = 'hung' WHERE id = 1"
        )
        try:
            until(lambda: immediate.rows("SELECT FROM pg_locks WHERE objsubid = 2"))
            assert batches.deliver(immediate.connection, 1).outcome == "busy"
            assert effective(immediate) == "queued"
            immediate.execute("UPDATE auth_user SET last_name = 'free' WHERE id = 2")
            assert not hung.done()
        finally:
            server.thaw()
        hung.result()
    immediate.execute("UPDATE pyrepl.health SET retry_at = NULL, stalled_at = NULL")
    assert immediate.deliver() == {}
    immediate.assert_equal()


def test_a_writer_that_routed_is_not_taken_for_one_that_has_ended(
    immediate: Platform, course: Course
) -> None:
    """Its own number is in no snapshot of its own: a mark of its would pass it."""
    immediate.member(1, TOY)
    session = immediate.session()
    session.execute("SET CONSTRAINTS ALL IMMEDIATE")
    session.execute("SELECT pg_current_xact_id()")
    immediate.execute("SELECT pg_current_xact_id()")  # a later one ends before
    immediate.execute("DELETE FROM pyrepl.route_mark")
    session.execute("UPDATE auth_user SET first_name = 'routed' WHERE id = 1")
    assert session.execute("SELECT count(*) FROM pyrepl.route_mark").fetchone() == (1,)
    immediate.execute("UPDATE pyrepl.database SET state = 'paused'")
    session.execute("UPDATE auth_user SET first_name = 'later' WHERE id = 1")
    session.commit()
    immediate.execute("UPDATE pyrepl.database SET state = 'active'")
    assert immediate.deliver() == {}
    assert course.user(1)["first_name"] == "later"
    assert waiting(immediate) == 0
