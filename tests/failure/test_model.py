"""Random transactions and faults against a plain model of what each course must hold.

MODEL_EXAMPLES and MODEL_STEPS make it run longer. A failing example is shrunk, and
printed as the calls that lead to it.
"""

from __future__ import annotations

import os

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from pyreplctl import courses, deliveries
from tests.failure.model import CourseModel, Truth
from tests.failure.statements import (
    Deed,
    brief_deeds,
    databases,
    deeds,
    do,
    keys,
    levels,
    sessions,
    users,
)
from tests.failure.world import HOSTED, World
from tests.platform import Connection, Platform

pytestmark = [pytest.mark.failure, pytest.mark.slow]

# What a transaction may get from others that run at the same time.
CONFLICTS = {"40001", "40P01", "55P03", "55006", "23505", "23503", "PR002"}


class Replication(RuleBasedStateMachine):
    """Sessions that write, deliveries and faults, one step after the other."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    @initialize()
    def begin_anew(self) -> None:
        self.world.empty()
        self.savepoints: dict[int, int] = {}
        self.models = {
            name: CourseModel(name, set(hosted)) for name, hosted in HOSTED.items()
        }
        self.truth = Truth({}, {}, {})
        for number, name, key in ((1, "ann", "e1"), (2, "bob", "e1"), (3, "cid", "n1")):
            self.transaction(
                IsolationLevel.READ_COMMITTED,
                [
                    ("create", number, name, "2011-01-01", key),
                    ("replace profile", number, "a"),
                    ("enroll", number, "w1"),
                ],
            )

    # Transactions

    @rule(session=sessions, level=levels)
    def begin(self, session: int, level: IsolationLevel) -> None:
        connection = self.world.sessions[session]
        if connection.info.transaction_status == TransactionStatus.IDLE:
            connection.isolation_level = level
            connection.execute("SELECT FROM auth_user")  # takes the snapshot
            self.savepoints[session] = 0

    @rule(session=sessions, deed=deeds)
    def write(self, session: int, deed: Deed) -> None:
        connection = self.world.sessions[session]
        try:
            do(connection, deed)
        except psycopg.Error as error:
            _require_conflict(error)
            if self.savepoints.get(session):
                connection.execute(f"ROLLBACK TO s{self.savepoints[session]}".encode())
            else:
                connection.rollback()

    @rule(session=sessions)
    def savepoint(self, session: int) -> None:
        if self._is_open(session):
            self.savepoints[session] = self.savepoints.get(session, 0) + 1
            statement = f"SAVEPOINT s{self.savepoints[session]}"
            self.world.sessions[session].execute(statement.encode())

    @rule(session=sessions, keep=st.booleans())
    def end_savepoint(self, session: int, keep: bool) -> None:
        if self._is_open(session) and (number := self.savepoints.get(session)):
            connection = self.world.sessions[session]
            if not keep:
                connection.execute(f"ROLLBACK TO s{number}".encode())
            connection.execute(f"RELEASE s{number}".encode())
            self.savepoints[session] = number - 1

    @rule(session=sessions, keep=st.booleans())
    def end(self, session: int, keep: bool) -> None:
        self.savepoints.pop(session, None)
        self._end(self.world.sessions[session], keep=keep)

    @rule(level=levels, some=st.lists(brief_deeds, min_size=1, max_size=3))
    def transaction(self, level: IsolationLevel, some: list[Deed]) -> None:
        connection = self.world.spare
        connection.isolation_level = level
        try:
            for deed in some:
                do(connection, deed)
        except psycopg.Error as error:
            _require_conflict(error)
            connection.rollback()
        self._end(connection, keep=True)

    def _is_open(self, session: int) -> bool:
        status = self.world.sessions[session].info.transaction_status
        return status == TransactionStatus.INTRANS

    def _end(self, connection: Connection, *, keep: bool) -> None:
        if not keep:
            connection.rollback()
            return
        try:
            connection.commit()
        except psycopg.Error as error:
            _require_conflict(error)
            connection.rollback()
        self._see()

    def _see(self) -> None:
        self.truth = self.world.truth()
        for model in self.models.values():
            model.see(self.truth)

    # Deliveries

    @rule()
    def route(self) -> None:
        deliveries.route(self.world.platform.connection)

    @rule(name=databases)
    def deliver(self, name: str) -> None:
        connection = self.world.platform.connection
        deliveries.deliver(connection, self.world.numbers[name])

    @rule()
    def everything_is_delivered(self) -> None:
        self.world.deliver_everything()
        problems = []
        for name, model in self.models.items():
            held = self.world.held(name)
            problems += [f"{name}: {text}" for text in model.problems(self.truth, held)]
            model.settle(self.truth, held)
        assert not problems, "\n".join(problems)

    # What befalls a course

    @rule(name=databases)
    def cut(self, name: str) -> None:
        self.world.cut(name)

    @rule(name=databases)
    def down(self, name: str) -> None:
        self.world.reachable(name, yes=False)

    @rule()
    def lift(self) -> None:
        self.world.lift()

    @rule(name=databases)
    def pause(self, name: str) -> None:
        connection = self.world.platform.connection
        courses.pause(connection, [self.world.courses[name].name])

    @rule(name=databases, user=users)
    def refuse(self, name: str, user: int) -> None:
        self.world.refuse(name, user)

    @rule(name=databases)
    def lose_acknowledgement(self, name: str) -> None:
        self.world.lose_acknowledgement(name)

    @rule(user=users)
    def post(self, user: int) -> None:
        self.world.courses["east"].execute(
            "INSERT INTO post SELECT id FROM auth_user WHERE id = %s", user
        )

    @rule(key=keys, name=databases)
    def move(self, key: str, name: str) -> None:
        if key in self.models[name].keys:
            return
        for model in self.models.values():
            model.keys.discard(key)
        self.models[name].keys.add(key)
        self.world.move(key, name)
        self._see()

    def teardown(self) -> None:
        for session in self.world.sessions:
            session.rollback()


def _require_conflict(error: psycopg.Error) -> None:
    if error.sqlstate not in CONFLICTS:
        raise error


def test_whatever_happens_each_course_ends_with_what_it_must_hold(
    platform: Platform,
) -> None:
    world = World.made(platform)

    class Here(Replication):
        def __init__(self) -> None:
            super().__init__(world)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=int(os.environ.get("MODEL_EXAMPLES", "25")),
            stateful_step_count=int(os.environ.get("MODEL_STEPS", "30")),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
