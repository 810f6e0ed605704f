"""What does a change cost as the number of registered course databases grows?

Two portals in turn, 10,000 of whose users are members: one with one course database,
and one with 1, 10, 50 and 200. In both the users that are edited belong to one
database, so that each change is delivered once; the others have 50 members each.
Capture: one client's transaction, a row of a user. Route: one call for one change, as
with a worker that waits, and one call for 2,000 changes.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable

from benchmarks import pgbench
from benchmarks.contenders import Ours
from benchmarks.figures import Figure, Target, ratios
from benchmarks.ground import Connection, Ground
from benchmarks.options import Options, main, told

COUNTS = (1, 10, 50, 200)
CHANGES = 2000
MEMBERS = 50
EDITED = 10_000
CAPTURE, ROUTE, ROUTES, POLL = (
    "update and capture",
    "route of one change",
    f"route, {CHANGES:,} changes at once",
    "a poll that finds nothing",
)
SUM = f"{CAPTURE}, and {ROUTE}"


def measure(ground: Ground, options: Options) -> list[Figure]:
    few, many = Ours(ground, ()), Ours(ground, ())
    for portal in (few, many):
        _add(portal, "one", EDITED)
    found: list[Figure] = []
    registered = 1
    for count in COUNTS:
        while registered < count:
            registered += 1
            _add(many, f"more_{registered}", MEMBERS)
        many.settle()
        found += _compared(few, many, count, options)
    return found


def _add(ours: Ours, name: str, members: int) -> None:
    ours.site.create(name)
    ours.site.enroll(name, 1, min(members, ours.site.users))
    ours.register(name)


def _compared(few: Ours, many: Ours, count: int, options: Options) -> list[Figure]:
    costs: dict[bool, dict[str, list[float]]] = {
        side: defaultdict(list) for side in (False, True)
    }
    for turn in range(options.rounds + 1):
        for side in (False, True)[:: -1 if turn % 2 else 1]:
            for what, seconds in _costs(many if side else few).items():
                if turn:
                    costs[side][what].append(seconds)
    told(f"{count}: { {w: statistics.median(v) for w, v in costs[True].items()} }")
    figures = []
    for what, values in costs[True].items():
        last = count == COUNTS[-1] and what == SUM
        title = f"{what}, {count} databases against 1"
        remark = f"{statistics.median(values) * 1000:.3f} ms"
        against = ratios(values, costs[False][what])
        aim = Target("<=", 1.1) if last else None
        figures.append(Figure(title, against, aim, remark=remark))
    return figures


def _costs(ours: Ours) -> dict[str, float]:
    """Return seconds by what they are spent on."""
    ours.settle()
    ours.site.tidy()
    first = MEMBERS + 1
    script = pgbench.EDIT.replace("random(1,", f"random({first},").replace(
        ":users", str(min(EDITED, ours.site.users))
    )
    with ours.site.open() as session:
        captured = 1 / pgbench.write(ours.site, script, 1, CHANGES)
        routed = _timed(lambda: _route(session)) / CHANGES
        singles, polls = [], []
        for number in range(100):
            session.execute(
                "UPDATE auth_user SET email = md5(random()::text) WHERE id = %s",
                (first + number,),
            )
            singles.append(_timed(lambda: _route(session)))
            polls.append(_timed(lambda: _poll(session)))
    single = statistics.median(singles)
    return {
        SUM: captured + single,
        CAPTURE: captured,
        ROUTE: single,
        ROUTES: routed,
        POLL: statistics.median(polls),
    }


def _route(session: Connection) -> None:
    session.execute("SELECT pyrepl.route()")


def _poll(session: Connection) -> None:
    session.execute("SELECT pyrepl.route()")
    session.execute("SELECT pyrepl.due()")


def _timed(deed: Callable[[], None]) -> float:
    begun = time.perf_counter()
    deed()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(__doc__, measure)
