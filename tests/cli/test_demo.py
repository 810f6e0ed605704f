"""The demo is the end-to-end test: it checks its own story and says so by exit code."""

from __future__ import annotations

import importlib.util
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from pyreplctl.core.errors import ServerError, UsageError
from pyreplctl.sandbox.demo import StoryFailed, play, story, trouble
from pyreplctl.sandbox.demo.ground import CIRCUITS
from pyreplctl.sandbox.demo.interrupts import Interrupts
from pyreplctl.sandbox.demo.play import STEPS, Step
from pyreplctl.sandbox.demo.stage import Stage
from tests.conftest import fast_directory
from tests.support.platform import FOR_GOOD

SHORTEST: tuple[Step, ...] = (story.databases, story.install, story.register)


class Mute:
    """A narrator of whom nothing is heard."""

    def step(self, number: int, steps: int, title: str, why: str) -> None: ...
    def ran(self, prompt: str, command: str) -> None: ...
    def said(self, text: str) -> None: ...
    def rows(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...
    def noted(self, text: str) -> None: ...


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be where the demo makes its files; the server's user may enter."""
    with tempfile.TemporaryDirectory(dir=fast_directory()) as name:
        place = Path(name)
        place.chmod(0o711)
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield place


def left_in(scratch: Path) -> list[str]:
    """Names of what is there, but for binaries, which go when the process ends."""
    return [p.name for p in scratch.iterdir() if not p.name.startswith("pyreplctl-pg-")]


def told(*steps: Step) -> tuple[tuple[str, str, Step], ...]:
    return tuple((step.__name__, "", step) for step in steps)


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyreplctl", "demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_ends_with_equal_databases_and_leaves_nothing(scratch: Path) -> None:
    done = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    places = [done.stdout.find(title) for title, _, _ in STEPS]
    assert -1 not in places
    assert places == sorted(places)
    assert f"All databases ended equal: {len(STEPS)} steps" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout
    assert left_in(scratch) == []


def _damage(stage: Stage) -> None:
    stage.session(CIRCUITS).execute(
        f"{FOR_GOOD};"
        " UPDATE auth_user SET email = 'other@example.org' WHERE id = 5;"
        " RESET ROLE"
    )


@pytest.mark.long
def test_the_last_look_fails_when_one_value_differs(scratch: Path) -> None:
    with pytest.raises(
        StoryFailed, match=r'step 5 of 5, "last_look": circuits differs'
    ):
        play(Mute(), steps=told(*SHORTEST, _damage, trouble.last_look))


def test_a_step_that_fails_is_named_and_the_files_go(scratch: Path) -> None:
    def lie(stage: Stage) -> None:
        stage.expect(1 > 2, "one is not more than two")

    with pytest.raises(StoryFailed, match='step 1 of 1, "lie": one is not') as failure:
        play(Mute(), steps=told(lie))
    assert "--keep" in (failure.value.hint or "")
    assert left_in(scratch) == []


@pytest.mark.failure
@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "step"),
    [(signal.SIGTERM, "2/"), (signal.SIGINT, "5/")],  # the fifth has the worker
)
def test_an_interrupted_demo_stops_its_servers_and_removes_its_files(
    scratch: Path, number: signal.Signals, step: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "pyreplctl", "demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith(step):
                break
        assert running_below(scratch)
        process.send_signal(number)
        process.stdout.read()
        complaint = process.stderr.read()
    assert (process.returncode, left_in(scratch)) == (1, [])
    assert "interrupted" in complaint
    assert running_below(scratch) == []


@pytest.mark.parametrize(("held", "reached"), [(True, True), (False, False)])
def test_a_signal_waits_only_while_it_is_held_back(held: bool, reached: bool) -> None:
    interrupts = Interrupts()
    done: list[str] = []

    def interrupted() -> None:
        with interrupts.held() if held else nullcontext():
            signal.raise_signal(signal.SIGTERM)
            done.append("reached")

    with interrupts.obeyed():
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        signal.raise_signal(signal.SIGINT)  # only the first one interrupts
    assert bool(done) is reached


def running_below(directory: Path) -> list[str]:
    """Commands of servers and workers that stand below a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place = (process / "cwd").readlink()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if place.is_relative_to(directory):
            found.append(command.replace(b"\0", b" ").decode())
    return found


def test_kept_databases_start_again_by_the_script_that_is_left(scratch: Path) -> None:
    place = scratch / "kept"
    played = play(Mute(), place, told(story.databases))
    assert played.kept == place
    assert str(place / "start") in played.how_to_look
    where = shlex.quote(str(place))
    script = f"""
        . {where}/env
        {where}/start
        trap {where}/stop EXIT
        for name in portal ai; do
            psql -XAtc 'SELECT count(*) FROM auth_user' service=$name
        done"""
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert (done.stdout.split(), done.stderr) == (["1000", "0"], "")
    assert not running_below(place)


def test_only_an_empty_directory_can_be_kept(scratch: Path) -> None:
    (scratch / "mine").touch()
    with pytest.raises(UsageError, match="is not an empty directory"):
        play(Mute(), scratch)
    assert left_in(scratch) == ["mine"]


def test_without_a_server_to_run_the_message_says_how_to_get_one(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(name: str) -> None:
        return None

    monkeypatch.delenv("PYREPLCTL_PG_BIN", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", nowhere)
    with pytest.raises(ServerError) as failure:
        play(Mute())
    assert "pyreplctl[embedded]" in (failure.value.hint or "")
    assert "PYREPLCTL_PG_BIN" in (failure.value.hint or "")
    assert left_in(scratch) == []
