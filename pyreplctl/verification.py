"""Verification: does every course database hold what it should, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pyreplctl import courses, deliveries, portal
from pyreplctl.config import Config
from pyreplctl.db import Connection, connect, fetch, value
from pyreplctl.errors import Error

BUCKETS = 1024
SUSPECTS_AT_ONCE = 5000  # looked at under the delivery lock in one go


@dataclass(frozen=True)
class Difference:
    """What is wrong with one user's rows in one table."""

    user_id: int
    kind: str
    table: str
    columns: list[str] | None = None


@dataclass
class Result:
    """What was found at one course database; the keys of `verify --json`.

    `ok` is None where the database could not be looked at.
    """

    name: str
    ok: bool | None = None
    error: str | None = None
    users: int = 0
    missing: int = 0
    stale: int = 0
    extra: int = 0
    former: int = 0
    pending: int = 0
    seconds: float = 0.0
    structure: list[dict[str, str]] = field(default_factory=list)
    examples: list[Difference] = field(default_factory=list)
    drifted: list[int] = field(default_factory=list)


def verify(
    dsn: str,
    config: Config,
    names: list[str],
    *,
    jobs: int = 4,
    examples: int = 20,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Compare the data of course databases with the portal, several at once."""
    with connect(dsn, "the portal") as connection:
        portal.require_installed(connection)
        chosen = courses.numbers(connection, names)

    def one(item: tuple[str, int]) -> Result:
        result = _verify_one(dsn, config, *item, examples=examples)
        progress(item[0])
        return result

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(one, chosen.items()))


def _verify_one(
    dsn: str, config: Config, name: str, number: int, *, examples: int
) -> Result:
    started = time.monotonic()
    result = Result(name=name)
    try:
        with connect(dsn, "the portal") as connection:
            _compare(connection, config, number, result, examples)
    except Error as error:
        result.error = str(error)
        return result
    result.ok = not (result.missing or result.stale or result.extra)
    result.seconds = round(time.monotonic() - started, 3)
    return result


def _compare(
    connection: Connection, config: Config, number: int, result: Result, most: int
) -> None:
    result.users = value(connection, "SELECT pyrepl.members(%s)", number)
    suspects = _suspects(connection, number)
    pending: set[int] = set()
    drifted: dict[int, list[Difference]] = {}
    for start in range(0, len(suspects), SUSPECTS_AT_ONCE):
        some = suspects[start : start + SUSPECTS_AT_ONCE]
        for row in fetch(
            connection, "SELECT * FROM pyrepl.look_again(%s, %s)", number, some
        ):
            if row["pending"]:
                pending.add(row["user_id"])
            else:
                drifted.setdefault(row["user_id"], []).append(_difference(config, row))
    for row in _strangers(connection, number):
        if row["former"]:
            result.former += 1
        elif row["pending"]:
            pending.add(row["user_id"])
        else:
            found = Difference(row["user_id"], "extra", config.tables.user.name)
            drifted.setdefault(row["user_id"], []).append(found)
    result.pending = len(pending)
    for differences in drifted.values():
        worst = min(
            differences, key=lambda d: ("missing", "extra", "stale").index(d.kind)
        )
        setattr(result, worst.kind, getattr(result, worst.kind) + 1)
    result.drifted = sorted(drifted)
    listed = [d for user in result.drifted for d in drifted[user]]
    result.examples = listed[:most]


def _suspects(connection: Connection, number: int) -> list[int]:
    buckets = {
        row["bucket"]
        for row in fetch(
            connection,
            "SELECT bucket FROM pyrepl.compare(%s, %s::bigint)",
            number,
            BUCKETS,
        )
    }
    if not buckets:
        return []
    rows = fetch(
        connection,
        "SELECT DISTINCT bucket AS user_id"
        " FROM pyrepl.compare(%s, %s::bigint, %s::bigint[]) ORDER BY 1",
        number,
        BUCKETS,
        sorted(buckets),
    )
    return [row["user_id"] for row in rows]


def _strangers(connection: Connection, number: int) -> list[dict[str, Any]]:
    query = "SELECT * FROM pyrepl.strangers(%s, %s)"
    rows = fetch(connection, query, number, False)
    if any(not row["former"] for row in rows):
        rows = fetch(connection, query, number, True)
    return rows


def _difference(config: Config, row: dict[str, object]) -> Difference:
    table: str = getattr(config.tables, str(row["part"])).name
    here, there = int(str(row["here"])), int(str(row["there"]))
    kind = "missing" if here > there else "extra" if here < there else "stale"
    return Difference(int(str(row["user_id"])), kind, table)


def repair(dsn: str, results: list[Result]) -> dict[str, list[str]]:
    """Deliver the dossiers of all users that were found to differ, again.

    Returns what could not be delivered, by database.
    """
    with connect(dsn, "the portal") as connection:
        chosen = courses.numbers(connection, [r.name for r in results if r.drifted])
        for result in results:
            if result.drifted:
                with connection.transaction():
                    connection.execute("SET LOCAL ROLE pyrepl_owner")
                    courses.backfill(connection, [chosen[result.name]], result.drifted)
        return deliveries.until_empty(connection, chosen)
