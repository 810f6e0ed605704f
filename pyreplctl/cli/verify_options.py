"""What was asked of verify, and whether it goes together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyreplctl.core.errors import UsageError


@dataclass(frozen=True)
class VerifyOptions:
    """What was asked for, to see whether it goes together."""

    names: list[str]
    structure: bool
    data: bool
    repair: bool
    dry_run: bool
    only: list[str] | None
    max_users: int | None
    show_values: bool
    resume: bool
    files: list[Path]
    history: bool
    self_test: bool

    def check(self) -> None:
        """Raise `UsageError` for what contradicts itself, before any work is done."""
        looks = {
            "--structure": self.structure,
            "--data": self.data,
            "--repair": self.repair,
            "--resume": self.resume,
            "--show-values": self.show_values,
            "--html or --junit": self.files,
        }
        given = ", ".join(name for name, value in looks.items() if value)
        if (self.dry_run or self.only or self.max_users) and not self.repair:
            raise UsageError(
                "--dry-run, --only and --max-users say what --repair does",
                hint="Add --repair.",
            )
        if self.self_test and (given or self.names or self.history):
            raise UsageError(
                "--self-test runs on servers of its own, and goes with --json alone"
            )
        if self.history and given:
            raise UsageError(f"--history looks at nothing, so not with {given}")
        of_rows = self.only or self.max_users or self.resume or self.show_values
        if self.structure and not self.data and of_rows:
            raise UsageError(
                "--only, --max-users, --resume and --show-values are about rows, at"
                " which --structure alone does not look",
                hint="Add --data, or omit --structure.",
            )
        for file in self.files:
            check_file(file)


def check_file(file: Path) -> None:
    """Raise `UsageError` where a report could not be written, before any work."""
    if file.is_dir():
        raise UsageError(f"cannot write {file}: it is a directory")
    if not file.parent.is_dir():
        raise UsageError(f"cannot write {file}: there is no directory {file.parent}")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"cannot write {file}: permission denied")
