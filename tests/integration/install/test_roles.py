from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege, UndefinedObject

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import value
from pyreplctl.core.errors import DatabaseError
from pyreplctl.courses import links
from pyreplctl.delivery import status, wait
from pyreplctl.delivery.worker import Worker
from pyreplctl.install.portal import install
from pyreplctl.verify import data, repair_data
from tests.cli.run import Cli
from tests.conftest import NewCluster, NewCourse
from tests.real.replay import working
from tests.support.logins import as_login, logged_in, new_login
from tests.support.platform import FOR_GOOD, Connection, Course, Platform
from tests.support.polling import until

THREE = ("auth_user", "auth_userprofile", "student_courseenrollment")

# What each role may run, and nothing else. Both: what the programs ask first.
BOTH = {"databases", "failures", "migrations"}
WORKER = BOTH | {
    *("has_unrouted", "poll", "route", "route_batch", "due"),
    *("deliver", "delivery_failed", "portal_failed"),
    *("serve", "serving", "tick", "commit_pinned", "from_course"),
    *("note_progress", "note_verification"),
}
MONITOR = BOTH | {
    *("status", "clocks", "members", "unrouted", "last_queued", "waiting"),
    *("structure", "course_structure", "agreements", "contract_columns"),
    *("lock_holders", "verifications", "missed_changes", "own_failures"),
    *(
        "extent",
        "digest_here",
        "digest_there",
        "recheck_users",
        "pending_users",
        "sums_here",
    ),
    *("progress", "dead_letters"),
    *("find_users", "explain_user", "undeliverable"),
}


@dataclass
class Deployed:
    """A platform with one course and one member who waits for delivery."""

    platform: Platform
    course: Course

    @property
    def number(self) -> int:
        return databases.numbers(self.platform.connection, [])[self.course.name]


@pytest.fixture
def deployed(platform: Platform) -> Deployed:
    course = platform.course("c")
    platform.member(1, "c")
    return Deployed(platform, course)


@pytest.fixture
def worker(deployed: Deployed) -> Iterator[Connection]:
    portal = deployed.platform
    with logged_in(portal.dsn, portal.connection, "pyrepl_worker") as connection:
        yield connection


@pytest.fixture
def monitor(deployed: Deployed) -> Iterator[Connection]:
    portal = deployed.platform
    with logged_in(portal.dsn, portal.connection, "pyrepl_monitor") as connection:
        yield connection


@pytest.fixture
def link(deployed: Deployed) -> Iterator[Connection]:
    role, password = mapping(deployed.platform)
    dsn = make_conninfo(deployed.course.dsn, user=role, password=password)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def mapping(platform: Platform) -> tuple[str, str]:
    """Return the link role of the only course database, and its password."""
    options = value(platform.connection, "SELECT umoptions FROM pg_user_mappings")
    found = dict(option.split("=", 1) for option in options)
    return found["user"], found["password"]


def runnable(connection: Connection) -> set[str]:
    """Return the functions of schema pyrepl that the connection's role may run."""
    rows = connection.execute(
        "SELECT p.proname::text FROM pg_proc p"
        " JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname = 'pyrepl' AND has_function_privilege(p.oid, 'EXECUTE')"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid"
        " AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e')"
    )
    return {row[0] for row in rows}


def relations(administrator: Connection) -> list[tuple[str, str]]:
    """Return schema and name of all tables and views of ours, and of the three."""
    return administrator.execute(
        "SELECT n.nspname::text, c.relname::text FROM pg_class c"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'v', 'f', 'S') AND n.nspname IN ('pyrepl', 'public')"
    ).fetchall()


def readable(connection: Connection, administrator: Connection) -> set[str]:
    """Return the tables and views that the role can read, by trying."""
    found = set()
    for schema, name in relations(administrator):
        query = sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(schema, name))
        try:
            connection.execute(query)
        except InsufficientPrivilege:
            continue
        except UndefinedObject:
            pass  # a foreign table, for which this role has no mapping
        found.add(name)
    return found


def writable(connection: Connection, administrator: Connection) -> set[tuple[str, str]]:
    """Return what the role may do to tables and views, other than reading."""
    rights = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES")
    return {
        (name, right)
        for schema, name in relations(administrator)
        for right in rights
        if value(
            administrator,
            "SELECT relkind <> 'S' AND has_table_privilege(%s::name, oid, %s)"
            " FROM pg_class WHERE oid = to_regclass(%s)",
            connection.info.user,
            right,
            f"{schema}.{name}",
        )
    }


