"""Lists the migrations of the present version: `python -m tests.support.released`.

Run at a release. Lines of earlier versions stay as they are: what was released never
changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pyreplctl import __version__
from pyreplctl.schema.sql_files import root

LIST = "released.txt"


@dataclass(frozen=True)
class Released:
    """A file as it was released; the path is relative to the folder of migrations."""

    sha256: str
    version: str
    path: str

    @property
    def side(self) -> str:
        return self.path.partition("/")[0]


def read(folder: Path) -> list[Released]:
    """Return the list, in its order."""
    lines = (folder / LIST).read_text(encoding="utf-8").splitlines()
    return [Released(*line.split()) for line in lines if not line.startswith("#")]


def problems(folder: Path) -> list[str]:
    """Return what is not as it was released, or new in the wrong place."""
    released = read(folder)
    here = _hashes(folder)
    last = {file.side: file.path for file in sorted(released, key=lambda f: f.path)}
    found = []
    for file in released:
        if file.path not in here:
            found.append(f"{file.path} of {file.version} is missing")
        elif here[file.path] != file.sha256:
            found.append(f"{file.path} has changed since {file.version}")
    for path in here.keys() - {file.path for file in released}:
        newest = last.get(path.partition("/")[0], "")
        if _number(path) <= _number(newest):
            found.append(f"{path} is new, but not newer than {newest}")
    return sorted(found)


def record(folder: Path, version: str) -> None:
    """List every migration that no earlier version has released as this version's."""
    earlier = [file for file in read(folder) if file.version != version]
    known = {file.path for file in earlier}
    new = [
        Released(digest, version, path)
        for path, digest in _hashes(folder).items()
        if path not in known
    ]
    lines = [f"{file.sha256} {file.version} {file.path}" for file in (*earlier, *new)]
    comments = [
        line
        for line in (folder / LIST).read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    ]
    text = "\n".join((*comments, *lines)) + "\n"
    (folder / LIST).write_text(text, encoding="utf-8")


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.glob("*/*.sql"))
    }


def _number(path: str) -> str:
    """Return side and number of a migration or its rollback, in words that sort."""
    return path.partition("-")[0]


if __name__ == "__main__":
    record(root("migrations"), __version__)
