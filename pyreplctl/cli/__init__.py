"""The command line: parse, call one function, render; the only place that prints."""

from __future__ import annotations

import gc

# Nothing that is imported is garbage: to look for some takes a fifteenth of the start.
gc.disable()
from pyreplctl.cli.main import main  # noqa: E402

gc.enable()

__all__ = ["main"]