def test_a_worker_may_run_the_clock_and_nothing_else(
    deployed: Deployed, worker: Connection
) -> None:
    assert runnable(worker) == WORKER
    worker.execute("SELECT pyrepl.tick('worker', 'me')")
    assert value(worker, "SELECT pyrepl.route()") > 0
    assert value(worker, "SELECT pyrepl.due()") == deployed.number
    deliver: LiteralString = "SELECT outcome, users FROM pyrepl.deliver(%s)"
    (row,) = worker.execute(deliver, (deployed.number,)).fetchall()
    assert row == ("delivered", 1)
    assert deployed.course.users == [1]
    failed: LiteralString = (
        "SELECT pyrepl.delivery_failed(%s, '08006', 'm', NULL, NULL)"
    )
    worker.execute(failed, (deployed.number,))
    deployed.platform.member(2, "c")

    def served() -> bool:
        worker.execute("CALL pyrepl.serve('0 s')")
        return deployed.course.users == [1, 2]

    until(served)


def test_a_worker_reads_and_writes_no_table(
    deployed: Deployed, worker: Connection
) -> None:
    administrator = deployed.platform.connection
    assert readable(administrator, administrator) > {*THREE, "change", "health"}
    assert readable(worker, administrator) == set()
    assert writable(worker, administrator) == set()


def test_a_worker_process_needs_no_other_right(deployed: Deployed) -> None:
    portal = deployed.platform
    with (
        new_login(portal.connection, "pyrepl_worker") as name,
        working(Worker(as_login(portal.dsn, name), jobs=1)),
    ):
        until(lambda: deployed.course.users == [1])


def test_a_monitor_sees_how_it_goes(deployed: Deployed, monitor: Connection) -> None:
    assert runnable(monitor) == MONITOR
    (database,) = status.read(monitor).databases
    assert (database.name, database.members) == (deployed.course.name, 1)
    assert status.read(monitor).unrouted > 0
    deployed.platform.deliver()
    assert wait.wait(monitor, [], None, 10).left == {}


def test_a_monitor_can_verify(deployed: Deployed) -> None:
    portal = deployed.platform
    portal.deliver()
    deployed.course.tamper("UPDATE auth_user SET email = 'x'")
    with new_login(portal.connection, "pyrepl_monitor") as name:
        dsn = as_login(portal.dsn, name)
        (found,) = data.verify(dsn, Config(), [])
        assert (found.ok, found.stale) == (False, 1)
        with pytest.raises(DatabaseError) as refused:
            repair_data.repair(dsn, repair_data.plan([found]))
        assert refused.value.sqlstate == InsufficientPrivilege.sqlstate
    assert deployed.course.user(1)["email"] == "x"


def test_a_monitor_reads_and_writes_no_table(
    deployed: Deployed, monitor: Connection
) -> None:
    assert readable(monitor, deployed.platform.connection) == set()
    assert writable(monitor, deployed.platform.connection) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pyrepl.route()",
        "SELECT pyrepl.route_batch()",
        "SELECT pyrepl.deliver(1)",
        "SELECT pyrepl.tick('a', 'b')",
        "SELECT pyrepl.push_1('{1}', '{}', NULL, NULL, NULL, '{}', false)",
        "CALL pyrepl.serve('0 s')",
        "CALL pyrepl.poll('0 s')",
        "INSERT INTO pyrepl.change (users, database_id) VALUES ('{1}', 1)",
        "SET ROLE pyrepl_owner",
    ],
)
def test_a_monitor_can_change_nothing(
    monitor: Connection, statement: LiteralString
) -> None:
    with pytest.raises(InsufficientPrivilege):
        monitor.execute(statement)


def test_the_link_role_sees_digests_and_no_table(
    deployed: Deployed, link: Connection
) -> None:
    administrator = deployed.course.connection
    deployed.platform.deliver()
    assert readable(link, administrator) == {
        *("inbox", "digest", "account", "unsettled", "structure"),
    }
    assert writable(link, administrator) == {
        ("inbox", "UPDATE"),
        ("digest", "UPDATE"),  # how it asks: nothing is stored
    }
    asked: LiteralString = (
        "UPDATE pyrepl.digest SET users = '{1}', seed = 1"
        " RETURNING jsonb_array_length(rows::jsonb)"
    )
    assert value(link, asked) == 4  # the copy and its three rows
    assert runnable(link) == {"account_rows", "structure_rows"}
    for statement in (
        "SELECT pyrepl.erase('{1}')",
        "CREATE TABLE pyrepl.mine ()",
        "CREATE TABLE public.mine ()",
        FOR_GOOD,
    ):
        with pytest.raises(InsufficientPrivilege):
            link.execute(statement)


