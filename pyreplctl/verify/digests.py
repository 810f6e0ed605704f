"""Comparing digests of a course database, range by range: which users may differ.

Nothing is held for longer than a range takes, neither memory nor a snapshot. Where most
users are members their rows are summed up without a look at whom they are of, which is
fast, and says nothing about buckets with anybody else; these are gathered by user.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

from psycopg import errors as pg
from psycopg.rows import dict_row

from pyreplctl.core.db import Connection, fetch

A = TypeVar("A")
B = TypeVar("B")
SHIFT = 4  # a bucket is 2^4 neighbouring ids
TOTAL = 63  # all ids are one bucket
WIDTH = 1 << 20  # ids in a range at first, for each second that it should take
NARROWEST = 1 << 10
FIRST = 1 << 12  # ids in the first range: what it tells of the others is not known yet
AT_ONCE = 1 << 14  # users who are looked at one by one in a statement
PATIENCE = 5.0  # seconds that a statement may take at the least
GREATEST = (1 << 63) - 1  # of all ids
_LONGEST = (1 << 31) - 1  # milliseconds that a setting can hold
_PAIR = struct.Struct("!qq")  # bucket, digest
_BLOCK = 8 * _PAIR.size  # bytes of two lists that are compared at once


@dataclass(frozen=True)
class Range:
    """What was found between two ids: users to look at more closely, and how many."""

    last: int  # the first id that was not looked at
    members: int
    former: int
    suspects: list[int]

    def __add__(self, following: Range) -> Range:
        return Range(
            following.last,
            self.members + following.members,
            self.former + following.former,
            self.suspects + following.suspects,
        )


@dataclass
class Strategy:
    """How ranges are compared, by what those before have shown."""

    total: bool = True  # whether one sum of all rows is worth while
    sums: bool = True  # whether sums of rows are, by bucket
    sparse: bool | None = None  # whether few users are members; None: not known


@dataclass(frozen=True)
class DigestRequest:
    """What both sides are asked for: users, or those between two ids."""

    users: list[int] | None
    first: int
    last: int
    shift: int  # 2^shift neighbouring ids are a bucket
    sparse: bool = False
    sums: bool = False


@dataclass(frozen=True)
class SessionPair:
    """Two sessions at the portal, so that both sides compute at the same time."""

    here: Connection
    there: Connection
    pool: Executor
    number: int
    seed: int
    target: float  # seconds that a range should take
    keeps: bool = True  # whether how far it has come may be written down

    def at_once(
        self, mine: Callable[[Connection], A], theirs: Callable[[Connection], B]
    ) -> tuple[A, B]:
        """Do something in either session at the same time."""
        doing = self.pool.submit(theirs, self.there)
        try:
            done = mine(self.here)
        except BaseException:
            doing.exception()  # its session must be free before it is used again
            raise
        return done, doing.result()

    def extent(self) -> tuple[int, int] | None:
        """Return the least and the greatest id there is anything of, if there is."""
        # The session that will need the link to the course has it open then.
        row = fetch(self.there, "SELECT * FROM pyrepl.extent(%s)", self.number)[0]
        return None if row["lowest"] is None else (row["lowest"], row["highest"])


def ranges(sides: SessionPair, first: int, highest: int) -> Iterator[Range]:
    """Compare from an id on, range by range, each as wide as the target time allows.

    A range that meets the statement's time-out is tried again in smaller parts. The
    first is small, and returned with the second.
    """
    strategy, width = Strategy(), FIRST
    probe = Range(first, 0, 0, [])
    end = min(highest, GREATEST - 1)
    while first <= end:
        last = min(first + width, end + 1)
        started = time.monotonic()
        try:
            _limit(sides, max(PATIENCE, 5 * sides.target))
            found = _compare(sides, strategy, first, last)
        except pg.QueryCanceled:
            if width <= NARROWEST:
                raise
            width = max(width // 8, NARROWEST)
            continue
        took = max(time.monotonic() - started, 0.001)
        _limit(sides, 0)
        was_first = strategy.sparse is None
        strategy.sparse = (found.members + found.former) * 8 < last - first
        if was_first and not strategy.sparse:
            width = int(max(WIDTH * sides.target, NARROWEST))
        else:
            width = int(max(width * min(sides.target / took, 4), NARROWEST))
        first = last
        if was_first and first <= end:
            probe = found
        else:
            yield probe + found
            probe = Range(first, 0, 0, [])
    if highest == GREATEST:
        yield _greatest(sides)


def _greatest(sides: SessionPair) -> Range:
    """Compare the one user before whom a range has no end that is an id."""
    here, there = _both(sides, DigestRequest([GREATEST], 0, 0, 0))
    suspects = [GREATEST] if here["digests"] != there else []
    return Range(GREATEST + 1, here["members"] or 0, here["former"] or 0, suspects)


def _limit(sides: SessionPair, seconds: float) -> None:
    """Let statements time out after so long; 0: never."""
    milliseconds = min(int(seconds * 1000), _LONGEST)
    for session in (sides.here, sides.there):
        query = "SELECT set_config('statement_timeout', %s, false)"
        session.execute(query, (f"{milliseconds}ms",))


def _compare(sides: SessionPair, strategy: Strategy, first: int, last: int) -> Range:
    if strategy.total and strategy.sparse is False:
        here, there = _both(sides, DigestRequest(None, first, last, TOTAL, sums=True))
        if here["digests"] == there:
            return Range(last, here["members"], 0, [])
        strategy.total = False
    if strategy.sums and strategy.sparse is False:
        request = DigestRequest(None, first, last, SHIFT, sums=True)
        here, there = _both(sides, request)
        users = _users(here["digests"], there, request)
        # Many: whole groups have left, or are the course's own.
        if len(users) * 4 < last - first:
            former, suspects = _look_closer(sides, users)
            return Range(last, here["members"], former, suspects)
        strategy.sums = False
    request = DigestRequest(None, first, last, SHIFT, sparse=bool(strategy.sparse))
    here, there = _both(sides, request)
    _, suspects = _look_closer(sides, _users(here["digests"], there, request))
    # Where anything differs, or is of who has left, a total tells nothing.
    strategy.total = strategy.total and not (suspects or here["former"])
    return Range(last, here["members"] or 0, here["former"] or 0, suspects)


def _users(
    here: bytes | None, there: bytes | None, request: DigestRequest
) -> list[int]:
    """Return the users of a range that are in buckets that differ."""
    if here == there:
        return []
    wide = 1 << request.shift
    least, greatest = request.first >> request.shift, request.last >> request.shift
    return [
        user
        for bucket in _differing(here, there)
        if least <= bucket <= greatest  # the course may name any
        for user in range(bucket * wide, bucket * wide + wide)
        if request.first <= user < request.last
    ]


def _look_closer(sides: SessionPair, users: list[int]) -> tuple[int, list[int]]:
    """Return how many of these users have left, and who of them may differ."""
    former = 0
    suspects: list[int] = []
    for start in range(0, len(users), AT_ONCE):
        some = users[start : start + AT_ONCE]
        mine, theirs = _both(sides, DigestRequest(some, 0, 0, 0))
        former += mine["former"] or 0
        asked = set(some)
        suspects += [u for u in _differing(mine["digests"], theirs) if u in asked]
    return former, suspects


def _both(
    sides: SessionPair, request: DigestRequest
) -> tuple[dict[str, Any], bytes | None]:
    where = (request.first, request.last, request.shift, sides.seed)

    def mine(session: Connection) -> dict[str, Any]:
        if request.sums:
            query: LiteralString = "SELECT * FROM pyrepl.sums_here(%s, %s, %s, %s, %s)"
            return _row(session, query, (sides.number, *where))
        query = "SELECT * FROM pyrepl.digest_here(%s, %b::bigint[], %s, %s, %s, %s, %s)"
        given = (sides.number, request.users, *where, request.sparse)
        return _row(session, query, given)

    def theirs(session: Connection) -> dict[str, Any]:
        query: LiteralString = (
            "SELECT pyrepl.digest_there(%s, %b::bigint[], %s, %s, %s, %s, %s)"
            " AS digests"
        )
        given = (sides.number, request.users, *where, request.sums)
        return _row(session, query, given)

    here, there = sides.at_once(mine, theirs)
    return here, there["digests"]


def _row(
    session: Connection, query: LiteralString, given: tuple[Any, ...]
) -> dict[str, Any]:
    """Return the row; read as text, digests of a range would take ten times as long."""
    with session.cursor(row_factory=dict_row, binary=True) as cursor:
        row = cursor.execute(query, given).fetchone()
    assert row is not None
    return row


def _differing(here: bytes | None, there: bytes | None) -> list[int]:
    """Merge two lists of digests, in order of buckets; return those that differ."""
    mine, theirs = here or b"", there or b""
    found = []
    a = b = 0
    while a < len(mine) and b < len(theirs):
        if mine[a : a + _BLOCK] == theirs[b : b + _BLOCK]:
            a, b = a + _BLOCK, b + _BLOCK
            continue
        (left, digest), (right, other) = (
            _PAIR.unpack_from(mine, a),
            _PAIR.unpack_from(theirs, b),
        )
        if (left, digest) != (right, other):
            found.append(min(left, right))
        a += _PAIR.size * (left <= right)
        b += _PAIR.size * (right <= left)
    rest = mine[a:] + theirs[b:]  # of one of them
    return [*found, *(bucket for bucket, _ in _PAIR.iter_unpack(rest))]
