"""The foreign tables of a link: views of the course, as the portal sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString


@dataclass(frozen=True)
class ForeignTable:
    """A view of the course database, and its columns as the catalog writes them."""

    view: str
    comment: str
    columns: tuple[LiteralString, ...]


# What every link has, that of immediate delivery too.
PUSHED = (
    ForeignTable(
        "inbox",
        "A push is one UPDATE of this.",
        (
            "portal text",
            "contract text",
            "prev uuid",
            "tag uuid",
            "epoch uuid",
            "xid xid8",
            "settled bigint[]",
            "adopt boolean",
            "ids bigint[]",
            "generations bigint[]",
            "members boolean[]",
            "frozen boolean[]",
            "users text",
            "profiles text",
            "enrollments text",
            "copies bigint[]",
            "again bigint[]",
        ),
    ),
    ForeignTable(
        "unsettled",
        "Receipts of immediate pushes.",
        ("id bigint", "xid xid8", "epoch uuid", "users bigint[]"),
    ),
)

# What verify and registration read and ask besides, over the link of deliver.
VERIFIED = (
    ForeignTable(
        "digest",
        "An UPDATE of this asks the course.",
        (
            "users bigint[]",
            "first bigint",
            "last bigint",
            "shift integer",
            "sums boolean",
            "seed bigint",
            "digests bytea",
            "rows text",
            "lowest bigint",
            "highest bigint",
        ),
    ),
    ForeignTable(
        "account",
        "All accounts of the course, copies or not.",
        ("user_id bigint", "username text", "is_copy boolean"),
    ),
    ForeignTable(
        "structure",
        "What the course tells of its structure.",
        (
            "kind text",
            "name text",
            "state text",
            "source text",
            "held text",
            "problem text",
        ),
    ),
)
