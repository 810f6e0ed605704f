"""Turns of the worker's threads: one pair of hands, nothing forgotten, rests kept."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from pyreplctl.delivery.scheduler import Scheduler
from tests.support.polling import until


def test_each_database_gets_one_turn_however_often_it_is_asked_for() -> None:
    turns = Scheduler()
    turns.ask([1, 2])
    turns.ask([2, 1])
    assert {turns.take(), turns.take()} == {1, 2}
    assert nobody_is_next(turns)


def test_a_database_that_is_asked_for_while_in_hand_gets_another_turn() -> None:
    turns = Scheduler()
    turns.ask([1])
    turns.take()
    turns.ask([1])
    assert nobody_is_next(turns)
    turns.give_back(1)
    assert turns.take() == 1
    turns.give_back(1)
    assert nobody_is_next(turns)


def test_more_to_be_done_is_another_turn() -> None:
    turns = Scheduler()
    turns.ask([1])
    turns.take()
    turns.give_back(1, again=True)
    assert turns.take() == 1


def test_a_turn_comes_after_the_rest_and_not_before() -> None:
    turns = Scheduler()
    turns.ask([1])
    turns.take()
    begun = time.monotonic()
    turns.give_back(1, 0.05)
    turns.ask([1])
    assert turns.take() == 1
    assert time.monotonic() - begun >= 0.05


def test_who_has_not_to_rest_goes_first() -> None:
    turns = Scheduler()
    turns.ask([1])
    turns.take()
    turns.give_back(1, 60, again=True)
    turns.ask([2])
    assert turns.take() == 2


def test_a_thread_that_waits_for_a_rest_leaves_the_next_turn_to_another() -> None:
    turns = Scheduler()
    for number in (1, 2):
        turns.ask([number])
        turns.take()
        turns.give_back(number, 0.05, again=True)
    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(lambda _: turns.take(), range(2))) == {1, 2}


def test_closing_wakes_those_who_wait() -> None:
    turns = Scheduler()
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(turns.take)
        turns.close()
        assert waits.result(10) is None
    turns.ask([1])
    assert turns.take() is None


def nobody_is_next(turns: Scheduler) -> bool:
    """Whether a thread that takes a turn waits, until this one makes one for it."""
    taken: list[int | None] = []
    thread = threading.Thread(target=lambda: taken.append(turns.take()))
    thread.start()
    turns.ask([999])
    thread.join(10)
    turns.give_back(999)
    return taken == [999]


def test_a_database_goes_to_the_thread_that_had_it_last_if_that_is_free() -> None:
    turns, taken = Scheduler(), queue.SimpleQueue[tuple[str, int | None]]()

    def work(name: str) -> None:
        while (number := turns.take()) is not None:
            taken.put((name, number))
            turns.give_back(number)

    with ThreadPoolExecutor(2) as pool:
        for name in ("first", "second"):
            pool.submit(work, name)
        turns.ask([1])
        had, _ = taken.get(timeout=10)
        for _ in range(50):
            until(lambda: len(turns._free) == 2)
            turns.ask([1])
            assert taken.get(timeout=10) == (had, 1)
        turns.close()


def test_it_goes_to_another_thread_if_that_one_is_busy() -> None:
    turns = Scheduler()
    turns.ask([1])
    turns.take()
    turns.give_back(1)
    turns.ask([1])
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(turns.take).result(10) == 1
