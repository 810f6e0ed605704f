"""Bad input: one clear message with what to do, and nothing is left half done."""

from __future__ import annotations

import io
import re
from typing import Any, Literal, LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pyreplctl.core.config import Config
from pyreplctl.core.errors import DatabaseError
from pyreplctl.courses import first_registration, unregister
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.schema.objects import ObjectChange
from tests.cli.run import Cli, Ran
from tests.cli.traces import traces, untouched
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"


def complained(ran: Ran, code: int, *words: str) -> str:
    """Assert that a command ended with one error and a hint; return the hint."""
    assert ran.code == code, ran
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert ran.err.count("error: ") == 1, ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err
    _, found, hint = ran.err.partition("\nhint: ")
    assert found, f"no hint: {ran.err}"
    return hint


def do(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


# The portal: what install refuses.

PORTALS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "unknown table": (
        "",
        '[tables.user]\nname = "public.people"\n',
        ("no table public.people", "[tables.user]"),
    ),
    "unknown column": (
        "",
        '[tables.user]\ncolumns = ["id", "nickname"]\n',
        ("public.auth_user has no column nickname", "It has: id, username"),
    ),
    "dropped column": (
        "ALTER TABLE auth_user DROP COLUMN first_name",
        "",
        ("public.auth_user has no column first_name",),
    ),
    "wrong key column": (
        "",
        '[tables.enrollment]\ncourse = "course_key"\n',
        ("no column course_key", "[tables.enrollment]"),
    ),
    "uuid keys": (
        "ALTER TABLE auth_userprofile DROP user_id, ADD user_id uuid UNIQUE",
        "",
        ("public.auth_userprofile.user_id is of type uuid", "integer or bigint"),
    ),
    "generated column": (
        (
            "ALTER TABLE auth_userprofile"
            " ADD loud text GENERATED ALWAYS AS (upper(name)) STORED"
        ),
        "",
        ("public.auth_userprofile.loud is a generated column", "pyreplctl.toml"),
    ),
    "money": (
        "ALTER TABLE auth_userprofile ADD COLUMN paid money",
        "",
        ("public.auth_userprofile.paid is of type money",),
    ),
    "partitioned table": (
        (
            "CREATE TABLE parts (LIKE auth_userprofile, PRIMARY KEY (id))"
            " PARTITION BY HASH (id)"
        ),
        '[tables.profile]\nname = "public.parts"\nuser = "id"\n',
        ("public.parts is partitioned",),
    ),
    "inherited table": (
        "CREATE TABLE heir () INHERITS (auth_userprofile)",
        "",
        ("public.auth_userprofile has tables that inherit from it",),
    ),
    "unlogged table": (
        "ALTER TABLE student_courseenrollment SET UNLOGGED",
        "",
        ("public.student_courseenrollment is not logged",),
    ),
    "active column that is no boolean": (
        "",
        '[tables.enrollment]\nactive = "created"\n',
        ("public.student_courseenrollment.created is of type timestamp", "boolean"),
    ),
}


@pytest.mark.parametrize("case", PORTALS)
def test_install_refuses(bare_cli: Cli, new_portal: NewPortal, case: str) -> None:
    change, configuration, words = PORTALS[case]
    dsn = new_portal()
    if change:
        do(dsn, change)
    bare_cli.at(dsn)
    bare_cli.configure(configuration)
    with untouched(dsn):
        complained(bare_cli("install"), 1, *words)
        complained(bare_cli("install", "--check"), 1, *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "ALTER TABLE auth_userprofile DROP CONSTRAINT auth_userprofile_pkey",
            "public.auth_userprofile has no primary key or unique index on id",
        ),
        (
            "ALTER TABLE auth_userprofile DROP CONSTRAINT auth_userprofile_user_id_key",
            "public.auth_userprofile has no primary key or unique index on user_id",
        ),
    ],
)
def test_install_wants_a_key_and_says_how_to_make_one(
    bare_cli: Cli, new_portal: NewPortal, change: str, words: str
) -> None:
    dsn = new_portal()
    do(dsn, change)
    bare_cli.at(dsn)
    with untouched(dsn):
        hint = complained(bare_cli("install"), 1, words)
    do(dsn, hint.partition(": ")[2])
    assert bare_cli("install").code == 0


