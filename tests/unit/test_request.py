"""What is registered: from options, or from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pyreplctl.core.errors import UsageError
from pyreplctl.courses.request import Options, Request, requests


def many(folder: Path, name: str, text: str | bytes) -> list[Request]:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return requests(file, Options())


def test_options_make_one_request() -> None:
    options = Options(
        ("a",), "dbname=x", "forum", "host=y", False, True, delivery="queued"
    )
    made = requests(None, options)
    wanted = Request(("a",), "dbname=x", "forum", "host=y", False, True)
    assert made == [replace(wanted, delivery="queued")]


@pytest.mark.parametrize("mark", ["", "\N{BYTE ORDER MARK}"])
def test_csv(tmp_path: Path, mark: str) -> None:
    text = (
        "name,dsn,link,delivery,guard,courses\n"
        'forum,"host=a, dbname=f",,,,edX/toy/2012_Fall org/course/\n'
        "wiki,dbname=w,host=b,queued,warn,course-v1:x+y+z\n"
    )
    first, second = many(tmp_path, "many.csv", mark + text)
    assert first == Request(
        ("edX/toy/2012_Fall", "org/course/"), "host=a, dbname=f", "forum"
    )
    assert second == Request(
        ("course-v1:x+y+z",),
        "dbname=w",
        "wiki",
        "host=b",
        guard="warn",
        delivery="queued",
    )


def test_toml_keys_may_have_spaces(tmp_path: Path) -> None:
    text = "[[database]]\nname = 'f'\ndsn = 'dbname=f'\ncourses = ['a b', 'c']\n"
    assert many(tmp_path, "many.toml", text) == [Request(("a b", "c"), "dbname=f", "f")]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.csv", "name,dsn\nf,dbname=f\n", ("line 2", "courses")),
        ("m.csv", "name,courses\nf,a\n", ("line 2", "dsn: is missing")),
        ("m.csv", "name,dsn,courses\nf,dbname=f,\n", ("line 2", "no course key")),
        ("m.csv", "name,dsn,courses,colour\nf,d,a,red\n", ("line 2", "colour")),
        ("m.csv", "name,dsn,courses\nf,d,a,too,many\n", ("line 2", "last column")),
        ("m.csv", "name,dsn,courses\n", ("names no course database",)),
        ("m.csv", "", ("names no course database",)),
        ("m.csv", 'name,dsn,courses\n"f,d,a\n', ("cannot read",)),
        ("m.csv", b"\xff\xfe\x00", ("cannot read",)),
        (
            "m.csv",
            "name,dsn,courses,delivery\nf,d,a,soon\n",
            ("delivery: ", "'immediate'"),
        ),
        ("m.csv", "name,dsn,courses,guard\nf,d,a,maybe\n", ("guard: ", "'warn'")),
        ("m.toml", "[[database]]\nname = 'f'\n", ("database 1", "dsn: is missing")),
        ("m.toml", "[database]\nname = 'f'\n", ("database 1", "dsn: is missing")),
        ("m.toml", "database = 3\n", ("database 1",)),
        ("m.toml", "[[database]]\nname = 1\n", ("database 1", "name: ")),
        ("m.toml", "[[", ("cannot read",)),
    ],
)
def test_a_wrong_file_is_told_where_it_is_wrong(
    tmp_path: Path, name: str, text: str | bytes, words: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as raised:
        many(tmp_path, name, text)
    assert raised.value.hint
    for word in (name, *words):
        assert word in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        requests(tmp_path / "no", Options())


def test_options_that_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--from goes without"):
        requests(tmp_path, Options(("a",)))
    with pytest.raises(UsageError, match="no --dsn"):
        requests(None, Options(("a",)))
