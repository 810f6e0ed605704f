"""What happened, and when."""

from __future__ import annotations

import threading
import time
from pathlib import Path


class Journal:
    """A file with the seconds since the run began; all other logs are beside it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "journal.log"
        self._file = self.path.open("w")
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def note(self, text: str) -> None:
        """Write a line."""
        with self._lock:
            self._file.write(f"{time.monotonic() - self._began:9.3f}  {text}\n")
            self._file.flush()

    def close(self) -> None:
        """Write no more."""
        self._file.close()
