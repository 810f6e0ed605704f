"""Verification of data: what a course database should hold, against what it does."""

from __future__ import annotations

import secrets
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString

from psycopg import errors as pg

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, fetch, value
from pyreplctl.core.errors import Error
from pyreplctl.courses.unfinished import half_removed
from pyreplctl.install import installed, preflight
from pyreplctl.schema.contracts import PARTS
from pyreplctl.verify import digests
from pyreplctl.verify.course_answers import Unreadable
from pyreplctl.verify.digests import SessionPair

KINDS = ("missing", "extra", "stale")  # a user counts as the first that applies
LOCKED = 0.5  # seconds for which the second look may hold the delivery lock
FIRST_LOOK = 1000  # users in the first second look; the next takes what time allows
MOST_LOOKED_AT = 5000
MANY = 200  # from which on both sessions look


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
    examples: list[Difference] = field(default_factory=list)
    found: dict[str, array[int]] = field(
        default_factory=lambda: {kind: array("q") for kind in KINDS}
    )

    @property
    def drifted(self) -> list[int]:
        """All users that differ, in order."""
        return sorted(user for users in self.found.values() for user in users)


@dataclass(frozen=True)
class Options:
    """How to look: databases at once, what to list, how long a statement may take."""

    jobs: int = 4
    examples: int = 20
    target: float = 1.0
    resume: bool = False


def verify(
    dsn: str,
    config: Config,
    names: list[str],
    *,
    jobs: int = 4,
    examples: int = 20,
    target: float = 1.0,
    resume: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Result]:
    """Compare the data of course databases with the portal, several at once.

    No statement should take longer than `target` seconds. With `resume` a verification
    that was interrupted goes on where it was.
    """
    options = Options(jobs, examples, target, resume)

    def one(item: tuple[str, int]) -> Result:
        result = Result(item[0])
        with _timed(result), _sessions(dsn, item[1], target) as sides:
            _compare(sides, config, options, result)
        progress(item[0])
        return result

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(one, _chosen(dsn, names).items()))


def recheck(
    dsn: str, config: Config, results: list[Result], examples: int = 20
) -> list[Result]:
    """Look once more at the users that were found to differ, and at no others."""
    chosen = _chosen(dsn, [result.name for result in results])

    def one(before: Result) -> Result:
        if not before.drifted:
            return before
        now = Result(before.name, users=before.users, former=before.former)
        with _timed(now), _sessions(dsn, chosen[before.name], 1) as sides:
            _look(sides, config, now, before.drifted, examples)
        return replace(now, seconds=round(before.seconds + now.seconds, 3))

    return [one(result) for result in results]


def _chosen(dsn: str, names: list[str]) -> dict[str, int]:
    with connect(dsn, "the portal") as connection:
        installed.require_installed(connection)
        preflight.check_server(connection, "the portal")
        return databases.numbers(connection, names)


@contextmanager
def _timed(result: Result) -> Iterator[None]:
    """Say what was found, or why nothing could be."""
    started = time.monotonic()
    try:
        yield
    except Error as error:
        result.error = str(error)
        result.ok = None
    else:
        result.ok = not (result.missing or result.stale or result.extra)
    result.seconds = round(time.monotonic() - started, 3)


_MAY_NOTE: LiteralString = (
    "SELECT has_function_privilege("
    "'pyrepl.note_progress(integer, bigint, bigint, bigint, bigint[])', 'EXECUTE')"
)


