"""Where the marks of the history's plots go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pyreplctl.verify.history import Past

WIDTH, HEIGHT = 720, 132
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 12, 24
_KINDS = ("missing", "stale", "extra")


@dataclass(frozen=True)
class Part:
    """A piece of a bar: users of one kind."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One run: its pieces, or none where all was well or nothing could be seen."""

    x: float
    width: float
    state: str  # well, differs, unknown
    parts: tuple[Part, ...]
    structure: int
    text: str


@dataclass(frozen=True)
class Tick:
    """A line across, and what it stands for."""

    y: float
    text: str


@dataclass(frozen=True)
class Plot:
    """The runs of one database, or of the portal, the oldest first."""

    name: str
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    first: datetime
    last: datetime
    summary: str
    base: float = HEIGHT - BOTTOM
    left: float = LEFT
    width: float = WIDTH
    height: float = HEIGHT
    right: float = WIDTH - RIGHT


def plots(past: Iterable[Past]) -> list[Plot]:
    """Return a plot for each name, the portal's first."""
    by_name: dict[str, list[Past]] = {}
    for each in past:
        by_name.setdefault(each.name, []).append(each)
    return [
        _plot(name, sorted(listed, key=lambda p: p.at))
        for name, listed in sorted(by_name.items())
    ]


def _plot(name: str, runs: Sequence[Past]) -> Plot:
    top = max([*(run.differ for run in runs), 9])
    step = (WIDTH - LEFT - RIGHT) / max(len(runs), 20)
    bars = tuple(
        _bar(run, LEFT + place * step, min(step * 0.72, 22), top)
        for place, run in enumerate(runs)
    )
    marks = [0, *(10**n for n in range(1 + int(math.log10(top))))]
    ticks = tuple(Tick(_y(mark, top), f"{mark:,}") for mark in marks)
    bad = sum(bar.state == "differs" for bar in bars)
    unknown = sum(bar.state == "unknown" for bar in bars)
    summary = f"{len(runs)} runs, {bad} with differences, {unknown} without an answer"
    return Plot(name, bars, ticks, runs[0].at, runs[-1].at, summary)


def _bar(run: Past, x: float, width: float, top: int) -> Bar:
    parts = []
    below = 0
    for kind in _KINDS:
        if count := getattr(run, kind) or 0:
            y, bottom = _y(below + count, top), _y(below, top)
            parts.append(Part(kind, y, bottom - y))
            below += count
    state = "unknown" if run.ok is None else "well" if run.ok else "differs"
    said = [f"{run.at:%Y-%m-%d %H:%M} UTC"]
    said += [f"{getattr(run, k):,} {k}" for k in _KINDS if getattr(run, k)]
    if run.structure:
        said.append(f"{run.structure} objects not current")
    said += {"well": ["all equal"], "unknown": ["no answer"]}.get(state, [])
    return Bar(x, width, state, tuple(parts), run.structure or 0, ", ".join(said))


def _y(count: int, top: int) -> float:
    """Return the height of a count: logarithmic, so that one user can be seen."""
    share = math.log10(1 + count) / math.log10(1 + top)
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
