"""Ctrl-C and its like: they end the story once, and never between two breaths."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Raises KeyboardInterrupt at the first signal, when nothing holds it back.

    Later ones are ignored, so that an impatient second one cannot stop the cleaning up.
    """

    def __init__(self) -> None:
        self._held = 0
        self._arrived = False
        self._raised = False

    @contextmanager
    def obeyed(self) -> Iterator[None]:
        """Take the signals over during the block; the main thread's only."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = [signal.signal(number, self._arrive) for number in SIGNALS]
        try:
            yield
        finally:
            for number, handler in zip(SIGNALS, before, strict=True):
                # None: a handler that was not set from Python.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a signal wait until the block has ended.

        Between the start of a process and the assignment of its handle, an exception
        would leave the process to nobody.
        """
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._obey()

    def _arrive(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        self._arrived = True
        self._obey()

    def _obey(self) -> None:
        if self._arrived and not self._raised and not self._held:
            self._raised = True
            raise KeyboardInterrupt
