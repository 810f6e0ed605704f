"""Checking what somebody has written, key by key, before it is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]


def mistakes(
    model: type[msgspec.Struct], given: object, place: tuple[str, ...] = ()
) -> list[str]:
    """Return a sentence for each wrong key: where it is, and what is allowed there.

    msgspec by itself stops at the first, and does not say which words it would take.
    """
    if not isinstance(given, Mapping):
        return [f"{'.'.join(place)}: keys and values are expected (got {given!r})"]
    fields = {field.name: field for field in msgspec.structs.fields(model)}
    found = [
        f"{'.'.join((*place, name))}: is missing"
        for name, field in fields.items()
        if field.required and name not in given
    ]
    for key, value in given.items():
        where = (*place, key)
        wanted = fields[key].type if key in fields else None
        if wanted is None:
            allowed = ", ".join(fields)
            found.append(f"{'.'.join(where)}: unknown key; allowed here: {allowed}")
        elif isinstance(wanted, type) and issubclass(wanted, msgspec.Struct):
            found += mistakes(wanted, value, where)
        elif said := _mistake(wanted, value):
            found.append(f"{'.'.join(where)}: {said} (got {value!r})")
    return found


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
