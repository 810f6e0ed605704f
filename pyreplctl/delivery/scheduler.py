"""Turns: which database a thread of the worker delivers to next, and when."""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Iterable


class Scheduler:
    """Databases by number, in the order of the times from which each may have its turn.

    A database is in one pair of hands at a time. One that is asked for meanwhile gets
    another turn afterwards, so that nothing that was asked for is forgotten. It goes to
    the thread that had it last if that one is free, as its link is open there: else
    each thread would come to hold a connection to every database.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int]] = []  # (from when, number), sorted
        self._known: set[int] = set()  # waiting or in hand
        self._again: set[int] = set()  # in hand, and asked for once more
        self._rested: dict[int, float] = {}  # when a database has rested
        self._last: dict[int, int] = {}  # which thread had a database
        self._free: set[int] = set()  # threads that wait for a turn
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
        me = threading.get_ident()
        with self._changed:
            self._free.add(me)
            try:
                while not self._closed:
                    now = time.monotonic()
                    for place, (moment, number) in enumerate(self._waiting):
                        if moment > now:
                            break
                        had = self._last.get(number, me)
                        if had == me or had not in self._free:
                            del self._waiting[place]
                            self._last[number] = me
                            return number
                    self._changed.wait(self._next(now))
                return None
            finally:
                self._free.discard(me)

    def _next(self, now: float) -> float | None:
        """Return the seconds until another database may have its turn."""
        later = bisect.bisect(self._waiting, now, key=lambda turn: turn[0])
        return self._waiting[later][0] - now if later < len(self._waiting) else None

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
        bisect.insort(self._waiting, (moment, number))
        self._changed.notify_all()
