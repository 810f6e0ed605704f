"""Random transactions and faults against a plain model of what each course must hold.

The same examples are tried every time, unless MODEL_EXAMPLES asks for more: these are
random (`make model`). A failing one is shrunk, printed as the calls that lead to it,
and tried first the next time.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from psycopg import IsolationLevel
from psycopg.pq import TransactionStatus

from pyreplctl.core.config import Config
from pyreplctl.courses import state
from pyreplctl.delivery import batches
from pyreplctl.install import portal
from pyreplctl.verify import data
from tests.failure.model import CourseModel, Truth
from tests.failure.statements import (
    Deed,
    databases,
    deeds,
    do,
    keys,
    levels,
    sessions,
    transactions,
    troubles,
    users,
)
from tests.failure.world import HOSTED, SESSIONS, World
from tests.support.platform import Connection, Platform

pytestmark = pytest.mark.failure

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
            name: CourseModel(set(hosted), self.world.platform.config.policy)
            for name, hosted in HOSTED.items()
        }
        self.calm = False
        self.truth = Truth({}, {}, {})
        for number, name, key in ((1, "ann", "e1"), (2, "bob", "e1"), (3, "cid", "n1")):
            self._transaction(
                IsolationLevel.READ_COMMITTED,
                [
                    ("create", number, name, "2011-01-01", key),
                    ("replace profile", number, "a"),
                    ("enroll", number, "w1"),
                ],
            )
        self.everything_is_delivered()

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

    @rule(level=levels, some=transactions)
    def transact(self, level: IsolationLevel, some: list[list[Deed]]) -> None:
        for one in some:
            self._transaction(level, one)

    @rule(some=transactions, name=databases)
    def transact_with_deliveries(self, some: list[list[Deed]], name: str) -> None:
        for one in some:
            self._transaction(IsolationLevel.READ_COMMITTED, one)
            self.route()
            self.deliver(name)

    def _transaction(self, level: IsolationLevel, some: list[Deed]) -> None:
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
        self._require_immediate(connection.isolation_level)

    def _require_immediate(self, level: IsolationLevel | None) -> None:
        """A commit in calm weather is at an immediate database when it returns.

        Copies that policies keep as they were may hold a name that is taken now: such a
        change goes by the queue.
        """
        policy = self.world.platform.config.policy
        if policy.on_unenroll == "freeze" or policy.on_user_delete == "keep":
            return
        self.calm = self.calm and level == IsolationLevel.READ_COMMITTED
        if self.calm and (name := self.world.immediate):
            held = self.world.held(name)
            problems = list(self.models[name].problems(self.truth, held))
            assert not problems, problems

    def _see(self) -> None:
        self.truth = self.world.truth()
        for model in self.models.values():
            model.see(self.truth)

    # Deliveries

    @rule()
    def route(self) -> None:
        batches.route(self.world.platform.connection)

    @rule(name=databases)
    def deliver(self, name: str) -> None:
        connection = self.world.platform.connection
        batches.deliver(connection, self.world.numbers[name])

    @rule()
    def everything_is_delivered(self) -> None:
        self.world.deliver_everything()
        problems = []
        for name, model in self.models.items():
            held = self.world.held(name)
            problems += [f"{name}: {text}" for text in model.problems(self.truth, held)]
            model.settle(self.truth, held)
        assert not problems, "\n".join(problems)
        self.calm = not any(self._is_open(n) for n in range(SESSIONS))

    @rule(name=databases)
    def verify_agrees(self, name: str) -> None:
        self.everything_is_delivered()
        if not self.world.verified:
            return
        platform = self.world.platform
        names = [self.world.courses[name].name]
        [result] = data.verify(platform.dsn, platform.config, names)
        assert result.ok, result
        assert not result.pending, result

    # What befalls a course

    def _disturb(self, name: str) -> None:
        self.calm = self.calm and name != self.world.immediate

    @rule(what=troubles, name=databases, user=users)
    def trouble(self, what: str, name: str, user: int) -> None:
        self._disturb(name)
        if what == "cut":
            self.world.cut(name)
        elif what == "down":
            self.world.reachable(name, yes=False)
        elif what == "pause":
            platform = self.world.platform
            state.pause(platform.connection, [self.world.courses[name].name])
        elif what == "refuse":
            self.world.refuse(name, user)
        else:
            self.world.lose_acknowledgement(name)

    @rule()
    def lift(self) -> None:
        self.world.lift()

    @rule(deed=deeds)
    def lose_writer(self, deed: Deed) -> None:
        if name := self.world.immediate:
            self.calm = False
            lost = self.world.lose_writer(name, lambda session: do(session, deed))
            if lost:
                self.models[name].see(lost)
            self._see()

    @rule(user=users)
    def post(self, user: int) -> None:
        self.world.courses["east"].execute(
            "INSERT INTO post SELECT id FROM auth_user WHERE id = %s", user
        )

    @rule(key=keys, name=databases)
    def move(self, key: str, name: str) -> None:
        if key in self.models[name].keys:
            return
        self.calm = False
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


POLICIES: list[tuple[str, str, str | None]] = [
    ("keep", "erase", None),
    ("keep", "erase", "north"),
    ("freeze", "keep", "north"),
    ("deactivate", "erase", "east"),
    ("delete", "keep", "east"),
]


def run(world: World, **options: Any) -> None:
    class Here(Replication):
        def __init__(self) -> None:
            super().__init__(world)

    chosen = settings(
        stateful_step_count=int(os.environ.get("MODEL_STEPS", "30")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize="MODEL_EXAMPLES" not in os.environ,
    )
    run_state_machine_as_test(Here, settings=settings(chosen, **options))


@pytest.mark.parametrize(("on_unenroll", "on_user_delete", "at_once"), POLICIES)
def test_whatever_happens_each_course_ends_with_what_it_must_hold(
    immediate: Platform, on_unenroll: str, on_user_delete: str, at_once: str | None
) -> None:
    policy = {"on_unenroll": on_unenroll, "on_user_delete": on_user_delete}
    immediate.config = msgspec.convert({"policy": policy}, Config)
    portal.install(immediate.dsn, immediate.config)
    examples = int(os.environ.get("MODEL_EXAMPLES", "8"))
    run(World.made(immediate, at_once), max_examples=examples)


# It is not kept current; or it goes, as no data are sent where no copy is known of.
_FORGOTTEN = r"user \d .*, should be|was deleted|who has left, is not kept"


def test_control_the_model_finds_copies_that_nobody_remembers(
    platform: Platform,
) -> None:
    world = World.made(platform)
    world.verified = False  # it would find them first
    platform.execute(
        "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql"
        " AS $$BEGIN RETURN NULL; END$$;"
        " CREATE TRIGGER forget BEFORE INSERT ON pyrepl.placement"
        " FOR EACH ROW EXECUTE FUNCTION forget()"
    )
    with pytest.raises(AssertionError, match=_FORGOTTEN):
        run(
            world,
            max_examples=100,
            phases=[Phase.generate],
            database=None,
            report_multiple_bugs=False,
        )
