"""Medians, spreads and targets: what is printed, and written down, of a measurement."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Target:
    """What is aimed at: at least, or at most."""

    sense: Literal[">=", "<="]
    limit: float

    def holds(self, value: float) -> bool:
        return value >= self.limit if self.sense == ">=" else value <= self.limit

    def text(self, unit: str) -> str:
        return f"{self.sense} {_number(self.limit)} {unit}".rstrip()


@dataclass(frozen=True)
class Figure:
    """One measured quantity, a value a round; where it is a ratio, of paired runs."""

    question: str
    values: Sequence[float]
    target: Target | None = None
    unit: str = ""
    remark: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        return "holds" if self.target.holds(self.median) else "MISSED"

    def cells(self) -> tuple[str, ...]:
        """Return question, target, median, spread, verdict, remark."""
        spread = f"{_number(min(self.values))} to {_number(max(self.values))}"
        return (
            self.question,
            self.target.text(self.unit) if self.target else "",
            f"{_number(self.median)} {self.unit}".rstrip(),
            spread if len(self.values) > 1 else "",
            self.verdict,
            self.remark,
        )


def _number(value: float) -> str:
    """Three digits that count.

    >>> _number(0.912345), _number(12.345), _number(4567.8)
    ('0.912', '12.3', '4,568')
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


HEADER = ("question", "target", "median", "spread", "", "remark")


def ratios(numerators: Iterable[float], denominators: Iterable[float]) -> list[float]:
    """Return the ratio of each round's pair."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which that many percent lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


@dataclass
class Table:
    """Figures as text for a terminal, or as Markdown."""

    figures: list[Figure] = field(default_factory=list)

    def text(self) -> str:
        rows = [HEADER, *(figure.cells() for figure in self.figures)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(HEADER))]
        lines = [
            "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    def markdown(self) -> str:
        rows = [HEADER, ("---",) * len(HEADER), *(f.cells() for f in self.figures)]
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)
