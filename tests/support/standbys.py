"""Physical copies of a running cluster: a standby, or one that goes its own way."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.sandbox.embedded.binaries import as_server, give_to_server
from tests.conftest import fast_directory


@contextmanager
def copy_of(primary: Cluster, *, standby: bool) -> Iterator[Cluster]:
    """Run a copy of a cluster made by pg_basebackup; it follows, if a standby."""
    directory = Path(tempfile.mkdtemp(prefix="pyreplctl-test-", dir=fast_directory()))
    give_to_server(directory)
    copy = Cluster(directory, primary.bin_dir, primary.settings)
    copy.password = primary.password
    try:
        command = [
            *(str(primary.bin_dir / "pg_basebackup"), "-D", str(copy.data_dir)),
            *("-d", primary.conninfo(), "-c", "fast", "--no-sync"),
            *(["-R"] if standby else []),
        ]
        options = as_server(directory)
        options["env"] |= {"PGPASSWORD": primary.password}
        done = subprocess.run(command, capture_output=True, check=False, **options)
        assert done.returncode == 0, done.stderr.decode()
        with copy:
            yield copy
    finally:
        shutil.rmtree(directory)
