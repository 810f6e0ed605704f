"""docs/reference/cli.md says what the program says."""

from __future__ import annotations

from pathlib import Path

from pyreplctl.cli import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_reference_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference.text(), (
        "run: python -m pyreplctl.cli.reference > docs/reference/cli.md"
    )


def test_every_command_and_option_has_a_help_text() -> None:
    for line in reference.text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 2 and cells[0].startswith("`"):
            assert cells[1].endswith("."), line
            assert len(cells[1]) > 10, line
