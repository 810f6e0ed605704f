"""What do writers at the portal lose? Transactions a second, against no replication.

One row of one user a transaction, at random among all users, who are all enrolled in
both courses. Contenders are measured in turn, round by round, the order turned around
in every second round; each figure is the ratio to the run without replication of that
round. Before a run everything has arrived and all tables are vacuumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
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

    label: str
    contender: Contender
    script: str
    clients: int
    base: str = ""
    works: bool = True
    target: Target | None = None
    tps: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        contender = self.contender
        contender.settle()
        contender.site.tidy()
        with contender.at_work() if self.works else nullcontext():
            self.tps.append(
                pgbench.run(contender.site, self.script, self.clients, seconds)
            )
            if self.works:
                self.lags.append(contender.settle())
                contender.check()
        told(f"{self.label:45} {self.tps[-1]:8.0f} tps {self.lags[-1:]}")


def measure(ground: Ground, options: Options) -> list[Figure]:
    nobody, ours = Contender(ground), Ours(ground)
    # Who is compared with whom has its turn close by.
    cases = [
        *both(nobody, ours, "worker stopped", 2, pgbench.EDIT, Target(">=", 0.90)),
        Case(
            *("worker delivering to two databases, 2 clients", ours, pgbench.EDIT, 2),
            base="none, 2 clients",
            target=Target(">=", 0.70),
        ),
        *others(ground, [Native, ForeignTriggers]),
        *both(nobody, ours, "worker stopped", 8, pgbench.EDIT, Target(">=", 0.90)),
        *both(nobody, ours, "unlisted", 2, pgbench.UNLISTED, Target(">=", 0.97)),
    ]
    if options.full:
        for clients in (1, 32):
            title = "worker stopped"
            cases += both(nobody, ours, title, clients, pgbench.EDIT, None)
    return measured(cases, options)


def others(ground: Ground, kinds: Sequence[type[Contender]]) -> list[Case]:
    return [
        Case(
            *(f"{kind.name}, 2 clients", kind(ground), pgbench.EDIT, 2),
            base="none, 2 clients",
        )
        for kind in kinds
    ]


def both(
    nobody: Contender,
    ours: Contender,
    title: str,
    clients: int,
    script: str,
    target: Target | None,
) -> list[Case]:
    """Return a pair: without replication, and ours without a worker."""
    kind = "unlisted" if script == pgbench.UNLISTED else "none"
    base = f"{kind}, {clients} clients"
    return [
        Case(base, nobody, script, clients),
        Case(
            *(f"{title}, {clients} clients", ours, script, clients),
            base=base,
            works=False,
            target=target,
        ),
    ]


def measured(cases: list[Case], options: Options) -> list[Figure]:
    for turn in range(options.rounds + 1):
        for case in cases[:: -1 if turn % 2 else 1]:
            # The first round warms up: pages are written whole after a checkpoint.
            case.run(options.seconds if turn else min(options.seconds, 3))
        if turn == 0:
            for case in cases:
                case.tps.clear()
                case.lags.clear()
    return list(figures(cases))


def figures(cases: list[Case]) -> list[Figure]:
    rates = {case.label: case.tps for case in cases}
    found = []
    absolute = defaultdict(str)
    for case in cases:
        middle = sorted(case.tps)[len(case.tps) // 2]
        absolute[case.label] = f"{middle:,.0f} tps"
    for case in cases:
        if not case.base:
            continue
        remark = f"{absolute[case.label]} of {absolute[case.base]}"
        against = ratios(case.tps, rates[case.base])
        title = f"throughput, {case.label}"
        found.append(Figure(title, against, case.target, remark=remark))
        if case.works:
            aim = Target("<=", 2.0) if case.target else None
            title = f"backlog gone after the end, {case.label}"
            found.append(Figure(title, case.lags, aim, unit="s"))
    return found


if __name__ == "__main__":
    main(__doc__, measure)
