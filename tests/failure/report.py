"""What a run of chaos did, in numbers and in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.failure.injector import Window
from tests.failure.judge import Verdict
from tests.failure.writers import Tally


@dataclass
class Report:
    """What a run did and what it found."""

    seed: int
    immediate: bool
    directory: Path
    tally: Tally = field(default_factory=Tally)
    faults: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    windows: list[Window] = field(default_factory=list)
    pushes: dict[str, int] = field(default_factory=dict)
    serve_calls: int = 0
    workers_ended: int = 0
    seconds_to_equal: float = 0.0
    verdict: Verdict = field(default_factory=Verdict)
    verified: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all ended equal and nobody saw what must not be."""
        return self.verdict.equal and not self.verified and not self.problems

    def longest_while_frozen(self) -> float | None:
        """Seconds of the longest transaction while only queued databases hung.

        None where no transaction ran at such a time and no other server was disturbed.
        """
        hung = [w for w in self.windows if w.name == "course server: frozen"]
        other = [w for w in self.windows if w.target in ("portal", "right")]
        if not self.immediate:
            other = [w for w in other if w.target == "portal"]
        else:
            hung = [w for w in hung if w.target == "left"]
        spans = [
            (begin, end)
            for begin, end in self.tally.spans
            if any(begin < w.end and w.begin < end for w in hung)
            and not any(begin < w.end and w.begin < end for w in other)
        ]
        return max((end - begin for begin, end in spans), default=None)

    def text(self) -> str:
        """Return the report in words."""
        tally, verdict = self.tally, self.verdict
        states = ", ".join(
            f"{n} of {state}" for state, n in sorted(tally.failed.items())
        )
        lines = [
            f"seed {self.seed}, {'one immediate' if self.immediate else 'all queued'}",
            (
                f"{tally.committed} transactions committed, {tally.rolled_back} rolled"
                f" back, {tally.failed.total()} failed ({states})"
            ),
            (
                f"{self.faults.total()} faults, {self.missed.total()} missed their"
                f" target; {self.serve_calls} calls of serve; workers gave up"
                f" {self.workers_ended} times"
            ),
        ]
        lines += [f"  {n:5}  {name}" for name, n in sorted(self.faults.items())]
        pushes = ", ".join(f"{name} {n}" for name, n in self.pushes.items())
        lines.append(f"pushes (about): {pushes}")
        longest = self.longest_while_frozen()
        if longest is not None:
            lines.append(
                "longest transaction while a server of queued databases was frozen:"
                f" {longest * 1000:.0f} ms"
            )
        lines.append(
            f"all delivered {self.seconds_to_equal:.1f} s after the last fault;"
            f" {verdict.rows} rows compared, {len(verdict.differences)} differences"
        )
        if not self.good:
            lines += ["", f"FAILED; seed {self.seed}; logs are in {self.directory}"]
            lines += [*self.problems, *self.verified, *verdict.differences[:50]]
            lines += [f"still waiting: {one}" for one in verdict.waiting[:50]]
        return "\n".join(lines)
