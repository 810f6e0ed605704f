"""The command line, as tests/cli has it."""

from __future__ import annotations

from tests.cli.conftest import bare_cli, cli

__all__ = ["bare_cli", "cli"]
