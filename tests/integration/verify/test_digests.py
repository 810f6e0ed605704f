"""Columns of every kind: equal or different by image, under whatever settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster, find_bin_dir
from pyreplctl.verify.data import Difference
from tests.conftest import SCHEMA, NewCourse, NewPortal, running_cluster
from tests.support.column_types import (
    COURSE_SETTINGS,
    PORTAL_SETTINGS,
    TYPES,
    prepare,
)
from tests.support.platform import Course, Platform
from tests.support.servers import bin_dirs, version

PROFILE = "public.auth_userprofile"
COURSE = "types"


def other_server() -> Path | None:
    """Return the programs of another major version, if there are any."""
    own = version(find_bin_dir())
    return next((path for path in bin_dirs().values() if version(path) != own), None)


@pytest.fixture(params=["same version", "another version"])
def server(
    request: pytest.FixtureRequest, course_cluster: Cluster
) -> Iterator[Cluster]:
    if request.param == "same version":
        yield course_cluster
        return
    bin_dir = other_server()
    if bin_dir is None:
        pytest.skip("no PostgreSQL of another version")
    with running_cluster(bin_dir) as cluster:
        yield cluster


@contextmanager
def made(
    server: Cluster, new_portal: NewPortal, new_course: NewCourse
) -> Iterator[tuple[Platform, Course]]:
    dsn = new_portal()
    prepare(dsn, PORTAL_SETTINGS)
    install(dsn, Config())
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        # Another order of text than at the portal.
        connection.execute("CREATE DATABASE typed TEMPLATE template0 LOCALE 'C'")
    there = server.conninfo("typed")
    try:
        with psycopg.connect(there, autocommit=True) as connection:
            connection.execute((SCHEMA / "edx_2012.sql").read_bytes())
        prepare(there, COURSE_SETTINGS)
        with Platform.opened(dsn, new_course) as platform:
            yield platform, platform.register(there, COURSE)[0]
    finally:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            connection.execute("DROP DATABASE typed WITH (FORCE)")


def test_a_column_differs_where_its_image_does(
    server: Cluster, new_portal: NewPortal, new_course: NewCourse
) -> None:
    changes = [
        (column, other) for column, (*_, others) in TYPES.items() for other in others
    ]
    with made(server, new_portal, new_course) as (platform, course):
        values = ", ".join(f"{name} = {TYPES[name][1]}" for name in TYPES)
        for user, _ in enumerate(changes, 1):
            platform.member(user, COURSE)
        platform.connection.execute(f"UPDATE auth_userprofile SET {values}".encode())
        platform.deliver()
        platform.assert_equal()

        same = ", ".join(f"{name} = {TYPES[name][2]}" for name in TYPES)
        course.tamper(f"UPDATE auth_userprofile SET {same}")
        platform.assert_equal()

        for user, (column, other) in enumerate(changes, 1):
            course.tamper(
                f"UPDATE auth_userprofile SET {column} = {other} WHERE user_id = {user}"
            )
        found = platform.verify(examples=1000)[course.name]
        assert found.examples == [
            Difference(user, "stale", PROFILE, [column])
            for user, (column, _) in enumerate(changes, 1)
        ]


def test_bytes_have_one_hash_on_all_versions(platform: Platform) -> None:
    if platform.connection.info.server_version < 180000:
        pytest.skip("before 18 there is only the hash by way of a record")
    hashes = "hash_record_extended(ROW(b)::record, s), hashbyteaextended(b, s)"
    for ours, by_record in platform.rows(
        f"SELECT {hashes} FROM unnest(ARRAY['', '\\x00', '\\x0001ff',"
        " sha512('x') || sha512('y')]::bytea[]) b, generate_series(-3, 3) s"
    ):
        assert ours == by_record


def test_functions_that_took_the_settings_of_their_session_would_tell_drift(
    course_cluster: Cluster,
    new_portal: NewPortal,
    new_course: NewCourse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Sessions of ours are pinned, too: without that they have those of the database.
    monkeypatch.setattr("pyreplctl.core.session.pin", lambda _: None)
    with made(course_cluster, new_portal, new_course) as (platform, course):
        platform.member(1, COURSE)
        platform.execute(
            "UPDATE auth_userprofile SET a_span = '1 mon', bytes = '\\x00'"
        )
        platform.deliver()
        platform.assert_equal()
        for function in (
            "truth_1(bigint[], bigint, bigint, integer, bigint, boolean)",
            "truth_rows_1(bigint[], bigint)",
        ):
            platform.connection.execute(
                f"ALTER FUNCTION pyrepl.{function} RESET intervalstyle".encode()
            )
        found = platform.verify()[course.name]
        assert found.examples == [Difference(1, "stale", PROFILE, ["a_span"])]
