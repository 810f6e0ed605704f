"""A portal and its course databases for the property test: kept, and emptied each time.

Everything here reads and breaks by plain SQL; nothing of ours says what is right.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.core.config import Mode
from pyreplctl.courses import hosting, register, state
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from tests.failure.model import Held, Truth, User
from tests.support.platform import AS_OWNER, Connection, Course, Platform
from tests.support.polling import until

HOSTED = {"east": ("e1", "e2"), "west": ("w1",), "north": ("n1",)}
NOWHERE = "nowhere"
KEYS = (*(key for keys in HOSTED.values() for key in keys), NOWHERE)
LOCAL = 9000
SESSIONS = 2
_GATE = 7
_COLUMNS = (
    "id, username, first_name, last_name, email, password, is_staff, is_active,"
    " is_superuser, last_login, date_joined"
)


@dataclass
class World:
    """The databases, and sessions of the portal that write."""

    platform: Platform
    courses: dict[str, Course] = field(default_factory=dict)
    sessions: list[Connection] = field(default_factory=list)
    immediate: str | None = None
    verified: bool = True

    @classmethod
    def made(cls, platform: Platform, immediate: str | None = None) -> World:
        """Register the courses; at one of them other tables refer to users."""
        world = cls(platform, immediate=immediate)
        # Counts how often a row was inserted or got its id. It is no agreed column.
        platform.execute("ALTER TABLE auth_user ADD incarnation serial")
        for name, keys in HOSTED.items():
            delivery: Mode = "immediate" if name == immediate else "queued"
            course = platform.course(*keys, delivery=delivery)
            world.courses[name] = course
            _prepare(course)
        world.courses["east"].about_owner(
            "CREATE TABLE post (author integer NOT NULL"
            " REFERENCES auth_user ON DELETE CASCADE);"
            " GRANT SELECT ON post TO OWNER"
        )
        for _ in range(SESSIONS + 1):
            world.sessions.append(
                platform.session(options="-c lock_timeout=20ms -c timezone=UTC")
            )
        return world

    @property
    def spare(self) -> Connection:
        """A session besides those of the rules, for whole transactions."""
        return self.sessions[SESSIONS]

    @property
    def numbers(self) -> dict[str, int]:
        """Numbers of the course databases by our names."""
        known = databases.numbers(self.platform.connection, [])
        return {name: known[course.name] for name, course in self.courses.items()}

    def empty(self) -> None:
        """Begin anew: no rows, no copies, nothing that waits, every course at home."""
        for session in self.sessions:
            session.rollback()
        self.lift()
        for course in self.courses.values():
            with course.connection.transaction():
                course.execute("SET LOCAL session_replication_role = replica")
                course.execute("DROP TRIGGER IF EXISTS refuse ON auth_user")
                if course is self.courses["east"]:
                    course.execute("DELETE FROM post")
                course.execute(AS_OWNER)
                for table in _TABLES:
                    _delete(course.connection, table, _OTHERS.get(table))
                course.execute("DELETE FROM pyrepl.copy")
                course.execute("DELETE FROM pyrepl.receipt")
        execute = self.platform.execute
        execute("TRUNCATE auth_user, auth_userprofile, student_courseenrollment")
        for table in ("change", "outbox", "retry", "placement", "departure"):
            _delete(self.platform.connection, f"pyrepl.{table}")
        execute("DELETE FROM pyrepl.hosting")
        for name, number in self.numbers.items():
            execute(
                "INSERT INTO pyrepl.hosting (course, database_id)"
                " SELECT unnest(%s::text[]), %s",
                list(HOSTED[name]),
                number,
            )
        execute(
            "UPDATE pyrepl.health SET health = 'ok', phase = 'normal', batch = NULL,"
            " intent = NULL, suspect = false, failures = 0, retry_at = NULL,"
            " companions = '{}', holders = '{}'"
        )

    def truth(self, session: Connection | None = None) -> Truth:
        """Read the portal's rows as a session sees them; without one, as committed."""
        session = session or self.platform.connection

        def read(query: LiteralString) -> list[TupleRow]:
            return session.execute(query).fetchall()

        users = {
            row[0]: User(row[:-1], row[-2], row[-1])
            for row in read(f"SELECT {_COLUMNS}, incarnation FROM auth_user")
        }
        profiles = {row[1]: row for row in read("SELECT * FROM auth_userprofile")}
        enrollments = {
            row[0]: (row[1], row[2], row)
            for row in read("SELECT * FROM student_courseenrollment")
        }
        return Truth(users, profiles, enrollments)

    def held(self, name: str) -> Held:
        """Read what a course database holds, without its own account."""
        read = self.courses[name].rows
        users = {row[0]: row for row in read(f"SELECT {_COLUMNS} FROM auth_user")}
        local = users.pop(LOCAL)
        assert local[1] == "course_admin", local
        profiles = {row[1]: row for row in read("SELECT * FROM auth_userprofile")}
        enrollments = {
            row[0]: row for row in read("SELECT * FROM student_courseenrollment")
        }
        posts = read("SELECT author FROM post") if name == "east" else []
        blank = {
            user
            for user, row in users.items()
            if row[2:6] == ("", "", "", "") and not row[7]
        }
        return Held(
            users,
            profiles,
            enrollments,
            frozenset(blank),
            frozenset(row[0] for row in posts),
        )

    def lift(self) -> None:
        """End all faults that last."""
        for name, course in self.courses.items():
            self.reachable(name, yes=True)
            course.execute("DROP TRIGGER IF EXISTS refuse ON auth_user")
        state.resume(self.platform.connection, [])
        self.platform.execute("UPDATE pyrepl.health SET stalled_at = NULL")

    def deliver_everything(self) -> None:
        """Lift all faults and deliver until nothing waits."""
        self.lift()
        connection = self.platform.connection
        for _ in range(8):
            self.platform.execute("UPDATE pyrepl.retry SET due_at = now()")
            self.platform.execute(
                "UPDATE pyrepl.health SET settle_at = now() WHERE settle_at IS NOT NULL"
            )
            stuck: object = batches.until_empty(
                connection, databases.numbers(connection, [])
            )
            if not (stuck := stuck or self._unsettled()):
                return
            state.resume(connection, [])
        raise AssertionError(f"stuck: {stuck}")

    def _unsettled(self) -> list[object]:
        """Return receipts that nobody has looked at, and changes made by who did."""
        found: list[object] = list(self.platform.rows("SELECT * FROM pyrepl.change"))
        for course in self.courses.values():
            found += course.rows("SELECT * FROM pyrepl.receipt")
        return found

    def move(self, key: str, name: str) -> None:
        """Let another database host a course; to register, it must be reachable."""
        self.reachable(name, yes=True)
        for other, course in self.courses.items():
            hosted = self.platform.rows(
                "SELECT FROM pyrepl.hosting WHERE course = %s AND active"
                " AND database_id = %s",
                key,
                self.numbers[other],
            )
            if hosted:
                hosting.remove_course(self.platform.connection, course.name, key)
        request = Request((key,), self.courses[name].dsn)
        register.register(self.platform.connection, self.platform.config, request)

    def reachable(self, name: str, *, yes: bool) -> None:
        """Let the portal connect to a course database, or not."""
        course = self.courses[name]
        for (role,) in course.rows(
            "SELECT rolname FROM pg_roles, pyrepl.binding"
            " WHERE rolname IN (link_role, link_role || '_immediate')"
        ):
            login = sql.SQL("LOGIN" if yes else "NOLOGIN")
            course.connection.execute(
                sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(role), login)
            )
        if not yes:
            self.cut(name)

    def cut(self, name: str) -> None:
        """End all connections of links to a course database."""
        self.courses[name].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database()"
            " AND application_name LIKE 'pyreplctl link%%'"
        )

    def refuse(self, name: str, user: int) -> None:
        """Let a trigger of the course raise for one user."""
        self.courses[name].connection.execute(
            sql.SQL(
                "CREATE OR REPLACE TRIGGER refuse BEFORE INSERT OR UPDATE ON auth_user"
                " FOR EACH ROW WHEN (NEW.id = {}) EXECUTE FUNCTION refuse()"
            ).format(user)
        )

    def lose_acknowledgement(self, name: str) -> None:
        """End a delivery between the course's COMMIT and its own, if one is due."""
        batches.route(self.platform.connection)
        with psycopg.connect(self.platform.dsn, autocommit=True) as session:
            number = self.numbers[name]
            self._end_in_commit(name, session, lambda: batches.deliver(session, number))

    def lose_writer(
        self, name: str, deed: Callable[[Connection], object]
    ) -> Truth | None:
        """End a writer between the course's COMMIT and its own, if it comes to that.

        Returns what it would have committed; None if the deed itself failed.
        """
        phantom: Truth | None = None
        with psycopg.connect(
            self.platform.dsn, options="-c lock_timeout=20ms"
        ) as session:
            session.isolation_level = IsolationLevel.READ_COMMITTED

            def write() -> None:
                nonlocal phantom
                deed(session)
                phantom = self.truth(session)
                session.commit()

            self._end_in_commit(name, session, write)
        return phantom

    def _end_in_commit(
        self, name: str, session: Connection, work: Callable[[], object]
    ) -> None:
        course = self.courses[name]
        course.execute("SELECT pg_advisory_lock(%s)", _GATE)
        try:
            with ThreadPoolExecutor() as pool:
                working = pool.submit(work)
                until(lambda: working.done() or _held_up(course))
                if not working.done():
                    self.platform.execute(
                        "SELECT pg_terminate_backend(%s)", session.info.backend_pid
                    )
                with suppress(psycopg.Error):
                    working.result()
        finally:
            course.execute("SELECT pg_advisory_unlock(%s)", _GATE)
        until(lambda: not _at_work(course))


