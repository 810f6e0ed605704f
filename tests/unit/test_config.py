"""The configuration: what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pyreplctl.core.config import EXAMPLE, Config, load, portal_dsn
from pyreplctl.core.errors import UsageError


def loaded(folder: Path, text: str) -> Config:
    file = folder / "p.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    assert loaded(tmp_path, EXAMPLE) == Config()
    assert loaded(tmp_path, "") == Config()


def test_the_example_names_every_key() -> None:
    def keys(fields: dict[str, object]) -> set[str]:
        inner = [v for v in fields.values() if isinstance(v, dict)]
        return set(fields).union(*map(keys, inner))

    named = {line.lstrip("# ").partition(" ")[0] for line in EXAMPLE.splitlines()}
    named |= {part for word in named for part in word.strip("[]").split(".")}
    assert keys(msgspec.to_builtins(Config())) <= named


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[portal]\ndns = 'x'\n", ("portal.dns: unknown key; allowed here: dsn",)),
        (
            "[tables.profile]\nuser_id = 'x'\n",
            ("tables.profile.user_id: unknown key", "name, key, user, columns"),
        ),
        ("[delivery]\nmode = 'soon'\n", ("delivery.mode: ", "'queued'", "'soon'")),
        ("[delivery]\nbatch = 'many'\n", ("delivery.batch: ", "'many'")),
        ("[policy]\nenrollments = 'some'\n", ("'own' or 'all'", "'some'")),
        ("[policy]\nguard = 'maybe'\n", ("'reject', 'warn' or 'off'", "'maybe'")),
        ("[tables.user]\ncolumns = 'all'\n", ("tables.user.columns", "'all'")),
        ("[tables.user]\nkey = ''\n", ("tables.user.key",)),
        ("[tables.user]\nname = 'a.b.c'\n", ('"schema.table"',)),
        ("portal = 1\n", ("portal: ",)),
    ],
)
def test_a_wrong_key_is_named_with_what_is_allowed(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as raised:
        loaded(tmp_path, text)
    assert raised.value.hint
    for word in ("p.toml: ", *words):
        assert word in str(raised.value)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        loaded(tmp_path, "[delivery]\nmode = 'x'\nbatch = 0\n")
    assert "delivery.mode" in str(raised.value)
    assert "delivery.batch" in str(raised.value)


@pytest.mark.parametrize("content", [b"a = \n", b"\xff\xfe", b"[a\n"])
def test_what_is_no_toml(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="is not valid TOML"):
        load(file)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read the configuration"):
        load(tmp_path)


def test_the_portal_is_option_then_environment_then_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYREPLCTL_PORTAL", raising=False)
    config = loaded(tmp_path, "[portal]\ndsn = 'service=file'\n")
    assert portal_dsn(None, config) == "service=file"
    monkeypatch.setenv("PYREPLCTL_PORTAL", "service=environment")
    assert portal_dsn(None, config) == "service=environment"
    assert portal_dsn("service=option", config) == "service=option"
