"""Merging the digests of both sides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyreplctl.verify import digests as comparing

Digests = dict[int, int]
digests = st.dictionaries(st.integers(-40, 400), st.integers(1, 3), max_size=120)


def listed(held: Digests) -> bytes | None:
    """Return what the database does: pairs in order, NULL where there are none."""
    return (
        b"".join(comparing._PAIR.pack(*pair) for pair in sorted(held.items())) or None
    )


@given(digests, digests, st.booleans())
def test_buckets_that_differ_are_found(
    here: Digests, changes: Digests, others: bool
) -> None:
    there = here | changes if others else changes
    expected = sorted(
        bucket
        for bucket in here.keys() | there.keys()
        if here.get(bucket) != there.get(bucket)
    )
    assert comparing._differing(listed(here), listed(there)) == expected
    assert comparing._differing(listed(there), listed(here)) == expected
