"""Is it so: structure and data, compared and repaired."""

from __future__ import annotations
