"""A portal with its course databases, in the words in which tests speak."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.core.config import USER_COLUMNS, Config, Guard, Mode
from pyreplctl.courses import register as registration
from pyreplctl.courses.registered import Registered
from pyreplctl.courses.request import Request
from pyreplctl.delivery import batches
from pyreplctl.verify import data
from pyreplctl.verify.data import Result

Connection = psycopg.Connection[TupleRow]

_LISTED = ", ".join(USER_COLUMNS)


# As the owner of schema pyrepl, for a transaction; FOR_GOOD: for the session.
AS_OWNER: LiteralString = (
    "SELECT set_config('role', pg_get_userbyid(nspowner), true)"
    " FROM pg_namespace WHERE nspname = 'pyrepl'"
)
FOR_GOOD: LiteralString = AS_OWNER.replace("true", "false")


def owner_of(connection: Connection) -> str:
    """Return the role that owns schema pyrepl."""
    row = connection.execute(
        "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace"
        " WHERE nspname = 'pyrepl'"
    ).fetchone()
    assert row is not None
    found: str = row[0]
    return found


@dataclass
class Course:
    """A course database and the courses it hosts."""

    name: str
    dsn: str
    connection: Connection

    def rows(self, query: LiteralString, *values: Any) -> list[TupleRow]:
        """Return all rows of a query."""
        return self.connection.execute(query, values or None).fetchall()

    def execute(self, query: LiteralString, *values: Any) -> None:
        """Do something at the course, as its superuser."""
        self.connection.execute(query, values or None)

    def tamper(self, query: LiteralString, *values: Any) -> None:
        """Write what is the portal's: the guard lets nobody but this role."""
        with self.connection.transaction():
            self.connection.execute(AS_OWNER)
            self.connection.execute(query, values or None)

    def about_owner(self, statement: str) -> None:
        """Run a statement with the name of the owner of ours in the place of OWNER."""
        named = statement.replace("OWNER", owner_of(self.connection))
        self.connection.execute(named.encode())

    @property
    def users(self) -> list[int]:
        """Ids in auth_user."""
        return [row[0] for row in self.rows("SELECT id FROM auth_user ORDER BY 1")]

    @property
    def profiles(self) -> list[int]:
        """The users with a profile."""
        query: LiteralString = "SELECT user_id FROM auth_userprofile ORDER BY 1"
        return [row[0] for row in self.rows(query)]

    @property
    def enrollments(self) -> list[tuple[int, str]]:
        """(user, course) of all enrollment rows."""
        return [
            (row[0], row[1])
            for row in self.rows(
                "SELECT user_id, course_id FROM student_courseenrollment ORDER BY 1, 2"
            )
        ]

    def user(self, number: int) -> dict[str, Any]:
        """Return the replicated columns of a user; empty if there is none."""
        query = f"SELECT {_LISTED} FROM auth_user WHERE id = %s".encode()
        row = self.connection.execute(query, (number,)).fetchone()
        return dict(zip(USER_COLUMNS, row, strict=True)) if row else {}


