"""Backups that come back: a portal by pg_dump and psql, the files of a whole server."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import drop
from tests.support.platform import Platform


def run(server: Cluster, program: str, *arguments: str, given: str = "") -> str:
    """Run a client program of the server's version as its superuser."""
    command = [str(server.bin_dir / program), *arguments]
    env = os.environ | {"PGPASSWORD": server.password}
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=True, env=env
    )
    return done.stdout


@contextmanager
def restored(
    platform: Platform, source: Cluster, target: Cluster
) -> Iterator[Platform]:
    """The portal by way of pg_dump and psql, in another database or another cluster."""
    name = f"{platform.connection.info.dbname}_restored"
    if target is not source:
        roles = run(
            source,
            "pg_dumpall",
            *("--roles-only", "--no-role-passwords", "-d", source.conninfo()),
        )
        run(target, "psql", "-q", "-d", target.conninfo(), given=roles)
    with psycopg.connect(target.conninfo(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    try:
        dump = run(source, "pg_dump", "-d", platform.dsn)
        psql = ("-q", "-v", "ON_ERROR_STOP=1", "-d", target.conninfo(name))
        run(target, "psql", *psql, given=dump)
        with Platform.opened(target.conninfo(name), platform.new_course) as copy:
            yield copy
    finally:
        drop(target, name)


def save(server: Cluster) -> None:
    """Keep the files of a server as they are now."""
    server.stop()
    subprocess.run(
        ["cp", "-a", server.data_dir, server.directory / "saved"], check=True
    )
    server.start()


def restore(server: Cluster) -> None:
    server.stop()
    shutil.rmtree(server.data_dir)
    (server.directory / "saved").rename(server.data_dir)
    server.start()
