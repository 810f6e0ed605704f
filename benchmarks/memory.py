"""How much memory does the worker take, and its sessions; how large do the queues get?

The backlog: an UPDATE of all users and as many changes of one user each, for two course
databases; then a worker with four jobs takes it all. The peak of the worker's resident
memory is the system's own figure; of the servers' processes it is the largest private
(anonymous) memory seen, looking every 50 ms. Queues: what a change that waits and an
outbox pair that waits take, with their indexes, and what is left when all is delivered.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import pgbench
from benchmarks.contenders import Ours
from benchmarks.figures import Figure, Target
from benchmarks.ground import PORTAL, Connection, Ground, Site
from benchmarks.options import Options, main, told
from pyreplctl.core.db import value

SINGLE = 50_000
MB = 1024 * 1024


def measure(ground: Ground, options: Options) -> list[Figure]:
    ours = Ours(ground)
    worker: list[float] = []
    servers: dict[str, list[float]] = defaultdict(list)
    queues: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        ours.site.tidy()
        _backlog(ours, queues)
        with ours.worker(jobs=4) as process:
            with _watched(ours.site, servers):
                ours.settle()
            worker.append(_kilobytes(process.pid, "VmHWM") / 1024)
        _kept(ours.site.session(), queues)
        told(f"worker {worker[-1]:.1f} MB {dict(servers)} {dict(queues)}")
    title = "memory of the worker, at most"
    return [
        Figure(title, worker, Target("<=", 80), "MB", "resident, shared pages too"),
        *(Figure(f"memory, {n}", v, unit="MB") for n, v in servers.items()),
        *(
            Figure(title, sizes, unit="MB" if "after" in title else "bytes")
            for title, sizes in queues.items()
        ),
    ]


def _backlog(ours: Ours, queues: dict[str, list[float]]) -> None:
    session = ours.site.session()
    empty = _size(session, "change")
    pgbench.write(ours.site, pgbench.EDIT, 2, SINGLE // 2)
    taken = (_size(session, "change") - empty) / SINGLE
    queues["queue, a waiting change"].append(taken)
    empty = _size(session, "outbox")
    while value(session, "SELECT pyrepl.route()"):
        pass
    pairs = value(session, "SELECT count(*) FROM pyrepl.outbox")
    taken = (_size(session, "outbox") - empty) / pairs
    queues["queue, a waiting outbox pair"].append(taken)
    session.execute("UPDATE auth_user SET last_name = md5(random()::text)::varchar(30)")


def _kept(session: Connection, queues: dict[str, list[float]]) -> None:
    for state in ("delivered", "VACUUM"):
        if state == "VACUUM":
            session.execute("VACUUM")
        both = _size(session, "change") + _size(session, "outbox")
        queues[f"queue tables, after {state}"].append(both / MB)


def _size(session: Connection, table: str) -> int:
    query = "SELECT pg_total_relation_size(('pyrepl.' || %s::text)::regclass)"
    return int(value(session, query, table))


@contextmanager
def _watched(site: Site, largest: dict[str, list[float]]) -> Iterator[None]:
    """Note the largest private memory of sessions on both sides in the block."""
    over = threading.Event()
    most: dict[str, float] = {}

    def look() -> None:
        with site.open() as here, site.open(site.names[0]) as there:
            while not over.wait(0.05):
                for side, session in (("portal", here), ("courses", there)):
                    for pid in _sessions(session):
                        held = _kilobytes(pid, "RssAnon") / 1024
                        most[side] = max(held, most.get(side, 0.0))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    for side, held in most.items():
        where = "a session of the worker" if side == PORTAL else "a link's session"
        largest[f"{where}, private"].append(held)


def _sessions(session: Connection) -> list[int]:
    query = (
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND (application_name LIKE 'pyrepl%')"
    )
    return [row[0] for row in session.execute(query).fetchall()]


def _kilobytes(pid: int, name: str) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return 0.0
    return float(next((x.split()[1] for x in lines if x.startswith(name)), 0.0))


if __name__ == "__main__":
    main(__doc__, measure)
