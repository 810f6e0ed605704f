"""What nobody writes on purpose: depths, lengths, bytes and terminals without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.cli.run import Cli, Ran
from tests.cli.test_bad_input import complained
from tests.conftest import NewCourse, NewPortal
from tests.support.platform import Platform

NOWHERE = ("--portal", "host=127.0.0.1 port=1")
DEEP = "[" * 3000 + "]" * 3000
TEXTS = {
    "deep": f"x = {DEEP}",
    "deep tables": "x = " + "{a=" * 3000 + "1" + "}" * 3000,
    "a long number": f"[delivery]\nbatch = {'9' * 5000}",
    "a zero byte": '[tables.user]\nkey = "i\\u0000d"',
    "a zero byte in a table": '[tables.user]\nname = "public.a\\u0000b"',
    "a zero byte in a column": '[tables.user]\ncolumns = ["i\\u0000d"]',
    "a surrogate": '[tables.user]\nkey = "\\uD800"',
    "a date": "portal = 1979-05-27T07:32:00Z",
    "infinity": "[delivery]\nbatch = inf",
    "a key twice": "[portal]\n[portal]",
    "an empty key": '"" = 1',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_a_configuration_that_is_none(bare_cli: Cli, text: str) -> None:
    bare_cli.configure(text)
    complained(bare_cli(*NOWHERE, "status"), 2, "pyreplctl.toml")


@pytest.mark.parametrize("text", [f"database = {DEEP}", f"x = {'9' * 5000}"])
def test_a_file_of_databases_that_is_none(bare_cli: Cli, text: str) -> None:
    (bare_cli.directory / "many.toml").write_text(text)
    ran = bare_cli(*NOWHERE, "course", "register", "--from", "many.toml")
    complained(ran, 2, "many.toml")


def test_bytes_that_are_no_utf8(bare_cli: Cli) -> None:
    odd = os.fsdecode(b"\xff\xfe")
    for arguments in (
        (odd,),
        ("explain", odd),
        ("course", "register", odd, "--dsn", "host=h"),
        ("course", "register", "c", "--dsn", odd),
        ("--portal", odd, "status"),
        ("--config", odd, "status"),
        ("course", "register", "--from", odd),
    ):
        complained(bare_cli(*arguments), 2)
    bare_cli.at(odd)
    complained(bare_cli("status"), 2)


def wide(dsn: str, columns: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        for first in range(0, columns, 100):
            added = ", ".join(
                f"ADD COLUMN extra_{n} integer" for n in range(first, first + 100)
            )
            connection.execute(f"ALTER TABLE auth_userprofile {added}".encode())


def test_four_hundred_columns(
    cli: Cli, new_portal: NewPortal, new_course: NewCourse
) -> None:
    portal, course = new_portal(), new_course("wide")
    for dsn in (portal, course):
        wide(dsn, 400)
    cli.at(portal)
    for arguments in (
        ("install",),
        ("course", "register", "c", "--dsn", course),
        ("verify",),
        ("install", "--check"),
    ):
        ran = cli(*arguments)
        assert ran.code == 0, ran


def in_ascii(cli: Cli, platform: Platform, *arguments: str) -> Ran:
    """Run a command as a process whose terminal is not UTF-8."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    environment |= {
        "PYTHONIOENCODING": "ascii",
        "PYREPLCTL_PORTAL": platform.dsn,
        "PGPASSFILE": str(cli.directory / "pgpass"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "pyreplctl", *arguments],
        capture_output=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    return Ran(
        done.returncode, done.stdout.decode("ascii"), done.stderr.decode("ascii")
    )


def test_a_terminal_that_is_not_utf8(cli: Cli, platform: Platform) -> None:
    platform.course("☃ \N{SNAKE}", name="forum")
    platform.member(1, "☃ \N{SNAKE}", username="Ünï\N{SNAKE}")
    platform.deliver()
    shown = in_ascii(cli, platform, "course", "show", "forum")
    assert (shown.code, shown.err) == (0, "")
    assert "\\u2603 \\U0001f40d" in shown.out
    document = in_ascii(cli, platform, "course", "show", "forum", "--json").document
    assert document["courses"] == ["☃ \N{SNAKE}"]
    explained = in_ascii(cli, platform, "explain", "Ünï\N{SNAKE}")
    assert explained.code == 0, explained
    missing = in_ascii(cli, platform, "explain", "☃")
    assert missing.code == 2
    assert "Traceback" not in missing.err
