"""sql/README.md says what there is: files, slots, SQLSTATEs, advisory locks."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from pyreplctl.core import locks
from pyreplctl.core.config import Config
from pyreplctl.schema import contracts, slots
from pyreplctl.schema.sql_files import root, slots_of
from tests.integration.sql.test_house_style import filled_slots
from tests.support.platform import Platform

README = (root("sql") / "README.md").read_text(encoding="utf-8")
LISTED = ("fragments", "functions", "links", "queries", "triggers", "views")
FILES = [path for folder in LISTED for path in (root("sql") / folder).rglob("*.sql")]
FOLDERS = sorted({path.parent.relative_to(root("sql")).as_posix() for path in FILES})
PYTHON = sorted(Path(str(import_module("pyreplctl").__path__[0])).rglob("*.py"))


def section(title: str) -> str:
    """Return what stands below a heading, to the next one."""
    found = re.search(
        rf"^##+ `?{re.escape(title)}`?\n(.*?)(?=^##|\Z)",
        README,
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"no section {title}"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """Return the cells of the table of a section, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]
    return [[cell.strip().replace(r"\|", "|") for cell in row] for row in cells]


def quoted(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_folder_has_its_line(folder: str) -> None:
    there = sorted(path.name for path in (root("sql") / folder).glob("*.sql"))
    listed = rows(folder)
    assert sorted(f"`{name}`" for name in there) == sorted(row[0] for row in listed)
    assert all(len(row) == 2 and row[1] for row in listed)


def test_no_folder_is_listed_that_is_not_there() -> None:
    headings = re.findall(r"^### `([^`]+)`$", README, re.MULTILINE)
    assert sorted(headings) == FOLDERS


def test_the_slots_are_those_of_the_files() -> None:
    used = {slot for path in FILES for slot in slots_of(path.read_text())}
    listed = [slot for row in rows("Slots") for slot in quoted(row[0])]
    assert sorted(listed) == sorted(used)


def test_slots_are_filled_by_whom_the_table_names(platform: Platform) -> None:
    contract = contracts.offered(platform.connection, Config())
    offered = {
        "slots.table_slots": slots.table_slots(Config()).keys() | {"kind", "name"},
        "slots.portal_slots": slots.portal_slots(Config(), [contract]).keys(),
        "slots.database_slots": slots.database_slots(
            Config(), contract, 1, 180000
        ).keys(),
        "slots.course_slots": slots.course_slots(Config(), contract, 180000).keys(),
    }
    for names, by, _ in rows("Slots"):
        for filler in quoted(by):
            module, function = filler.split(".")
            assert hasattr(import_module(f"pyreplctl.schema.{module}"), function)
            if filler in offered:
                assert set(quoted(names)) <= offered[filler]


def test_slots_become_what_the_table_shows(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    become: dict[str, set[str]] = {}
    for fillings in filled_slots(platform, monkeypatch).values():
        for given in fillings:
            for name, filling in given.items():
                become.setdefault(name, set()).add(filling.as_string())
    for names, _, examples in rows("Slots"):
        texts = {text for name in quoted(names) for text in become[name]}
        for example in quoted(examples):
            if example in ("active", "NULL::text"):
                continue  # by another configuration than the default
            pattern = ".*".join(re.escape(part) for part in example.split("…"))
            assert [t for t in texts if re.search(pattern, t, re.DOTALL)], example


def test_the_sqlstates_are_those_of_the_files() -> None:
    used = {
        code for path in FILES for code in re.findall(r"'(PR\d{3})'", path.read_text())
    }
    listed = [row[0].strip("`") for row in rows("SQLSTATEs")]
    assert listed == sorted(used)


def test_a_sqlstate_is_raised_where_the_table_says() -> None:
    raises = re.compile(r"(?:ERRCODE =|RAISE SQLSTATE|sqlstate :=) '(PR\d{3})'")
    raised = {
        (code, path.stem) for path in FILES for code in raises.findall(path.read_text())
    }
    listed = {
        (row[0].strip("`"), name)
        for row in rows("SQLSTATEs")
        for name in quoted(row[1])
    }
    assert listed == raised


def test_the_advisory_locks_are_those_of_sql_and_python() -> None:
    """Each second key, as it is written where it is taken, and each constant."""
    call = re.compile(r"pg_\w*advisory\w*\(\s*1887007344,\s*([^)]+)\)")
    in_sql = {key for path in FILES for key in call.findall(path.read_text())}
    named = {name for name in vars(locks) if name.endswith("_LOCK")}
    python = re.compile(r"\(LOCK_CLASS, (\w+)\)")
    in_python = {key for path in PYTHON for key in python.findall(path.read_text())}
    listed = [name for row in rows("Advisory locks") for name in quoted(row[1])]
    assert sorted(listed) == sorted(in_sql | named | in_python)


def test_an_advisory_lock_has_the_number_that_the_table_says() -> None:
    for row in rows("Advisory locks"):
        for name in quoted(row[1]):
            if name.endswith("_LOCK"):
                assert str(getattr(locks, name)) == row[0].strip("`")
    assert str(locks.LOCK_CLASS) in section("Advisory locks")
