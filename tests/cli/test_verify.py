from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pyreplctl import selftest, verification
from pyreplctl.runs import Looking
from pyreplctl.verification import Difference
from tests.cli.run import Cli
from tests.logins import as_login, new_login
from tests.platform import Course, Platform

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
    """A difference of data, one of structure on each side."""
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


def test_what_cannot_be_repaired_stays_3(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    forum.execute("CREATE TABLE pyrepl.mine ()")
    ran = cli("verify", "--repair")
    assert ran.code == 3
    assert "plan: forum: table mine: orphan: left to you" in ran.err


def test_a_configuration_file_that_is_not_installed_is_told_of(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    cli.configure('[policy]\non_unenroll = "freeze"\n')
    ran = cli("verify", "--structure")
    assert ran.code == 3
    assert "portal: settings: outdated:" in ran.out


def test_past_runs_are_kept_by_who_may_only_look(
    cli: Cli, platform: Platform, forum: Course
) -> None:
    with new_login(platform.connection, "pyrepl_monitor") as name:
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
        ("forum.data", "no user is stale"),
    }
    assert root.get("failures") == "3"
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
        '<dd id="objects" class="bad">2</dd>',
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
    compared = verification._differences

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

    monkeypatch.setattr(verification, "_differences", blind)
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
