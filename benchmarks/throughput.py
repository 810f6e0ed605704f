"""What do writers at the portal lose? Transactions a second, against no replication.

One row of one user a transaction, at random among all users, who are all enrolled in
both courses. Half a run without replication stands before each run and half a one after
it, and the ratio is to these two: disks and virtual machines change their speed within
minutes. Before a run everything has arrived and all tables are vacuumed.
"""

from __future__ import annotations

import statistics
from contextlib import nullcontext
from dataclasses import dataclass, field

from benchmarks import pgbench
from benchmarks.contenders import Contender, ForeignTriggers, Native, Ours
from benchmarks.figures import Figure, Target, ratios
from benchmarks.ground import Ground
from benchmarks.options import Options, main, told


@dataclass
class Case:
    """One contender under one load; rates and seconds to settle, a value a round."""

    title: str
    contender: Contender
    nobody: Contender
    script: str = pgbench.EDIT
    clients: int = 2
    works: bool = True
    jobs: int = 1
    target: Target | None = None
    tps: list[float] = field(default_factory=list)
    base: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    @property
    def label(self) -> str:
        plural = "s" * (self.clients > 1)
        return f"{self.title}, {self.clients} client{plural}"

    def run(self, seconds: float) -> None:
        contender = self.contender
        contender.settle()
        contender.site.tidy()
        self.nobody.site.tidy()
        before = self._rate(self.nobody, seconds / 2)
        with contender.at_work(self.jobs) if self.works else nullcontext():
            self.tps.append(self._rate(contender, seconds))
            if self.works:
                self.lags.append(contender.settle())
                contender.check()
        self.base.append((before + self._rate(self.nobody, seconds / 2)) / 2)
        said = f"{self.tps[-1]:8.0f} of {self.base[-1]:8.0f} tps"
        told(f"{self.label:45} {said} {self.tps[-1] / self.base[-1]:.2f}")

    def _rate(self, contender: Contender, seconds: float) -> float:
        return pgbench.run(contender.site, self.script, self.clients, seconds)

    def figures(self) -> list[Figure]:
        of = f"{_tps(self.tps)} of {_tps(self.base)} tps"
        title = f"throughput, {self.label}"
        found = [Figure(title, ratios(self.tps, self.base), self.target, remark=of)]
        if self.works:
            aim = Target("<=", 2.0) if self.target else None
            title = f"backlog gone after the end, {self.label}"
            found.append(Figure(title, self.lags, aim, unit="s"))
        return found


def _tps(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.0f}"


def measure(ground: Ground, options: Options) -> list[Figure]:
    nobody, ours = Contender(ground), Ours(ground)
    stopped: list[tuple[int, Target | None]] = [
        (2, Target(">=", 0.90)),
        (8, Target(">=", 0.90)),
    ]
    if options.full:
        stopped += [(1, None), (32, None)]
    cases = [
        *(
            Case(
                *("worker stopped", ours, nobody, pgbench.EDIT, clients),
                works=False,
                target=target,
            )
            for clients, target in stopped
        ),
        Case(
            *("worker delivering to two databases", ours, nobody),
            target=Target(">=", 0.70),
        ),
        Case("the same with two jobs", ours, nobody, jobs=2),
        Case(
            *("a column that is not listed", ours, nobody, pgbench.UNLISTED),
            works=False,
            target=Target(">=", 0.97),
        ),
        *(Case(kind.name, kind(ground), nobody) for kind in (Native, ForeignTriggers)),
    ]
    for turn in range(options.rounds + 1):
        for case in cases[:: -1 if turn % 2 else 1]:
            # The first round warms up: pages are written whole after a checkpoint.
            case.run(options.seconds if turn else min(options.seconds, 2))
        if turn == 0:
            for case in cases:
                for values in (case.tps, case.base, case.lags):
                    values.clear()
    return [figure for case in cases for figure in case.figures()]


if __name__ == "__main__":
    main(__doc__, measure)
