"""The others on PostgreSQL 15: throughput and latency, against no replication and ours.

pglogical and Bucardo where they are installed, and the semantics of the signal handlers
of 2012 in present-day Django, where that is. What is missing is named and skipped.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable

from benchmarks import bucardo, pgbench, pglogical, signals
from benchmarks.contenders import Contender, ForeignTriggers, Native, Ours
from benchmarks.figures import Figure, percentile, ratios
from benchmarks.ground import Ground
from benchmarks.latency import probe
from benchmarks.options import Options, main, told

MISSING: dict[type[Contender], Callable[[Ground], str]] = {
    pglogical.Pglogical: pglogical.missing,
    bucardo.Bucardo: bucardo.missing,
}


def measure(ground: Ground, options: Options) -> list[Figure]:
    contenders = [Contender(ground), Ours(ground), Native(ground)]
    contenders.append(ForeignTriggers(ground))
    for kind, missing in MISSING.items():
        if why := missing(ground):
            told(f"skipped: {kind.name}: {why}")
        else:
            contenders.append(kind(ground))
    rates: dict[str, list[float]] = defaultdict(list)
    lags: dict[str, list[float]] = defaultdict(list)
    found: dict[str, list[list[float]]] = defaultdict(list)
    for turn in range(options.rounds + 1):
        for contender in contenders[:: -1 if turn % 2 else 1]:
            rate, lag, seen = _run(contender, options, turn)
            told(f"{contender.name}: {rate:.0f} tps, backlog {lag:.2f} s")
            if turn:
                rates[contender.name].append(rate)
                lags[contender.name].append(lag)
                found[contender.name].append(seen)
    nobody = contenders[0].name
    figures = []
    for contender in contenders[1:]:
        name = contender.name
        remark = f"{statistics.median(rates[name]):,.0f} tps;"
        remark += f" backlog {statistics.median(lags[name]):.2f} s"
        against = ratios(rates[name], rates[nobody])
        figures.append(Figure(f"throughput, {name}", against, remark=remark))
        if any(found[name]):
            figures += _latency(name, found[name])
    if why := signals.missing():
        told(f"skipped: signals: {why}")
        return figures
    return figures + signals.measure(ground, options)


def _run(
    contender: Contender, options: Options, turn: int
) -> tuple[float, float, list[float]]:
    contender.settle()
    contender.site.tidy()
    site = contender.site
    there = [site.session(name) for name in site.names]
    with contender.at_work():
        rate = pgbench.run(site, pgbench.EDIT, 2, options.seconds)
        lag = contender.settle()
        contender.check()
        seen = []
        if contender.replicates:
            seen = probe(site.session(), there, str(turn))
    return rate, lag, seen


def _latency(name: str, rounds: list[list[float]]) -> list[Figure]:
    return [
        Figure(
            f"commit to visible, {name}, p{percent}",
            [percentile(lags, percent) * 1000 for lags in rounds],
            unit="ms",
        )
        for percent in (50, 99)
    ]


if __name__ == "__main__":
    main(__doc__, measure)