def test_install_refuses_a_course_database(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY)
    with untouched(platform.dsn, course.dsn):
        ran = cli("--portal", course.dsn, "install")
        complained(ran, 1, "is a course database of another portal")


def test_install_says_what_a_role_lacks(
    cli: Cli, platform: Platform, portal_cluster: Cluster
) -> None:
    platform.execute("CREATE ROLE deployer LOGIN PASSWORD 'dep'")
    try:
        dbname = conninfo_to_dict(platform.dsn)["dbname"]
        dsn = portal_cluster.conninfo(str(dbname), "deployer", "dep")
        with untouched(platform.dsn):
            complained(
                cli("--portal", dsn, "install"),
                1,
                "role deployer may not install",
                "membership in pyrepl_owner",
                "ownership of public.auth_userprofile",
                "GRANT pyrepl_owner, pyrepl_reader, pyrepl_capture TO deployer",
            )
    finally:
        platform.execute("DROP ROLE deployer")


def test_a_role_without_the_rights_is_told_which_it_needs(
    cli: Cli, platform: Platform, portal_cluster: Cluster
) -> None:
    platform.course(TOY, name="forum")
    dbname = str(conninfo_to_dict(platform.dsn)["dbname"])
    platform.execute("CREATE ROLE looker LOGIN PASSWORD 'l' IN ROLE pyrepl_monitor")
    try:
        cli.at(portal_cluster.conninfo(dbname, "looker", "l"))
        assert cli("status").code == 0
        with untouched(platform.dsn):
            for command in (("deliver",), ("backfill",), ("course", "pause", "forum")):
                complained(cli(*command), 1, "permission denied", "pyrepl_worker")
    finally:
        platform.execute("DROP ROLE looker")


COMMANDS = (
    ("status",),
    ("verify",),
    ("deliver",),
    ("backfill",),
    ("wait",),
    ("run",),
    ("uninstall", "--yes"),
    ("course", "list"),
    ("course", "show", "forum"),
    ("course", "set", "forum", "--remove-course", TOY),
    ("course", "refresh", "--all"),
    ("course", "pause", "--all"),
    ("course", "resume", "forum"),
    ("course", "rotate-password", "forum"),
    ("course", "unregister", "forum"),
)


def test_commands_before_install(
    bare_cli: Cli, new_portal: NewPortal, new_course: NewCourse
) -> None:
    dsn, course = new_portal(), new_course()
    bare_cli.at(dsn)
    with untouched(dsn, course):
        for command in (*COMMANDS, ("course", "register", TOY, "--dsn", course)):
            complained(bare_cli(*command), 1, "is not installed", '"pyreplctl install"')


def test_an_installation_newer_than_the_program(cli: Cli, platform: Platform) -> None:
    course = platform.new_course()
    platform.execute(
        "INSERT INTO pyrepl._yoyo_migration (migration_hash, migration_id)"
        " VALUES ('f', '9999-future')"
    )
    every = (*COMMANDS, ("install",), ("course", "register", TOY, "--dsn", course))
    with untouched(platform.dsn, course):
        for command in every:
            ran = cli(*command)
            complained(ran, 1, "newer than this program", "9999-future", "Upgrade")


