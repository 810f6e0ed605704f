"""A trial push over a new link, and the accounts that would be in its way."""

from __future__ import annotations

from collections.abc import Sequence

from pyreplctl.core.db import (
    Connection,
    driver_errors,
    fetch,
)
from pyreplctl.core.errors import DatabaseError, Error, NotSuitable
from pyreplctl.core.texts import clean, name


class AccountsInTheWay(NotSuitable):
    """Local accounts are where copies should be; --adopt takes some of them over."""

    def __init__(self, name: str, same: list[str], others: list[str]) -> None:
        parts = []
        if same:
            parts.append(f"{len(same)} with the id and name of a member: {_some(same)}")
        if others:
            parts.append(
                f"{len(others)} with the id or the name of another member:"
                f" {_some(others)}"
            )
        super().__init__(
            f"{name} already has accounts where copies should be: " + "; ".join(parts),
            hint="With --adopt, accounts with the same id and name are taken over; the"
            " others keep their dossiers from being delivered until they are renamed at"
            ' the course or, where it is the id, get another one: "pyreplctl dead show"'
            " has the statement.",
        )


def _some(names: Sequence[str], most: int = 10) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def trial_push(connection: Connection, number: int) -> None:
    """Push a few dossiers and take it back; `NotSuitable` says why that fails."""
    try:
        with driver_errors("a trial push"):
            connection.execute("SELECT pyrepl.trial_push(%s, false)", (number,))
    except DatabaseError as error:
        if error.sqlstate == "2F003":
            raise NotSuitable(
                "the course server lets the portal in without asking for a password",
                hint="postgres_fdw refuses that. In the course's pg_hba.conf let the"
                " portal's address log in by scram-sha-256, not trust or peer.",
            ) from error
        # Ours for a lacking right is about roles of the portal.
        said = getattr(getattr(error.__cause__, "diag", None), "message_hint", None)
        hint = clean(said or "") or "The log of the course server says more."
        raise NotSuitable(f"{error}", hint=hint) from error
    except Error as error:
        raise NotSuitable(
            f"the portal's server cannot reach the course database: {error}",
            hint="Use --link to say how the portal's server reaches it, if that differs"
            " from --dsn, and check pg_hba.conf at the course.",
        ) from error


def accounts_in_the_way(
    connection: Connection, number: int
) -> tuple[list[str], list[str]]:
    """Return the accounts that --adopt would take over, and the other ones."""
    rows = fetch(connection, "SELECT * FROM pyrepl.accounts_in_the_way(%s)", number)
    shown = [
        (f"{row['user_id']} ({name(row['username'] or '')})", row["same"])
        for row in rows
    ]
    return [s for s, same in shown if same], [s for s, same in shown if not same]
