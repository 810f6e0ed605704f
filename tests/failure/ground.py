"""Where chaos happens: a portal, two course servers, their databases, workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.courses import register
from pyreplctl.courses.request import Request
from pyreplctl.install import portal
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import SCHEMA, running_cluster
from tests.failure.journal import Journal
from tests.support.platform import Connection

USERS = 240
LOCALS = range(1_000_001, 1_000_004)  # accounts of the courses' own
NOWHERE = "chaos/nowhere"  # a course that no database hosts
_OPTIONS = "-c default_transaction_read_only=off -c lock_timeout=3s"


@dataclass(frozen=True)
class Place:
    """A course database: on which server, with which courses and delivery."""

    name: str
    server: str
    keys: tuple[str, ...]
    immediate: bool = False
    askbot: bool = False


# Those that are frozen together with an immediate one can make writers wait; the two
# on the left cannot.
PLACES = (
    Place("alpha", "left", ("alpha/1", "alpha/2")),
    Place("beta", "left", ("beta/1", "beta/2"), askbot=True),
    Place("gamma", "right", ("gamma/1", "gamma/2"), immediate=True),
)
COURSES = (*(key for place in PLACES for key in place.keys), NOWHERE)


@dataclass
class Ground:
    """The servers, and how to reach what is on them as a superuser."""

    portal: Cluster
    servers: dict[str, Cluster]
    journal: Journal
    immediate: bool
    places: dict[str, Place] = field(
        default_factory=lambda: {place.name: place for place in PLACES}
    )

    @property
    def dsn(self) -> str:
        """The portal database."""
        return self.portal.conninfo("portal")

    def at(self, place: Place) -> Connection:
        """Connect to a course database, writing even if it is read-only."""
        return _connect(self.servers[place.server].conninfo(place.name))

    def at_portal(self) -> Connection:
        """Connect to the portal."""
        return _connect(self.dsn)

    def everything(self) -> list[tuple[str, Cluster]]:
        """All servers by name, the portal's first."""
        return [("portal", self.portal), *self.servers.items()]

    def all_up(self) -> None:
        """Thaw and start whatever is not running."""
        for _, cluster in self.everything():
            cluster.thaw()
            cluster.start()


def _connect(dsn: str) -> Connection:
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=5,
        options=_OPTIONS,
        application_name="chaos",
    )


def persist(action: Callable[[], object], seconds: float = 120) -> None:
    """Repeat until it goes through: somebody else may have the server down."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            action()
        except psycopg.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@contextmanager
def prepared(journal: Journal, *, immediate: bool) -> Iterator[Ground]:
    """Start the servers, install, register three databases, fill the tables."""
    with ExitStack() as stack:

        def start() -> Cluster:
            cluster = running_cluster(deadlock_timeout="100ms", log_statement="none")
            return stack.enter_context(cluster)

        ground = Ground(
            start(), {"left": start(), "right": start()}, journal, immediate
        )
        _create(ground.portal, "portal")
        portal.install(ground.dsn, Config())
        _fill(ground)
        for place in ground.places.values():
            server = ground.servers[place.server]
            _create(server, place.name, *(["askbot"] if place.askbot else []))
            _fill_course(ground, place)
            with ground.at_portal() as connection:
                register.register(connection, Config(), _request(ground, place))
        yield ground


def _request(ground: Ground, place: Place) -> Request:
    options: dict[str, Any] = {}
    if ground.immediate and place.immediate:
        options["delivery"] = "immediate"
    dsn = ground.servers[place.server].conninfo(place.name)
    return Request(place.keys, dsn, **options)


def _create(cluster: Cluster, name: str, *extra: str) -> None:
    with psycopg.connect(cluster.conninfo(), autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        connection.execute(statement)
    with psycopg.connect(cluster.conninfo(name)) as connection:
        for file in ("edx_2012", *extra):
            connection.execute((SCHEMA / f"{file}.sql").read_bytes())


def _fill(ground: Ground) -> None:
    with ground.at_portal() as connection:
        connection.execute(
            "INSERT INTO auth_user SELECT i, 'user' || i, 'First', 'Last',"
            " i || '@example.org', md5(i::text), false, true, false,"
            " '2012-09-01 12:00+00', '2012-08-01 12:00+00'"
            " FROM generate_series(1, %s) i",
            (USERS,),
        )
        connection.execute(
            "INSERT INTO auth_userprofile (user_id, name, meta, courseware, language,"
            " location) SELECT id, 'Name', '', 'course.xml', '', '' FROM auth_user"
        )
        connection.execute(
            "INSERT INTO student_courseenrollment (user_id, course_id, created)"
            " SELECT u.id, c.key, '2012-09-02 12:00+00'"
            " FROM auth_user u, unnest(%s::text[]) WITH ORDINALITY c(key, n)"
            " WHERE (u.id + c.n) %% 3 = 0",
            (list(COURSES),),
        )
        # Who was ever enrolled where, as committed: nobody else may be at a course.
        connection.execute(
            """
            CREATE TABLE enrolled_once (user_id integer, course_id text);
            CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $remember$
            BEGIN
                INSERT INTO enrolled_once SELECT n.user_id, n.course_id FROM new_rows n;
                RETURN NULL;
            END $remember$;
            INSERT INTO enrolled_once
            SELECT user_id, course_id FROM student_courseenrollment;
            CREATE TRIGGER inserted AFTER INSERT ON student_courseenrollment
            REFERENCING NEW TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION remember();
            CREATE TRIGGER updated AFTER UPDATE ON student_courseenrollment
            REFERENCING NEW TABLE AS new_rows
            FOR EACH STATEMENT EXECUTE FUNCTION remember()"""
        )


def _fill_course(ground: Ground, place: Place) -> None:
    with ground.at(place) as connection:
        for number in LOCALS:
            connection.execute(
                "INSERT INTO auth_user (id, username, first_name, last_name, email,"
                " password, is_staff, is_active, is_superuser, last_login, date_joined)"
                " VALUES (%s, %s, '', '', '', 'local', true, true, true, now(), now())",
                (number, f"course_admin_{number}"),
            )