# Configuration and usage.


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[policy]\nmood = 1\n", ("policy.mood", "allowed here: enrollments,")),
        ("[tabels]\n", ("tabels", "allowed here: portal, tables,")),
        (
            '[policy]\non_unenroll = "drop"\n',
            ("policy.on_unenroll", "'keep'", "'drop'"),
        ),
        ("[delivery]\nbatch = 0\n", ("delivery.batch", "expected int >= 1")),
        ('[tables.user]\nname = "auth_user"\n', ("tables.user.name", "schema.table")),
        ("[tables.user\n", ("pyreplctl.toml is not valid TOML", "line 1")),
    ],
)
def test_a_wrong_configuration(
    bare_cli: Cli, text: str, words: tuple[str, ...]
) -> None:
    bare_cli.configure(text)
    complained(bare_cli("status"), 2, "pyreplctl.toml", *words)


def test_a_configuration_that_is_not_there(bare_cli: Cli) -> None:
    complained(bare_cli("status", "--config", "gone.toml"), 2, "gone.toml", "init")


def test_no_portal_and_no_connection_string(bare_cli: Cli) -> None:
    complained(bare_cli("status"), 2, "no portal given", "PYREPLCTL_PORTAL")
    ran = bare_cli("status", "--portal", "portal")
    complained(ran, 2, "not a connection string", "host=")


