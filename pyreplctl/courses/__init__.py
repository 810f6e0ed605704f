"""The life of a course database, from registration to its end."""

from __future__ import annotations
