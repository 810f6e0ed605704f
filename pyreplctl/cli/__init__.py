"""The command line: parse, call one function, render; the only place that prints."""

from __future__ import annotations

from pyreplctl.cli.main import main

__all__ = ["main"]
