"""Faults: how each begins, how it is lifted, and who picks them.

A fault is a context manager: what it does at the end may be done twice, and is repeated
until the server is there to take it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from random import Random
from typing import Literal, LiteralString

from pyreplctl.courses import state
from pyreplctl.sandbox.embedded import Cluster
from tests.failure.ground import USERS, Ground, Place, persist
from tests.failure.workers import Workers
from tests.support.platform import Connection, owner_of

Fault = Callable[[Ground, str, Random], AbstractContextManager[object]]
Connect = Callable[[], Connection]

TABLES = ("auth_user", "auth_userprofile", "student_courseenrollment")

_LINKS: LiteralString = "application_name LIKE 'pyreplctl link%%'"
_SESSIONS: LiteralString = (
    "application_name <> 'chaos' AND backend_type = 'client backend'"
)
_IN_COMMIT: LiteralString = _SESSIONS + (
    " AND state = 'active' AND query ILIKE 'COMMIT%%'"
)


def _cluster(ground: Ground, name: str) -> Cluster:
    return ground.portal if name == "portal" else ground.servers[name]


def down(how: Literal["fast", "immediate", "kill"]) -> Fault:
    """Stop or kill a server; it is started again at the end."""

    @contextmanager
    def fault(ground: Ground, server: str, chance: Random) -> Iterator[None]:
        cluster = _cluster(ground, server)
        try:
            if how == "kill":
                cluster.kill()
            else:
                cluster.stop(how)
            yield
        finally:
            cluster.start()

    return fault


@contextmanager
def restarted(ground: Ground, server: str, chance: Random) -> Iterator[None]:
    _cluster(ground, server).restart()
    yield


@contextmanager
def frozen(ground: Ground, server: str, chance: Random) -> Iterator[None]:
    cluster = _cluster(ground, server)
    try:
        cluster.freeze()
        yield
    finally:
        cluster.thaw()


def _place(ground: Ground, name: str) -> tuple[Place, Connect]:
    place = ground.places[name]
    return place, lambda: ground.at(place)


def terminated(which: LiteralString, share: float) -> Fault:
    """End a share of these sessions, again and again for a while."""

    @contextmanager
    def fault(ground: Ground, target: str, chance: Random) -> Iterator[None]:
        connect = ground.at_portal if target == "portal" else _place(ground, target)[1]
        with connect() as connection:
            for _ in range(chance.randint(1, 60)):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                    " AND random() < %s AND " + which,
                    (share,),
                )
                time.sleep(0.005)
        yield

    return fault


@contextmanager
def row_locked(ground: Ground, name: str, chance: Random) -> Iterator[None]:
    _, connect = _place(ground, name)
    with connect() as connection, connection.transaction():
        some = chance.sample(range(1, USERS + 1), chance.choice((1, 10, 100)))
        connection.execute(
            "SELECT FROM auth_user WHERE id = ANY (%s) ORDER BY id FOR UPDATE", (some,)
        )
        yield


def _changed(
    connect: Connect, begin: list[str], end: list[str]
) -> AbstractContextManager[None]:
    """Run SQL at a database, and SQL that takes it back."""

    def run(statements: list[str]) -> None:
        with connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextmanager
    def changing() -> Iterator[None]:
        try:
            run(begin)
            yield
        finally:
            persist(lambda: run(end))

    return changing()


def read_only(
    ground: Ground, name: str, chance: Random
) -> AbstractContextManager[object]:
    _, connect = _place(ground, name)
    end_links = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
        " current_database() AND application_name LIKE 'pyreplctl link%'"
    )
    setting = "default_transaction_read_only"
    return _changed(
        connect,
        [f"ALTER DATABASE {name} SET {setting} = on", end_links],
        [f"ALTER DATABASE {name} RESET {setting}", end_links],
    )


def revoked(
    ground: Ground, name: str, chance: Random
) -> AbstractContextManager[object]:
    """Take a right from the owner of ours or from the link role."""
    _, connect = _place(ground, name)
    with connect() as connection:
        row = connection.execute("SELECT link_role FROM pyrepl.binding").fetchone()
        assert row
        owner = owner_of(connection)
    what, role = chance.choice(
        [
            *(
                (f"{right} ON {table}", owner)
                for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
                for table in TABLES
            ),
            ("UPDATE ON pyrepl.inbox", row[0]),
            ("USAGE ON SCHEMA pyrepl", row[0]),
            ("USAGE ON SCHEMA pyrepl", row[0]),
        ]
    )
    return _changed(
        connect, [f"REVOKE {what} FROM {role}"], [f"GRANT {what} TO {role}"]
    )


def renamed(
    ground: Ground, name: str, chance: Random
) -> AbstractContextManager[object]:
    _, connect = _place(ground, name)
    table = chance.choice(TABLES)
    return _changed(
        connect,
        [f"ALTER TABLE {table} RENAME TO hidden"],
        [f"ALTER TABLE IF EXISTS hidden RENAME TO {table}"],
    )


def raising(
    ground: Ground, name: str, chance: Random
) -> AbstractContextManager[object]:
    """Let a trigger of the course refuse some users."""
    _, connect = _place(ground, name)
    divisor = chance.choice((1, 7, 31))
    return _changed(
        connect,
        [
            (
                "CREATE OR REPLACE FUNCTION public.refuse() RETURNS trigger"
                " LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$"
            ),
            (
                "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON auth_user"
                f" FOR EACH ROW WHEN (NEW.id % {divisor} = 0)"
                " EXECUTE FUNCTION public.refuse()"
            ),
        ],
        ["DROP TRIGGER IF EXISTS refuse ON auth_user"],
    )


@contextmanager
def paused(ground: Ground, name: str, chance: Random) -> Iterator[None]:
    def resume() -> None:
        with ground.at_portal() as connection:
            state.resume(connection, [name])

    try:
        with ground.at_portal() as connection:
            state.pause(connection, [name])
        yield
    finally:
        persist(resume)


def worker_killed(workers: Workers) -> Fault:
    @contextmanager
    def fault(ground: Ground, target: str, chance: Random) -> Iterator[None]:
        workers.kill(int(target))
        try:
            yield
        finally:
            workers.revive(int(target))

    return fault


def course_faults(places: list[str]) -> dict[str, tuple[Fault, list[str]]]:
    """What happens inside a course database."""
    return {
        "course: links terminated": (terminated(_LINKS, 0.3), places),
        "course: links terminated in COMMIT": (terminated(_IN_COMMIT, 1), places),
        "course: rows locked": (row_locked, places),
        "course: read-only": (read_only, places),
        "course: right revoked": (revoked, places),
        "course: table renamed": (renamed, places),
        "course: trigger raises": (raising, places),
    }


def server_faults(servers: list[str]) -> dict[str, tuple[Fault, list[str]]]:
    """What happens to whole servers; the portal's is the last."""
    found: dict[str, tuple[Fault, list[str]]] = {}
    for word, names in (("course", servers), ("portal", ["portal"])):
        found |= {
            f"{word} server: stopped (fast)": (down("fast"), names),
            f"{word} server: stopped (immediate)": (down("immediate"), names),
            f"{word} server: killed": (down("kill"), names),
            f"{word} server: frozen": (frozen, names),
            f"{word} server: restarted": (restarted, names),
        }
    return found


def portal_faults(
    places: list[str], workers: Workers
) -> dict[str, tuple[Fault, list[str]]]:
    """What happens to sessions of the portal, to workers, and by commands."""
    numbers = [str(number) for number in range(len(workers))]
    return {
        "portal: sessions terminated": (terminated(_SESSIONS, 0.05), ["portal"]),
        "portal: sessions terminated in COMMIT": (
            terminated(_IN_COMMIT, 1),
            ["portal"],
        ),
        "course paused": (paused, places),
        "worker killed": (worker_killed(workers), numbers),
    }
