"""Threads that act by chance until they are told to stop."""

from __future__ import annotations

import threading
from random import Random


class Actor(threading.Thread):
    """Has a generator of its own, made from the seed of the run and its name."""

    def __init__(self, name: str, seed: int) -> None:
        super().__init__(name=name)
        self.chance = Random(f"{seed} {name}")
        self.stopping = threading.Event()

    def stop(self) -> None:
        """End soon, with what is in hand brought to its end."""
        self.stopping.set()
