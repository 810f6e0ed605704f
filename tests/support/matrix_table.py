"""Results of the matrix: kept between runs, and as a table."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import msgspec

HEAD = (
    *("Portal", "Courses", "Python", "Tests", "Result"),
    *("Passed", "Failed", "Skipped", "Minutes", "Date"),
)
PAGE = """\
# Versions that were tested

Written by `make matrix`. Where portal and courses have the same version, all tests
ran; else those of what two versions can disagree about: pipeline, chain, registration,
immediate delivery, verification, and the upgrade of an earlier release.
`make matrix ARGS=--list` names the runs.

{table}

Machine of the last run: {machine}.
"""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell came to."""

    name: str
    portal: str
    course: str
    python: str
    part: str
    outcome: str
    commit: str
    date: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    minutes: float = 0

    @property
    def is_good(self) -> bool:
        return self.outcome == "passed"


def counted(report: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped, by a JUnit report."""
    suites = ET.parse(report).getroot().iter("testsuite")
    tests = failed = skipped = 0
    for suite in suites:
        tests += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    return tests - failed - skipped, failed, skipped


def read(path: Path) -> dict[str, Result]:
    """Return the results kept so far."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Result])


def write(path: Path, results: dict[str, Result]) -> None:
    """Keep results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def table(results: Sequence[Result]) -> str:
    """Return results as a Markdown table."""
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, filter(_says_more, results))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(found: Result) -> tuple[str, ...]:
    return (
        *(found.portal, found.course, found.python, found.part, found.outcome),
        *(str(found.passed), str(found.failed), str(found.skipped)),
        *(f"{found.minutes:.1f}", found.date),
    )


def _says_more(found: Result) -> bool:
    """Tell whether a result has a row: a server that is not here has one, not eight."""
    return found.part == "all" or not found.outcome.startswith("no ")


def markdown(results: Sequence[Result]) -> str:
    """Return the page of the documentation."""
    return PAGE.format(table=table(results), machine=machine())


def machine() -> str:
    """Describe the machine, without its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    system = os.uname()
    return (
        f"{os.cpu_count()} cores ({system.machine}), {memory:.0f} GB, {system.sysname}"
    )
