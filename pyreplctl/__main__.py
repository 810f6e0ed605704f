"""Runs the command line as `python -m pyreplctl`."""

from __future__ import annotations

from pyreplctl.cli import main

if __name__ == "__main__":
    main()
