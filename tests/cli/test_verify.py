from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString, NamedTuple
from xml.etree import ElementTree as ET

import pytest
from psycopg.conninfo import make_conninfo

from pyreplctl.core.config import Config
from pyreplctl.install.portal import install
from pyreplctl.sandbox import selftest
from pyreplctl.verify import data
from pyreplctl.verify.data import Difference
from pyreplctl.verify.run import Looking
from tests.cli.run import Cli
from tests.conftest import NewCluster, NewPortal
from tests.support.logins import as_login, new_login
from tests.support.platform import Course, Platform
from tests.support.standbys import copy_of

TOY = "edX/toy/2012_Fall"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def forum(platform: Platform) -> Course:
    made = platform.course(TOY, name="forum")
    for number in (1, 2, 3):
        platform.member(number, TOY)
    platform.deliver()
    return made


def damage(platform: Platform, forum: Course) -> None:
    """A difference of data, one of structure on each side.

    Where the guard was off rows may have changed unseen, which is said besides.
    """
    forum.tamper("UPDATE auth_user SET email = 'x' WHERE id = 2")
    forum.execute("ALTER TABLE auth_user DISABLE TRIGGER pyrepl_guard")
    platform.execute("GRANT EXECUTE ON FUNCTION pyrepl.route() TO PUBLIC")


