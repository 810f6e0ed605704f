"""Links in the documentation lead somewhere; commands and options in it are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from pyreplctl.cli.main import application

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Code may hold anything that looks like a link or a heading.
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TEST = re.compile(r"\btests/([\w/]+\.py)(?:::(\w+))?")


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Return where the relative links of a page lead: a file and an anchor."""
    for link in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """Return the anchors that headings get, as GitHub and GitLab name them."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for file, anchor in links(page):
        assert file.is_file(), f"no file {file.relative_to(ROOT)}"
        assert not anchor or anchor in anchors(file), f"no heading for #{anchor}"


def typed(page: Path) -> Iterator[list[str]]:
    """Return the words of each call of pyreplctl in a page's code, a call a list."""
    code = _CODE.findall(page.read_text(encoding="utf-8").replace("\\\n", " "))
    for call in re.findall(r"\bpyreplctl ([^`\n]*)", "\n".join(code)):
        before_comment = re.split(r"\s#|[|;&()>\"]", call)[0]
        yield before_comment.split()


def unknown(words: list[str]) -> str | None:
    """Return what the program does not know of a call: a command, or an option."""
    context = click.Context(application)
    command: click.Command = application
    held = {name for each in application.params for name in each.opts}
    for word in words:
        if isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
            found = command.get_command(context, word)
            if found is None:
                return word
            command, context = found, click.Context(found)
            held |= {n for each in found.params for n in each.opts}
        elif word.startswith("--") and word.partition("=")[0] not in held:
            return word
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_are_there(page: Path) -> None:
    for words in typed(page):
        assert unknown(words) is None, f"pyreplctl {' '.join(words)}"


def test_an_unknown_option_would_be_noticed() -> None:
    assert unknown(["course", "set", "forum", "--guard", "warn"]) is None
    assert unknown(["course", "set", "forum", "--color", "red"]) == "--color"
    assert unknown(["course", "paint", "forum"]) == "paint"


def named_tests(text: str) -> Iterator[tuple[Path, str]]:
    """Return the tests that a text names: a file, and a function or nothing."""
    for file, name in _TEST.findall(text):
        yield ROOT / "tests" / file, name


def is_there(file: Path, name: str) -> bool:
    """Whether there is such a file of tests, with a test of that name."""
    return file.is_file() and (
        not name or f"\ndef {name}(" in file.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_are_named_are_there(page: Path) -> None:
    for file, name in named_tests(page.read_text(encoding="utf-8")):
        assert is_there(file, name), f"no {file.relative_to(ROOT)}::{name}"


def test_a_test_that_is_not_there_would_be_noticed() -> None:
    here = "tests/unit/test_documentation.py"
    mine = test_a_test_that_is_not_there_would_be_noticed.__name__
    said = f"`{here}`, {here}::{mine} and `{here}::test_of_nothing`, `tests/no.py`"
    found = [is_there(file, name) for file, name in named_tests(said)]
    assert found == [True, True, False, False]


def test_the_threat_model_names_a_test_for_each_row() -> None:
    page = (ROOT / "docs/explanation/security.md").read_text(encoding="utf-8")
    model = page.partition("\n## Who may get what\n")[2].partition("\n## ")[0]
    rows = [line for line in model.splitlines() if line.startswith("| ")]
    assert len(rows) > 30
    for row in rows:
        assert row.startswith(("| can", "| ---")) or [*named_tests(row)], row


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {file for file, _ in links(index)} | {index}
    assert {page for page in PAGES if page.is_relative_to(ROOT / "docs")} <= listed


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


def test_a_broken_link_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A heading, `code`\n[a](gone.md) [b](#a-heading-code) [c](#no)\n")
    found = list(links(page))
    assert [(file.is_file(), anchor) for file, anchor in found] == [
        (False, ""),
        (True, "a-heading-code"),
        (True, "no"),
    ]
    assert anchors(page) == {"a-heading-code"}
