"""Writers of the portal that never give up, and count what became of transactions."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import psycopg
from psycopg import IsolationLevel

from tests.failure.actor import Actor
from tests.failure.deeds import DEEDS
from tests.failure.ground import LOCALS, Ground, Place
from tests.support.platform import Connection

LEVELS = (
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.READ_COMMITTED,
    IsolationLevel.REPEATABLE_READ,
    IsolationLevel.SERIALIZABLE,
)
LOST = "connection lost"
# What a writer must expect of any PostgreSQL that is used at once and pulled down, and
# of TRUNCATE where capture refuses it.
ORDINARY = frozenset(
    {
        *(LOST, "40001", "40P01", "23505", "23503", "55P03", "55006", "PR002"),
        *("57P01", "57P02", "57P03", "08006", "08001", "08003"),
    }
)
# And of immediate delivery: the course's connection ended between push and COMMIT.
BY_IMMEDIATE = frozenset({"08000", "HV00N", "57014", "25P03", "57P05"})


@dataclass
class Tally:
    """What all writers did; `spans` are (begin, end) of committed transactions."""

    committed: int = 0
    rolled_back: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    messages: dict[str, str] = field(default_factory=dict)
    spans: list[tuple[float, float]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add what another writer did."""
        self.committed += other.committed
        self.rolled_back += other.rolled_back
        self.failed += other.failed
        self.messages |= other.messages
        self.spans += other.spans


class Writer(Actor):
    """Runs transactions of a few deeds each, some of them in savepoints."""

    def __init__(self, ground: Ground, seed: int, number: int) -> None:
        super().__init__(f"writer {number}", seed)
        self._dsn = ground.dsn
        self.tally = Tally()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                with psycopg.connect(self._dsn, connect_timeout=5) as connection:
                    while not self.stopping.is_set() and not connection.closed:
                        self._transaction(connection)
                        self.stopping.wait(self.chance.expovariate(1 / 0.015))
            except psycopg.Error as error:
                self._note(error)
                self.stopping.wait(0.05)

    def _transaction(self, connection: Connection) -> None:
        chance = self.chance
        connection.isolation_level = chance.choice(LEVELS)
        begin = time.monotonic()
        try:
            for _ in range(chance.randint(1, 4)):
                self._step(connection)
                if chance.random() < 0.05:
                    self.stopping.wait(chance.random() / 20)
            if chance.random() < 0.08:
                connection.rollback()
                self.tally.rolled_back += 1
                return
            connection.commit()
        except psycopg.Error as error:
            self._note(error)
            if not connection.closed:
                connection.rollback()
            return
        self.tally.committed += 1
        self.tally.spans.append((begin, time.monotonic()))

    def _step(self, connection: Connection) -> None:
        chance = self.chance
        (deed,) = chance.choices(list(DEEDS), list(DEEDS.values()))
        if chance.random() < 0.8:
            deed(chance, connection)
            return
        connection.execute("SAVEPOINT s")
        try:
            deed(chance, connection)
        except psycopg.Error:
            if connection.closed:
                raise
            connection.execute("ROLLBACK TO s")
        else:
            back = chance.random() < 0.5
            connection.execute("ROLLBACK TO s" if back else "RELEASE s")

    def _note(self, error: psycopg.Error) -> None:
        kind = error.sqlstate or LOST
        self.tally.failed[kind] += 1
        self.tally.messages.setdefault(kind, " ".join(str(error).split()))


class CourseLife(Actor):
    """A course that writes its own columns of copies, and its own accounts."""

    def __init__(self, ground: Ground, place: Place, seed: int) -> None:
        super().__init__(f"life of {place.name}", seed)
        self._ground, self._place = ground, place
        self.done = 0

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                with self._ground.at(self._place) as connection:
                    while not self.stopping.wait(self.chance.random() / 5):
                        self._live(connection)
            except psycopg.Error:
                self.stopping.wait(0.2)

    def _live(self, connection: Connection) -> None:
        users = [self.chance.randint(1, 240), self.chance.choice(LOCALS)]
        connection.execute(
            "UPDATE auth_user SET reputation = reputation + 1 WHERE id = ANY (%s)",
            (users,),
        )
        self.done += 1


class Serving(Actor):
    """Somebody who calls pyrepl.serve now and then."""

    def __init__(self, ground: Ground, seed: int) -> None:
        super().__init__("serve", seed)
        self._ground = ground
        self.calls = 0

    def run(self) -> None:
        while not self.stopping.wait(self.chance.uniform(0.5, 6)):
            try:
                with self._ground.at_portal() as connection:
                    seconds = self.chance.uniform(0.2, 4)
                    connection.execute(
                        "CALL pyrepl.serve(make_interval(secs => %s))", (seconds,)
                    )
                self.calls += 1
            except psycopg.Error as error:
                said = " ".join(str(error).split())
                self._ground.journal.note(f"serve ended: {error.sqlstate} {said}")