def test_structure_alone_looks_at_no_row(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    forum.tamper("UPDATE auth_user SET email = 'x' WHERE id = 2")
    ran = cli("verify", "--structure", "--json")
    assert ran.code == 0
    (database,) = ran.document["databases"]
    assert (database["ok"], database["users"], database["stale"]) == (True, None, None)
    assert len(database["structure"]) > 60


def test_data_alone_looks_at_no_object(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    platform.execute("GRANT EXECUTE ON FUNCTION pyrepl.route() TO PUBLIC")
    ran = cli("verify", "--data", "--json")
    assert ran.code == 0
    assert ran.document["portal"] == {"structure": []}
    (database,) = ran.document["databases"]
    assert (database["users"], database["structure"]) == (3, [])


def test_both_are_told_and_repaired(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    assert cli("verify").code == 0
    damage(platform, forum)
    ran = cli("verify")
    assert ran.code == 3
    for told in (
        "portal: function route: edited: PUBLIC may EXECUTE; run",
        "forum: triggers public.auth_user: disabled: pyrepl_guard is disabled; run",
        "forum: user 2: stale in public.auth_user (email)",
    ):
        assert told in ran.out
    ran = cli("verify", "--repair", "--dry-run")
    assert ran.code == 3
    assert "plan: portal: function route: edited: install" in ran.err
    assert "plan: forum: triggers public.auth_user: disabled: course refresh" in ran.err
    assert "plan: forum: to be delivered again: 1 stale" in ran.err
    assert cli("verify").code == 3
    assert cli("verify", "--repair").code == 0
    assert cli("verify").code == 0
    assert forum.user(2)["email"] == "user2@example.com"


class Wrong(NamedTuple):
    """What somebody does, and what is told of it."""

    where: str
    statement: LiteralString
    said: str


WRONG: dict[str, Wrong] = {
    "a trigger disabled": Wrong(
        "portal",
        "ALTER TABLE auth_user DISABLE TRIGGER pyrepl_update",
        "portal: triggers public.auth_user: disabled: pyrepl_update is disabled;"
        ' run "pyreplctl install"',
    ),
    "a function edited": Wrong(
        "course",
        "ALTER FUNCTION pyrepl.apply() RESET row_security",
        "forum: function apply: edited: is not as it was installed;"
        ' run "pyreplctl course refresh forum"',
    ),
    "a grant to PUBLIC": Wrong(
        "portal",
        "GRANT EXECUTE ON FUNCTION pyrepl.route() TO PUBLIC",
        'portal: function route: edited: PUBLIC may EXECUTE; run "pyreplctl install"',
    ),
    "a mapping with a wrong password": Wrong(
        "portal",
        "ALTER USER MAPPING FOR pyrepl_owner SERVER pyrepl_1"
        " OPTIONS (SET password 'wrong')",
        'run "pyreplctl course rotate-password forum"',
    ),
    "a link time-out lost": Wrong(
        "portal",
        "ALTER SERVER pyrepl_1 OPTIONS (DROP connect_timeout)",
        "forum: server pyrepl_1: edited: has lost connect_timeout;",
    ),
    "a column added on one side": Wrong(
        "portal",
        "ALTER TABLE auth_userprofile ADD COLUMN bio text",
        "portal: contract: outdated: new on the portal: public.auth_userprofile.bio;"
        ' run "pyreplctl install", then "pyreplctl course refresh --all"',
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_damage_is_reported_with_its_mend_and_3(
    cli: Cli, platform: Platform, forum: Course, what: str
) -> None:
    side, statement, said = WRONG[what]
    (platform if side == "portal" else forum).execute(statement)
    ran = cli("verify", "--structure")
    assert ran.code == 3
    assert said in ran.out
    assert '"pyreplctl verify --repair --dry-run" shows' in ran.err or "bio" in said


def test_what_cannot_be_repaired_stays_3(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    forum.execute("CREATE TABLE pyrepl.mine ()")
    ran = cli("verify", "--repair")
    assert ran.code == 3
    assert "plan: forum: table mine: orphan: left to you" in ran.err


def test_users_that_differ_alike_share_a_line(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    forum.tamper("UPDATE auth_user SET email = 'x' WHERE id < 3")
    forum.tamper("UPDATE auth_user SET last_name = 'x' WHERE id = 3")
    out = cli("verify", "--data").out
    assert "forum: users 1, 2: stale in public.auth_user (email)" in out
    assert "forum: user 3: stale in public.auth_user (last_name)" in out
    assert cli("verify", "--data", "--repair", "--only", "extra").code == 3
    assert cli("verify", "--data", "--repair", "--max-users", "2").code == 3
    ran = cli("verify", "--data", "--repair", "--only", "stale", "--only", "extra")
    assert ran.code == 0
    assert "plan: forum: to be delivered again: 1 stale" in ran.err


def test_a_repair_of_nothing_says_so(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    ran = cli("verify", "--repair")
    assert ran.code == 0
    assert "there is nothing to repair" in ran.err


def test_what_could_not_be_looked_at_is_never_a_number(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    platform.execute(
        "ALTER USER MAPPING FOR pyrepl_owner SERVER pyrepl_1"
        " OPTIONS (SET password 'wrong')"
    )
    ran = cli("verify", "--data", "--json", "--junit", "found.xml")
    assert ran.code == 1
    assert ran.document["ok"] is None
    (database,) = ran.document["databases"]
    assert database["ok"] is None
    assert {database[name] for name in ("users", "missing", "stale", "extra")} == {None}
    root = ET.parse(cli.directory / "found.xml").getroot()
    cases = {case.get("name"): [e.tag for e in case] for case in root.iter("testcase")}
    assert cases == {
        "no user is missing": ["skipped"],
        "no user is stale": ["skipped"],
        "no user is extra": ["skipped"],
        "could be looked at": ["error"],
    }
    assert (root.get("errors"), root.get("skipped")) == ("1", "3")


def test_an_interrupted_run_goes_on_and_says_from_where(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    assert "no verification was interrupted" in cli("verify", "--resume").err
    platform.execute("SELECT pyrepl.note_progress(1, 2, 1, 0, '{}')")
    assert "forum: goes on at user 2" in cli("verify", "--resume").err


MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (("--dry-run",), "Add --repair"),
    (("--max-users", "3"), "Add --repair"),
    (("--only", "stale"), "Add --repair"),
    (("--repair", "--only", "former"), "'former' is not one of"),
    (("--repair", "--max-users", "0"), "0 is not in the range x>=1"),
    (("--max-examples", "-1"), "-1 is not in the range x>=0"),
    (("--target", "0"), "no statement takes so little"),
    (("--target", "soon"), "'soon' is not a length of time"),
    (("--history", "--repair"), "--history looks at nothing, so not with --repair"),
    (("--history", "--html", "x.html"), "not with --html or --junit"),
    (("--self-test", "forum"), "on servers of its own"),
    (("--self-test", "--history"), "on servers of its own"),
    (("--structure", "--resume"), "--structure alone does not look"),
    (("--structure", "--show-values"), "--structure alone does not look"),
    (("--structure", "--repair", "--only", "stale"), "does not look"),
    (("--html", "no/such/x.html"), "there is no directory no/such"),
    (("--junit", "."), "it is a directory"),
    (("wiki",), "no course database is named wiki"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_a_mistake_is_told_before_any_work(
    cli: Cli, platform: Platform, forum: Course, arguments: tuple[str, ...], said: str
) -> None:
    ran = cli("verify", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert platform.rows("SELECT count(*) FROM pyrepl.verification") == [(0,)]


def test_a_standby_is_not_verified(
    bare_cli: Cli, new_cluster: NewCluster, new_portal: NewPortal
) -> None:
    primary = new_cluster()
    dsn = new_portal(cluster=primary)
    install(dsn, Config())
    bare_cli.at(dsn)
    assert bare_cli("verify").code == 0
    with copy_of(primary, standby=True) as standby:
        bare_cli.at(make_conninfo(dsn, port=standby.port))
        ran = bare_cli("verify")
        past = bare_cli("verify", "--history", "--json")
    assert ran.code == 1
    assert "the portal is a standby" in ran.err
    assert (past.code, len(past.document)) == (0, 1)


def test_a_configuration_file_that_is_not_installed_is_told_of(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    cli.configure('[policy]\non_unenroll = "freeze"\n')
    ran = cli("verify", "--structure")
    assert ran.code == 3
    assert "portal: settings: outdated:" in ran.out


def test_past_runs_are_kept_by_who_may_say_what_was_verified(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    roles = ("pyrepl_monitor", "pyrepl_worker")
    with new_login(platform.connection, *roles) as name:
        cli.at(as_login(platform.dsn, name))
        assert cli("verify").code == 0
        forum.tamper("UPDATE auth_user SET email = 'x' WHERE id = 2")
        assert cli("verify", "--data").code == 3
        past = cli("verify", "--history", "--json").document
        shown = cli("verify", "--history", "forum").out.splitlines()
    assert [(p["name"], p["ok"], p["stale"], p["structure"]) for p in past] == [
        ("forum", False, 1, None),
        ("", True, None, 0),
        ("forum", True, 0, 0),
    ]
    assert {p["by"] for p in past} == {name}
    assert [line.split()[3] for line in shown[1:]] == ["DIFFERS", "equal"]


def test_the_history_has_a_line_for_each_run(cli: Cli, platform: Platform) -> None:
    for name in ("a", "b", "c", "d"):
        platform.course(f"x/{name}", name=name)
    assert "no run has been kept yet" in cli("verify", "--history").err
    cli("verify")
    platform.execute("UPDATE pyrepl.database SET guard = 'off'")  # not so there
    cli("verify", "--structure")
    cli("verify", "--structure", "a", "b")
    told = [
        line.split(maxsplit=2)[2]
        for line in cli("verify", "--history").out.splitlines()
    ]
    assert [" ".join(line.split()[:7]) for line in told[1:]] == [
        "a, b DAMAGED 2 postgres",
        "a, b and 2 more DAMAGED 4",
        "- equal 0 0 0 0 0",
    ]


def test_a_history_that_cannot_be_written_is_told_and_not_fatal(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    platform.execute("DROP FUNCTION pyrepl.note_verification(jsonb)")
    ran = cli("verify")
    assert ran.code == 3
    assert "not kept for --history" in ran.err
    assert "portal: function note_verification: missing" in ran.out
    assert "forum" in ran.out


def test_a_history_of_nobody_is_a_mistake(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    ran = cli("verify", "--history", "wiki")
    assert ran.code == 2
    assert "no course database is named wiki" in ran.err


def test_the_history_does_not_grow_for_ever(platform: Platform) -> None:
    for _ in range(4):
        platform.execute(
            "SELECT pyrepl.note_verification(jsonb_agg(jsonb_build_object('name', n)))"
            " FROM generate_series(1, 9000) n"
        )
    assert platform.rows("SELECT count(*) FROM pyrepl.verification") == [(20000,)]


def test_a_pipeline_gets_a_case_for_each_object(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    damage(platform, forum)
    cli("verify", "--junit", "found.xml")
    root = ET.parse(cli.directory / "found.xml").getroot()
    assert [suite.get("name") for suite in root] == ["portal", "forum"]
    failures = {
        (case.get("classname"), case.get("name"))
        for case in root.iter("testcase")
        if case.find("failure") is not None
    }
    assert failures == {
        ("portal.structure", "function route"),
        ("forum.structure", "triggers public.auth_user"),
        ("forum.structure", "rows public.auth_user"),
        ("forum.data", "no user is stale"),
    }
    assert root.get("failures") == "4"
    assert int(root.get("tests") or 0) == len(list(root.iter("testcase")))


def test_a_name_that_xml_cannot_hold_does_not_break_the_report(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    forum.execute('CREATE TABLE pyrepl."a\x01<b" ()')
    assert cli("verify", "--structure", "--junit", "found.xml").code == 3
    root = ET.parse(cli.directory / "found.xml").getroot()
    names = [case.get("name") for case in root.iter("testcase")]
    assert "table a\ufffd<b" in names


def test_what_is_in_the_databases_is_no_markup_on_the_page(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    forum.execute('CREATE TABLE pyrepl."<script>alert(1)</script>" ()')
    cli("verify", "--html", "found.html")
    text = (cli.directory / "found.html").read_text(encoding="utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "http://" not in text
    assert "https://" not in text


def browsed(page: Path, profile: Path) -> tuple[str, str]:
    """Load a page; return the document that came of it, and the browser's log."""
    assert CHROMIUM
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"]
    command += ["--disable-dev-shm-usage", "--no-first-run", "--dump-dom"]
    command += ["--enable-logging=stderr", "--v=0", f"--user-data-dir={profile}"]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_a_browser_shows_the_page_without_network_and_without_a_complaint(
    cli: Cli, platform: Platform, forum: Course, tmp_path: Path
) -> None:
    assert cli("verify").code == 0
    damage(platform, forum)
    assert cli("verify", "--html", "found.html").code == 3
    shown, log = browsed(cli.directory / "found.html", tmp_path / "profile")
    for told in (
        '<dd id="users">3</dd>',
        '<dd id="stale" class="bad">1</dd>',
        '<dd id="objects" class="bad">3</dd>',
        '<dd id="equal">0 of 1</dd>',
        "pyrepl_guard is disabled",
        "The last 2 runs",
    ):
        assert told in shown
    assert "CONSOLE" not in log
    assert "Refused to" not in log


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_the_browser_would_complain_of_a_page_that_asks_for_more(
    cli: Cli, platform: Platform, forum: Course, tmp_path: Path
) -> None:
    cli("verify", "--html", "found.html")
    page = cli.directory / "found.html"
    asks = '<img src="http://127.0.0.1:1/x.png"><script>document.title = 1</script>'
    page.write_text(page.read_text().replace("</main>", f"{asks}</main>"))
    _, log = browsed(page, tmp_path / "profile")
    assert "CONSOLE" in log


def test_the_self_test_finds_all_that_it_plants(cli: Cli) -> None:
    ran = cli("verify", "--self-test")
    assert ran.code == 0, ran.out
    assert "FAILED" not in ran.out
    assert ran.out.count("ok ") > 25


@pytest.fixture(scope="module")
def planted() -> Iterator[selftest.Scratch]:
    with selftest.scratch() as made:
        selftest.plant(made)
        yield made


@pytest.mark.parametrize("kind", ["missing", "stale", "extra", "pending", None])
def test_the_self_test_fails_where_the_comparison_misses_a_kind(
    planted: selftest.Scratch, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    compared = data._differences

    def blind(*asked: Any) -> dict[int, list[Difference] | None]:
        found = compared(*asked)
        if kind == "pending":  # takes what is on its way for a difference
            waiting = Difference(11, "stale", "public.auth_user", ["email"])
            return {user: each or [waiting] for user, each in found.items()}
        return {
            user: each and kept
            for user, each in found.items()
            if each is None or (kept := [d for d in each if d.kind != kind])
        }

    monkeypatch.setattr(data, "_differences", blind)
    tried = selftest.judged(planted.run(Looking(structure=False, examples=1000)))
    assert all(each.ok for each in tried) == (kind is None)


def test_a_self_test_that_fails_is_3_and_says_of_what(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = [selftest.Tried("a flag", ["one"], ["two"]), selftest.Tried("b", [], [])]
    monkeypatch.setattr(selftest, "run", lambda _: tried)
    ran = bare_cli("verify", "--self-test")
    assert ran.code == 3
    assert "FAILED  a flag: found two, expected one" in ran.out
    document = bare_cli("verify", "--self-test", "--json").document
    assert [each["ok"] for each in document] == [False, True]
