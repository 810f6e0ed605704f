"""Who only looks writes nothing: neither the history nor where to go on."""

from __future__ import annotations

from typing import LiteralString

import pytest
from psycopg import errors

from pyreplctl.install.portal import install
from pyreplctl.verify import data
from tests.cli.run import Cli
from tests.support.logins import as_login, logged_in, new_login
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"

WRITES: tuple[LiteralString, ...] = (
    """SELECT pyrepl.note_verification('[{"name": "forum", "ok": true}]')""",
    "SELECT pyrepl.note_progress(1, 1000000, 5, 0, '{}')",
)


def kept(platform: Platform) -> list[tuple[int, ...]]:
    return platform.rows(
        "SELECT (SELECT count(*) FROM pyrepl.verification),"
        " (SELECT count(*) FROM pyrepl.verifying)"
    )


@pytest.mark.parametrize("statement", WRITES)
def test_a_monitor_cannot_say_what_was_verified(
    platform: Platform, statement: LiteralString
) -> None:
    platform.course(TOY)
    with (
        logged_in(platform.dsn, platform.connection, "pyrepl_monitor") as monitor,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        monitor.execute(statement)
    assert kept(platform) == [(0, 0)]
    # The control, as who may: by another role the same writes.
    with logged_in(platform.dsn, platform.connection, "pyrepl_worker") as worker:
        worker.execute(statement)
    assert kept(platform) != [(0, 0)]


def test_what_a_monitor_was_given_by_an_older_version_is_taken(
    platform: Platform,
) -> None:
    platform.execute(
        "UPDATE pyrepl.object SET source_hash = 'older' WHERE name LIKE 'note_%'"
    )
    for function in (
        "note_verification(jsonb)",
        "note_progress(integer, bigint, bigint, bigint, bigint[])",
    ):
        grant = f"GRANT EXECUTE ON FUNCTION pyrepl.{function} TO pyrepl_monitor"
        platform.connection.execute(grant.encode())
    # As it was recorded when it was installed with that right.
    platform.execute(
        "SELECT pyrepl.record_objects(array_agg(kind), array_agg(name),"
        " array_agg(source_hash)) FROM pyrepl.object WHERE name LIKE 'note_%'"
    )
    install(platform.dsn, platform.config)
    assert platform.rows(
        "SELECT DISTINCT a.grantee::regrole::text FROM pg_proc p,"
        " aclexplode(p.proacl) a WHERE p.proname IN ('note_verification',"
        " 'note_progress') ORDER BY 1"
    ) == [("pyrepl_owner",), ("pyrepl_worker",)]


def test_a_monitor_verifies_and_is_told_that_it_is_not_kept(
    cli: Cli, platform: Platform
) -> None:
    platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    with new_login(platform.connection, "pyrepl_monitor") as name:
        cli.at(as_login(platform.dsn, name))
        looked = cli("verify")
        assert looked.code == 0, looked.err
        assert "not kept" in looked.err
    assert kept(platform) == [(0, 0)]
    with new_login(platform.connection, "pyrepl_monitor", "pyrepl_worker") as name:
        cli.at(as_login(platform.dsn, name))
        looked = cli("verify")
        assert looked.code == 0, looked.err
        assert "not kept" not in looked.err
        past = "SELECT DISTINCT by FROM pyrepl.verification"
        assert platform.rows(past) == [(name,)]  # whose word it is
    [result] = data.verify(platform.dsn, platform.config, [])
    assert result.ok
