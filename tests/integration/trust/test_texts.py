"""What a course says is kept in our words, cut and clean; values of rows are not."""

from __future__ import annotations

import re
from typing import LiteralString

import pytest

from pyreplctl.core import databases
from pyreplctl.delivery import batches, dead_letters, explain, status
from pyreplctl.schema.sql_files import root
from pyreplctl.verify.findings import Finding, Remedy
from pyreplctl.verify.reports.junit import junit
from pyreplctl.verify.reports.page import page
from pyreplctl.verify.run import Database, Run
from tests.cli.run import Cli
from tests.integration.trust.hostile import altered, refuse
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"
HASH = "pbkdf2_sha256$10000$salt$aGFzaA=="
STEERING = re.compile(
    "[\0-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.member(1, TOY)
    platform.execute("UPDATE auth_user SET password = %s", HASH)
    return made


def deliver(platform: Platform, times: int = 8) -> list[str]:
    """Try and fail; return what was said of it."""
    (number,) = databases.numbers(platform.connection, []).values()
    batches.route(platform.connection)
    said = []
    for _ in range(times):
        platform.execute("UPDATE pyrepl.health SET retry_at = NULL")
        said.append(batches.deliver(platform.connection, number).error or "")
    return said


def kept(platform: Platform) -> str:
    """Return all that the portal keeps of what the course said."""
    rows = platform.rows(
        "SELECT sqlstate, message, hint FROM pyrepl.health"
        " UNION ALL SELECT sqlstate, message, hint FROM pyrepl.retry"
    )
    return "\n".join(str(part) for row in rows for part in row)


# Raised by a trigger of the inbox, before apply; of classes that could be believed.
STATES = [
    "PR010",
    "PR012",
    "PR015",
    "PR020",
    "PR021",
    "PR099",
    "23505",
    "08006",
    "P0001",
]


@pytest.mark.parametrize("sqlstate", STATES)
def test_a_password_hash_in_a_message_of_the_inbox_is_not_kept(
    platform: Platform, course: Course, sqlstate: str
) -> None:
    say_the_hash(course, sqlstate)
    said = deliver(platform)
    assert HASH not in kept(platform) + "".join(said)
    assert sqlstate in kept(platform)


def say_the_hash(course: Course, sqlstate: str) -> None:
    refuse(
        course,
        "IF NEW.users <> '{}' THEN RAISE 'the copy of user 1 holds % ', NEW.users"
        f" USING ERRCODE = '{sqlstate}', HINT = NEW.users, DETAIL = NEW.users; END IF;",
    )


def test_control_without_the_forms_the_hash_is_kept(
    platform: Platform, course: Course
) -> None:
    say_the_hash(course, "PR020")
    with altered(
        platform, "pyrepl.note_failure", "pyrepl.known_message(p_sqlstate, p_message)",
        "p_message",
    ):  # fmt: skip
        deliver(platform)
    assert HASH in kept(platform)


SPEAKS: LiteralString = """
    CREATE FUNCTION public.speak() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE 'local account in the way: %', NEW.password
            USING ERRCODE = 'PR020', HINT = NEW.password;
    END $$;
    CREATE TRIGGER speak BEFORE INSERT ON auth_user
        FOR EACH ROW EXECUTE FUNCTION public.speak();
"""


def test_a_trigger_of_the_course_that_uses_our_sqlstates_is_named_not_quoted(
    platform: Platform, course: Course
) -> None:
    """A dead letter at once, of which only names are told."""
    course.execute(SPEAKS)
    platform.deliver()
    (letter,) = dead_letters.dead(platform.connection)
    assert letter.sqlstate == "PR020"
    assert "speak()" in letter.message
    assert HASH not in f"{letter} {kept(platform)}"


def test_control_where_apply_quotes_it_only_the_portal_does_not(
    platform: Platform, course: Course
) -> None:
    course.execute(SPEAKS)
    (source,) = course.rows(
        "SELECT pg_get_functiondef('pyrepl.explain_error'::regproc)"
    )[0]
    course.connection.execute(
        re.sub(r"(LIKE 'PR%')\s+AND \(.*?\\w\+\\\('\)", r"\1", source).encode()
    )
    with altered(
        platform, "pyrepl.note_failure", "pyrepl.known_message(p_sqlstate, p_message)",
        "p_message",
    ):  # fmt: skip
        deliver(platform)
    assert HASH in kept(platform)


CHANGED = (
    "column username of public.auth_user was character varying(30) when the course was"
    " registered and is text now"
)


def our_words() -> list[tuple[str, str]]:
    """Return (SQLSTATE, message) of all that our functions at a course raise."""
    found = []
    for path in sorted((root("sql") / "functions/course/apply").glob("*.sql")):
        text = re.sub(r"'\s*\n\s*'", "", path.read_text())
        found += re.findall(r"RAISE '([^']+)'.*?ERRCODE = '(PR\d+)'", text, re.DOTALL)
        found += [
            (message, state)
            for state, message in re.findall(
                r"sqlstate := '(PR\d+)';\s*message := format\('([^']+)'", text
            )
        ]
        found += [
            (message, state)
            for state, message in re.findall(r"WHEN '(\w{5})' THEN '([^']+)'", text)
        ]
    return [(state, message) for message, state in found]


def our_hints() -> list[str]:
    found = []
    for path in sorted((root("sql") / "functions/course/apply").glob("*.sql")):
        text = re.sub(r"'\s*\n\s*'", "", path.read_text())
        found += re.findall(r"HINT = (?:format\()?'([^']+)'|hint := '([^']+)'", text)
    return [one or other for one, other in found]


def test_what_our_functions_there_say_is_kept_word_for_word(platform: Platform) -> None:
    words, hints = our_words(), our_hints()
    assert len(words) > 14
    assert len(hints) > 6
    values = {
        "PR010": ("7301/5", "7302/6"),
        "PR012": (CHANGED,),
        "PR015": (
            "pyrepl_0123abcd_1_owner",
            "INSERT on public.auth_user, DELETE on \"Forum\".auth_user",
        ),
        "PR020": ("7, 8", 'auth_user_username_key'),
        "PR021": ("7", "auth_user_username_key"),
        "PR022": (
            "trigger audit, rule no_rows",
            "public.auth_user",
            "keeps rows from being written",
        ),
        "PR023": ("7", "email", "public.auth_user", "odd"),
    }  # fmt: skip
    for state, message in words:
        said = message.replace("%s", "%")
        for value in values.get(state, ()):
            said = said.replace("%", value, 1)
        rows = platform.rows("SELECT pyrepl.known_message(%s, %s)", state, said)
        assert rows == [(said,)]
    for form in hints:
        hint = form.replace("%L", "'{7,-8}'")
        assert platform.rows("SELECT pyrepl.known_hint(%s)", hint) == [(hint,)]


@pytest.mark.parametrize(
    "names",
    [
        ", table auth_user, column username, constraint auth_user_username_key",
        ', table "Forum Data", constraint no spam, in public.check_it(integer)',
    ],
)
def test_names_are_kept(platform: Platform, names: str) -> None:
    message = f"a unique value is taken at the course{names}"
    query: LiteralString = "SELECT pyrepl.known_message('23505', %s)"
    assert platform.rows(query, message) == [(message,)]
    for wrong in (f"{names}{HASH}", names + "x" * 2000, f"{names}\x1b[2J"):
        found = platform.rows(query, f"a unique value is taken at the course{wrong}")
        assert found == [("a unique value is taken at the course",)]


@pytest.mark.parametrize("sqlstate", ["(((((", "\\\\\\\\\\", "", "PR0\x1b[2J", None])
def test_an_odd_sqlstate_is_none_of_ours(platform: Platform, sqlstate: str) -> None:
    query: LiteralString = "SELECT pyrepl.known_message(%s, 'x')"
    assert platform.rows(query, sqlstate) == [
        ("the course refused a dossier with SQLSTATE -",)
    ]


def test_a_failure_of_the_connection_is_told_cut_and_clean(
    platform: Platform, course: Course
) -> None:
    """What a server says before anybody has logged in is text of its own, too."""
    number = databases.numbers(platform.connection, [])[course.name]
    platform.rows(
        "SELECT pyrepl.delivery_failed(%s, '08001', %s, %s, NULL, NULL)",
        number,
        "\x1b]0;owned\x07\x1b[2J\u202e" + "y" * 1_000_000,
        "\x9b2J" + "z" * 1_000_000,
    )
    found = kept(platform)
    assert len(found) < 1200
    assert "owned" in found
    assert not STEERING.search(found)


NAME = "\x1b]0;t\x07\x1b[2J\u202e\x9b1m\nuser 9: ok"


def test_user_names_and_course_keys_do_not_steer_a_terminal(
    platform: Platform, cli: Cli
) -> None:
    key = f"edX/{NAME}"
    platform.course(key)
    platform.member(2, key, f"hosted/nowhere{NAME}", username=NAME)
    for command in (
        ["explain", "2"],
        ["explain", "2", "--json"],
        ["status"],
        ["course", "list"],
        ["course", "list", "--json"],
        ["dead", "list"],
    ):
        done = cli(*command)
        assert not STEERING.search(done.out + done.err), command
        assert not [
            line for line in done.out.splitlines() if line.startswith("user 9")
        ], command


def test_what_explain_and_status_say_of_a_course_is_clean(
    platform: Platform, course: Course
) -> None:
    refuse(course, "RAISE '%', E'\\x1b[2J' || repeat('x', 1000000);")
    deliver(platform)
    (found,) = explain.explain(platform.connection, "1")
    (database,) = status.read(platform.connection).databases
    said = f"{found.databases[0].sentences()} {database.last_error}"
    assert len(said) < 2000
    assert not STEERING.search(said)


def test_reports_hold_nothing_that_steers() -> None:
    """Also what XML could hold: C1 and what turns the direction of text."""
    said = "\x1b[2J\u202e\x9bx"
    wrong = Finding.wrong(f"view {said}", "edited", said, Remedy(said))
    found = Run([wrong], [Database(said)])
    for text in (junit(found), page(found, [], said)):
        assert "[2J" in text
        assert not STEERING.search(text)
