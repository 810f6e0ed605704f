"""Runs the tests on all PostgreSQL and Python versions: `make matrix`.

Each cell is a run of pytest; one that passed at this commit is not run again. Logs
and results are kept in .matrix/, the table goes to docs/reference/matrix.md.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime

import msgspec

from tests.support import obtain
from tests.support.matrix_table import Result, counted, markdown, read, table, write
from tests.support.servers import MATRIX, version

# The last may not be there yet: its rows then say so.
SERVERS = (15, 16, 17, 18, 19)
PYTHONS = ("3.11", "3.12", "3.13")
NEWEST = 18  # what the tests of other Pythons run on: the bundled one
CHANGED = "changed"
PAGE = obtain.ROOT / "docs" / "reference" / "matrix.md"
# What two versions can disagree about: what travels, what is compared, what is read of
# the other's catalog.
PART = (
    "tests/integration/delivery/test_pipeline.py",
    "tests/integration/delivery/test_chain.py",
    "tests/integration/courses/test_registration.py",
    "tests/integration/immediate",
    "tests/integration/verify/test_structure.py",
    "tests/integration/verify/test_verification.py",
    "tests/cli/test_upgrade.py",
)


class Cell(msgspec.Struct, frozen=True):
    """A run of the tests: the portal's server, the courses', the Python."""

    portal: int
    course: int
    python: str

    @property
    def name(self) -> str:
        return f"portal{self.portal}-course{self.course}-python{self.python}"

    @property
    def tests(self) -> tuple[str, ...]:
        return () if self.portal == self.course else PART


def cells() -> list[Cell]:
    """Return all cells: short ones first, so that a fault shows early."""
    first = PYTHONS[0]
    pairs = [Cell(p, c, first) for p in SERVERS for c in SERVERS if p != c]
    alone = [Cell(number, number, first) for number in SERVERS]
    pythons = [Cell(NEWEST, NEWEST, python) for python in PYTHONS[1:]]
    return [*pairs, *alone, *pythons]


def run(cell: Cell, jobs: int) -> Result:
    """Run a cell's tests, or say what is not here."""
    portal, course = obtain.server(cell.portal), obtain.server(cell.course)
    if portal is None or course is None:
        lacking = cell.portal if portal is None else cell.course
        return _result(cell, f"no server of PostgreSQL {lacking}")
    python = obtain.python(cell.python)
    if python is None:
        return _result(cell, f"no Python {cell.python}")
    report = MATRIX / "results" / f"{cell.name}.xml"
    report.unlink(missing_ok=True)
    report.parent.mkdir(parents=True, exist_ok=True)
    env = os.environ | {
        "PYREPLCTL_PG_BIN": str(portal),
        "PYREPLCTL_COURSE_PG_BIN": str(course),
    }
    command = [str(python), "-m", "pytest", "-q", "-n", str(jobs)]
    started = time.monotonic()
    with (MATRIX / "results" / f"{cell.name}.log").open("w") as log:
        code = subprocess.run(
            [*command, f"--junit-xml={report}", *cell.tests],
            cwd=obtain.ROOT,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    result = _result(cell, "passed" if code == 0 else "failed")
    passed, failed, skipped = counted(report) if report.exists() else (0, 0, 0)
    return msgspec.structs.replace(
        result,
        portal=version(portal),
        course=version(course),
        passed=passed,
        failed=failed,
        skipped=skipped,
        minutes=round((time.monotonic() - started) / 60, 1),
    )


def _result(cell: Cell, outcome: str) -> Result:
    return Result(
        name=cell.name,
        portal=str(cell.portal),
        course=str(cell.course),
        python=cell.python,
        part="a part" if cell.tests else "all",
        outcome=outcome,
        commit=_commit(),
        date=f"{datetime.now(UTC):%Y-%m-%d}",
    )


def _commit() -> str:
    """Return the commit, unless files differ from it."""
    changes = _git("status", "--porcelain", "--", ".", ":!docs")
    return CHANGED if changes else _git("rev-parse", "HEAD")


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=obtain.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def main() -> int:
    """Run the chosen cells; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--only", default="", help="cells whose name has this regex")
    parser.add_argument("--list", action="store_true", help="print the cells' names")
    parser.add_argument("--again", action="store_true", help="those that passed, too")
    parser.add_argument("--jobs", type=int, default=2, help="tests at once")
    options = parser.parse_args()
    chosen = [cell for cell in cells() if re.search(options.only, cell.name)]
    if options.list:
        print(*(cell.name for cell in chosen), sep="\n")  # noqa: T201
        return 0
    results = read(MATRIX / "results.json")
    for cell in chosen:
        before = results.get(cell.name)
        if options.again or not before or not _still_good(before):
            print(f"{cell.name} …", file=sys.stderr, flush=True)  # noqa: T201
            results[cell.name] = run(cell, options.jobs)
            _keep(results)
    done = [results[cell.name] for cell in chosen]
    print(table(done))  # noqa: T201
    return 1 if any(result.outcome == "failed" for result in done) else 0


def _still_good(before: Result) -> bool:
    return before.is_good and before.commit == _commit() != CHANGED


def _keep(results: dict[str, Result]) -> None:
    """Write all results, and the page, after each cell: the next may be interrupted."""
    write(MATRIX / "results.json", results)
    known = [results[cell.name] for cell in cells() if cell.name in results]
    PAGE.write_text(markdown(known), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
