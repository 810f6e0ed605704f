"""The demo: a portal and two course databases on servers of its own, and a story."""

from __future__ import annotations

from pyreplctl.demo.play import Played, play
from pyreplctl.demo.stage import Narrator, StoryFailed

__all__ = ["Narrator", "Played", "StoryFailed", "play"]
