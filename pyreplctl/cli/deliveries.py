"""Deliveries with a progress bar for each course database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyreplctl.cli.output import progress
from pyreplctl.core import databases
from pyreplctl.core.db import Connection
from pyreplctl.delivery import batches, status


def deliver_all(
    connection: Connection,
    chosen: dict[str, int],
    totals: Mapping[str, int] | None = None,
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Deliver all that waits; return by name how many dossiers went, and what is stuck.

    Without `totals` a bar does not know its end: to count what waits takes another
    right than to deliver it.
    """
    sent = dict.fromkeys(chosen, 0)
    with progress() as bars:
        tasks = {
            name: bars.add_task(name, total=(totals or {}).get(name) or None)
            for name in chosen
        }

        def note(name: str, users: int) -> None:
            sent[name] += users
            bars.advance(tasks[name], users)

        return sent, batches.until_empty(connection, chosen, note)


def deliver_waiting(
    connection: Connection, names: Sequence[str]
) -> dict[str, list[str]]:
    """Do so after a registration or refresh; return by name what could not be."""
    chosen = databases.numbers(connection, names)
    batches.route(connection)
    totals = {each.name: each.pending for each in status.read(connection).databases}
    return deliver_all(connection, chosen, totals)[1]
