"""What to register: from the options of a command, or many from a CSV or TOML file."""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pyreplctl.core.config import Guard, Mode
from pyreplctl.core.errors import UsageError
from pyreplctl.core.validation import AFTER_LAST, mistakes


@dataclass(frozen=True)
class Options:
    """What `course register` was told; None: as configured."""

    keys: tuple[str, ...] = ()
    dsn: str | None = None
    name: str | None = None
    link: str | None = None
    backfill: bool = True
    adopt: bool = False
    guard: Guard | None = None
    delivery: Mode | None = None


@dataclass(frozen=True)
class Request:
    """One course database to register; None: as configured."""

    keys: tuple[str, ...]
    dsn: str
    name: str | None = None
    link: str | None = None
    backfill: bool = True
    adopt: bool = False
    guard: Guard | None = None
    delivery: Mode | None = None


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    dsn: str
    courses: tuple[str, ...]
    link: str | None = None
    delivery: Mode | None = None
    guard: Guard | None = None


def requests(file: Path | None, options: Options) -> list[Request]:
    """Return what to register; `UsageError` where options do not go together.

    A CSV file has the columns name, dsn, link, delivery, guard and courses (keys
    separated by white space); a TOML file has [[database]] tables with these keys,
    and courses as a list. What a file does not say is as the options have it.
    """
    if file is None:
        if options.dsn is None:
            raise UsageError(
                "no --dsn given",
                hint="Say how to reach the course database, for example"
                ' --dsn "host=courses dbname=forum user=postgres".',
            )
        return [Request(**vars(options))]
    if options.keys or options.dsn or options.name or options.link:
        raise UsageError(
            "--from goes without course keys, --dsn, --name and --link",
            hint="Write these into the file.",
        )
    found = [_parsed(file, place, row, options) for place, row in _rows(file)]
    if not found:
        raise UsageError(
            f"{file} names no course database",
            hint="A CSV file begins with the line name,dsn,link,delivery,guard,courses;"
            " a TOML file has [[database]] tables with these keys.",
        )
    return found


def _parsed(file: Path, place: str, row: dict[str, Any], options: Options) -> Request:
    if wrong := mistakes(_Row, row):
        raise UsageError(
            f"{file}, {place}: {'; '.join(wrong)}",
            hint=f"The keys are {', '.join(_Row.__struct_fields__)}.",
        )
    parsed = msgspec.convert(row, _Row)
    if not parsed.courses:
        raise UsageError(
            f"{file}, {place}: courses: no course key",
            hint="Name at least one course.",
        )
    return Request(
        parsed.courses,
        parsed.dsn,
        parsed.name,
        parsed.link,
        options.backfill,
        options.adopt,
        parsed.guard or options.guard,
        parsed.delivery or options.delivery,
    )


def _rows(file: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".toml":
            tables = tomllib.loads(text).get("database", [])
            if not isinstance(tables, list):
                tables = [tables]
            return [(f"database {n}", row) for n, row in enumerate(tables, 1)]
        lines = csv.DictReader(text.splitlines(), strict=True)
        return [
            (
                f"line {lines.line_num}",
                {str(key or AFTER_LAST): value for key, value in row.items() if value}
                | {"courses": (row.get("courses") or "").split()},
            )
            for row in lines
        ]
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except RecursionError:
        raise UsageError(
            f"cannot read {file}: nested too deeply",
            hint="Write CSV or TOML, in UTF-8.",
        ) from None
    except (ValueError, csv.Error) as error:
        raise UsageError(
            f"cannot read {file}: {error}", hint="Write CSV or TOML, in UTF-8."
        ) from error
