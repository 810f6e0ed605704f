"""What does a pinned vacuum horizon cost, once many rows have gone through the queues?

Three portals: nothing pinned; a read-only snapshot held from the beginning (a nightly
pg_dump); a transaction that has written and is forgotten. Each takes as many queue rows
(changes and outbox pairs: 200,000, with --full two million) by changes that name one
user each, as repair writes them. They leave the users' own table alone, whose bloat
would slow down writers without any replication, too. Then writers are measured beside a
worker, round by round, and how soon a change is visible. The control is the same on two
portals without replication.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable
from itertools import starmap

from benchmarks import pgbench
from benchmarks.contenders import Contender, Ours
from benchmarks.figures import Figure, Target, percentile, ratios
from benchmarks.ground import Ground, Site
from benchmarks.latency import probe
from benchmarks.options import Options, main, told
from pyreplctl.core.db import value

ROWS, ALL_ROWS = 200_000, 2_000_000
FEED = (
    "\\set user random(1, :users)\n"
    "INSERT INTO pyrepl.change (users) VALUES (ARRAY[:user]::bigint[]);\n"
)
_GONE = (
    "SELECT sum(n_tup_ins) FROM pg_stat_user_tables"
    " WHERE schemaname = 'pyrepl' AND relname IN ('change', 'outbox')"
)


def nothing(site: Site) -> None:
    del site


def snapshot(site: Site) -> None:
    session = site.open()
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    session.execute("SELECT count(*) FROM auth_user")


def written(site: Site) -> None:
    session = site.open()
    session.execute("CREATE TABLE forgotten (id integer)")
    session.execute("BEGIN")
    session.execute("INSERT INTO forgotten VALUES (1)")


PINS: dict[str, Callable[[Site], None]] = {
    "not pinned": nothing,
    "a snapshot": snapshot,
    "a transaction that has written": written,
}
LABELS = list(PINS)


def measure(ground: Ground, options: Options) -> list[Figure]:
    rows = ALL_ROWS if options.full else ROWS
    ours: dict[str, Contender] = {label: Ours(ground) for label in PINS}
    nobody = {label: Contender(ground) for label in LABELS[:2]}
    for sites in (ours, nobody):
        for label, contender in sites.items():
            PINS[label](contender.site)
    for contender in ours.values():
        told(f"fed {_feed(contender, rows):,} rows")
    found = _compared(ours, options, f"after {rows:,} queue rows")
    return found + _compared(nobody, options, "control without replication")


def _feed(ours: Contender, rows: int) -> int:
    """Send rows through the queues while a worker delivers; return how many went."""
    gone = 0
    with ours.at_work():
        while gone < rows:
            pgbench.write(ours.site, FEED, 4, 2500)
            ours.settle()
            gone = int(value(ours.site.session(), _GONE) or 0)
    return gone


def _compared(
    contenders: dict[str, Contender], options: Options, remark: str
) -> list[Figure]:
    rates: dict[str, list[float]] = defaultdict(list)
    lags: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds + 1):
        for label, contender in list(contenders.items())[:: -1 if turn % 2 else 1]:
            rate, lag = _run(contender, options, turn)
            told(f"{label} ({remark}): {rate:.0f} tps, {lag * 1000:.2f} ms")
            if turn:
                rates[label].append(rate)
                lags[label].append(lag)
    return list(_figures(contenders, rates, lags, remark))


def _run(contender: Contender, options: Options, turn: int) -> tuple[float, float]:
    contender.settle()
    site = contender.site
    there = [site.session(name) for name in site.names] * isinstance(contender, Ours)
    with contender.at_work():
        rate = pgbench.run(site, pgbench.EDIT, 2, options.seconds)
        contender.settle()
        lag = percentile(probe(site.session(), there, str(turn)) or [0.0], 50)
    return rate, lag


def _figures(
    contenders: dict[str, Contender],
    rates: dict[str, list[float]],
    lags: dict[str, list[float]],
    remark: str,
) -> list[Figure]:
    mine = isinstance(contenders[LABELS[0]], Ours)

    def of(label: str, values: dict[str, list[float]]) -> list[float]:
        return ratios(values[label], values[LABELS[0]])

    def throughput(label: str, contender: Contender) -> Figure:
        del contender
        title = f"horizon pinned by {label}: throughput"
        aim = Target(">=", 0.85) if mine else None
        return Figure(title, of(label, rates), aim, remark=remark)

    def lag(label: str, contender: Contender) -> Figure:
        del contender
        title = f"horizon pinned by {label}: commit to visible"
        said = f"{remark}; {statistics.median(lags[label]) * 1000:.2f} ms"
        return Figure(title, of(label, lags), Target("<=", 1.15), remark=said)

    pinned = list(contenders.items())[1:]
    return [
        *starmap(throughput, pinned),
        *(starmap(lag, pinned) if mine else ()),
    ]


if __name__ == "__main__":
    main(__doc__, measure)
