"""The errors that the command line turns into a message and an exit code."""

from __future__ import annotations


class Error(Exception):
    """Root of all errors that a user may see; `str()` is the whole message.

    `hint` says what to do about it, `exit_code` is what the process ends with.
    """

    exit_code: int = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ServerError(Error):
    """An embedded server could not be created, started or stopped."""