@pytest.mark.parametrize(
    "arguments",
    [
        ("bogus",),
        ("status", "--bogus"),
        ("course", "show"),
        ("course", "register", TOY),
        ("course", "pause"),
        ("course", "pause", "forum", "--all"),
        ("course", "refresh", "forum", "wiki", "--dsn", "host=x"),
        ("course", "set", "forum"),
        ("course", "register", TOY, "--dsn", "host=x", "--delivery", "soon"),
        ("sql", "nowhere"),
        ("wait", "--timeout", "soon"),
        ("wait", "--user", "ada"),
        ("install", "--lock-timeout", "2 parsecs"),
        ("backfill", "--users", "ada"),
        ("backfill", "--users", f"{2**63}"),
        ("run", "--jobs", "0"),
        ("uninstall",),
        ("--portal",),
    ],
)
def test_wrong_usage(cli: Cli, arguments: tuple[str, ...]) -> None:
    complained(cli(*arguments), 2)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_an_uninstall_that_is_not_confirmed(
    cli: Cli, platform: Platform, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    with untouched(platform.dsn):
        ran = cli("uninstall")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Remove pyreplctl from ")
    assert "error: not confirmed\nhint: Nothing was changed.\n" in ran.err


def test_an_uninstall_that_is_confirmed(
    cli: Cli, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert cli("uninstall").code == 0
    assert "is not installed" in cli("status").err


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_no_course_can_have(cli: Cli, platform: Platform, key: str) -> None:
    course = platform.new_course()
    with untouched(platform.dsn, course):
        ran = cli("course", "register", key, "--dsn", course)
        complained(ran, 2, f"{len(key)} characters", "1 to 255")


def test_no_key(cli: Cli, platform: Platform) -> None:
    course = platform.new_course()
    with untouched(platform.dsn, course):
        complained(cli("course", "register", "--dsn", course), 2, "no course key")


def test_a_name_that_is_not_registered(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    named = [command for command in COMMANDS if "forum" in command]
    named += [("deliver", "forum"), ("backfill", "forum"), ("verify", "forum")]
    for command in [*named, ("wait", "forum"), ("course", "refresh", "forum")]:
        wrong = ["fourm" if word == "forum" else word for word in command]
        complained(cli(*wrong), 2, "fourm", "There are: forum")


# Connections.


def other(dsn: str, **changes: str) -> str:
    return make_conninfo(dsn, **changes)


@pytest.mark.parametrize(
    "change",
    [{"port": "1"}, {"password": "wrong"}, {"dbname": "gone"}, {"user": "gone"}],
)
def test_a_server_that_lets_nobody_in(
    cli: Cli, platform: Platform, change: dict[str, str]
) -> None:
    course = platform.new_course()
    secret = str(conninfo_to_dict(course)["password"])
    with untouched(platform.dsn, course):
        ran = cli("status", "--portal", other(platform.dsn, **change))
        complained(ran, 1, "cannot connect to the portal", "Check host")
        ran = cli("course", "register", TOY, "--dsn", other(course, **change))
        complained(ran, 1, "cannot connect to the course database", "Check host")
    assert secret not in ran.err
    assert "password=" not in ran.err


def test_a_link_that_leads_nowhere(cli: Cli, platform: Platform) -> None:
    course = platform.new_course()
    command = ("course", "register", TOY, "--dsn", course, "--link")
    with untouched(platform.dsn, course):
        ran = cli(*command, "host=127.0.0.1 port=1")
        complained(ran, 1, "the portal's server cannot reach the course", "--link")
        ran = cli(*command, "host=127.0.0.1 user=me")
        complained(ran, 2, "--link does not take user")


@pytest.mark.failure
def test_a_server_that_asks_for_no_password(
    cli: Cli, platform: Platform, new_cluster: NewCluster
) -> None:
    cluster = new_cluster()
    course = platform.new_course(cluster=cluster)
    hba = cluster.data_dir / "pg_hba.conf"
    asking = hba.read_text()
    hba.write_text("host all all 127.0.0.1/32 trust\n")
    cluster.restart()
    with untouched(platform.dsn, course):
        ran = cli("course", "register", TOY, "--dsn", course)
        complained(ran, 1, "without asking for a password", "scram-sha-256")
    hba.write_text(asking)
    cluster.restart()
    assert cli("course", "register", TOY, "--dsn", course).code == 0


@pytest.mark.failure
def test_a_course_server_that_goes_down(
    cli: Cli, platform: Platform, new_cluster: NewCluster
) -> None:
    cluster = new_cluster()
    course = platform.course(TOY, name="forum", cluster=cluster)
    platform.member(1, TOY)
    cluster.stop()
    kept = traces(platform.dsn)
    ran = cli("deliver", "--until-empty")
    assert ran.code == 1
    assert "forum: " in ran.err
    for command in ("refresh", "rotate-password", "unregister"):
        complained(cli("course", command, "forum"), 1, "forum", "Check host")
    now = traces(platform.dsn)
    for name in ("roles", "links", "functions", "database", "hosting", "chain"):
        assert now[name] == kept[name]
    ran = cli("verify", "--json")
    assert (ran.code, ran.document["ok"]) == (1, None)
    assert ran.document["databases"][0]["ok"] is None
    cluster.start()
    assert cli("course", "resume", "forum").code == 0
    assert cli("deliver", "--until-empty").code == 0
    with psycopg.connect(course.dsn) as connection:
        assert connection.execute("SELECT id FROM auth_user").fetchall() == [(1,)]


# The course database: what register refuses.

COURSES: dict[str, tuple[Literal["bare"] | bool, str, tuple[str, ...]]] = {
    "NOT NULL without default": (
        "bare",
        "",
        ("auth_user.status is NOT NULL", "auth_user.reputation is NOT NULL"),
    ),
    "missing column": (
        False,
        "ALTER TABLE auth_userprofile DROP COLUMN goals, DROP COLUMN meta",
        ("auth_userprofile.goals is missing", "auth_userprofile.meta is missing"),
    ),
    "shorter column": (
        False,
        "ALTER TABLE auth_user ALTER username TYPE varchar(20)",
        ("auth_user.username is character varying(20)", "character varying(30)"),
    ),
    "other type": (
        False,
        "ALTER TABLE auth_userprofile ALTER year_of_birth TYPE text",
        ("auth_userprofile.year_of_birth is text", "integer"),
    ),
    "NOT NULL where the portal has none": (
        False,
        "ALTER TABLE auth_userprofile ALTER gender SET NOT NULL",
        ("auth_userprofile.gender is NOT NULL, on the portal it is not",),
    ),
    "no unique index, and more": (
        False,
        (
            "ALTER TABLE auth_userprofile DROP COLUMN meta,"
            " DROP CONSTRAINT auth_userprofile_user_id_key"
        ),
        ("auth_userprofile.meta is missing", "unique index on user_id at the course"),
    ),
    "a key of another type": (
        False,
        (
            "ALTER TABLE auth_userprofile ALTER id DROP DEFAULT;"
            " ALTER TABLE auth_userprofile ALTER id TYPE text"
        ),
        ("auth_userprofile.id is text and cannot take the portal's integer",),
    ),
    "a name to be quoted": (
        False,
        'ALTER TABLE auth_user ADD COLUMN "Group" integer NOT NULL',
        ("auth_user.Group is NOT NULL",),
    ),
}


@pytest.mark.parametrize("case", COURSES)
def test_register_names_columns_and_the_alter_that_mends_each(
    cli: Cli, platform: Platform, case: str
) -> None:
    askbot, change, words = COURSES[case]
    course = platform.new_course("forum", askbot=askbot)
    platform.member(1, TOY)
    if change:
        do(course, change)
    with untouched(platform.dsn, course):
        hint = complained(cli("course", "register", TOY, "--dsn", course), 1, *words)
    remedies = hint.splitlines()[1:]
    assert all(re.match("  (ALTER TABLE|CREATE UNIQUE INDEX) ", m) for m in remedies)
    for remedy in remedies:
        do(course, remedy)
    assert cli("course", "register", TOY, "--dsn", course).code == 0
    platform.assert_equal()


def test_a_course_without_the_tables(cli: Cli, platform: Platform) -> None:
    course = platform.new_course()
    do(course, "DROP TABLE student_courseenrollment")
    with untouched(platform.dsn, course):
        ran = cli("course", "register", TOY, "--dsn", course)
        complained(ran, 1, "no table public.student_courseenrollment", "migrations")


def test_a_course_in_another_encoding(
    cli: Cli, platform: Platform, course_cluster: Cluster
) -> None:
    do(
        course_cluster.conninfo(),
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
    )
    try:
        course = course_cluster.conninfo("latin")
        with untouched(platform.dsn, course):
            ran = cli("course", "register", TOY, "--dsn", course)
            complained(ran, 1, "LATIN1", "UTF8", "must be the same")
    finally:
        do(course_cluster.conninfo(), "DROP DATABASE latin")


def test_a_course_that_another_database_hosts(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    course = platform.new_course()
    with untouched(platform.dsn, course):
        hint = complained(
            cli("course", "register", "a/b/c", TOY, "--dsn", course),
            2,
            f"course {TOY} is already hosted by forum",
        )
    assert f"pyreplctl course set forum --remove-course '{TOY}'" in hint


def test_a_name_that_is_taken_and_a_database_known_by_another(
    cli: Cli, platform: Platform
) -> None:
    first = platform.course(TOY, name="forum")
    second = platform.new_course()
    with untouched(platform.dsn, first.dsn, second):
        ran = cli("course", "register", "a/b/c", "--dsn", second, "--name", "forum")
        complained(ran, 2, "the name forum is taken", "--name")
        ran = cli("course", "register", "a/b/c", "--dsn", first.dsn, "--name", "wiki")
        complained(ran, 2, "already registered, as forum", "--name forum")


def test_a_portal_as_course(
    cli: Cli, platform: Platform, new_portal: NewPortal
) -> None:
    another = new_portal()
    install(another, Config())
    with untouched(platform.dsn, another):
        ran = cli("course", "register", TOY, "--dsn", platform.dsn)
        complained(ran, 2, "--dsn is the portal itself")
        ran = cli("course", "register", TOY, "--dsn", another)
        complained(ran, 1, "is a portal itself")


def test_a_course_database_of_another_portal(
    cli: Cli, platform: Platform, new_portal: NewPortal
) -> None:
    another = new_portal()
    install(another, Config())
    course = platform.new_course("forum")
    assert (
        cli("--portal", another, "course", "register", TOY, "--dsn", course).code == 0
    )
    with untouched(platform.dsn, another, course):
        ran = cli("course", "register", TOY, "--dsn", course)
        complained(ran, 1, "forum belongs to another portal", "Unregister it there")


def test_a_schema_pyrepl_that_is_not_ours(cli: Cli, platform: Platform) -> None:
    course = platform.new_course()
    do(course, "CREATE SCHEMA pyrepl")
    with untouched(platform.dsn, course):
        ran = cli("course", "register", TOY, "--dsn", course)
        complained(ran, 1, "schema pyrepl that is not ours", "Rename or drop it")


def test_accounts_that_are_already_there(cli: Cli, platform: Platform) -> None:
    course = platform.new_course("forum")
    for number, here, there in (
        (1, "ada", "ada"),
        (2, "bob", "eve"),
        (3, "kim", "kim2"),
    ):
        platform.member(number, TOY, username=here)
        insert: LiteralString = (
            "INSERT INTO auth_user VALUES (%s, %s, '', '', '', '', false, true, false,"
            " now(), now())"
        )
        with psycopg.connect(course, autocommit=True) as connection:
            connection.execute(insert, (number, there))
    with untouched(platform.dsn, course):
        ran = cli("course", "register", TOY, "--dsn", course)
        complained(ran, 1, "1 (ada)", "2 (eve)", "3 (kim2)", "--adopt")
        with psycopg.connect(course) as connection:
            rows = connection.execute("SELECT username FROM auth_user ORDER BY id")
            assert [name for (name,) in rows] == ["ada", "eve", "kim2"]


# Registrations that ended half-way.


def fail(*_: Any, **__: Any) -> None:
    raise DatabaseError("injected", hint="none")


def leave_all(*_: Any) -> list[ObjectChange]:
    return []


@pytest.mark.parametrize("step", ["trial_push", "accounts_in_the_way", "host"])
def test_a_registration_that_fails_late_takes_everything_back(
    cli: Cli, platform: Platform, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    course = platform.new_course("forum")
    with untouched(platform.dsn, course), monkeypatch.context() as patch:
        patch.setattr(first_registration, step, fail)
        complained(cli("course", "register", TOY, "--dsn", course), 1, "injected")
    assert cli("course", "register", TOY, "--dsn", course).code == 0


def test_a_registration_killed_half_way_can_be_run_again(
    cli: Cli, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    course = platform.new_course("forum")
    others = link_roles(course)
    with monkeypatch.context() as patch:
        # Nothing is taken back by a process that was killed.
        patch.setattr(first_registration, "trial_push", fail)
        patch.setattr(unregister, "remove", leave_all)
        assert cli("course", "register", TOY, "--dsn", course).code == 1
    left = link_roles(course) - others
    assert len(left) == 1
    platform.member(1, TOY)
    assert cli("course", "register", TOY, "--dsn", course).code == 0
    platform.assert_equal()
    own = link_roles(course) - others
    assert len(own) == 1
    assert not own & left


def link_roles(dsn: str) -> set[str]:
    query: LiteralString = (
        r"SELECT rolname FROM pg_roles WHERE rolname ~ '^pyrepl_.*_\d+$'"
    )
    with psycopg.connect(dsn) as connection:
        return {str(row[0]) for row in connection.execute(query)}


def test_untouched_notices_what_a_registration_leaves(
    cli: Cli, platform: Platform
) -> None:
    """The control: what the tests above rely on can fail, at either side."""
    course = platform.new_course("forum")
    before = traces(platform.dsn)
    with pytest.raises(AssertionError), untouched(course):
        assert cli("course", "register", TOY, "--dsn", course).code == 0
    now = traces(platform.dsn)
    assert {name for name in now if now[name] != before[name]} >= {
        "links",
        "database",
        "hosting",
        "relations",
    }
