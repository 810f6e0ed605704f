"""demo."""

from __future__ import annotations

from pathlib import Path

import click

from pyreplctl.cli.output import SETTINGS, data


@click.command("demo", short_help="See it all happen on embedded servers.")
@click.option(
    "--keep",
    type=Path,
    metavar="DIR",
    help="Keep the servers' files in this folder.",
)
def show(keep: Path | None) -> None:
    """Replicate between three databases on two embedded servers, and tell the story."""
    from pyreplctl.cli.demo_narrator import Terminal
    from pyreplctl.sandbox import demo

    narrator = Terminal()
    played = demo.play(narrator, keep)
    narrator.close(played)
    if SETTINGS.json:
        data(played)
