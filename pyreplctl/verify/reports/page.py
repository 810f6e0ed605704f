"""The page: one file, which needs no network and no script."""

from __future__ import annotations

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from pyreplctl import __version__
from pyreplctl.core.texts import printable
from pyreplctl.verify.history import Past
from pyreplctl.verify.reports.plot import plots
from pyreplctl.verify.run import KINDS, Database, Run

# From the worst on: the first of them that a run has is its own.
_VERDICTS = {
    "differs": "bad",
    "damaged": "bad",
    "unknown": "unknown",
    "equal": "well",
    "sound": "well",
}


def page(run: Run, past: Sequence[Past], portal: str) -> str:
    """Return the page of a run; `portal` names it, `past` holds earlier runs, too."""
    environment = Environment(
        loader=PackageLoader("pyreplctl.verify", "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    template = environment.get_template("page.html")
    words = {run.verdict, *(each.verdict for each in run.databases)}
    return template.render(
        run=run,
        past=past,
        plots=plots(past),
        portal=portal,
        version=__version__,
        kinds_of_verdicts=_VERDICTS,
        overall=next(word for word in _VERDICTS if word in words),
        databases=sorted(run.databases, key=lambda each: each.ok is True),
        kinds=KINDS,
        shares=shares,
        totals={name: _total(run, name) for name in ("users", *KINDS, "pending")},
    )


def _total(run: Run, name: str) -> int | None:
    every = [each.number(name) for each in run.databases]
    numbers = [number for number in every if number is not None]
    return sum(numbers) if numbers else None


def _shown(item: object) -> object:
    return printable(item) if type(item) is str else item


def _number(count: float | None) -> str:
    return "-" if count is None else f"{count:,}"


def shares(database: Database) -> list[tuple[str, int, float]]:
    """Return kind, users and per cent of each piece of a database's bar."""
    if database.data is None or database.data.ok is None:
        return []
    counts = {kind: int(database.number(kind)) for kind in (*KINDS, "pending")}
    counts["equal"] = max(int(database.number("users")) - sum(counts.values()), 0)
    whole = sum(counts.values()) or 1
    order = ("equal", "pending", *KINDS)
    return [(k, counts[k], 100 * counts[k] / whole) for k in order if counts[k]]
