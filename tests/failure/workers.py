"""Workers as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.failure.ground import Ground


class Workers:
    """`pyreplctl run` as processes, as a supervisor keeps them."""

    def __init__(self, ground: Ground, count: int = 2) -> None:
        self._ground = ground
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * count
        self.ended_by_themselves = 0
        for number in range(count):
            self.start(number)

    def __len__(self) -> int:
        return len(self._processes)

    def start(self, number: int) -> None:
        """Start one; its log is beside the journal."""
        log = self._ground.journal.directory / f"worker{number}.log"
        with log.open("ab") as file:
            self._processes[number] = subprocess.Popen(
                [sys.executable, "-m", "pyreplctl", "run", "--jobs", "3"],
                env=os.environ | {"PYREPLCTL_PORTAL": self._ground.dsn},
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def kill(self, number: int) -> None:
        """End one with SIGKILL."""
        if process := self._processes[number]:
            process.kill()
            process.wait()
        self._processes[number] = None

    def supervise(self) -> None:
        """Start those again that gave up, because the portal was not there."""
        for number, process in enumerate(self._processes):
            if process and process.poll() is not None:
                self.ended_by_themselves += 1
                self._ground.journal.note(
                    f"worker {number} ended: {process.returncode}"
                )
            if process is None or process.poll() is not None:
                self.start(number)

    def stop(self) -> list[int]:
        """Ask all to finish, and return their exit codes."""
        running = [process for process in self._processes if process]
        for process in running:
            process.terminate()
        return [process.wait(60) for process in running]
