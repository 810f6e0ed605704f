"""pyreplctl.toml: tables, policies and portal, checked when they are read."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from psycopg import sql

from pyreplctl.core.errors import UsageError
from pyreplctl.core.names import identifier
from pyreplctl.core.validation import Name, mistakes

DEFAULT_FILE = Path("pyreplctl.toml")
_HINT = '"pyreplctl init FILE" writes an example with every key explained.'

# USER_FIELDS_TO_COPY of the platform's student/models.py of 2012.
USER_COLUMNS = (
    "id",
    "username",
    "first_name",
    "last_name",
    "email",
    "password",
    "is_staff",
    "is_active",
    "is_superuser",
    "last_login",
    "date_joined",
)

Guard = Literal["reject", "warn", "off"]
Mode = Literal["queued", "immediate"]
_QualifiedName = Annotated[
    str,
    msgspec.Meta(
        pattern=r'^[^".\x00]+\.[^".\x00]+$',
        description='a table is named "schema.table", and names stand without quotes',
    ),
]


class _Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Table(_Keys, frozen=True):
    name: _QualifiedName
    key: Name = "id"

    @property
    def identifier(self) -> sql.Identifier:
        """The table as schema and name."""
        return identifier(self.name)


class UserTable(_Table, frozen=True):
    """The table of accounts, and the columns that courses get."""

    name: _QualifiedName = "public.auth_user"
    columns: tuple[Name, ...] = USER_COLUMNS


class ProfileTable(_Table, frozen=True):
    """The table with at most one row a user."""

    name: _QualifiedName = "public.auth_userprofile"
    user: Name = "user_id"
    columns: Literal["all"] | tuple[Name, ...] = "all"


class EnrollmentTable(_Table, frozen=True):
    """The table that makes a user a member of a course."""

    name: _QualifiedName = "public.student_courseenrollment"
    user: Name = "user_id"
    course: Name = "course_id"
    columns: Literal["all"] | tuple[Name, ...] = "all"
    active: Name | None = None


class Tables(_Keys, frozen=True):
    """The three tables."""

    user: UserTable = UserTable()
    profile: ProfileTable = ProfileTable()
    enrollment: EnrollmentTable = EnrollmentTable()


class Policy(_Keys, frozen=True):
    """What a course database holds, and what becomes of those who leave."""

    enrollments: Literal["own", "all"] = "own"
    on_unenroll: Literal["keep", "freeze", "deactivate", "delete"] = "keep"
    on_user_delete: Literal["erase", "keep"] = "erase"
    guard: Guard = "reject"
    guard_exempt: tuple[Name, ...] = ("last_login",)


class Delivery(_Keys, frozen=True):
    """How dossiers are sent."""

    mode: Mode = "queued"
    batch: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 2000


class Portal(_Keys, frozen=True):
    """Where the portal is."""

    dsn: str | None = None


class Config(_Keys, frozen=True):
    """The whole of pyreplctl.toml; every key has a default."""

    portal: Portal = Portal()
    tables: Tables = Tables()
    policy: Policy = Policy()
    delivery: Delivery = Delivery()


def load(path: Path | None = None) -> Config:
    """Read the configuration; without a path, `./pyreplctl.toml` if it is there.

    Raises `UsageError` that names each wrong key and what is allowed there.
    """
    if path is None and not DEFAULT_FILE.exists():
        return Config()
    path = path or DEFAULT_FILE
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"cannot read the configuration {path}: {error.strerror}",
            hint='"pyreplctl init" writes one with every key explained.',
        ) from error
    except RecursionError:
        raise UsageError(
            f"{path} is not valid TOML: nested too deeply", hint=_HINT
        ) from None
    except ValueError as error:  # not TOML, no UTF-8, or a number without end
        raise UsageError(f"{path} is not valid TOML: {error}", hint=_HINT) from error
    if wrong := mistakes(Config, given):
        raise UsageError(f"{path}: {'; '.join(wrong)}", hint=_HINT)
    return msgspec.convert(given, Config)


def portal_dsn(given: str | None, config: Config) -> str:
    """Return where the portal is: option, else environment, else configuration."""
    dsn = given or os.environ.get("PYREPLCTL_PORTAL") or config.portal.dsn
    if not dsn:
        raise UsageError(
            "no portal given",
            hint="Use --portal DSN, set PYREPLCTL_PORTAL, or write dsn under [portal] "
            "in pyreplctl.toml.",
        )
    return dsn


EXAMPLE = """\
# pyreplctl.toml: every key at its default. Remove what you do not change.

[portal]
# Anything that libpq takes. --portal and PYREPLCTL_PORTAL come first.
# dsn = "service=portal"

[tables.user]
name = "public.auth_user"
key = "id"
# The columns that courses get; all others are the course's own.
columns = [
    "id", "username", "first_name", "last_name", "email", "password",
    "is_staff", "is_active", "is_superuser", "last_login", "date_joined",
]

[tables.profile]
name = "public.auth_userprofile"
key = "id"
user = "user_id"
columns = "all"    # or a list

[tables.enrollment]
name = "public.student_courseenrollment"
key = "id"
user = "user_id"
course = "course_id"
columns = "all"    # or a list
# A boolean column: where it is false, the row is copied but makes no member.
# active = "is_active"

[policy]
# own: a database gets the enrollments in the courses it hosts; all: every enrollment
# of its members.
enrollments = "own"
# What becomes of the copy of somebody who has left the last course of a database.
# keep: it stays, and is kept current; freeze: it stays as it was; deactivate: it stays
# current, with is_active false; delete: as on_user_delete = "erase".
on_unenroll = "keep"
# erase: the copy of a deleted user is deleted, or blanked where the course refers
# to it; keep: it stays as it was, without enrollments.
on_user_delete = "erase"
# What becomes of other edits of copies at a course: reject, warn or off; --guard says
# it for one database.
guard = "reject"
# Columns that a course may change all the same; delivered, but not verified.
guard_exempt = ["last_login"]

[delivery]
# queued: a clock delivers; immediate: the writer's COMMIT does. For databases
# registered from now on, unless "course register --delivery" says otherwise.
mode = "queued"
batch = 2000       # dossiers in one push at the most
"""
