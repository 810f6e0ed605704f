from __future__ import annotations

from typing import LiteralString

from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"

# With sequential scans forbidden, one that cannot be avoided costs 1e10: enough for the
# server to compile the statement to machine code, 0.2 s each time, where it has LLVM.
COMPILED: LiteralString = (
    "SELECT oid::regprocedure::text FROM pg_proc"
    " WHERE 'enable_seqscan=off' = ANY (proconfig)"
    " AND NOT 'jit=off' = ANY (proconfig)"
)
FORBIDDING: LiteralString = (
    "SELECT count(*) FROM pg_proc WHERE 'enable_seqscan=off' = ANY (proconfig)"
)


def test_nothing_that_forbids_sequential_scans_is_compiled(platform: Platform) -> None:
    course = platform.course(TOY)
    assert platform.rows(FORBIDDING) > [(0,)]
    assert course.rows(FORBIDDING) > [(0,)]
    assert platform.rows(COMPILED) + course.rows(COMPILED) == []
