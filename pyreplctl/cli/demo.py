"""The demo command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(name="demo")(show)


def show(
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the servers' files in this folder."),
    ] = None,
) -> int:
    """Replicate between three databases on two embedded servers, and tell the story."""
    from pyreplctl import demo

    return demo.run(keep)
