"""A soak: writers, workers and faults at the same time; afterwards all must be equal.

`make chaos` runs it for ten minutes (SECONDS=, SEED=, ARGS=--queued). All decisions,
who writes what and which fault comes next, follow from the seed: each thread has a
generator of its own. When each of them happens does not: that is up to the operating
system. So the same seed plays the same parts again, but not with the same timing.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from pyreplctl.courses.request import Request
from tests.failure import faults, judge
from tests.failure.ground import Ground, prepared
from tests.failure.injector import Injector
from tests.failure.journal import Journal
from tests.failure.report import Report
from tests.failure.workers import Workers
from tests.failure.writers import (
    BY_IMMEDIATE,
    ORDINARY,
    CourseLife,
    Serving,
    Writer,
)

WRITERS = 6
IMMEDIATE = "delivery" in Request.__dataclass_fields__
DEADLINE = 240.0  # seconds until all is delivered once the faults are over


def run(
    seconds: float,
    seed: int,
    directory: Path,
    *,
    immediate: bool = IMMEDIATE,
    deadline: float = DEADLINE,
    sabotage: Callable[[Ground], object] = lambda _: None,
) -> Report:
    """Let everything happen for so long, lift all faults, wait, compare.

    Logs go to the directory. `sabotage` may take out what keeps databases equal.
    """
    report = Report(seed, immediate, directory)
    with closing(Journal(directory)) as journal, ExitStack() as stack:
        ground = stack.enter_context(prepared(journal, immediate=immediate))
        sabotage(ground)
        workers = Workers(ground)
        try:
            _play(ground, workers, report, seconds)
            began = time.monotonic()
            report.verdict = judge.judge(ground, deadline)
            report.seconds_to_equal = time.monotonic() - began
            report.verified = judge.verify(ground)
            report.pushes = _pushes(ground)
        finally:
            codes = workers.stop()
        report.workers_ended = workers.ended_by_themselves
        report.problems += [f"a worker ended with {code}" for code in codes if code]
        if not report.good:
            for name, cluster in ground.everything():
                shutil.copy(cluster.log_file, directory / f"{name}.log")
    return report


def _play(ground: Ground, workers: Workers, report: Report, seconds: float) -> None:
    seed = report.seed
    places = list(ground.places)
    injectors = [
        Injector(
            ground, seed, "servers", faults.server_faults(list(ground.servers)), 4
        ),
        Injector(ground, seed, "courses", faults.course_faults(places), 6),
        Injector(ground, seed, "portal", faults.portal_faults(places, workers), 2),
    ]
    writers = [Writer(ground, seed, number) for number in range(WRITERS)]
    serving = Serving(ground, seed)
    life = CourseLife(ground, ground.places["beta"], seed)
    threads = [*writers, *injectors, serving, life]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end and not any(i.broken for i in injectors):
        time.sleep(min(1, seconds / 10))
        workers.supervise()
    for thread in reversed(threads):
        thread.stop()
    for injector in injectors:
        injector.join()
    ground.all_up()
    for thread in threads:
        thread.join()
    workers.supervise()
    ground.journal.note("all faults are lifted")
    _collect(report, injectors, writers, serving)


def _collect(
    report: Report, injectors: list[Injector], writers: list[Writer], serving: Serving
) -> None:
    for injector in injectors:
        report.faults += injector.counts
        report.missed += injector.missed
        report.windows += injector.windows
        if injector.broken:
            report.problems.append(f"{injector.name} broke: {injector.broken!r}")
    for writer in writers:
        report.tally.add(writer.tally)
    report.serve_calls = serving.calls
    allowed = ORDINARY | BY_IMMEDIATE if report.immediate else ORDINARY
    for state in report.tally.failed.keys() - allowed:
        report.problems.append(f"a writer got {state}: {report.tally.messages[state]}")


def _pushes(ground: Ground) -> dict[str, int]:
    """Return about how many pushes there were, by database and mode.

    A crash lets sequences skip a few numbers.
    """
    with ground.at_portal() as portal:
        rows = portal.execute(
            "SELECT d.name, max(c.id) FROM pyrepl.chain c"
            " JOIN pyrepl.database d ON d.id = c.database_id GROUP BY 1 ORDER BY 1"
        )
        pushes = {row[0]: row[1] for row in rows}
    for place in ground.places.values():
        if ground.immediate and place.immediate:
            with ground.at(place) as course:
                query = "SELECT last_value FROM pyrepl.receipt_id_seq"
                [(pushes[f"{place.name} (immediate)"],)] = course.execute(query)
    return pushes


def main() -> int:
    """Run as told; 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--queued", action="store_true")
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.seconds:.0f} s", file=sys.stderr)  # noqa: T201
    directory = Path(tempfile.mkdtemp(prefix="pyreplctl-chaos-"))
    report = run(
        given.seconds,
        given.seed,
        directory,
        immediate=IMMEDIATE and not given.queued,
    )
    print(report.text())  # noqa: T201
    if report.good:
        shutil.rmtree(directory)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
