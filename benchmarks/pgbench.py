"""Write load on a portal, by pgbench: it comes with the server's programs."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ground import PORTAL, Site

_USER = "\\set user random(1, :users)\n"
# One row of one user, a replicated column.
EDIT = _USER + (
    "UPDATE auth_user SET email = md5(random()::text) || '@example.org'"
    " WHERE id = :user;\n"
)
# A column that nobody replicates.
UNLISTED = _USER + (
    "UPDATE auth_user SET reputation = reputation + 1 WHERE id = :user;\n"
)


@contextmanager
def _begun(
    site: Site, script: str, clients: int, *options: str
) -> Iterator[subprocess.Popen[str]]:
    server = site.here
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        command: list[str | Path] = [
            *(server.bin_dir / "pgbench", "-n", "-M", "prepared", "-f", file.name),
            *("-c", str(clients), "-j", str(min(clients, os.cpu_count() or 1))),
            *("-D", f"users={site.users}", "-h", "127.0.0.1", "-p", str(server.port)),
            *("-U", server.superuser, *options, PORTAL),
        ]
        with subprocess.Popen(
            command,
            env=os.environ | {"PGPASSWORD": server.password},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            yield process


def run(site: Site, script: str, clients: int, seconds: float) -> float:
    """Return transactions a second, as fast as the clients can."""
    with _begun(site, script, clients, "-T", f"{max(round(seconds), 1)}") as process:
        return _rate(*process.communicate())


def write(site: Site, script: str, clients: int, transactions: int) -> float:
    """Run so many transactions by each client; return how many a second."""
    with _begun(site, script, clients, "-t", str(transactions)) as process:
        return _rate(*process.communicate())


@contextmanager
def load(site: Site, script: str, clients: int, rate: float) -> Iterator[None]:
    """Let clients write at a steady rate for the length of the block."""
    options = ("-T", "100000", "-R", str(rate))
    with _begun(site, script, clients, *options) as process:
        try:
            yield
        finally:
            process.terminate()


def _rate(out: str, errors: str) -> float:
    found = re.search(r"^tps = ([\d.]+)", out, re.MULTILINE)
    if not found or "aborted" in errors:
        raise SystemExit(f"pgbench said:\n{out}{errors}")
    return float(found[1])
