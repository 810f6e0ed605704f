"""Runs the command line inside the test process, as `python -m pyreplctl` would."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyreplctl.cli import main


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Cli:
    """Runs commands in a directory of the test's own, against one portal."""

    directory: Path
    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: str) -> Ran:
        """Run a command."""
        with self.monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["pyreplctl", *arguments])
            self.capture.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = self.capture.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, out, err)

    def configure(self, text: str) -> None:
        """Write the configuration that is read where no --config is given."""
        (self.directory / "pyreplctl.toml").write_text(text, encoding="utf-8")

    def at(self, portal: str) -> None:
        """Let commands without --portal go to this portal."""
        self.monkeypatch.setenv("PYREPLCTL_PORTAL", portal)
