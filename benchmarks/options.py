"""The options that all measurements share, and how one is run by itself."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, Table
from benchmarks.ground import Ground, machine
from pyreplctl.sandbox.embedded import find_bin_dir

PEERS_BIN = Path("/usr/lib/postgresql/15/bin")


@dataclass(frozen=True)
class Options:
    """How much is measured; `peers` asks for the contenders beyond native, too."""

    rounds: int = 3
    seconds: float = 6.0
    users: int = 100_000
    peers: bool = False
    full: bool = False


Measure = Callable[[Ground, Options], list[Figure]]


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--rounds", type=int, default=Options.rounds)
    made.add_argument("--seconds", type=float, default=Options.seconds, help="of a run")
    made.add_argument("--users", type=int, default=Options.users)
    made.add_argument("--peers", action="store_true", help="pglogical, Bucardo, too")
    made.add_argument("--full", action="store_true", help="the sizes that take long")
    return made


def chosen(given: argparse.Namespace) -> Options:
    return Options(given.rounds, given.seconds, given.users, given.peers, given.full)


def main(module: str | None, measure: Measure) -> None:
    """Run one measurement and print its figures."""
    options = chosen(parser((module or "").splitlines()[0]).parse_args())
    bin_dir = PEERS_BIN if options.peers else find_bin_dir()
    with Ground.opened(options.users, bin_dir) as ground:
        print(machine(ground.directory), file=sys.stderr)
        print(Table(measure(ground, options)).text())


def told(text: str) -> None:
    """Say on standard error what is being done."""
    print(text, file=sys.stderr, flush=True)
