"""Throw-away PostgreSQL servers on the loopback, with passwords (Linux only)."""

from __future__ import annotations

from pyreplctl.sandbox.embedded.binaries import find_bin_dir
from pyreplctl.sandbox.embedded.cluster import Cluster

__all__ = ["Cluster", "find_bin_dir"]
