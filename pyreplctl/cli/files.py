"""Files that commands write."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(file: Path, text: str, *, new: bool = False) -> None:
    """Write a file that nobody else may read; with `new` only where there is none."""

    def opener(path: str, flags: int) -> int:
        return os.open(path, flags, 0o600)

    with open(file, "x" if new else "w", encoding="utf-8", opener=opener) as opened:
        opened.write(text)
