"""Playing the story: every step in order, and cleaning up whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from pyreplctl.core.errors import Error
from pyreplctl.sandbox.demo import story, trouble
from pyreplctl.sandbox.demo.ground import Ground, directory
from pyreplctl.sandbox.demo.interrupts import Interrupts
from pyreplctl.sandbox.demo.stage import Narrator, Stage, StoryFailed
from pyreplctl.sandbox.embedded import find_bin_dir

Step = Callable[[Stage], None]

# Title, why, and what happens.
STEPS: tuple[tuple[str, str, Step], ...] = (*story.STEPS, *trouble.STEPS)


@dataclass
class Played:
    """How it went; the keys of `demo --json`. `how_to_look` is there with --keep."""

    steps: list[str] = field(default_factory=list)
    measured: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    kept: Path | None = None
    how_to_look: str = ""


def play(
    narrator: Narrator,
    keep: Path | None = None,
    steps: tuple[tuple[str, str, Step], ...] = STEPS,
) -> Played:
    """Play the story on servers of its own.

    Raises `StoryFailed` with the step that failed, `ServerError` if there is no
    PostgreSQL to run. Servers and files are gone afterwards, or with `keep` only the
    servers.
    """
    find_bin_dir()  # before anything is written
    played = Played()
    started = time.monotonic()
    interrupts = Interrupts()
    try:
        with (
            interrupts.obeyed(),
            directory(keep, interrupts) as place,
            ExitStack() as stack,
        ):
            _play(stack, Ground(place, interrupts), narrator, keep, steps, played)
    except KeyboardInterrupt:
        left = _kept(keep) if keep else "Nothing is left behind."
        raise StoryFailed("interrupted", hint=left) from None
    played.seconds = round(time.monotonic() - started, 1)
    return played


def _play(
    stack: ExitStack,
    ground: Ground,
    narrator: Narrator,
    keep: Path | None,
    steps: tuple[tuple[str, str, Step], ...],
    played: Played,
) -> None:
    stage = Stage(ground, narrator)

    def clean_up() -> None:
        with ground.interrupts.held():
            stage.close()
            ground.stop()
            if keep:
                played.kept, played.how_to_look = ground.directory, ground.leave()

    stack.callback(clean_up)
    for number, (title, why, step) in enumerate(steps, 1):
        narrator.step(number, len(steps), title, why)
        try:
            step(stage)
        except (Error, psycopg.Error, OSError) as error:
            raise StoryFailed(
                f'step {number} of {len(steps)}, "{title}": {error}',
                hint=_kept(keep)
                if keep
                else "Run it with --keep DIR to look at the databases afterwards.",
            ) from error
        played.steps.append(title)
    played.measured = stage.measured


def _kept(directory: Path) -> str:
    return f"The files are in {directory}; {directory / 'start'} starts the servers."
