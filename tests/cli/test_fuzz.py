"""Hundreds of odd inputs: one message, the right exit code, and nothing half done."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.cli.run import Cli, Ran
from tests.cli.traces import untouched
from tests.conftest import NewCourse
from tests.support.platform import Platform

SEED = 20120901
NOWHERE = "host=127.0.0.1 port=1 connect_timeout=1"

PIECES = (
    *("'", '"', "''", '"', "`", "\\", "\\'", "$", "$$", "$push$", "${x}", "{}", "{0}"),
    *("{x!r}", "%", "%s", "%d", "%(a)s", "%%", ";", "--", "/*", "*/", "\n", "\t", "\r"),
    *(
        "\x1b[2J",
        "\x07",
        "\x7f",
        "\x9b",
        "=",
        "==",
        "[",
        "]",
        "[[",
        "#",
        ",",
        " ",
        "  ",
    ),
    *("a", "id", "public.auth_user", "host=", "postgresql://", "@", ":", "/", "☃", "Ü"),
    *("\u202e", "\ufeff", "\N{SNAKE}", "0", "-1", "9" * 30, "1e999", "null", "true"),
    *("DROP TABLE auth_user", "RESET ROLE;", "A" * 300, "\u0301" * 40, "nan", "--json"),
)
WORDS = ("x", "forum", "c", "1", "2s", "--all", "--", "-", "")


def text(chance: random.Random, most: int = 6) -> str:
    """Return a text of a few pieces."""
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, most)))


def word(chance: random.Random) -> str:
    """Return a text or, now and then, a word that a command knows."""
    return chance.choice(WORDS) if chance.random() < 0.2 else text(chance)


def told(ran: Ran, *codes: int) -> None:
    """Assert that a command ended with one message, or did what it was asked."""
    assert ran.code in codes, ran
    assert "Traceback" not in ran.err, ran
    if ran.code in (1, 2) and "--help" not in ran.out:
        assert ran.err.count("error: ") >= 1 or "Usage: " in ran.err, ran
        assert ran.err.startswith(("error: ", "Usage: ")), ran
    assert len(ran.err) < 4000, ran


def test_configurations(bare_cli: Cli) -> None:
    chance = random.Random(SEED)
    lines: tuple[Callable[[], str], ...] = (
        lambda: f"[{text(chance, 2)}]",
        lambda: chance.choice(
            ("[portal]", "[tables.user]", "[policy]", "[delivery]", "[tables.profile]")
        ),
        lambda: f"{text(chance, 2)} = {text(chance, 3)}",
        lambda: f"name = {quoted(chance)}",
        lambda: f"key = {quoted(chance)}",
        lambda: f"dsn = {quoted(chance)}",
        lambda: f"columns = [{quoted(chance)}, {text(chance, 2)}]",
        lambda: f"guard = {quoted(chance)}",
        lambda: f"batch = {text(chance, 1)}",
    )
    for _ in range(250):
        some = [chance.choice(lines)() for _ in range(chance.randint(1, 4))]
        encoding = chance.choice(("utf-8", "utf-8", "utf-8", "utf-16", "latin-1"))
        raw = "\n".join(some).encode(encoding, errors="replace")
        (bare_cli.directory / "pyreplctl.toml").write_bytes(raw)
        # What is taken for a configuration ends at the portal that is not there.
        told(bare_cli("--portal", NOWHERE, "install", "--check"), 1, 2)


def quoted(chance: random.Random) -> str:
    """Return a TOML string, mostly."""
    quote = chance.choice(('"', "'", "'''"))
    return f"{quote}{text(chance, 3)}{quote}"


def test_files_of_databases(bare_cli: Cli) -> None:
    chance = random.Random(SEED)
    for number in range(150):
        suffix = chance.choice((".csv", ".toml"))
        if suffix == ".csv":
            head = chance.choice(
                ("name,dsn,courses", "name,dsn,link,courses", text(chance))
            )
            rows = [
                ",".join(text(chance, 3) for _ in range(chance.randint(1, 5)))
                for _ in range(chance.randint(0, 3))
            ]
            content = "\n".join([head, *rows])
        else:
            content = "\n".join(
                f"[[database]]\nname = {quoted(chance)}\ndsn = {quoted(chance)}\n"
                f"courses = [{quoted(chance)}]\n{text(chance, 2)}"
                for _ in range(chance.randint(1, 2))
            )
        file = bare_cli.directory / f"many_{number}{suffix}"
        raw = content.encode(chance.choice(("utf-8", "utf-8", "utf-16")))
        file.write_bytes(raw + chance.choice((b"", b"\xff", b"\x00")))
        arguments = ("course", "register", "--from", str(file))
        told(bare_cli("--portal", NOWHERE, *arguments), 1, 2)


COMMANDS = (
    ("explain",),
    ("status",),
    ("deliver",),
    ("wait", "--timeout"),
    ("wait", "--user"),
    ("verify",),
    ("verify", "--max-examples"),
    ("backfill", "--users"),
    ("backfill",),
    ("dead", "show"),
    ("dead", "retry"),
    ("course", "show"),
    ("course", "pause"),
    ("course", "refresh"),
    ("course", "set"),
    ("course", "rotate-password"),
    ("course", "unregister"),
    ("install", "--lock-timeout"),
    ("schedule", "--as"),
    ("sql",),
    (),
)


def test_command_lines(cli: Cli, platform: Platform, new_course: NewCourse) -> None:
    chance = random.Random(SEED)
    course = platform.course("c", name="kept")
    with untouched(platform.dsn, course.dsn):
        for _ in range(200):
            command = chance.choice(COMMANDS)
            given = [word(chance) for _ in range(chance.randint(1, 3))]
            told(cli(*command, *given), 0, 1, 2, 3)


def test_registrations(cli: Cli, platform: Platform, new_course: NewCourse) -> None:
    chance = random.Random(SEED)
    dsn = new_course("free")
    with untouched(platform.dsn, dsn):
        for _ in range(100):
            given = dsn if chance.random() < 0.3 else f"{dsn} {text(chance, 3)}"
            options = chance.choice(
                (
                    ("--delivery", text(chance, 2)),
                    ("--guard", text(chance, 2)),
                    ("--link", text(chance, 3)),
                    ("--link", f"host=127.0.0.1 port=1 dbname={text(chance, 1)}"),
                )
            )
            ran = cli("course", "register", text(chance), "--dsn", given, *options)
            told(ran, 1, 2)
