"""What was asked of verify, and whether it goes together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyreplctl.cli.durations import seconds
from pyreplctl.cli.output import SETTINGS
from pyreplctl.core.errors import UsageError
from pyreplctl.verify.run import Looking


@dataclass(frozen=True)
class VerifyOptions:
    """The options of verify; each field is named as click names the option."""

    names: tuple[str, ...]
    structure: bool
    only_data: bool
    repair: bool
    dry_run: bool
    only: tuple[str, ...]
    max_users: int | None
    max_examples: int
    show_values: bool
    target: str
    resume: bool
    html: Path | None
    junit: Path | None
    show_history: bool
    self_test: bool

    @property
    def files(self) -> list[Path]:
        """The files to write."""
        return [file for file in (self.html, self.junit) if file is not None]

    @property
    def looking(self) -> Looking:
        """What to look at, and how; without one of --structure and --data at both."""
        return Looking(
            structure=self.structure or not self.only_data,
            data=self.only_data or not self.structure,
            given=SETTINGS.given(),
            examples=self.max_examples,
            target=_target(self.target),
            resume=self.resume,
        )

    def check(self) -> None:
        """Raise `UsageError` for what contradicts itself, before any work is done."""
        looks = {
            "--structure": self.structure,
            "--data": self.only_data,
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
        if self.self_test and (given or self.names or self.show_history):
            raise UsageError(
                "--self-test runs on servers of its own, and goes with --json alone"
            )
        if self.show_history and given:
            raise UsageError(f"--history looks at nothing, so not with {given}")
        of_rows = self.only or self.max_users or self.resume or self.show_values
        if self.structure and not self.only_data and of_rows:
            raise UsageError(
                "--only, --max-users, --resume and --show-values are about rows, at"
                " which --structure alone does not look",
                hint="Add --data, or omit --structure.",
            )
        _target(self.target)
        for file in self.files:
            check_file(file)


def _target(text: str) -> float:
    found = seconds(text)
    if found <= 0:
        raise UsageError(
            f"--target {text}: no statement takes so little",
            hint='Write for example "500ms".',
        )
    return found


def check_file(file: Path) -> None:
    """Raise `UsageError` where a report could not be written, before any work."""
    if file.is_dir():
        raise UsageError(f"cannot write {file}: it is a directory")
    if not file.parent.is_dir():
        raise UsageError(f"cannot write {file}: there is no directory {file.parent}")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError(f"cannot write {file}: permission denied")
