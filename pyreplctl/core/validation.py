"""Checking what somebody has written, key by key, before it is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

# Of a table or column: what PostgreSQL keeps of it, and no zero byte, which it cannot.
Name = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=63,
        pattern="^[^\x00]+$",
        description="a name of 1 to 63 characters",
    ),
]


def mistakes(
    model: type[msgspec.Struct], given: object, place: tuple[str, ...] = ()
) -> list[str]:
    """Return a sentence for each wrong key: where it is, and what is allowed there.

    msgspec by itself stops at the first, and does not say which words it would take.
    """
    if not isinstance(given, Mapping):
        return [f"{_shown(place)}: keys and values are expected{_got(place, given)}"]
    fields = {field.name: field for field in msgspec.structs.fields(model)}
    found = [
        f"{_shown((*place, name))}: is missing"
        for name, field in fields.items()
        if field.required and name not in given
    ]
    for key, value in given.items():
        where = (*place, key)
        wanted = fields[key].type if key in fields else None
        if wanted is None:
            allowed = ", ".join(fields)
            found.append(f"{_shown(where)}: unknown key; allowed here: {allowed}")
        elif isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            found += mistakes(wanted, value, where)
        elif said := _mistake(wanted, value):
            found.append(f"{_shown(where)}: {said}{_got(where, value)}")
    return found


AFTER_LAST = "after the last column"  # the key of what a CSV file has too many of
_MOST = 60  # characters of a wrong value, and of a wrong key, that are told


def _shown(place: tuple[str, ...]) -> str:
    """Return a key's place; what is no word may be a value that went astray."""
    told = re.compile(rf"[\w-]{{1,60}}|{AFTER_LAST}")
    return ".".join(p if told.fullmatch(p) else "(no word)" for p in place)


def _got(place: tuple[str, ...], value: object) -> str:
    """Return what was given, unless it may be a connection string with its password."""
    text = repr(value)
    if {"dsn", "link", "portal"} & {*place} or re.search("://|password|=", text):
        return ""
    return f" (got {text[:_MOST]}{'…' * (len(text) > _MOST)})"


def _mistake(wanted: Any, value: object) -> str:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as error:
        if not isinstance(value, list) and (words := allowed(wanted)):
            return f"expected {words}"
        said, _, _ = str(error).replace("Expected", "expected", 1).partition(", got")
        return said.partition(" - at ")[0].replace("`", "").removesuffix(" | null")
    return ""


def allowed(wanted: Any) -> str:
    """Return what a type allows, in words; nothing where these are too many.

    >>> allowed(Literal["reject", "warn", "off"] | None)
    "'reject', 'warn' or 'off'"
    >>> allowed(Literal["all"] | tuple[Name, ...])
    "'all' or a list"
    """
    if get_origin(wanted) is Annotated:
        return get_args(wanted)[1].description or ""
    kinds = (wanted, *get_args(wanted))
    words = [repr(w) for k in kinds if get_origin(k) is Literal for w in get_args(k)]
    if words and any(get_origin(kind) is tuple for kind in kinds):
        words.append("a list")
    return " or ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
