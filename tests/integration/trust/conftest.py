"""The command line, too."""

from __future__ import annotations

from tests.cli.conftest import bare_cli

__all__ = ["bare_cli"]
