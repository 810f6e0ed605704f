"""Kills the program before a chosen statement, or COMMIT, of the many that it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import transaction

from tests.support.platform import Connection


class Killed(BaseException):
    """Where the program was killed: nothing catches it, and nothing works after it."""


class Killer:
    """Counts what is sent by all connections but the observers'."""

    def __init__(self, observers: list[Connection]) -> None:
        self.observers = observers
        self.left: int | None = None
        self.seen: set[Any] = set()
        self.dead = False

    def step(self, connection: Any) -> None:
        """Count; close all connections and raise where the end has come."""
        if self.left is None or connection in self.observers:
            return
        self.seen.add(connection)
        self.left -= 1
        if self.dead or self.left < 0:
            self.dead = True
            for each in self.seen:
                each.pgconn.finish()
            raise Killed

    def kills(self, after: int, act: Callable[[], object]) -> bool:
        """Run it, to be killed after so many statements; return whether it was."""
        self.left, self.dead, self.seen = after, False, set()
        try:
            act()
        except BaseException:  # whatever the end of a connection looks like
            if not self.dead:
                raise
            return True
        finally:
            self.left, self.dead = None, False
        return False


@contextmanager
def killer(monkeypatch: pytest.MonkeyPatch, *observers: Connection) -> Iterator[Killer]:
    """Patch psycopg, below everything of ours."""
    made = Killer(list(observers))
    execute, leave = psycopg.Cursor.execute, transaction.Transaction.__exit__

    def counted(self: Any, *given: Any, **options: Any) -> Any:
        made.step(self.connection)
        return execute(self, *given, **options)

    def left(self: Any, *error: Any) -> Any:
        if made.dead:
            return False
        made.step(self.connection)
        return leave(self, *error)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", counted)
        patch.setattr(transaction.Transaction, "__exit__", left)
        yield made
