"""The demo: a portal and two course databases on servers of its own, and a story."""

from __future__ import annotations

from pyreplctl.sandbox.demo.play import Played, play
from pyreplctl.sandbox.demo.stage import Narrator, StoryFailed

__all__ = ["Narrator", "Played", "StoryFailed", "play"]
