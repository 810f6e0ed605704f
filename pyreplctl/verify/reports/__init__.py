"""What a run of verify found, as a page to look at and as a report for pipelines."""

from __future__ import annotations

from pyreplctl.verify.reports.junit import junit
from pyreplctl.verify.reports.page import page

__all__ = ["junit", "page"]
