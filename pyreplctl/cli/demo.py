"""demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pyreplctl.cli.output import SETTINGS, data


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(name="demo")(show)


def show(
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the servers' files in this folder."),
    ] = None,
) -> None:
    """Replicate between three databases on two embedded servers, and tell the story."""
    from pyreplctl import demo
    from pyreplctl.cli.narrator import Terminal

    narrator = Terminal()
    played = demo.play(narrator, keep)
    narrator.close(played)
    if SETTINGS.json:
        data(played)
