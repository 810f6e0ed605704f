"""Keeps course databases in step with a portal database, inside PostgreSQL."""

from __future__ import annotations

__version__ = "0.1.0"
