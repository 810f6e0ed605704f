"""Lengths of time as people write them."""

from __future__ import annotations

import re

from pyreplctl.core.errors import UsageError


def seconds(text: str) -> float:
    """Return the seconds of "500ms", "2s", "1.5 min" or a bare number.

    >>> seconds("500ms"), seconds("2s"), seconds("3")
    (0.5, 2.0, 3.0)
    """
    units = {"ms": 0.001, "s": 1.0, "": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text)
    if not match or match[2] not in units:
        raise UsageError(
            f"{text!r} is not a length of time",
            hint='Write for example "2s" or "500ms".',
        )
    return float(match[1]) * units[match[2]]
