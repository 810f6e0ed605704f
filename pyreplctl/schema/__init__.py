"""What should be there, on the portal and at a course; changes nothing."""

from __future__ import annotations
