"""Workers as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from tests.failure.ground import Ground


class Workers:
    """`pyreplctl run` as processes, as a supervisor keeps them."""

    def __init__(self, ground: Ground, count: int = 2) -> None:
        self._ground = ground
        self._lock = threading.Lock()
        self._processes = [self._new(number) for number in range(count)]
        self._killed: set[int] = set()
        self.ended_by_themselves = 0

    def __len__(self) -> int:
        return len(self._processes)

    def _new(self, number: int) -> subprocess.Popen[bytes]:
        log = self._ground.journal.directory / f"worker{number}.log"
        with log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "pyreplctl", "run", "--jobs", "3"],
                env=os.environ | {"PYREPLCTL_PORTAL": self._ground.dsn},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def kill(self, number: int) -> None:
        """End one with SIGKILL; it stays away until `revive`."""
        with self._lock:
            self._killed.add(number)
            self._processes[number].kill()
            self._processes[number].wait()

    def revive(self, number: int) -> None:
        """Start one again that was killed."""
        with self._lock:
            self._killed.remove(number)
            self._processes[number] = self._new(number)

    def supervise(self) -> None:
        """Start those again that gave up, because the portal was not there."""
        with self._lock:
            for number, process in enumerate(self._processes):
                if number not in self._killed and process.poll() is not None:
                    self.ended_by_themselves += 1
                    self._ground.journal.note(f"worker {number}: {process.returncode}")
                    self._processes[number] = self._new(number)

    def stop(self) -> list[int]:
        """Ask all to finish, and return their exit codes."""
        for process in self._processes:
            process.terminate()
        return [process.wait(60) for process in self._processes]
