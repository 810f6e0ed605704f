"""How many changes a second arrive, with two and with twenty course databases?

Two clients write single rows as fast as they can beside the contender; counted are the
changes by the time from the first write until everything has arrived. With twenty
databases each user is enrolled in two of them, so that each change concerns two
databases in both cases, where a contender knows; native logical replication knows no
members and sends everything to all.
"""

from __future__ import annotations

import statistics
from collections import defaultdict

from benchmarks import pgbench
from benchmarks.contenders import Contender, Native, Ours
from benchmarks.figures import Figure
from benchmarks.ground import Ground
from benchmarks.options import Options, main, told

KINDS: tuple[type[Contender], ...] = (Ours, Native)
COUNTS = (2, 20)


def measure(ground: Ground, options: Options) -> list[Figure]:
    found = []
    for count in COUNTS:
        names = tuple(f"course_{number}" for number in range(1, count + 1))
        contenders = [kind(ground, names) for kind in KINDS]
        rates: dict[str, list[float]] = defaultdict(list)
        lags: dict[str, list[float]] = defaultdict(list)
        for turn in range(options.rounds + 1):
            for contender in contenders[:: -1 if turn % 2 else 1]:
                rate, lag = _run(contender, options.seconds)
                told(f"{count}, {contender.name}: {rate:.0f}/s, lag {lag:.2f} s")
                if turn:
                    rates[contender.name].append(rate)
                    lags[contender.name].append(lag)
        for name, values in rates.items():
            title = f"changes sustained, {count} databases, {name}"
            remark = f"backlog at the end {statistics.median(lags[name]):.2f} s"
            found.append(Figure(title, values, unit="/s", remark=remark))
        for contender in contenders:
            contender.stop()
    return found


def _run(contender: Contender, seconds: float) -> tuple[float, float]:
    contender.settle()
    contender.site.tidy()
    with contender.at_work():
        tps = pgbench.run(contender.site, pgbench.EDIT, 2, seconds)
        lag = contender.settle()
        contender.check()
    return tps * seconds / (seconds + lag), lag


if __name__ == "__main__":
    main(__doc__, measure)
