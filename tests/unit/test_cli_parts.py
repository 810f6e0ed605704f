"""Small parts of the command line, and the examples in docstrings."""

from __future__ import annotations

import doctest
import importlib

import click
import pytest

from pyreplctl.cli.durations import seconds
from pyreplctl.cli.main import application, ordered
from pyreplctl.cli.output import narrow
from pyreplctl.core.errors import UsageError


@pytest.mark.parametrize(
    ("text", "length"),
    [("2", 2), ("0", 0), ("500ms", 0.5), ("1.5 min", 90), (" 3 s ", 3), ("1h", 3600)],
)
def test_seconds(text: str, length: float) -> None:
    assert seconds(text) == length


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 day", "1e3", "inf", "2s 3s"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="not a length of time") as raised:
        seconds(text)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("status --json", "--json status"),
        ("course show x --portal p --quiet", "--portal p --quiet course show x"),
        ("--config=f status", "--config=f status"),
        ("status --portal", "--portal status"),
        ("course register --dsn d -- --json", "course register --dsn d -- --json"),
        (
            "course register --dsn d k --no-color",
            "--no-color course register --dsn d k",
        ),
    ],
)
def test_global_options_go_first(given: str, wanted: str) -> None:
    assert ordered(given.split()) == wanted.split()


def test_a_table_drops_what_is_usual_and_keeps_what_is_not() -> None:
    columns = ("name", "dead", "note")
    rows: list[tuple[object, ...]] = [("a", 0, None), ("b", 0, None)]
    assert [*narrow(columns, rows, {"dead": (0,)}, ("note",), 80)] == ["name", "a", "b"]
    rows = [("a", 0, None), ("b", 2, "why")]
    assert [*narrow(columns, rows, {"dead": (0,)}, ("note",), 80)] == [
        "name  dead",
        "a        0",
        "b        2",
        "b: note: why",
    ]


@pytest.mark.parametrize(
    "module",
    ["cli.main", "cli.output", "cli.durations", "verify.run", "schema.sql_files"],
)
def test_examples_in_docstrings(module: str) -> None:
    tested = doctest.testmod(importlib.import_module(f"pyreplctl.{module}"))
    assert tested.attempted
    assert not tested.failed


def test_every_command_is_where_it_is_said_to_be() -> None:
    context = click.Context(application)
    for name in application.list_commands(context):
        command = application.get_command(context, name)
        assert command is not None
        assert command.name == name


def groups() -> list[click.Context]:
    context = click.Context(application, info_name="pyreplctl", terminal_width=80)
    inner = [
        click.Context(command, info_name=name, parent=context, terminal_width=80)
        for name in application.list_commands(context)
        if isinstance(command := application.get_command(context, name), click.Group)
    ]
    return [context, *inner]


def test_no_command_is_cut_short_in_the_help() -> None:
    for context in groups():
        _, _, commands = context.get_help().partition("Commands:")
        assert commands.strip()
        assert "..." not in commands
