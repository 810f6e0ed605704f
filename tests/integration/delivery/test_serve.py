"""pyrepl.serve where a database dies in mid-delivery, and the call with it."""

from __future__ import annotations

import threading
from contextlib import suppress

import psycopg
import pytest

from pyreplctl.delivery import status
from tests.conftest import NewCluster
from tests.support.platform import Course, Platform
from tests.support.polling import until

NEAR, FAR = "edX/near", "edX/far"

# A row that ends the session which writes it, as one does that crashes its server.
BOMB = """
    CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF new.username = 'bomb' THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
        RETURN new;
    END $$;
    CREATE TRIGGER die BEFORE INSERT ON auth_user FOR EACH ROW EXECUTE FUNCTION die();
"""


def call(platform: Platform, length: str = "0 s") -> bool:
    """Call pyrepl.serve in a session of its own; return whether it ended well."""
    with platform.session(autocommit=True) as session:
        try:
            session.execute("CALL pyrepl.serve(%s)", (length,))
        except psycopg.Error:
            return False
        return True


@pytest.mark.failure
def test_a_server_killed_in_mid_delivery_starves_no_other(
    platform: Platform, new_cluster: NewCluster
) -> None:
    server = new_cluster()
    far, near = platform.course(FAR, cluster=server), platform.course(NEAR)
    with psycopg.connect(far.dsn) as holder:
        holder.execute("LOCK TABLE auth_user")  # so that the delivery stays in hand
        platform.member(1, FAR, NEAR)
        serving = threading.Thread(target=call, args=(platform,))
        serving.start()
        until(lambda: waits_for_a_lock(server.conninfo()))
        server.kill()
        serving.join()
        with suppress(psycopg.Error):
            holder.rollback()
    platform.member(2, FAR, NEAR)
    assert call(platform)  # the server is still down
    assert near.users == [1, 2]
    until(lambda: call(platform) and health(platform, far) == "backing_off")
    server.start()
    platform.execute("UPDATE pyrepl.health SET retry_at = NULL")
    until(lambda: call(platform) and health(platform, far) == "ok")
    platform.execute("UPDATE pyrepl.health SET retry_at = NULL")
    until(lambda: call(platform) and not pending(platform))
    platform.assert_equal()


def waits_for_a_lock(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return bool(
            connection.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall()
        )


def health(platform: Platform, course: Course) -> str:
    found = status.read(platform.connection).databases
    return next(d.health for d in found if d.name == course.name)


def pending(platform: Platform) -> int:
    found = status.read(platform.connection)
    return found.unrouted + sum(d.pending + d.retrying for d in found.databases)


@pytest.mark.failure
@pytest.mark.parametrize("length", ["0 s", "200 ms"])
def test_a_dossier_that_kills_every_call_is_found_and_starves_no_other(
    platform: Platform, length: str
) -> None:
    far, near = dying(platform)
    ended = []
    for number in range(100, 140):
        platform.member(number, NEAR)
        ended += [call(platform, length), call(platform, length)]
        assert number in near.users
        platform.execute("UPDATE pyrepl.health SET retry_at = NULL")
        if platform.rows("SELECT FROM pyrepl.retry"):
            break
    assert not all(ended)
    assert platform.rows("SELECT user_id FROM pyrepl.retry") == [(3,)]
    until(lambda: call(platform) and far.users == [1, 2, 4, 5, 6, 7, 8])


def test_a_call_that_fails_leaves_nothing_that_says_a_clock_is_alive(
    platform: Platform,
) -> None:
    def alive() -> bool:
        return bool(
            platform.rows(
                "SELECT FROM pg_locks WHERE locktype = 'advisory'"
                " AND classid = 1887007344 AND objid = 4294967294"
                " AND database = (SELECT oid FROM pg_database"
                " WHERE datname = current_database())"
            )
        )

    with platform.session(autocommit=True) as session:
        ended: list[BaseException] = []

        def run() -> None:
            try:
                session.execute("CALL pyrepl.serve('1 min')")
            except psycopg.Error as error:
                ended.append(error)

        serving = threading.Thread(target=run)
        serving.start()
        until(alive)
        session.cancel_safe()
        serving.join()
        assert [type(error) for error in ended] == [psycopg.errors.QueryCanceled]
        assert not alive()  # though the session goes on


@pytest.mark.failure
def test_control_a_serve_that_does_not_say_whom_it_serves_starves_others(
    platform: Platform,
) -> None:
    _, near = dying(platform)
    platform.execute(
        "CREATE OR REPLACE FUNCTION"
        " pyrepl.serving(p_database integer, p_begins boolean)"
        " RETURNS void LANGUAGE sql AS ''"
    )
    platform.member(100, NEAR)
    assert [call(platform) for _ in range(6)] == [False] * 6
    assert near.users == []


def dying(platform: Platform) -> tuple[Course, Course]:
    """Return a course that ends what delivers user 3 to it, and one that is well."""
    far, near = platform.course(FAR), platform.course(NEAR)
    far.execute(BOMB)
    for number in range(1, 9):
        platform.member(number, FAR, username="bomb" if number == 3 else None)
    return far, near
