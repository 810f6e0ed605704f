"""Two clusters a session, and databases cloned from templates for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, Protocol

import pytest
from psycopg import sql
from pytest_postgresql.janitor import DatabaseJanitor

from pyreplctl.core.config import Config
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster, find_bin_dir
from tests.support import servers
from tests.support.platform import Platform

SCHEMA = Path(__file__).parent / "schema"
# Fast, but with commits that wait for the log, as in production.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "max_connections": "100",
    "max_wal_size": "256MB",
}

# Among the files of a template: pyreplctl is installed after those before.
INSTALLED = "installed"

_numbers = itertools.count(1)


class NewCluster(Protocol):
    """Starts a cluster of the test's own, which it may stop, kill or freeze."""

    def __call__(self, bin_dir: Path | None = None, /, **settings: str) -> Cluster: ...


class NewPortal(Protocol):
    """Makes a portal database; returns the superuser's DSN."""

    def __call__(
        self, *, schema: str = "edx_2012", cluster: Cluster | None = None
    ) -> str: ...


class NewCourse(Protocol):
    """Makes a course database; returns the superuser's DSN.

    With `askbot`, its auth_user has Askbot's columns: with SQL defaults, or with
    "bare" as Django makes them, without.
    """

    def __call__(
        self,
        name: str | None = None,
        askbot: bool | Literal["bare"] = False,
        cluster: Cluster | None = None,
        *,
        schema: str = "edx_2012",
    ) -> str: ...


Clone = Callable[[Cluster, str, tuple[str, ...]], str]


def pytest_report_header() -> list[str]:
    places = {"servers": find_bin_dir(), "courses": course_bin_dir()}
    return [
        f"{side}: PostgreSQL {servers.version(place)}, {place}"
        for side, place in places.items()
        if side == "servers" or place != places["servers"]
    ]


def course_bin_dir() -> Path:
    """Return PYREPLCTL_COURSE_PG_BIN, or else the programs of all other servers."""
    if chosen := os.environ.get("PYREPLCTL_COURSE_PG_BIN"):
        return Path(chosen).resolve()
    return find_bin_dir()


def fast_directory() -> str | None:
    """Return a place in memory if it is large: a clone takes 12 ms there, not 110."""
    memory = Path("/dev/shm")  # noqa: S108
    if "TMPDIR" in os.environ or not memory.is_dir():
        return None
    return str(memory) if shutil.disk_usage(memory).free > 4 << 30 else None


@contextmanager
def running_cluster(
    bin_dir: Path | None = None, /, **settings: str
) -> Iterator[Cluster]:
    directory = Path(tempfile.mkdtemp(prefix="pyreplctl-test-", dir=fast_directory()))
    try:
        with Cluster.create(
            directory, bin_dir=bin_dir, settings=SETTINGS | settings
        ) as cluster:
            yield cluster
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def portal_cluster() -> Iterator[Cluster]:
    with running_cluster(max_prepared_transactions="10") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def immediate_cluster() -> Iterator[Cluster]:
    """A portal's server without prepared transactions: they exclude immediate mode."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def course_cluster() -> Iterator[Cluster]:
    with running_cluster(course_bin_dir()) as cluster:
        yield cluster


@pytest.fixture
def new_cluster() -> Iterator[NewCluster]:
    with ExitStack() as stack:

        def start(bin_dir: Path | None = None, /, **settings: str) -> Cluster:
            return stack.enter_context(running_cluster(bin_dir, **settings))

        yield start


@pytest.fixture(scope="session")
def templates() -> dict[tuple[Cluster, tuple[str, ...]], str]:
    """Names of the template databases made so far, by cluster and schema files."""
    return {}


@pytest.fixture
def clone(
    templates: dict[tuple[Cluster, tuple[str, ...]], str],
    new_cluster: NewCluster,  # asked for here, so that its clusters outlive the clones
) -> Iterator[Clone]:
    made: list[tuple[Cluster, str]] = []

    def make(cluster: Cluster, name: str, files: tuple[str, ...]) -> str:
        if (cluster, files) not in templates:
            template = janitor(
                cluster, "_".join(("template", *files)), as_template=True
            )
            template.init()
            for file in files:
                if file == INSTALLED:
                    install(cluster.conninfo(template.dbname), Config())
                else:
                    template.load(SCHEMA / f"{file}.sql")
            templates[cluster, files] = template.dbname
        janitor(cluster, name, template_dbname=templates[cluster, files]).init()
        made.append((cluster, name))
        return cluster.conninfo(name)

    yield make
    for cluster, name in reversed(made):
        drop(cluster, name)


@pytest.fixture
def new_portal(portal_cluster: Cluster, clone: Clone) -> NewPortal:
    def make(*, schema: str = "edx_2012", cluster: Cluster | None = None) -> str:
        return clone(cluster or portal_cluster, f"portal_{next(_numbers)}", (schema,))

    return make


@pytest.fixture
def new_course(course_cluster: Cluster, clone: Clone) -> NewCourse:
    def make(
        name: str | None = None,
        askbot: bool | Literal["bare"] = False,
        cluster: Cluster | None = None,
        *,
        schema: str = "edx_2012",
    ) -> str:
        extra = {False: (), True: ("askbot",), "bare": ("askbot_bare",)}[askbot]
        name = name or f"course_{next(_numbers)}"
        return clone(cluster or course_cluster, name, (schema, *extra))

    return make


@pytest.fixture
def platform(
    portal_cluster: Cluster, clone: Clone, new_course: NewCourse
) -> Iterator[Platform]:
    """An installed portal with the tables of 2012, and courses as the test asks."""
    name = f"portal_{next(_numbers)}"
    dsn = clone(portal_cluster, name, ("edx_2012", INSTALLED))
    with Platform.opened(dsn, new_course) as made:
        yield made


@pytest.fixture
def immediate(
    immediate_cluster: Cluster, clone: Clone, new_course: NewCourse
) -> Iterator[Platform]:
    """An installed portal where databases may have immediate delivery."""
    name = f"portal_{next(_numbers)}"
    dsn = clone(immediate_cluster, name, ("edx_2012", INSTALLED))
    with Platform.opened(dsn, new_course) as made:
        yield made


def janitor(
    cluster: Cluster,
    name: str,
    *,
    template_dbname: str | None = None,
    as_template: bool = False,
) -> DatabaseJanitor:
    return DatabaseJanitor(
        user=cluster.superuser,
        password=cluster.password,
        host="127.0.0.1",
        port=cluster.port,
        dbname=name,
        template_dbname=template_dbname,
        as_template=as_template,
    )


def drop(cluster: Cluster, name: str) -> None:
    """Drop a database, on a server that the test may have left down or frozen.

    Not the janitor's drop: it does not wait for sessions, which links keep open.
    """
    cluster.thaw()
    cluster.start()
    with janitor(cluster, name).cursor() as cursor:
        statement = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
        cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))
