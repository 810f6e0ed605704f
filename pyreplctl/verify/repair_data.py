"""Repair: what a verification found to differ is delivered again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pyreplctl.core import databases
from pyreplctl.core.db import connect
from pyreplctl.delivery import batches
from pyreplctl.verify.data import KINDS, Result

_AT_ONCE = 10_000  # users in a change


@dataclass(frozen=True)
class Plan:
    """Whose dossiers are to be delivered to a course database again."""

    name: str
    users: dict[str, list[int]]  # by kind
    left: int  # users who differ and are not to be repaired now

    @property
    def everybody(self) -> list[int]:
        """All of these users, in order."""
        return sorted(user for users in self.users.values() for user in users)


def plan(
    results: list[Result],
    only: Collection[str] | None = None,
    most: int | None = None,
) -> list[Plan]:
    """Say what repair would do, for all kinds or some, for `most` users a database."""
    plans = []
    for result in results:
        room = len(result.drifted) if most is None else most
        users: dict[str, list[int]] = {}
        for kind in KINDS:
            if only is None or kind in only:
                users[kind] = sorted(result.found[kind])[:room]
                room -= len(users[kind])
        chosen = sum(len(some) for some in users.values())
        if chosen:
            plans.append(Plan(result.name, users, len(result.drifted) - chosen))
    return plans


def require_rights(dsn: str) -> None:
    """Raise `DatabaseError` unless this role may repair: one that may look may not."""
    with connect(dsn, "the portal") as connection:
        databases.backfill(connection, [], [])


def repair(dsn: str, plans: list[Plan]) -> dict[str, list[str]]:
    """Deliver the dossiers of these users again, by way of the queue.

    Returns what could not be delivered, by database.
    """
    with connect(dsn, "the portal") as connection:
        chosen = databases.numbers(connection, [each.name for each in plans])
        for each in plans:
            users = each.everybody
            with connection.transaction():
                for start in range(0, len(users), _AT_ONCE):
                    some = users[start : start + _AT_ONCE]
                    databases.backfill(connection, [chosen[each.name]], some)
        return batches.until_empty(connection, chosen) if plans else {}
