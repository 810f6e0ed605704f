"""docs/reference says what program and catalog say; `make references` writes it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pyreplctl.cli import reference
from tests.cli.run import Cli
from tests.conftest import NewCourse
from tests.support import references
from tests.support.logins import as_login, new_login
from tests.support.platform import Platform
from tests.support.references import PAGES, UNWRITTEN, Table

TOY = "edX/toy/2012_Fall"
WRITES = "PYREPLCTL_WRITE_REFERENCES" in os.environ
ARGUMENTS = {"explain": ["1"], "dead show": ["1"], "verify": ["--data"]}
# Without a document; with that of install, but in need of pg_cron; as long as a play.
SAME = {"init", "run", "schedule", "unschedule", "demo"}


def compare(name: str, wanted: str) -> None:
    page = PAGES / name
    if WRITES:
        page.write_text(wanted, encoding="utf-8")
    assert page.read_text(encoding="utf-8") == wanted, 'run "make references"'


def compare_tables(name: str, tables: Mapping[str, Table]) -> None:
    page = (PAGES / name).read_text(encoding="utf-8")
    for each in tables:
        assert f"<!-- table {each} -->" in page, f"{name} has no table {each}"
    wanted = references.filled(page, tables)
    compare(name, wanted)
    todo = [line for line in wanted.splitlines() if UNWRITTEN in line]
    assert todo == [], (
        f"say in docs/reference/{name} what these rows mean, in the place of"
        f' {UNWRITTEN}; then run "make references" again'
    )
    assert "|  |\n" not in wanted or name == "roles.md", f"{name}: an empty cell"


def test_the_commands() -> None:
    compare("cli.md", reference.text())


def test_every_command_and_option_has_a_help_text() -> None:
    for line in reference.text().splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 2 and cells[0].startswith("`"):
            assert cells[1].endswith("."), line
            assert len(cells[1]) > 10, line


def test_the_configuration() -> None:
    compare_tables("configuration.md", references.configuration())


def test_the_sqlstates() -> None:
    compare_tables("sqlstates.md", references.sqlstates())


def test_the_roles(platform: Platform) -> None:
    course = platform.course(TOY)
    tables = references.roles(platform.connection, course.connection)
    compare_tables("roles.md", tables)


@pytest.mark.parametrize(
    ("role", "other"),
    [("pyrepl_monitor", "pyrepl_worker"), ("pyrepl_worker", "pyrepl_monitor")],
)
def test_a_role_runs_the_commands_of_its_row(
    cli: Cli, platform: Platform, role: str, other: str
) -> None:
    platform.course(TOY, name="forum")
    platform.member(1, TOY)
    platform.deliver()
    page = (PAGES / "roles.md").read_text(encoding="utf-8")
    found = re.findall(rf"^\| `([a-z ]+)` \| `{role}` ", page, re.MULTILINE)
    assert "status" in found or "deliver" in found
    with new_login(platform.connection, role) as name:
        cli.at(as_login(platform.dsn, name))
        for command in {*found} - SAME:
            ran = cli(*command.split(), *ARGUMENTS.get(command, ()))
            assert (command, ran.code) in ((command, 0), ("dead show", 2)), ran
    with new_login(platform.connection, other) as name:
        cli.at(as_login(platform.dsn, name))
        for command in {*found} - SAME:
            ran = cli(*command.split(), *ARGUMENTS.get(command, ()))
            assert ran.code == 1, (command, ran)
            assert "permission denied" in ran.err


def test_the_sql_api(platform: Platform) -> None:
    compare_tables("sql-api.md", references.sql_api(platform.connection))


def test_a_table_keeps_what_was_written_by_hand() -> None:
    page = "<!-- table t -->\n| a | b |\n|---|---|\n| x | said |\n<!-- end -->\n"
    wanted = Table(("a",), [("w",), ("x",)], ("b",))
    assert f"| w | {UNWRITTEN} |\n| x | said |\n" in references.filled(
        page, {"t": wanted}
    )


def test_the_json_documents(
    cli: Cli, platform: Platform, new_course: NewCourse
) -> None:
    found = by_command(cli, platform, new_course("forum"))
    left_out = {*references.commands()} - {*found} - SAME
    assert not left_out, "commands whose document was not looked at"
    if WRITES:
        add_tables(PAGES / "json.md", found)
    compare_tables("json.md", references.json_keys(found, "forum"))


def add_tables(page: Path, found: Mapping[str, Any]) -> None:
    text = page.read_text(encoding="utf-8")
    for command in found:
        mark = f"<!-- table {command.replace(' ', '-')} -->"
        if mark not in text:
            text += f"\n## `{command}`\n\n{mark}\n<!-- end -->\n"
    page.write_text(text, encoding="utf-8")


def by_command(cli: Cli, platform: Platform, forum: str) -> dict[str, Any]:
    """Run all commands where each has much to say; return the documents of each."""
    found: dict[str, Any] = {}

    def run(command: str, *arguments: str) -> Any:
        ran = cli(*command.split(), *arguments, "--json")
        assert ran.out, (command, ran)
        return found.setdefault(command, []).append(ran.document)

    platform.member(1, TOY, "edX/nowhere")
    platform.member(2, TOY)
    run("install")
    run("sql")
    run("course register", TOY, "--dsn", forum)
    with psycopg.connect(forum, autocommit=True) as course:
        course.execute("ALTER TABLE auth_user ADD CONSTRAINT picky CHECK (email <> '')")
        platform.execute("UPDATE auth_user SET email = '' WHERE id = 2")
        cli("deliver", "--until-empty")
        platform.execute("UPDATE pyrepl.retry SET due_at = NULL, attempts = 7")
        course.execute("ALTER TABLE auth_user DROP CONSTRAINT picky")
    ((number,),) = platform.rows("SELECT id::text FROM pyrepl.retry")
    platform.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
    platform.execute("INSERT INTO pyrepl.clock VALUES ('worker', 'w', now())")
    run("wait", "--timeout", "10ms")
    with platform.session(autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(1887007344, 0)")
        run("status")
    for command in ("course list", "dead list"):
        run(command)
    run("course show", "forum")
    run("explain", "1")
    run("explain", "2")
    run("verify")
    run("verify --history")
    run("dead show", number)
    run("dead retry", number)
    run("dead discard", "--all")
    run("deliver", "--until-empty")
    run("backfill")
    run("course pause", "forum")
    run("course resume", "forum")
    run("course set", "forum", "--guard", "warn")
    run("course refresh", "forum", "--rebind")
    run("course rotate-password", "forum")
    run("course unregister", "forum")
    cli("course", "register", TOY, "--dsn", forum, "--adopt")
    run("forget", "--yes", "--clone")
    run("uninstall", "--yes")
    return dict(sorted(found.items()))
