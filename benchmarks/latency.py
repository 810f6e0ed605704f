"""How soon after COMMIT is a change visible at the courses, and what does waiting cost?

Queued: 200 updates of 200 users, one every five milliseconds, by one session; another
looks at both course databases, again and again, until the new value is there. The time
begins when COMMIT has returned; looking resolves about 0.2 ms. Twenty updates before do
not count. Once with nothing else going on, and once beside two clients that write 500
rows a second.

Immediate: what one session waits for a transaction on one user, with two course
databases that concern it, against the same without replication; half of the difference
is the cost of a database. Beside it what triggers by hand cost.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import nullcontext

from benchmarks import pgbench
from benchmarks.contenders import Contender, ForeignTriggers, Immediate, Native, Ours
from benchmarks.figures import Figure, Target, percentile
from benchmarks.ground import Connection, Ground, key_of
from benchmarks.options import Options, main, told

UPDATES = 200
APART = 0.005
RATE = 500.0
TRANSACTIONS = 200
WARMING = 20  # do not count
COURSES = ("one", "two")
_NEW_USER = """
    INSERT INTO auth_user (id, username, first_name, last_name, email, password,
        is_staff, is_active, is_superuser, last_login, date_joined)
    SELECT max(id) + 1, 'new' || max(id), '', '', '', '', false, true, false, now(),
        now()
    FROM auth_user RETURNING id"""
_SEEN = "SELECT first_name = %s FROM auth_user WHERE id = %s"


def measure(ground: Ground, options: Options) -> list[Figure]:
    return [*queued(ground, options), *added(ground, options)]


def queued(ground: Ground, options: Options) -> list[Figure]:
    ours = Ours(ground)
    found: dict[tuple[str, bool], list[tuple[float, float]]] = defaultdict(list)
    contenders: list[Contender] = [ours, Native(ground)]
    for turn in range(options.rounds + 1):
        for contender in contenders[:: -1 if turn % 2 else 1]:
            for loaded in (False, True):
                contender.settle()
                contender.site.tidy()
                lags = _lags(contender, turn, loaded=loaded)
                pair = (percentile(lags, 50) * 1000, percentile(lags, 99) * 1000)
                told(
                    f"{contender.name} loaded={loaded}: {pair[0]:.2f} {pair[1]:.2f} ms"
                )
                if turn:
                    found[contender.name, loaded].append(pair)
    return [
        Figure(
            f"commit to visible, {name}, {'loaded' if loaded else 'idle'}, {what}",
            [pair[index] for pair in pairs],
            Target("<=", limit) if name == ours.name and not loaded else None,
            unit="ms",
        )
        for (name, loaded), pairs in found.items()
        for index, (what, limit) in enumerate((("p50", 1.5), ("p99", 10.0)))
    ]


def _lags(contender: Contender, turn: int, *, loaded: bool) -> list[float]:
    site = contender.site
    with (
        contender.at_work(),
        pgbench.load(site, pgbench.EDIT, 2, RATE) if loaded else nullcontext(),
    ):
        here, there = site.session(), [site.session(name) for name in site.names]
        # A clock that has just begun opens links and makes plans: that is once a start.
        probe(here, there, "warm", 20)
        time.sleep(0.5)  # the clock has gone to sleep, or the load is going
        return probe(here, there, f"{turn}{loaded}")


def probe(
    here: Connection, there: list[Connection], turn: str, updates: int = UPDATES
) -> list[float]:
    """Return seconds from COMMIT to visible, of each update at each course."""
    waiting: list[deque[tuple[int, float]]] = [deque() for _ in there]
    lags: list[float] = []
    begun, user = time.monotonic(), 0
    while user < updates or any(waiting):
        if user < updates and time.monotonic() >= begun + user * APART:
            user += 1
            here.execute(
                "UPDATE auth_user SET first_name = %s WHERE id = %s", (turn, user)
            )
            for queue in waiting:
                queue.append((user, time.monotonic()))
        for course, queue in zip(there, waiting, strict=True):
            while queue and _seen(course, turn, queue[0][0]):
                lags.append(time.monotonic() - queue.popleft()[1])
        time.sleep(0.0001)
    return lags


def _seen(course: Connection, turn: str, user: int) -> bool:
    row = course.execute(_SEEN, (turn, user), prepare=True).fetchone()
    return row is not None and bool(row[0])


def edit(session: Connection, user: int) -> None:
    session.execute(
        "UPDATE auth_user SET email = md5(random()::text) WHERE id = %s", (user,)
    )


def edit_both(session: Connection, user: int) -> None:
    with session.transaction():
        edit(session, user)
        session.execute(
            "UPDATE auth_userprofile SET goals = md5(random()::text)"
            " WHERE user_id = %s",
            (user,),
        )


def sign_up(session: Connection, user: int) -> None:
    """Make a user with a profile, enrolled in both courses."""
    del user
    with session.transaction():
        (number,) = session.execute(_NEW_USER).fetchone() or (0,)
        session.execute(
            "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware,"
            " language, location) VALUES (%s, %s, 'New', '', '', '', '')",
            (number, number),
        )
        for name in COURSES:
            session.execute(
                "INSERT INTO student_courseenrollment (user_id, course_id)"
                " VALUES (%s, %s)",
                (number, key_of(name)),
            )


KINDS: dict[str, Callable[[Connection, int], None]] = {
    "one UPDATE": edit,
    "UPDATE of user and profile": edit_both,
    "sign-up with two enrollments": sign_up,
}


def added(ground: Ground, options: Options) -> list[Figure]:
    ours = Immediate(ground)
    contenders: list[Contender] = [Contender(ground), ours, ForeignTriggers(ground)]
    by_the_queue = []
    waited: dict[tuple[str, str], list[float]] = defaultdict(list)
    for turn in range(options.rounds + 1):
        before = ours.queued()
        for contender in contenders[:: -1 if turn % 2 else 1]:
            contender.settle()
            contender.site.tidy()
            with contender.at_work():
                for kind, deed in KINDS.items():
                    median = _median(contender, deed)
                    told(f"{contender.name}, {kind}: {median:.2f} ms")
                    if turn:
                        waited[contender.name, kind].append(median)
        if turn:
            by_the_queue.append(ours.queued() - before)
    dossiers = len(KINDS) * len(COURSES) * (TRANSACTIONS + WARMING)
    title = f"{ours.name}: dossiers that went by the queue"
    return [
        *(figure for kind in KINDS for figure in _costs(kind, contenders, waited)),
        Figure(title, by_the_queue, remark=f"of {dossiers:,}"),
    ]


def _median(contender: Contender, deed: Callable[[Connection, int], None]) -> float:
    """Return the median of what a session waits, in milliseconds."""
    times = []
    with contender.site.open() as session:
        for number in range(TRANSACTIONS + WARMING):
            begun = time.perf_counter()
            deed(session, 1 + number * 97 % contender.site.users)
            times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times[WARMING:])


def _costs(
    kind: str,
    contenders: list[Contender],
    waited: dict[tuple[str, str], list[float]],
) -> list[Figure]:
    nobody, ours, by_hand = (waited[c.name, kind] for c in contenders)
    found = []
    costs = []
    for contender, times in ((contenders[1], ours), (contenders[2], by_hand)):
        cost = [(t - n) / 2 for t, n in zip(times, nobody, strict=True)]
        costs.append(cost)
        title = f"added for a database, {contender.name}, {kind}"
        remark = f"{statistics.median(nobody):.2f} ms without replication"
        found.append(Figure(title, cost, unit="ms", remark=remark))
    against = [a / b for a, b in zip(*costs, strict=True)]
    aim = Target("<=", 0.5) if kind == "one UPDATE" else None
    title = f"immediate against foreign-table triggers, {kind}"
    return [Figure(title, against, aim), *found]


if __name__ == "__main__":
    main(__doc__, measure)
