"""What a run of verify found, as a page to look at and as a report for pipelines."""

from __future__ import annotations

from pyreplctl.reports.junit import junit
from pyreplctl.reports.page import page

__all__ = ["junit", "page"]
