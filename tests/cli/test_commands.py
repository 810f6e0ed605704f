"""What scripts rely on: exit codes, JSON keys, and what is printed where."""

from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.cli.run import Cli
from tests.conftest import NewCluster, NewCourse, NewPortal
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"
LONG = "course-v1:" + "x" * 245
STATUS = (
    "name, delivery, effective_delivery, state, health, courses, members, pending,"
    " oldest_pending_seconds, retrying, dead, pending_columns, last_delivered_at,"
    " last_error, unfinished"
)
VERIFIED = (
    "name, ok, structure, users, missing, stale, extra, former, pending, seconds,"
    " examples"
)


# JSON.


def test_status_has_the_documented_keys(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    platform.execute("CALL pyrepl.serve('0 s')")
    ran = cli("status", "--json")
    assert ran.code == 0
    keys = ["clocks", "databases", "holders", "missed", "own_failures", "unrouted"]
    assert sorted(ran.document) == keys
    assert ran.document["missed"] == ran.document["own_failures"] == []
    assert ", ".join(ran.document["databases"][0]) == STATUS
    keys = ["kind", "name", "seconds_ago", "seen_at"]
    assert sorted(ran.document["clocks"][0]) == keys
    assert ran.document["unrouted"] == 0


def test_verify_has_the_documented_keys(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY, name="forum")
    platform.member(1, TOY)
    platform.deliver()
    course.tamper("UPDATE auth_user SET email = 'x'")
    ran = cli("verify", "--json")
    assert ran.code == 3
    assert sorted(ran.document) == ["databases", "ok", "portal"]
    assert ran.document["ok"] is False
    assert {i["state"] for i in ran.document["portal"]["structure"]} == {"current"}
    (database,) = ran.document["databases"]
    assert ", ".join(key for key in database if key != "error") == VERIFIED
    assert (database["ok"], database["stale"]) == (False, 1)
    (item, *_) = database["structure"]
    assert list(item) == ["object", "state", "detail"]
    (example,) = database["examples"]
    assert list(example) == ["user_id", "kind", "table", "columns"]
    assert (example["user_id"], example["kind"]) == (1, "stale")
    assert example["table"] == "public.auth_user"


def test_every_command_prints_one_document(cli: Cli, platform: Platform) -> None:
    course = platform.new_course("forum")
    for command in (
        ("install",),
        ("install", "--check"),
        ("course", "register", TOY, "--dsn", course),
        ("course", "register", TOY, "--dsn", course),
        ("course", "list"),
        ("course", "show", "forum"),
        ("course", "refresh", "--all"),
        ("course", "pause", "--all"),
        ("course", "resume", "forum"),
        ("course", "rotate-password", "forum"),
        ("deliver", "--until-empty"),
        ("backfill",),
        ("wait",),
        ("verify",),
        ("sql", "portal"),
        ("sql", "course"),
        ("course", "set", "forum", "--remove-course", TOY),
        ("course", "unregister", "forum"),
        ("uninstall", "--yes"),
    ):
        ran = cli(*command, "--json")
        assert ran.code == 0, (command, ran)
        assert ran.document is not None


def test_an_error_prints_no_document(bare_cli: Cli) -> None:
    ran = bare_cli("status", "--json")
    assert (ran.code, ran.out) == (2, "")


# Global options.


def test_global_options_stand_before_or_after(
    bare_cli: Cli, platform: Platform
) -> None:
    portal = ("--portal", platform.dsn)
    ran = [
        bare_cli(*portal, "--json", "status"),
        bare_cli("status", *portal, "--json"),
        bare_cli("--json", "status", f"--portal={platform.dsn}"),
    ]
    assert {r.code for r in ran} == {0}
    assert len({r.out for r in ran}) == 1


def test_the_portal_is_the_option_then_the_environment_then_the_file(
    bare_cli: Cli, platform: Platform
) -> None:
    good = f"[portal]\ndsn = {str(platform.dsn)!r}\n"
    bare_cli.configure(good)
    assert bare_cli("status").code == 0
    bare_cli.at("host=127.0.0.1 port=1")
    assert bare_cli("status").code == 1
    assert bare_cli("status", "--portal", platform.dsn).code == 0


def test_a_password_comes_from_the_environment(
    cli: Cli, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = conninfo_to_dict(platform.dsn)
    monkeypatch.setenv("PGPASSWORD", str(given.pop("password")))
    assert cli("status", "--portal", make_conninfo("", **as_text(given))).code == 0


def test_quiet_leaves_data_and_errors(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    loud, quiet = cli("status"), cli("status", "--quiet")
    assert "clocks: none" in loud.err
    assert (quiet.out, quiet.err) == (loud.out, "")
    assert cli("course", "show", "fourm", "--quiet").err.startswith("error: ")


def test_no_arguments_show_the_help(bare_cli: Cli) -> None:
    ran = bare_cli()
    assert ran.code == 0
    assert ran.out == bare_cli("--help").out
    assert "Usage: pyreplctl" in ran.out
    group = bare_cli("course")
    assert (group.code, group.out) == (2, "")
    assert "rotate-password" in group.err


# How it looks.


def at_terminal(*arguments: str, columns: int = 80, **environment: str) -> str:
    """Run the real program with both outputs on a terminal; return what it shows."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "wb") as terminal:
        started = subprocess.Popen(
            [sys.executable, "-m", "pyreplctl", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env=os.environ | environment | {"COLUMNS": str(columns), "TERM": "xterm"},
        )
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as reader:
        while True:
            try:
                shown += reader.read(4096)
            except OSError:  # what a terminal says when its last writer is gone
                break
    started.wait()
    return shown.decode().replace("\r\n", "\n")


def test_colours_are_for_terminals_that_want_them(cli: Cli) -> None:
    assert "\x1b[" in at_terminal("course", "show", "nobody")
    assert "\x1b[" not in at_terminal("course", "show", "nobody", NO_COLOR="1")
    assert "\x1b[" not in at_terminal("course", "show", "nobody", "--no-color")
    cli.monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" not in cli("course", "show", "nobody").err


def test_a_table_at_a_terminal_is_neither_cut_nor_wrapped(
    cli: Cli, platform: Platform
) -> None:
    name = "a-course-database-with-a-long-name"
    platform.course(TOY, name="forum")
    platform.register(platform.new_course(), "a/b/c")
    platform.execute("UPDATE pyrepl.database SET name = %s WHERE id = 2", name)
    platform.execute(
        "UPDATE pyrepl.health SET health = 'blocked', message = %s"
        " WHERE database_id = 2",
        "why " * 40,
    )
    shown = at_terminal("status", "--no-color", columns=80).splitlines()
    assert " ".join(shown[0].split()) == "name state health courses members pending", (
        "80 columns hold no more: name in `rare` of pyreplctl/cli/status.py what of a"
        " new column a terminal need not show"
    )
    assert shown[1].split()[0] == name
    assert max(map(len, shown[:3])) <= 80
    assert any(line.startswith(f"{name}: last error: why why") for line in shown)
    narrow = at_terminal("status", "--no-color", columns=40).splitlines()
    assert narrow[0] == name
    assert narrow[1].startswith("  state active, health blocked,")
    piped = cli("status").out.splitlines()
    assert piped[0].split()[-4:] == ["pending", "columns", "last", "error"]
    assert piped[1].startswith(name)
    assert piped[1].endswith("why why")


def test_course_keys_are_printed_as_they_are(cli: Cli, platform: Platform) -> None:
    keys = [":smile:", "[red]x[/red]", "100%"]
    course = platform.new_course("forum")
    assert cli("course", "register", *keys, "--dsn", course).code == 0
    shown = cli("course", "show", "forum").out
    assert all(f" {key}\n" in shown for key in keys)


def test_numbers_agree_with_their_nouns(cli: Cli, platform: Platform) -> None:
    course = platform.new_course("forum")
    ran = cli("course", "register", TOY, "--dsn", course)
    assert ran.out == "forum: registered with 1 course\n"
    ran = cli("course", "register", TOY, "a", "b", "--dsn", course)
    assert ran.out == "forum: 2 courses added\n"
    assert cli("course", "register", "a", "--dsn", course).out == "forum: unchanged\n"
    platform.member(1, TOY)
    assert cli("deliver", "--until-empty").out == "forum: 1 dossier delivered\n"


# Course databases.


def as_text(parameters: dict[str, Any]) -> dict[str, str]:
    return {key: str(text) for key, text in parameters.items()}


def test_a_link_keeps_the_host_by_name_and_its_own_time_out(
    cli: Cli, new_course: NewCourse
) -> None:
    # psycopg resolves names; an address from here would outlive a change of the DNS.
    dsn = make_conninfo(new_course("forum"), host="localhost")
    assert cli("course", "register", TOY, "--dsn", dsn).code == 0
    link = conninfo_to_dict(cli("course", "show", "forum", "--json").document["link"])
    port = conninfo_to_dict(dsn)["port"]
    assert link == {"host": "localhost", "port": port, "dbname": "forum"}


def test_a_link_follows_several_hosts(cli: Cli, new_course: NewCourse) -> None:
    given = as_text(conninfo_to_dict(new_course("forum")))
    hosts = {
        "host": "127.0.0.1,localhost",
        "port": f"{given['port']},{given['port']}",
        "target_session_attrs": "read-write",
    }
    dsn = make_conninfo("", **given | hosts)
    assert cli("course", "register", TOY, "--dsn", dsn).code == 0
    link = conninfo_to_dict(cli("course", "show", "forum", "--json").document["link"])
    assert link == {"dbname": "forum", **hosts}


KEYS = (
    TOY,
    "edx/TOY/2012_fall",
    "EDX/TOY/2012_FALL",
    "course-v1:mit.eecs+~6002x+2014_T2",
    "org/course/",
    "a key with spaces",
    "Kurs/Überblick/Frühling — 日本語 \N{SNOWMAN}",
    'it\'s "quoted"; DROP TABLE x --',
    "%s {braces} \\back",
    LONG,
)


def test_keys_are_taken_as_the_table_has_them(cli: Cli, platform: Platform) -> None:
    forum, wiki = platform.new_course("forum"), platform.new_course("wiki")
    for number, key in enumerate(KEYS, 1):
        platform.member(number, key)
    assert cli("course", "register", *KEYS[::2], "--dsn", forum).code == 0
    assert cli("course", "register", *KEYS[1::2], "--dsn", wiki).code == 0
    platform.assert_equal()
    for name, dsn, keys in (("forum", forum, KEYS[::2]), ("wiki", wiki, KEYS[1::2])):
        shown = cli("course", "show", name, "--json").document
        assert sorted(shown["courses"]) == sorted(keys)
        with psycopg.connect(dsn) as connection:
            found = connection.execute("SELECT course_id FROM student_courseenrollment")
            assert sorted(key for (key,) in found) == sorted(keys)
    for key in KEYS[::2]:
        assert cli("course", "set", "forum", "--remove-course", key).code == 0
    assert cli("course", "show", "forum", "--json").document["courses"] == []


def test_the_guard_is_set_at_registration_and_later(
    cli: Cli, platform: Platform
) -> None:
    register = ("course", "register", TOY, "--dsn", platform.new_course("forum"))
    assert cli(*register, "--guard", "warn").code == 0
    assert cli("course", "show", "forum", "--json").document["guard"] == "warn"
    change = ("course", "set", "forum", *register[3:], "--guard", "off")
    assert cli(*change).out == "forum: guard off\n"
    assert cli(*change).out == "forum: unchanged\n"
    assert cli(*register, "--guard", "reject").out == "forum: guard reject\n"
    assert cli("course", "show", "forum", "--json").document["guard"] == "reject"
    assert cli("course", "set", "forum", "--guard", "maybe").code == 2


def test_registering_again_adds_courses_or_does_nothing(
    cli: Cli, platform: Platform
) -> None:
    platform.member(1, "a/b/c")
    course = platform.new_course("forum")
    first = cli("course", "register", TOY, "--dsn", course, "--json").document
    assert (first[0]["created"], first[0]["courses"]) == (True, [TOY])
    again = cli("course", "register", TOY, "--dsn", course, "--json").document
    assert (again[0]["created"], again[0]["courses"]) == (False, [])
    more = cli("course", "register", TOY, "a/b/c", "--dsn", course, "--json").document
    assert (more[0]["created"], more[0]["courses"]) == (False, ["a/b/c"])
    platform.assert_equal()
    with psycopg.connect(course) as connection:
        assert connection.execute("SELECT id FROM auth_user").fetchall() == [(1,)]


def test_registering_says_which_clock_serves(cli: Cli, platform: Platform) -> None:
    ran = cli("course", "register", TOY, "--dsn", platform.new_course())
    assert "no clock is running" in ran.err
    assert str(conninfo_to_dict(platform.dsn)["password"]) not in ran.err
    platform.execute("CALL pyrepl.serve('0 s')")
    ran = cli("course", "register", "a/b/c", "--dsn", platform.new_course())
    assert "served by " in ran.err


def test_backfill_can_be_left_for_later(cli: Cli, platform: Platform) -> None:
    platform.member(1, TOY)
    platform.member(2, TOY)
    platform.deliver()  # or what waits to be routed would find the course
    course = platform.new_course("forum")
    ran = cli("course", "register", TOY, "--dsn", course, "--no-backfill")
    assert ran.code == 0
    with psycopg.connect(course, autocommit=True) as connection:
        query = "SELECT id FROM auth_user ORDER BY id"
        assert connection.execute(query).fetchall() == []
        assert cli("backfill", "forum", "--users", "2").code == 0
        assert connection.execute(query).fetchall() == [(2,)]
        assert cli("backfill").out == "forum: 2 dossiers delivered\n"
        assert connection.execute(query).fetchall() == [(1,), (2,)]


@pytest.mark.parametrize("kind", ["csv", "toml"])
def test_registering_many_from_a_file(cli: Cli, platform: Platform, kind: str) -> None:
    forum, wiki = platform.new_course(), platform.new_course()
    platform.member(1, TOY, "a/b/c", "d/e/f")
    rows = [
        {
            "name": "forum",
            "dsn": forum,
            "delivery": "queued",
            "courses": [TOY, "a/b/c"],
        },
        {"name": "wiki", "dsn": wiki, "courses": ["d/e/f"]},
    ]
    file = cli.directory / f"many.{kind}"
    file.write_text(as_csv(rows) if kind == "csv" else as_toml(rows), encoding="utf-8")
    ran = cli("course", "register", "--from", str(file))
    assert ran.code == 0, ran
    assert (
        ran.out == "forum: registered with 2 courses\nwiki: registered with 1 course\n"
    )
    platform.assert_equal()
    again = cli("course", "register", "--from", str(file))
    assert again.out == "forum: unchanged\nwiki: unchanged\n"


def as_csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, ("name", "dsn", "link", "delivery", "courses"))
    writer.writeheader()
    writer.writerows(row | {"courses": " ".join(row["courses"])} for row in rows)
    return file.getvalue()


def as_toml(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        lines.append("[[database]]")
        lines += [f"{key} = {text!r}" for key, text in row.items()]
    return "\n".join(lines)


def test_one_bad_database_of_many_does_not_stop_the_others(
    cli: Cli, platform: Platform
) -> None:
    rows = [
        {"name": "gone", "dsn": "host=127.0.0.1 port=1", "courses": ["a/b/c"]},
        {"name": "forum", "dsn": platform.new_course(), "courses": [TOY]},
    ]
    file = cli.directory / "many.csv"
    file.write_text(as_csv(rows))
    ran = cli("course", "register", "--from", str(file))
    assert (ran.code, ran.out) == (1, "forum: registered with 1 course\n")
    assert "error: gone: cannot connect" in ran.err


def test_a_database_goes_its_way(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY, name="forum")

    def state() -> str:
        return str(cli("status", "--json").document["databases"][0]["state"])

    assert cli("course", "pause", "forum").out == "forum: paused\n"
    assert cli("course", "pause", "--all").out == ""
    platform.member(1, TOY)
    assert cli("deliver", "--until-empty").code == 0
    assert (state(), course.users) == ("paused", [])
    ran = cli("wait", "--timeout", "0")
    assert "forum is paused" in ran.err
    assert cli("course", "resume", "forum").out == "forum: resumed\n"
    assert cli("deliver", "--until-empty").code == 0
    assert (state(), course.users) == ("active", [1])
    assert cli("course", "rotate-password", "--all").out == "forum: password changed\n"
    platform.execute("UPDATE auth_user SET email = 'new@example.com'")
    assert cli("deliver", "--until-empty").code == 0
    assert course.user(1)["email"] == "new@example.com"
    assert cli("course", "refresh", "--all").out == "forum: unchanged\n"
    assert cli("course", "unregister", "forum").code == 0
    assert course.users == [1]
    assert cli("status", "--json").document["databases"] == []


@pytest.mark.parametrize(
    ("command", "said"), [("refresh", "unchanged"), ("rotate-password", "changed")]
)
def test_one_that_cannot_be_reached_keeps_no_other(
    cli: Cli, platform: Platform, command: str, said: str
) -> None:
    for name in ("forum", "notes", "wiki"):
        platform.course(TOY + name, name=name)
    platform.execute(
        "UPDATE pyrepl.database SET administrator = 'host=127.0.0.1 port=1'"
        " WHERE name = 'notes'"
    )
    for jobs in ("1", "4"):
        ran = cli("course", command, "--all", "--jobs", jobs)
        assert ran.code == 1
        lines = ran.out.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["forum", "wiki"]
        assert all(line.endswith(said) for line in lines)
        assert ran.err.startswith("error: notes: ")
        assert ran.err.count("error: ") == 1


def test_purge_takes_the_copies_along(cli: Cli, platform: Platform) -> None:
    course = platform.course(TOY, name="forum")
    platform.member(1, TOY)
    platform.deliver()
    assert cli("course", "unregister", "forum", "--purge").code == 0
    assert (course.users, course.enrollments) == ([], [])


# Delivering, waiting, looking.


def test_deliver_says_what_could_not_be_delivered_and_why(
    cli: Cli, platform: Platform
) -> None:
    course = platform.course(TOY, name="forum")
    course.execute("ALTER TABLE auth_user ADD CHECK (username <> 'user2')")
    platform.member(1, TOY)
    platform.member(2, TOY)
    ran = cli("deliver", "--until-empty")
    assert ran.code == 1
    assert "not everything could be delivered\n  forum: user 2: " in ran.err
    assert "auth_user_username_check" in ran.err
    assert "pyreplctl status" in ran.err
    assert course.users == [1]


def test_wait_ends_with_one_while_something_waits(cli: Cli, platform: Platform) -> None:
    platform.course(TOY, name="forum")
    assert cli("wait").code == 0
    platform.member(1, TOY)
    ran = cli("wait", "--timeout", "0", "--json")
    assert ran.code == 1
    assert ran.document["unrouted"] == 3
    ran = cli("wait", "--timeout", "0")
    assert (ran.code, ran.out) == (1, "3 changes not yet routed\n")
    assert cli("deliver").code == 0
    assert cli("wait", "forum", "--user", "1").code == 0


def test_status_ends_with_three_when_somebody_must_act(
    cli: Cli, platform: Platform
) -> None:
    platform.course(TOY, name="forum")
    assert cli("status").code == 0
    platform.member(1, TOY)
    ran = cli("status")
    assert ran.code == 3
    assert "to do: changes wait and no clock" in ran.err
    platform.deliver()
    assert cli("status").code == 0


@pytest.mark.failure
def test_verify_tells_drift_from_what_it_could_not_look_at(
    cli: Cli, platform: Platform, new_cluster: NewCluster
) -> None:
    cluster = new_cluster()
    platform.course("a/b/c", name="away", cluster=cluster)
    forum = platform.course(TOY, name="forum")
    platform.member(1, TOY)
    platform.deliver()
    assert cli("verify").code == 0
    cluster.stop()
    ran = cli("verify")
    assert ran.code == 1
    assert "away: could not be looked at: " in ran.out
    assert cli("verify", "forum").code == 0
    forum.tamper("DELETE FROM student_courseenrollment")
    ran = cli("verify", "forum")
    assert ran.code == 3
    assert "forum: user 1: missing in public.student_courseenrollment" in ran.out
    assert cli("verify", "forum", "--repair").code == 0


def test_verify_lists_no_more_examples_than_it_is_told(
    cli: Cli, platform: Platform
) -> None:
    course = platform.course(TOY, name="forum")
    for number in (1, 2, 3):
        platform.member(number, TOY)
    platform.deliver()
    course.tamper("UPDATE auth_user SET email = 'x'")
    ran = cli("verify", "--max-examples", "1")
    assert ran.out.count("stale in") == 1
    assert "forum: and 2 more users" in ran.out
    assert (
        cli("verify", "--max-examples", "0", "--json").document["databases"][0][
            "examples"
        ]
        == []
    )


# Setting up.


def test_init_writes_a_configuration_that_is_valid(bare_cli: Cli) -> None:
    assert bare_cli("init").code == 0
    ran = bare_cli("status")
    assert (ran.code, "no portal given" in ran.err) == (2, True)
    assert bare_cli("init").code == 2
    assert bare_cli("init", "other.toml").code == 0
    assert Path("other.toml").read_text() == Path("pyreplctl.toml").read_text()


def test_install_check_tells_by_its_exit_code(
    bare_cli: Cli, new_portal: NewPortal
) -> None:
    bare_cli.at(new_portal())
    assert bare_cli("install", "--check").code == 3
    assert bare_cli("install", "--dry-run").code == 0
    assert "created" in bare_cli("install").out
    assert bare_cli("install", "--check").code == 0
    assert {line.split()[0] for line in bare_cli("install").out.splitlines()} == {
        "unchanged"
    }


def test_the_sql_that_is_printed_runs_in_its_order(
    cli: Cli, new_portal: NewPortal, new_cluster: NewCluster
) -> None:
    fresh = new_cluster()
    for side in ("portal", "course"):
        text = cli("sql", side).out
        assert text == cli("sql", side, "--json").document["sql"] + "\n"
        with psycopg.connect(new_portal(cluster=fresh)) as connection:
            connection.execute(text.encode())
            there = connection.execute(
                "SELECT count(*) FROM pg_proc"
                " WHERE pronamespace = 'pyrepl'::regnamespace"
            ).fetchone()
            assert there is not None
            assert there[0] > 5
            connection.rollback()
