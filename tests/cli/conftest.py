"""The command line, in an empty directory and without the caller's environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyreplctl.cli.output import SETTINGS, Settings
from pyreplctl.sandbox.embedded import Cluster
from tests.cli.run import Cli
from tests.support.platform import Platform


@pytest.fixture
def bare_cli(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Cli]:
    """The command line, told nothing about a portal."""
    for name in os.environ:
        if name.startswith("PG") or name in ("PYREPLCTL_PORTAL", "NO_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield Cli(tmp_path, capsys, monkeypatch)
    vars(SETTINGS).update(vars(Settings()))


@pytest.fixture
def cli(
    bare_cli: Cli,
    platform: Platform,
    portal_cluster: Cluster,
    course_cluster: Cluster,
) -> Cli:
    """The command line, at the portal of `platform`, with passwords for libpq."""
    bare_cli.at(platform.dsn)
    passwords = bare_cli.directory / "pgpass"
    passwords.touch(0o600)
    passwords.write_text(
        "".join(
            f"*:{cluster.port}:*:*:{cluster.password}\n"
            for cluster in (portal_cluster, course_cluster)
        )
    )
    bare_cli.monkeypatch.setenv("PGPASSFILE", str(passwords))
    return bare_cli
