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


class UsageError(Error):
    """The command line, the configuration or an object named there is wrong."""

    exit_code = 2


class ConnectionFailed(Error):
    """A server could not be reached, or let nobody in."""


class DatabaseError(Error):
    """A server refused a statement; `sqlstate` says why (class PR is our own)."""

    def __init__(
        self, message: str, *, hint: str | None = None, sqlstate: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class NotInstalled(Error):
    """The portal has no pyreplctl, or one of another version than this program."""


class NotSuitable(Error):
    """A database cannot serve as portal or as course database as it is."""


class NotDelivered(Error):
    """Something still waits that was to be delivered."""
