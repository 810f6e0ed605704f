"""Turns: which database a thread of the worker delivers to next, and when."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Iterable


class Turns:
    """Databases by number, in the order of the times from which each may have its turn.

    A database is in one pair of hands at a time. One that is asked for meanwhile gets
    another turn afterwards, so that nothing that was asked for is forgotten.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int]] = []  # a heap of (from when, number)
        self._known: set[int] = set()  # waiting or in hand
        self._again: set[int] = set()  # in hand, and asked for once more
        self._rested: dict[int, float] = {}  # when a database has rested
        self._closed = False

    def ask(self, numbers: Iterable[int]) -> None:
        """Ask for a turn for each of these databases, once it has rested."""
        with self._changed:
            now = time.monotonic()
            for number in numbers:
                if number not in self._known:
                    self._line_up(max(now, self._rested.pop(number, now)), number)
                elif all(number != waiting for _, waiting in self._waiting):
                    self._again.add(number)

    def take(self) -> int | None:
        """Wait for the next turn; return its database, or None once closed."""
        with self._changed:
            while not self._closed:
                left = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if left is not None and left <= 0:
                    _, number = heapq.heappop(self._waiting)
                    self._changed.notify()  # another thread minds the next one
                    return number
                self._changed.wait(left)
            return None

    def give_back(self, number: int, rest: float = 0.0, *, again: bool = False) -> None:
        """End a turn; the next one of this database is `rest` seconds away or more."""
        with self._changed:
            rested = time.monotonic() + rest
            self._known.discard(number)
            if again or number in self._again:
                self._again.discard(number)
                self._line_up(rested, number)
            else:
                self._rested[number] = rested

    def close(self) -> None:
        """Give no more turns, and wake those who wait for one."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _line_up(self, moment: float, number: int) -> None:
        self._known.add(number)
        heapq.heappush(self._waiting, (moment, number))
        self._changed.notify()
