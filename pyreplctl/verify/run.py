"""A run of verify: structure and data of the portal and its course databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyreplctl.core import databases as state
from pyreplctl.core.config import Config
from pyreplctl.core.db import connect, fetch
from pyreplctl.install import installed
from pyreplctl.verify import data as verification
from pyreplctl.verify.data import Result
from pyreplctl.verify.findings import Finding

if TYPE_CHECKING:
    from pyreplctl.verify.course_structure import DatabaseStructure
    from pyreplctl.verify.structure import Structure

KINDS = ("missing", "stale", "extra")
NUMBERS = ("users", *KINDS, "former", "pending", "seconds")


def verdict(ok: bool | None, *, differs: bool, data: bool) -> str:
    """Return a word: "damaged" are objects alone, "sound" is where no row was read.

    >>> verdict(False, differs=False, data=True)
    'damaged'
    """
    if ok is None:
        return "unknown"
    if ok:
        return "equal" if data else "sound"
    return "differs" if differs else "damaged"


@dataclass
class Database:
    """What a run found at one course database; None is what it did not look at."""

    name: str
    looked: DatabaseStructure | None = None
    data: Result | None = None

    @property
    def ok(self) -> bool | None:
        """Whether it is well: False before None, since what was found was found."""
        both = [part.ok for part in (self.looked, self.data) if part is not None]
        return False if False in both else None if None in both else True

    @property
    def verdict(self) -> str:
        """Say it in a word."""
        differs = self.data is not None and self.data.ok is False
        return verdict(self.ok, differs=differs, data=self.data is not None)

    @property
    def error(self) -> str | None:
        """Why it could not be looked at."""
        errors = [part.error for part in (self.data, self.looked) if part is not None]
        return next((error for error in errors if error), None)

    @property
    def items(self) -> list[Finding]:
        """The objects that were looked at."""
        return self.looked.items if self.looked else []

    @property
    def wrong(self) -> list[Finding]:
        """The objects that are not current."""
        return [item for item in self.items if item.state != "current"]

    def number(self, name: str) -> Any:
        """Return a number of what was found in the data; None if that was not read.

        Nor is a 0 known of a database that could not be looked at to the end.
        """
        found = None if self.data is None else getattr(self.data, name)
        unknown = self.data is not None and self.data.ok is None and name != "seconds"
        return found or None if unknown else found

    def document(self) -> dict[str, Any]:
        """Return it as `verify --json` has it."""
        data = self.data
        return {
            "name": self.name,
            "ok": self.ok,
            "error": self.error,
            "structure": [_plain(item) for item in self.items],
            **{name: self.number(name) for name in NUMBERS},
            "examples": [vars(each).copy() for each in data.examples] if data else [],
        }


@dataclass
class Run:
    """All of a run; `portal` is None where structure was not looked at."""

    portal: list[Finding] | None
    databases: list[Database]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    found: Structure | None = None

    @property
    def ok(self) -> bool | None:
        """Whether all is well."""
        states = [database.ok for database in self.databases]
        if False in states or self.wrong:
            return False
        return None if None in states else True

    @property
    def wrong(self) -> list[Finding]:
        """The objects of the portal that are not current."""
        return [item for item in self.portal or [] if item.state != "current"]

    @property
    def verdict(self) -> str:
        """Say of the portal in a word how it is."""
        return verdict(not self.wrong, differs=False, data=False)

    @property
    def remedies(self) -> bool:
        """Whether a repair could do anything."""
        every = [*self.wrong, *(item for each in self.databases for item in each.wrong)]
        return any(item.remedy.step for item in every) or any(
            result.drifted for result in self.results
        )

    @property
    def results(self) -> list[Result]:
        """What was found in the data."""
        return [each.data for each in self.databases if each.data is not None]

    def document(self) -> dict[str, Any]:
        """Return it as `verify --json` has it."""
        return {
            "ok": self.ok,
            "portal": {"structure": [_plain(item) for item in self.portal or []]},
            "databases": [each.document() for each in self.databases],
        }


def _plain(item: Finding) -> dict[str, str]:
    return {"object": item.object, "state": item.state, "detail": item.detail}


@dataclass(frozen=True)
class Looking:
    """What to look at, and how.

    `given` is a configuration that should be the installed one. No statement on data
    should take longer than `target` seconds; with `resume` a verification that was
    interrupted goes on.
    """

    structure: bool = True
    data: bool = True
    given: Config | None = None
    examples: int = 20
    target: float = 1.0
    resume: bool = False


def look(
    dsn: str, config: Config, names: Sequence[str], looking: Looking | None = None
) -> Run:
    """Look at structure, data or both.

    Raises `NotSuitable` at a standby: it has no queues, and takes no locks.
    """
    looking = looking or Looking()
    results = []
    found = _structure(dsn, names, looking)
    if looking.data:
        results = verification.verify(
            dsn,
            config,
            list(names),
            examples=looking.examples,
            target=looking.target,
            resume=looking.resume,
        )
    return _run(found, results)


def recheck(
    dsn: str, config: Config, names: Sequence[str], before: Run, looking: Looking
) -> Run:
    """Look again after a repair: at all of structure, and at the users that differed.

    Where the data could not be looked at before it is looked at now.
    """
    found = _structure(dsn, names, looking)
    seen = [result for result in before.results if result.error is None]
    results = verification.recheck(dsn, config, seen, looking.examples)
    if unseen := [result.name for result in before.results if result.error]:
        results += verification.verify(
            dsn, config, unseen, examples=looking.examples, target=looking.target
        )
    return _run(found, results)


def interrupted(dsn: str, names: Sequence[str]) -> dict[str, int]:
    """Return by name up to which user an interrupted verification had come."""
    found = {}
    with connect(dsn, "the portal") as connection:
        installed.require_installed(connection)
        for name, number in state.numbers(connection, names).items():
            for row in fetch(connection, "SELECT * FROM pyrepl.progress(%s)", number):
                found[name] = row["position"]
    return found


def _structure(dsn: str, names: Sequence[str], looking: Looking) -> Structure | None:
    if not looking.structure:
        return None
    from pyreplctl.verify import (
        structure,  # here, as looking at data alone should start fast
    )

    return structure.verify(dsn, names, given=looking.given)


def _run(found: Structure | None, results: Sequence[Result]) -> Run:
    databases: dict[str, Database] = {}
    if found:
        databases |= {n: Database(n, looked) for n, looked in found.databases.items()}
    for result in results:
        databases.setdefault(result.name, Database(result.name)).data = result
    items = found.portal if found else None
    return Run(items, list(databases.values()), found=found)
