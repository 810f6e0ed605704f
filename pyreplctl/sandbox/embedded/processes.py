"""Signals to a server process together with all of its children, by way of /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 30.0


def halt(pid: int) -> None:
    """Stop a process and its descendants with SIGSTOP; return when all stand still."""
    for found in ([pid], family(pid)):  # once the parent stands, it forks no more
        send(found, signal.SIGSTOP)
        wait_for(lambda: _states(found) <= {"T", "Z"}, SECONDS)  # noqa: B023


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it, parents first."""
    found = [pid]
    processes = _processes()
    for member in found:
        found += [child for child, (parent, _) in processes.items() if parent == member]
    return found


def send(pids: list[int], number: signal.Signals) -> None:
    """Send a signal to the processes that still exist."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def wait_until_gone(pids: list[int]) -> None:
    """Return when none of the processes holds memory or files any longer."""
    wait_for(lambda: _states(pids) <= {"Z"}, SECONDS)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll a condition until it holds or the time is up; return whether it holds."""
    deadline = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return holds


def watch(pid: int) -> subprocess.Popen[bytes]:
    """Have a shell end a server when this process ends, even by SIGKILL.

    It reads a pipe that nobody writes and that ends with this process.
    """
    return subprocess.Popen(
        ["/bin/sh", "-c", 'read -r _; kill -QUIT "$0"; kill -CONT "$0"', str(pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _states(pids: list[int]) -> set[str]:
    processes = _processes()
    return {processes[pid][1] for pid in pids if pid in processes}


def _processes() -> dict[int, tuple[int, str]]:
    """Return parent and state letter of every process."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name in parentheses may hold anything, so read on from its end.
        state, parent = text.rpartition(") ")[2].split()[:2]
        found[int(entry.parent.name)] = int(parent), state
    return found