def test_the_link_role_cannot_push_without_the_chain(
    deployed: Deployed, link: Connection
) -> None:
    with pytest.raises(psycopg.Error) as refused:
        link.execute("UPDATE pyrepl.inbox SET portal = 'another', ids = '{}'")
    assert refused.value.sqlstate == "PR010"


def test_an_application_without_rights_in_our_schema_is_captured(
    deployed: Deployed,
) -> None:
    portal = deployed.platform
    portal.deliver()
    with new_login(portal.connection) as name:
        for table in THREE:
            grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {name}"
            portal.connection.execute(grant.encode())
        with psycopg.connect(as_login(portal.dsn, name), autocommit=True) as session:
            with pytest.raises(InsufficientPrivilege):
                session.execute("SELECT FROM pyrepl.change")
            session.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
            portal.deliver()
            assert deployed.course.user(1)["email"] == "new"
            session.execute("DELETE FROM student_courseenrollment WHERE user_id = 1")
    portal.deliver()
    assert deployed.course.enrollments == []


def test_nobody_else_may_use_the_links(
    deployed: Deployed, worker: Connection, monitor: Connection
) -> None:
    administrator = deployed.platform.connection
    granted = administrator.execute(
        "SELECT a.grantee::regrole::text FROM pg_foreign_server s,"
        " aclexplode(coalesce(s.srvacl, acldefault('S', s.srvowner))) a"
    ).fetchall()
    assert granted == [("pyrepl_owner",)]
    assert administrator.execute(
        "SELECT usename::text FROM pg_user_mappings"
    ).fetchall() == [("pyrepl_owner",)]
    for connection in (worker, monitor):
        alter: LiteralString = (
            "ALTER USER MAPPING FOR pyrepl_owner SERVER pyrepl_1"
            " OPTIONS (SET password 'known')"
        )
        with pytest.raises(InsufficientPrivilege):
            connection.execute(alter)


def test_nobody_else_can_read_the_password_of_a_link(
    deployed: Deployed, worker: Connection, monitor: Connection
) -> None:
    assert mapping(deployed.platform)[1]
    for connection in (worker, monitor):
        seen = connection.execute("SELECT umoptions FROM pg_user_mappings").fetchall()
        assert seen == [(None,)]
        with pytest.raises(InsufficientPrivilege):
            connection.execute("SELECT umoptions FROM pg_user_mapping")


@pytest.fixture
def talkative(new_cluster: NewCluster, new_course: NewCourse) -> Iterator[Logged]:
    """A platform on a server that logs every statement with its parameters."""
    cluster = new_cluster(log_statement="all", log_min_duration_statement="0")
    dsn = new_course("portal", cluster=cluster)
    install(dsn, Config())

    def beside(name: str | None = None, askbot: bool = False) -> str:
        return new_course(name, askbot, cluster)

    with Platform.opened(dsn, beside) as platform:
        yield Logged(platform, cluster.log_file, cluster.password)


@dataclass
class Logged:
    platform: Platform
    file: Path
    password: str

    def log(self) -> str:
        return self.file.read_text()


def test_no_log_and_no_command_shows_a_password(
    talkative: Logged,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = talkative.platform
    course = platform.course("c")
    secrets = [talkative.password, mapping(platform)[1]]
    platform.member(1, "c")
    platform.deliver()
    links.rotate_password(platform.connection, course.name, course.dsn)
    secrets.append(mapping(platform)[1])
    assert len({*secrets}) == 3
    platform.session(autocommit=True).execute("SELECT 'the session is new'")
    platform.user(2)
    platform.enroll(2, "c")
    platform.deliver()
    assert course.users == [1, 2]

    log = talkative.log()
    assert "CREATE USER MAPPING" in log
    assert log.count('ROLE "pyrepl_') >= 2
    cli = Cli(tmp_path, capsys, monkeypatch)
    cli.at(platform.dsn)
    shown = cli("course", "show", course.name, "--json")
    assert shown.code == 0
    assert json.loads(shown.out)
    kept = str(platform.rows("SELECT * FROM pyrepl.database"))
    for secret in secrets:
        assert secret not in log
        assert secret not in shown.out + shown.err
        assert secret not in kept


def test_that_log_would_show_a_password_given_as_a_parameter(
    talkative: Logged,
) -> None:
    talkative.platform.rows("SELECT %s::text", "a secret parameter")
    assert "a secret parameter" in talkative.log()
