"""Embedded servers: passwords, ports, crashes, freezes and errors."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pyreplctl.core.errors import ServerError
from pyreplctl.sandbox.embedded import Cluster, binaries, find_bin_dir, processes
from pyreplctl.sandbox.embedded import cluster as cluster_module
from tests.conftest import SETTINGS, running_cluster


@pytest.fixture(scope="module")
def cluster_of_module() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(cluster_of_module: Cluster) -> Cluster:
    """Return a running cluster that the test may harm."""
    cluster_of_module.start()
    return cluster_of_module


@pytest.fixture
def directory() -> Iterator[Path]:
    """Return an empty directory; tmp_path is closed to other users."""
    path = Path(tempfile.mkdtemp(prefix="pyreplctl-test-"))
    yield path
    shutil.rmtree(path)


def query(cluster: Cluster, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(cluster.conninfo()) as connection:
        return connection.execute(statement.encode()).fetchall()


def execute(cluster: Cluster, statement: str) -> None:
    with psycopg.connect(cluster.conninfo()) as connection:
        connection.execute(statement.encode())


def test_tells_version_and_port(cluster: Cluster) -> None:
    number = query(cluster, "SHOW server_version_num")[0][0]
    assert cluster.version == int(str(number)) // 10_000
    assert query(cluster, "SHOW port") == [(str(cluster.port),)]


def test_asks_everyone_for_a_password(cluster: Cluster) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication"):
        psycopg.connect(cluster.conninfo(password="wrong"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(cluster.conninfo(user="postgres"), passfile="/dev/null")
    methods = query(cluster, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert methods == [("scram-sha-256",)]
    assert query(cluster, "SHOW unix_socket_directories") == [("",)]
    assert query(cluster, "SHOW listen_addresses") == [("127.0.0.1",)]


def test_stop_and_start_keep_data_and_port(cluster: Cluster) -> None:
    execute(cluster, "CREATE TABLE kept AS SELECT 1 AS n")
    port = cluster.port
    cluster.stop()
    assert not cluster.is_running
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(cluster.conninfo())
    cluster.start()
    assert (cluster.is_running, cluster.port) == (True, port)
    assert query(cluster, "SELECT n FROM kept") == [(1,)]


def test_every_verb_is_repeatable(cluster: Cluster) -> None:
    cluster.thaw()
    cluster.start()
    cluster.stop("immediate")
    cluster.stop()
    cluster.kill()
    cluster.freeze()
    cluster.thaw()
    assert not cluster.is_running


def test_kill_is_a_crash_that_start_recovers_from(cluster: Cluster) -> None:
    execute(cluster, "CREATE TABLE recovered AS SELECT 1 AS n")
    pid = int((cluster.data_dir / "postmaster.pid").read_text().split()[0])
    family = processes.family(pid)
    cluster.kill()
    assert len(family) > 3
    assert processes._states(family) <= {"Z"}
    cluster.start()
    assert query(cluster, "SELECT n FROM recovered") == [(1,)]
    assert "not properly shut down" in cluster.log_tail()


def test_frozen_server_answers_when_thawed(cluster: Cluster) -> None:
    with closing(psycopg.connect(cluster.conninfo())) as connection:
        cluster.freeze()
        assert cluster.is_running
        connection.pgconn.send_query(b"SELECT 1")
        assert not select.select([connection.fileno()], [], [], 0.2)[0]
        cluster.thaw()
        assert select.select([connection.fileno()], [], [], 10)[0]


def test_frozen_server_stops(cluster: Cluster) -> None:
    cluster.freeze()
    cluster.stop()
    assert not cluster.is_running


def test_failing_start_shows_the_log(cluster: Cluster) -> None:
    cluster.stop()
    cluster.settings["shared_buffers"] = "it's no size"
    with pytest.raises(ServerError, match=r'invalid value .* "shared_buffers": "it\'s'):
        cluster.start()
    assert not cluster.is_running
    del cluster.settings["shared_buffers"]
    cluster.start()
    assert cluster.is_running


def test_takes_another_port_when_somebody_was_faster(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rival:
        free = cluster_module._free_port()
        ports = [free, rival.getsockname()[1]]
        monkeypatch.setattr(cluster_module, "_free_port", ports.pop)
        with Cluster.create(directory, settings=SETTINGS) as cluster:
            assert cluster.port == free
            assert query(cluster, "SHOW fsync") == [("off",)]


def test_port_is_unknown_before_the_first_start(directory: Path) -> None:
    cluster = Cluster(directory, find_bin_dir(), {})
    with pytest.raises(ServerError, match="no port before its first start"):
        cluster.conninfo()


def test_server_ends_with_the_process_that_started_it(directory: Path) -> None:
    bin_dir = binaries.reachable(find_bin_dir())  # else its copy would be left behind
    program = f"""\
import os, pathlib, signal
from pyreplctl.sandbox.embedded import Cluster
bin_dir = pathlib.Path({str(bin_dir)!r})
cluster = Cluster.create(pathlib.Path({str(directory)!r}), bin_dir=bin_dir)
cluster.start()
print((cluster.directory / "data/postmaster.pid").read_text().split()[0], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, check=False
    )
    pid = int(killed.stdout)
    assert processes.wait_for(lambda: processes._states([pid]) <= {"Z"}, 20)


def test_directory_in_use_is_refused(directory: Path) -> None:
    (directory / "letter.txt").touch()
    with pytest.raises(ServerError, match="is not empty") as caught:
        Cluster.create(directory)
    assert caught.value.hint


def test_initdb_speaks_in_the_error(directory: Path) -> None:
    cluster = Cluster(directory, binaries.reachable(find_bin_dir()), {})
    (directory / "data").touch()
    with pytest.raises(ServerError, match=r"initdb failed:\n.*data"):
        cluster._initdb()
    assert not (directory / "pwfile").exists()


def test_missing_binaries_are_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYREPLCTL_PG_BIN", str(directory))
    with pytest.raises(ServerError, match="holds no initdb") as caught:
        find_bin_dir()
    assert "PYREPLCTL_PG_BIN" in str(caught.value.hint)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root serves as somebody else")
def test_root_names_a_directory_that_the_server_cannot_enter(directory: Path) -> None:
    directory.chmod(0o700)
    with pytest.raises(ServerError, match="cannot enter"):
        Cluster.create(directory / "inside")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root serves as somebody else")
def test_root_copies_binaries_out_of_reach(directory: Path) -> None:
    bin_dir = find_bin_dir()
    if bin_dir.parent.name != "pginstall":
        pytest.skip("only the wheel's binaries can be moved")
    site = directory / "site"
    site.mkdir(mode=0o700)
    for tree in binaries._install_trees(bin_dir):
        shutil.copytree(tree, site / tree.relative_to(bin_dir.parents[2]))
    hidden = site / bin_dir.relative_to(bin_dir.parents[2])
    directory.chmod(0o755)
    cluster = Cluster.create(directory / "cluster", bin_dir=hidden)
    assert not cluster.bin_dir.is_relative_to(directory)
