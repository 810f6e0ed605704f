"""Waiting for a state without sleeping for it."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(holds: Callable[[], object], seconds: float = 30) -> None:
    """Return when the condition holds; fail when it has not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "the state was not reached in time"
        time.sleep(0.01)
