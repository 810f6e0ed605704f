"""History: what past runs of verify found, kept on the portal."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyreplctl.core.db import Connection, fetch_as
from pyreplctl.verify.run import NUMBERS, Run, verdict

RUNS = 60  # that are shown


@dataclass(frozen=True)
class Past:
    """What a past run found at one course database, or on the portal (no name)."""

    at: datetime
    name: str
    ok: bool | None
    error: str | None
    structure: int | None
    users: int | None
    missing: int | None
    stale: int | None
    extra: int | None
    former: int | None
    pending: int | None
    seconds: float | None
    by: str

    @property
    def verdict(self) -> str:
        """Say it in a word."""
        return verdict(self.ok, differs=bool(self.differ), data=self.users is not None)

    @property
    def differ(self) -> int:
        """How many users differed."""
        return (self.missing or 0) + (self.stale or 0) + (self.extra or 0)


def keep(connection: Connection, run: Run) -> None:
    """Write what a run found; pyrepl_worker may do this."""
    rows: list[dict[str, Any]] = [
        {
            "name": each.name,
            "ok": each.ok,
            "error": each.error,
            "structure": None if each.looked is None else len(each.wrong),
            **{name: each.number(name) for name in NUMBERS},
        }
        for each in run.databases
    ]
    if run.portal is not None:
        wrong = len(run.wrong)
        rows.append({"name": "", "ok": not wrong, "structure": wrong})
    query = "SELECT pyrepl.note_verification(%s::jsonb)"
    connection.execute(query, (json.dumps(rows),))


def read(connection: Connection, runs: int = RUNS) -> list[Past]:
    """Return what the last runs found, the latest first."""
    query = "SELECT * FROM pyrepl.verifications(%s)"
    return fetch_as(Past, connection, query, runs)
