"""Comparing digests of a course database, range by range: which users may differ.

Nothing is held for longer than a range takes, neither memory nor a snapshot.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from psycopg import errors as pg

from pyreplctl.db import Connection, fetch, value

SHIFT = 4  # a bucket is 2^4 neighbouring ids
WIDTH = 1 << 16  # ids in the first range; the next is as wide as time allows
NARROWEST = 1 << 10
AT_ONCE = 1 << 14  # users who are looked at one by one in a statement
PATIENCE = 5.0  # seconds that a statement may take at the least
_LONGEST = (1 << 31) - 1  # milliseconds that a setting can hold
_PAIR = struct.Struct("!qq")  # bucket, digest


@dataclass(frozen=True)
class Range:
    """What was found between two ids: users to look at more closely, and how many."""

    last: int  # the first id that was not looked at
    members: int
    former: int
    suspects: list[int]


@dataclass(frozen=True)
class Sides:
    """Two sessions at the portal, so that both sides compute at the same time."""

    here: Connection
    there: Connection
    number: int
    seed: int
    target: float  # seconds that a range should take

    def extent(self) -> tuple[int, int] | None:
        """Return the least and the greatest id there is anything of, if there is."""
        row = fetch(self.here, "SELECT * FROM pyrepl.extent(%s)", self.number)[0]
        return None if row["lowest"] is None else (row["lowest"], row["highest"])


def ranges(sides: Sides, first: int, highest: int) -> Iterator[Range]:
    """Compare from an id on, range by range, each as wide as the target time allows.

    A range that meets the statement's time-out is tried again in smaller parts.
    """
    width, sparse = WIDTH, False
    with ThreadPoolExecutor(max_workers=1) as pool:
        while first <= highest:
            last = min(first + width, highest + 1)
            started = time.monotonic()
            try:
                _limit(sides, max(PATIENCE, 5 * sides.target))
                found = _compare(sides, pool, first, last, sparse=sparse)
            except pg.QueryCanceled:
                if width <= NARROWEST:
                    raise
                width = max(width // 8, NARROWEST)
                continue
            took = max(time.monotonic() - started, 0.001)
            _limit(sides, 0)
            yield found
            sparse = (found.members + found.former) * 8 < last - first
            first = last
            width = int(max(width * min(sides.target / took, 4), NARROWEST))


def _limit(sides: Sides, seconds: float) -> None:
    """Let statements time out after so long; 0: never."""
    milliseconds = min(int(seconds * 1000), _LONGEST)
    for session in (sides.here, sides.there):
        query = "SELECT set_config('statement_timeout', %s, false)"
        session.execute(query, (f"{milliseconds}ms",))


def _compare(
    sides: Sides, pool: ThreadPoolExecutor, first: int, last: int, *, sparse: bool
) -> Range:
    here, there = _both(sides, pool, None, first, last, SHIFT, sparse=sparse)
    suspects: list[int] = []
    if here["digests"] != there:
        wide = 1 << SHIFT
        users = [
            user
            for bucket in _differing(here["digests"], there)
            for user in range(bucket * wide, bucket * wide + wide)
            if first <= user < last
        ]
        for start in range(0, len(users), AT_ONCE):
            some = users[start : start + AT_ONCE]
            mine, theirs = _both(sides, pool, some, None, None, 0, sparse=False)
            suspects += _differing(mine["digests"], theirs)
    return Range(last, here["members"] or 0, here["former"] or 0, suspects)


def _both(
    sides: Sides,
    pool: ThreadPoolExecutor,
    users: list[int] | None,
    first: int | None,
    last: int | None,
    shift: int,
    *,
    sparse: bool,
) -> tuple[dict[str, Any], bytes | None]:
    asked = (sides.number, users, first, last, shift, sides.seed)
    theirs = pool.submit(
        value,
        sides.there,
        "SELECT pyrepl.digest_there(%s, %s::bigint[], %s, %s, %s, %s)",
        *asked,
    )
    try:
        mine = fetch(
            sides.here,
            "SELECT * FROM pyrepl.digest_here(%s, %s::bigint[], %s, %s, %s, %s, %s)",
            *asked,
            sparse,
        )[0]
    except BaseException:
        theirs.exception()  # its session must be free before it is used again
        raise
    return mine, theirs.result()


def _differing(here: bytes | None, there: bytes | None) -> Iterator[int]:
    """Merge two lists of digests, in order of buckets; return those that differ."""
    nothing = (None, 0)
    mine, theirs = _PAIR.iter_unpack(here or b""), _PAIR.iter_unpack(there or b"")
    a, b = next(mine, nothing), next(theirs, nothing)
    while a[0] is not None or b[0] is not None:
        if a == b:
            a, b = next(mine, nothing), next(theirs, nothing)
        elif b[0] is None or (a[0] is not None and a[0] < b[0]):
            yield a[0]
            a = next(mine, nothing)
        elif a[0] is None or b[0] < a[0]:
            yield b[0]
            b = next(theirs, nothing)
        else:
            yield a[0]
            a, b = next(mine, nothing), next(theirs, nothing)