@dataclass
class Platform:
    """An installed portal; `connection` is the superuser's, in autocommit."""

    dsn: str
    connection: Connection
    new_course: Callable[..., str]
    stack: ExitStack
    config: Config = field(default_factory=Config)

    @classmethod
    @contextmanager
    def opened(cls, dsn: str, new_course: Callable[..., str]) -> Iterator[Platform]:
        """Connect to a portal; all connections end with the block."""
        with ExitStack() as stack:
            connection = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            yield cls(dsn, connection, new_course, stack)

    def session(self, **options: Any) -> Connection:
        """Open another session at the portal; not in autocommit unless asked for."""
        return self.stack.enter_context(psycopg.connect(self.dsn, **options))

    def execute(self, query: LiteralString, *values: Any) -> None:
        """Do something at the portal, as its superuser."""
        self.connection.execute(query, values or None)

    def rows(self, query: LiteralString, *values: Any) -> list[TupleRow]:
        """Return all rows of a query at the portal."""
        return self.connection.execute(query, values or None).fetchall()

    def course(
        self,
        *keys: str,
        name: str | None = None,
        adopt: bool = False,
        backfill: bool = True,
        guard: Guard | None = None,
        delivery: Mode | None = None,
        **options: Any,
    ) -> Course:
        """Make a course database (options as of `new_course`) and register it."""
        dsn = self.new_course(name, **options)
        return self.register(
            dsn, *keys, adopt=adopt, backfill=backfill, guard=guard, delivery=delivery
        )[0]

    def register(
        self,
        dsn: str,
        *keys: str,
        adopt: bool = False,
        backfill: bool = True,
        guard: Guard | None = None,
        delivery: Mode | None = None,
    ) -> tuple[Course, Registered]:
        """Register courses of a database that is there; delivers the backfill."""
        request = Request(
            keys,
            dsn,
            adopt=adopt,
            backfill=backfill,
            guard=guard,
            delivery=delivery,
        )
        done = registration.register(self.connection, self.config, request)
        if backfill:
            self.deliver()
        connection = self.stack.enter_context(psycopg.connect(dsn, autocommit=True))
        return Course(done.name, dsn, connection), done

    def user(
        self, number: int, username: str | None = None, *, profile: bool = True
    ) -> int:
        """Create a user, with a profile; returns the id."""
        name = username or f"user{number}"
        self.execute(
            "INSERT INTO auth_user (id, username, first_name, last_name, email,"
            " password, is_staff, is_active, is_superuser, last_login, date_joined)"
            " VALUES (%s, %s, 'First', 'Last', %s, 'secret', false, true, false,"
            " '2012-09-01 12:00+00', '2012-08-01 12:00+00')",
            number,
            name,
            f"{name}@example.com",
        )
        if profile:
            self.profile(number)
        return number

    def profile(self, user: int, name: str = "Full Name") -> None:
        """Give a user a profile; its id is a thousand higher."""
        self.execute(
            "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware,"
            " language, location) VALUES (%s, %s, %s, '', 'course.xml', '', '')",
            user + 1000,
            user,
            name,
        )

    def enroll(self, user: int, *keys: str) -> None:
        """Enroll a user in courses."""
        for key in keys:
            self.execute(
                "INSERT INTO student_courseenrollment (user_id, course_id, created)"
                " VALUES (%s, %s, '2012-09-02 12:00+00')",
                user,
                key,
            )

    def unenroll(self, user: int, key: str) -> None:
        """Take an enrollment away."""
        self.execute(
            "DELETE FROM student_courseenrollment"
            " WHERE user_id = %s AND course_id = %s",
            user,
            key,
        )

    def member(self, number: int, *keys: str, username: str | None = None) -> int:
        """Create a user with a profile and enroll it; returns the id."""
        self.user(number, username)
        self.enroll(number, *keys)
        return number

    def members(self, count: int, *keys: str) -> None:
        """Create users from 1 on with profiles, all enrolled, in a few statements."""
        self.execute(
            "INSERT INTO auth_user (id, username, first_name, last_name, email,"
            " password, is_staff, is_active, is_superuser, last_login, date_joined)"
            " SELECT n, 'user' || n, 'First', 'Last', n || '@example.com', 'secret',"
            " false, true, false, now(), now() FROM generate_series(1, %s) n",
            count,
        )
        self.execute(
            "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware,"
            " language, location) SELECT id + 1000, id, 'Full Name', '', '', '', ''"
            " FROM auth_user"
        )
        self.execute(
            "INSERT INTO student_courseenrollment (user_id, course_id, created)"
            " SELECT u.id, k.key, now() FROM auth_user u, unnest(%s::text[]) k(key)",
            list(keys),
        )

    def deliver(self) -> dict[str, list[str]]:
        """Route, and deliver until nothing is left; returns what is stuck, by name."""
        chosen = databases.numbers(self.connection, [])
        return batches.until_empty(self.connection, chosen)

    def verify(self, examples: int = 20) -> dict[str, Result]:
        """Compare all course databases with the portal."""
        found = data.verify(self.dsn, self.config, [], jobs=2, examples=examples)
        return {result.name: result for result in found}

    def assert_equal(self) -> None:
        """Every course database holds what it should, and nothing waits."""
        for result in self.verify().values():
            assert result.ok, result
            assert not result.pending, result
