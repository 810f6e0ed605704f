"""The command line: parse, call one function, render; the only place that prints."""

from __future__ import annotations

import gc

# Nothing that is imported is garbage. Not to look for some, here and at the end, takes
# a sixth from the shortest command.
gc.disable()
from pyreplctl.cli.main import main  # noqa: E402

gc.freeze()
gc.enable()

__all__ = ["main"]