_TABLES = ("student_courseenrollment", "auth_userprofile", "auth_user")
_OTHERS = {"auth_user": LOCAL}


def _delete(connection: Connection, table: str, but: int | None = None) -> None:
    statement = f"DELETE FROM {table}" + (f" WHERE id <> {but}" if but else "")
    connection.execute(statement.encode())


def _prepare(course: Course) -> None:
    """Give a course an account of its own, a trigger function, and a gate at COMMIT.

    Apply ends with SET CONSTRAINTS ALL IMMEDIATE. That fires the first trigger, which
    defers the second one again: it waits while somebody holds the lock.
    """
    course.about_owner(
        """
        INSERT INTO auth_user (id, username, first_name, last_name, email, password,
            is_staff, is_active, is_superuser, last_login, date_joined)
        VALUES (9000, 'course_admin', '', '', '', 'local', true, true, true, now(),
            now());
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $refuse$ BEGIN RAISE 'refused'; END $refuse$;
        CREATE TABLE gate ();
        GRANT INSERT ON gate TO OWNER;
        CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql
        SET lock_timeout = 0
        AS $wait_at_gate$
        BEGIN
            PERFORM pg_advisory_xact_lock_shared(7);
            RETURN NULL;
        END $wait_at_gate$;
        CREATE CONSTRAINT TRIGGER wait_at_gate AFTER INSERT ON gate
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_gate();
        CREATE FUNCTION go_to_gate() RETURNS trigger LANGUAGE plpgsql
        AS $go_to_gate$
        BEGIN
            SET CONSTRAINTS public.wait_at_gate DEFERRED;
            INSERT INTO public.gate DEFAULT VALUES;
            RETURN NULL;
        END $go_to_gate$;
        CREATE CONSTRAINT TRIGGER go_to_gate AFTER INSERT ON pyrepl.copy
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION go_to_gate();
        CREATE CONSTRAINT TRIGGER go_to_gate AFTER UPDATE ON auth_user
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION go_to_gate();
        CREATE CONSTRAINT TRIGGER go_to_gate
        AFTER INSERT OR DELETE ON student_courseenrollment
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION go_to_gate()"""
    )


def _at_work(course: Course) -> bool:
    return bool(
        course.rows(
            "SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'pyreplctl link%%' AND state <> 'idle'"
        )
    )


def _held_up(course: Course) -> bool:
    return bool(
        course.rows(
            "SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE NOT l.granted AND l.locktype = 'advisory'"
            " AND d.datname = current_database()"
        )
    )
