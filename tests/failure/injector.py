"""Who picks faults: one after the other in an area, several areas at the same time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import psycopg

from pyreplctl.core.errors import Error
from tests.failure.actor import Actor
from tests.failure.faults import Fault
from tests.failure.ground import Ground


@dataclass(frozen=True)
class Window:
    """When a fault was in force, by the monotonic clock."""

    name: str
    target: str
    begin: float
    end: float


class Injector(Actor):
    """Picks faults of an area by chance, until stopped; all are lifted then."""

    def __init__(
        self,
        ground: Ground,
        seed: int,
        area: str,
        faults: dict[str, tuple[Fault, list[str]]],
        longest: float,
    ) -> None:
        super().__init__(f"faults of {area}", seed)
        self._ground = ground
        self._faults = faults
        self._longest = longest
        self.counts: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.windows: list[Window] = []
        self.broken: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.stopping.wait(self.chance.uniform(0.1, 1.5)):
                name = self.chance.choice(list(self._faults))
                fault, targets = self._faults[name]
                self._inject(name, fault, self.chance.choice(targets))
        except BaseException as error:  # told by the main thread
            self.broken = error
            self._ground.journal.note(f"{self.name} broke: {error!r}")

    def _inject(self, name: str, fault: Fault, target: str) -> None:
        note = self._ground.journal.note
        lasts = self.chance.uniform(0.1, self._longest)
        if target == "portal":
            lasts = min(lasts, 0.7)
        begin = time.monotonic()
        begun = False
        try:
            with fault(self._ground, target, self.chance):
                begun = True
                note(f"begin {name}, {target}, {lasts:.1f} s")
                self.stopping.wait(lasts)
        except (psycopg.Error, Error) as error:
            # The server is down by another fault, or went down meanwhile.
            note(f"{name}, {target}: {type(error).__name__} {error}")
        self.windows.append(Window(name, target, begin, time.monotonic()))
        if begun:
            self.counts[name] += 1
            note(f"end {name}, {target}")
        else:
            self.missed[name] += 1
