"""A released migration never changes, and what is new comes after it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyreplctl.schema.sql_files import root
from tests.support.released import problems, read, record


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the migrations, to be spoilt."""
    return Path(shutil.copytree(root("migrations"), tmp_path / "migrations"))


def test_released_migrations_are_as_they_were_and_others_are_newer() -> None:
    assert read(root("migrations"))
    assert problems(root("migrations")) == []


def test_a_changed_migration_is_found(copy: Path) -> None:
    path = copy / "portal" / "0001-configuration.sql"
    path.write_text(path.read_text() + "\n")
    assert problems(copy) == ["portal/0001-configuration.sql has changed since 0.1.0"]


def test_a_changed_rollback_is_found(copy: Path) -> None:
    path = copy / "course" / "0001-binding.rollback.sql"
    path.write_text("-- nothing\n")
    assert problems(copy) == [
        "course/0001-binding.rollback.sql has changed since 0.1.0"
    ]


def test_a_migration_that_is_gone_is_found(copy: Path) -> None:
    (copy / "course" / "0002-copies.sql").unlink()
    assert problems(copy) == ["course/0002-copies.sql of 0.1.0 is missing"]


def test_a_new_migration_is_newer_than_those_released(copy: Path) -> None:
    (copy / "portal" / "0099-new.sql").write_text("SELECT 1;\n")
    assert problems(copy) == []
    (copy / "portal" / "0001-zz.sql").write_text("SELECT 1;\n")
    found = "portal/0001-zz.sql is new, but not newer than portal/"
    assert [problem[: len(found)] for problem in problems(copy)] == [found]


def test_a_release_lists_what_is_new_and_leaves_the_rest(copy: Path) -> None:
    record(copy, "98.0")  # what has come since the last release
    before = read(copy)
    record(copy, "99.0")
    assert read(copy) == before
    (copy / "portal" / "0099-new.sql").write_text("SELECT 1;\n")
    record(copy, "99.0")
    assert read(copy)[: len(before)] == before
    assert [(file.version, file.path) for file in read(copy)[len(before) :]] == [
        ("99.0", "portal/0099-new.sql")
    ]
    assert problems(copy) == []
