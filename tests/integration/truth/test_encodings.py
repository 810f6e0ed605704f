"""Databases in other encodings than UTF8: served, or refused in so many words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql

from pyreplctl.core.config import Config
from pyreplctl.core.errors import Error, NotSuitable
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.verify import structure
from tests.conftest import SCHEMA, drop
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"
Encoded = Callable[[Cluster, str], str]


@pytest.fixture
def encoded() -> Iterator[Encoded]:
    """Make a database with edX's tables, in an encoding; returns its DSN."""
    made: list[tuple[Cluster, str]] = []

    def make(cluster: Cluster, encoding: str) -> str:
        name = f"in_{encoding.lower()}_{len(made)}"
        create = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE 'C'"
        with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as session:
            session.execute(
                sql.SQL(create).format(sql.Identifier(name), sql.Literal(encoding))
            )
        made.append((cluster, name))
        dsn = cluster.conninfo(name)
        with psycopg.connect(dsn, autocommit=True) as session:
            session.execute((SCHEMA / "edx_2012.sql").read_bytes())
        return dsn

    yield make
    for cluster, name in made:
        drop(cluster, name)


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("EUC_JP", "山田"), ("LATIN1", "José"), ("WIN1252", "Søren"), ("KOI8R", "Иван")],
)
def test_both_in_the_same_one_are_served(
    portal_cluster: Cluster,
    course_cluster: Cluster,
    encoded: Encoded,
    encoding: str,
    name: str,
) -> None:
    portal = encoded(portal_cluster, encoding)
    dsn = encoded(course_cluster, encoding)
    install(portal, Config())
    with Platform.opened(portal, str) as platform:
        course, _ = platform.register(dsn, TOY)
        platform.member(1, TOY, username=name)
        assert platform.deliver() == {}
        assert course.user(1)["username"] == name
        platform.assert_equal()
        found = structure.verify(portal, [])
        assert [i for i in found.portal if i.state != "current"] == []


def test_others_are_refused_with_both_names(
    portal_cluster: Cluster, course_cluster: Cluster, encoded: Encoded
) -> None:
    portal = encoded(portal_cluster, "UTF8")
    dsn = encoded(course_cluster, "EUC_JP")
    install(portal, Config())
    said = "encoded in EUC_JP, the portal in UTF8"
    with (
        Platform.opened(portal, str) as platform,
        pytest.raises(NotSuitable, match=said),
    ):
        platform.register(dsn, TOY)


def test_sql_ascii_is_refused_on_either_side(
    portal_cluster: Cluster, course_cluster: Cluster, encoded: Encoded
) -> None:
    with pytest.raises(Error) as refused:
        install(encoded(portal_cluster, "SQL_ASCII"), Config())
    assert "the portal is encoded in SQL_ASCII" in str(refused.value)
    assert "ENCODING 'UTF8'" in (refused.value.hint or "")
    portal = encoded(portal_cluster, "UTF8")
    dsn = encoded(course_cluster, "SQL_ASCII")
    install(portal, Config())
    said = "is encoded in SQL_ASCII"
    with (
        Platform.opened(portal, str) as platform,
        pytest.raises(NotSuitable, match=said),
    ):
        platform.register(dsn, TOY)