@contextmanager
def _sessions(dsn: str, number: int, target: float) -> Iterator[SessionPair]:
    with (
        connect(dsn, "the portal") as here,
        connect(dsn, "the portal") as there,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        seed = secrets.randbits(62)
        keeps: bool = value(here, _MAY_NOTE)
        yield SessionPair(here, there, pool, number, seed, target, keeps)


def _compare(
    sides: SessionPair, config: Config, options: Options, result: Result
) -> None:
    _refuse_half_removed(sides, result.name)
    extent = sides.extent()
    if extent is None:
        return
    first, highest = extent
    noted = _progress(sides) if options.resume else None
    if noted:
        first = max(first, noted.last)
        _take(sides, config, result, noted, options.examples)
    for part in digests.ranges(sides, first, highest):
        _take(sides, config, result, part, options.examples)
        _note(sides, result, part.last if part.last <= highest else None)


def _refuse_half_removed(sides: SessionPair, name: str) -> None:
    query: LiteralString = "SELECT state FROM pyrepl.databases() WHERE id = %s"
    if value(sides.here, query, sides.number) == "removing":
        raise half_removed(name)


def _take(
    sides: SessionPair, config: Config, result: Result, part: digests.Range, most: int
) -> None:
    result.users += part.members
    result.former += part.former
    _look(sides, config, result, part.suspects, most)


def _look(
    sides: SessionPair, config: Config, result: Result, suspects: list[int], most: int
) -> None:
    """Take the exact second look, at so many at once that deliveries hardly wait."""
    size, start = FIRST_LOOK, 0
    while start < len(suspects):
        some = suspects[start : start + size]
        started = time.monotonic()
        _count(result, _differences(sides, config, some), most)
        start += size
        took = max(time.monotonic() - started, 0.001)
        size = max(1, min(int(size * min(LOCKED / took, 4)), MOST_LOOKED_AT))


def _recheck(sides: SessionPair, users: list[int]) -> list[dict[str, Any]]:
    """Return what differs, a row each; raises `Unreadable` for what is no answer."""

    def look(session: Connection, some: list[int]) -> list[dict[str, Any]]:
        query: LiteralString = (
            "SELECT * FROM pyrepl.recheck_users(%s, %s::bigint[], %s)"
        )
        return fetch(session, query, sides.number, some, sides.seed)

    try:
        if len(users) < MANY:
            rows = look(sides.there, users)  # whose link to the course is open already
        else:
            half = len(users) // 2
            rows, others = sides.at_once(
                lambda here: look(here, users[:half]),
                lambda there: look(there, users[half:]),
            )
            rows += others
    except pg.DataError as error:
        raise Unreadable("digests of rows") from error
    if any(row["part"] not in PARTS for row in rows):
        raise Unreadable("digests of rows")
    return rows


def _differences(
    sides: SessionPair, config: Config, users: list[int]
) -> dict[int, list[Difference] | None]:
    """Return by user what differs, None for one of whom something is on its way."""
    found: dict[int, list[Difference] | None] = {}
    for row in _recheck(sides, users):
        user: int = row["user_id"]
        if row["pending"]:
            found[user] = None
            continue
        table = getattr(config.tables, row["part"]).name
        difference = Difference(user, row["kind"], table, row["columns"])
        known = found.setdefault(user, [])
        assert known is not None
        known.append(difference)
    return found


def _count(
    result: Result, found: dict[int, list[Difference] | None], most: int
) -> None:
    for user, differences in found.items():
        if differences is None:
            result.pending += 1
            continue
        kind = min((d.kind for d in differences), key=KINDS.index)
        result.found[kind].append(user)
        setattr(result, kind, getattr(result, kind) + 1)
        result.examples += differences[: max(0, most - len(result.examples))]


def _progress(sides: SessionPair) -> digests.Range | None:
    rows = fetch(sides.here, "SELECT * FROM pyrepl.progress(%s)", sides.number)
    return (
        digests.Range(
            rows[0]["position"],
            rows[0]["members"],
            rows[0]["former"],
            rows[0]["suspects"],
        )
        if rows
        else None
    )


def _note(sides: SessionPair, result: Result, position: int | None) -> None:
    if not sides.keeps:
        return
    sides.here.execute(
        "SELECT pyrepl.note_progress(%s, %s, %s, %s, %s::bigint[])",
        (sides.number, position, result.users, result.former, result.drifted),
    )
