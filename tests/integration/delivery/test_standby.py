from __future__ import annotations

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import register
from pyreplctl.courses.refresh import refresh
from pyreplctl.courses.request import Request
from pyreplctl.install.portal import install
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.support.standbys import copy_of

TOY = "edX/toy/2012_Fall"


def test_a_standby_is_refused_as_portal_and_as_course(
    new_cluster: NewCluster, new_portal: NewPortal, new_course: NewCourse
) -> None:
    primary = new_cluster()
    dsn = new_portal(cluster=primary)
    course, elsewhere = new_course(cluster=primary), new_course()
    install(dsn, Config())
    with (
        copy_of(primary, standby=True) as standby,
        psycopg.connect(dsn, autocommit=True) as portal,
    ):
        dbname = portal.info.dbname
        with pytest.raises(NotSuitable, match="the portal is a standby") as refused:
            install(standby.conninfo(dbname), Config())
        assert "target_session_attrs" in str(refused.value.hint)
        with (
            psycopg.connect(standby.conninfo(dbname), autocommit=True) as reading,
            pytest.raises(NotSuitable, match="the portal is a standby"),
        ):
            register.register(reading, Config(), Request((TOY,), elsewhere))
        with (
            psycopg.connect(standby.conninfo(dbname), autocommit=True) as reading,
            pytest.raises(NotSuitable, match="the portal is a standby"),
        ):
            refresh(reading, Config(), "any")
        with psycopg.connect(course) as name:
            there = standby.conninfo(name.info.dbname)
        with pytest.raises(NotSuitable, match="the course database is a standby"):
            register.register(portal, Config(), Request((TOY,), there))
