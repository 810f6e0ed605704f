"""Dead letters: dossiers that failed alone too often, listed, tried again, given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyreplctl.core import databases
from pyreplctl.core.db import Connection, fetch_as
from pyreplctl.core.errors import UsageError
from pyreplctl.delivery import batches


@dataclass(frozen=True)
class DeadLetter:
    """A dossier that was set aside; dead when no further try is due."""

    id: int
    database: str
    user_id: int
    attempts: int
    since: datetime
    failed_at: datetime
    due_at: datetime | None
    sqlstate: str
    message: str
    hint: str | None

    @property
    def advice(self) -> list[str]:
        """What to do about it, a sentence each."""
        found = [self.hint] if self.hint else []
        if self.due_at:
            found.append("It is not dead: it will be tried again by itself.")
        remedy = (
            "Correct the user's rows on the portal: the dossier is tried by itself."
            f" Or repair at the course what refuses it: pyreplctl dead retry {self.id}"
        )
        give_up = (
            f"To give it up: pyreplctl dead discard {self.id}. Verify then shows the"
            " user as drift until its next change."
        )
        return [*found, remedy, give_up]


@dataclass(frozen=True)
class Retried:
    """What came of a retry; `why` says what kept databases from being tried at all."""

    delivered: list[DeadLetter]
    failed: list[DeadLetter]
    why: dict[str, list[str]]


def dead(connection: Connection) -> list[DeadLetter]:
    """Return all dead letters."""
    return fetch_as(DeadLetter, connection, "SELECT * FROM pyrepl.dead_letters()")


def named(connection: Connection, ids: Sequence[int]) -> list[DeadLetter]:
    """Return letters by number, also those that are still tried again.

    Raises `UsageError` that names all numbers for which there is none.
    """
    found = _by_number(connection, ids)
    there = {letter.id for letter in found}
    if unknown := [str(number) for number in ids if number not in there]:
        raise UsageError(
            f"no dead letter has the number {', '.join(unknown)}",
            hint='"pyreplctl dead list" shows them; one that was delivered is gone.',
        )
    return found


def _by_number(connection: Connection, ids: Sequence[int]) -> list[DeadLetter]:
    query = "SELECT * FROM pyrepl.dead_letters(%s::bigint[])"
    return fetch_as(DeadLetter, connection, query, list(ids))


def retry(connection: Connection, letters: Sequence[DeadLetter]) -> Retried:
    """Try dossiers again at once, with all attempts before them; deliver.

    One that is not dead yet is only tried earlier than it would have been.
    """
    ids = [letter.id for letter in letters]
    chosen = _databases(connection, letters)
    for number in chosen.values():
        query = "SELECT pyrepl.retry_dead_letters(%s, %s::bigint[])"
        connection.execute(query, (number, ids))
    batches.until_empty(connection, chosen)
    left = {letter.id: letter for letter in _by_number(connection, ids)}
    untried = {letter.database for letter in left.values() if not letter.attempts}
    return Retried(
        delivered=[letter for letter in letters if letter.id not in left],
        failed=list(left.values()),
        why={
            name: batches.obstacles(connection, number) or ["it is paused"]
            for name, number in chosen.items()
            if name in untried
        },
    )


def discard(connection: Connection, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Give dossiers up; return those that were still there.

    Raises `UsageError`, with nothing changed, for one that is still tried again.
    """
    if alive := [str(letter.id) for letter in letters if letter.due_at]:
        raise UsageError(
            f"not dead, but tried again soon: {', '.join(alive)}",
            hint="Only what was given up already can be discarded.",
        )
    gone: set[int] = set()
    for number in _databases(connection, letters).values():
        query = "SELECT pyrepl.discard_dead_letters(%s, %s::bigint[])"
        rows = connection.execute(query, (number, [letter.id for letter in letters]))
        gone |= {row[0] for row in rows}
    return [letter for letter in letters if letter.id in gone]


def _databases(connection: Connection, letters: Sequence[DeadLetter]) -> dict[str, int]:
    names = dict.fromkeys(letter.database for letter in letters)
    return databases.numbers(connection, list(names)) if names else {}
