"""Whether the enrollment table has a column that says who is still a member."""

from __future__ import annotations

import re

from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection
from pyreplctl.schema import contracts

_NAMED = re.compile(
    r"(is_?)?(active|enabled|enrolled|current|valid|live)|status", re.IGNORECASE
)


def unconfigured(connection: Connection, config: Config) -> str | None:
    """Return the boolean column that looks like it, where none is configured."""
    table = config.tables.enrollment
    if table.active:
        return None
    columns = contracts.columns_of(connection, table.name)
    return next(
        (c.name for c in columns if c.type == "boolean" and _NAMED.fullmatch(c.name)),
        None,
    )
