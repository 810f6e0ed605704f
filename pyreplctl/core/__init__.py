"""What every room needs: errors, connections, configuration, locks."""

from __future__ import annotations
