"""What runs on throw-away servers of its own."""

from __future__ import annotations
