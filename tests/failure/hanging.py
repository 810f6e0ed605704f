"""Deliveries that are caught in the course's COMMIT, for as long as a test likes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

from pyreplctl.delivery import batches
from pyreplctl.delivery.batches import Outcome
from tests.support.platform import Connection, Course, Platform


def let_commits_hang(course: Course) -> None:
    """Let whatever writes a user hang in its COMMIT, until `let_go`.

    Apply ends with SET CONSTRAINTS ALL IMMEDIATE. That makes the first trigger fire,
    and this one defers the second again. `written` counts the user rows written.
    """
    course.about_owner(
        """
        CREATE TABLE written ();
        GRANT INSERT ON written TO OWNER;
        CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0
        AS $hang$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $hang$;
        CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON written
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hang();
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
        AS $note$
        BEGIN
            SET CONSTRAINTS public.hang DEFERRED;
            INSERT INTO public.written DEFAULT VALUES;
            RETURN NULL;
        END $note$;
        CREATE CONSTRAINT TRIGGER note AFTER UPDATE ON auth_user
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
        SELECT pg_advisory_lock(1)"""
    )


def let_go(course: Course) -> None:
    course.execute("SELECT pg_advisory_unlock(1)")


def waiting(course: Course) -> int:
    """How many sessions wait for a lock at the course."""
    return len(
        course.rows(
            "SELECT DISTINCT l.pid FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE NOT l.granted AND a.datname = current_database()"
        )
    )


def begin(
    platform: Platform, pool: ThreadPoolExecutor, session: Connection | None = None
) -> tuple[int, Future[Outcome]]:
    """Let another session deliver what is there; return its backend's number too."""
    batches.route(platform.connection)
    session = session or platform.session(autocommit=True)
    return session.info.backend_pid, pool.submit(batches.deliver, session, 1)
