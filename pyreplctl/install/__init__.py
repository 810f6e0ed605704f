"""Makes it so on the portal, and takes it away again."""

from __future__ import annotations
