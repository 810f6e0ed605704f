"""Explain a user: where copies should be and are, what waits, what failed, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyreplctl.core.db import Connection, fetch, fetch_as
from pyreplctl.core.errors import UsageError
from pyreplctl.core.texts import name


@dataclass(frozen=True)
class Standing:
    """How a user stands with one course database."""

    database: str
    delivery: str
    state: str
    health: str
    reason: str | None
    courses: list[str]
    copy: bool
    pending: bool
    attempts: int | None
    due_at: datetime | None
    letter: int | None
    message: str | None
    hint: str | None

    def sentences(self) -> list[str]:
        """Return what there is to say, for people."""
        found = [
            f"is to hold a copy: member of {', '.join(map(name, self.courses))}"
            if self.courses
            else "is to hold no enrollment: no member of a course there"
        ]
        found.append("a copy is there" if self.copy else "no copy is there")
        if self.pending or self.letter:
            found += self._obstacles()
        if self.pending and not self.letter:
            found.append("a dossier waits to be delivered")
        if self.letter:
            found.append(self._failure())
        return found

    def _obstacles(self) -> list[str]:
        if self.state == "paused":
            return [f'deliveries are paused; "pyreplctl course resume {self.database}"']
        if self.health != "ok":
            return [f"the database is {self.health}: {self.reason}"]
        return []

    def _failure(self) -> str:
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        why = f"{self.message}" + (f" ({self.hint})" if self.hint else "")
        if self.due_at is None:
            return (
                f"dead letter {self.letter}, tried {times}: {why};"
                f' "pyreplctl dead retry {self.letter}" tries it again'
            )
        return (
            f"the dossier failed {times}: {why}; next try at {self.due_at:%H:%M:%S %Z}"
        )


@dataclass(frozen=True)
class Explanation:
    """A user and all that there is to say."""

    user_id: int
    username: str | None
    present: bool
    unrouted: int
    unhosted: list[str]
    databases: list[Standing]


def explain(connection: Connection, who: str) -> list[Explanation]:
    """Explain the users with this id, user name or e-mail; `UsageError` for nobody."""
    users = fetch(connection, "SELECT * FROM pyrepl.find_users(%s)", who)
    if not users:
        raise UsageError(
            f"the portal has no user {who!r}",
            hint="Give an id, a user name or an e-mail, whole.",
        )
    return [
        Explanation(
            **user,
            **fetch(
                connection, "SELECT * FROM pyrepl.undeliverable(%s)", user["user_id"]
            )[0],
            databases=fetch_as(
                Standing,
                connection,
                "SELECT * FROM pyrepl.explain_user(%s)",
                user["user_id"],
            ),
        )
        for user in users
    ]
