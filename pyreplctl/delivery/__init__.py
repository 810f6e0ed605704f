"""Clocks, and what waits, fails and has arrived."""

from __future__ import annotations
