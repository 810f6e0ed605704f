"""What a registration did."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyreplctl.schema.objects import ObjectChange


@dataclass(frozen=True)
class Registered:
    """What a registration did; `courses` are the keys that were added."""

    name: str
    created: bool
    courses: tuple[str, ...]
    adopting: tuple[str, ...] = ()
    in_the_way: tuple[str, ...] = ()
    own_triggers: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()
    cascades: tuple[str, ...] = ()
    nobody: tuple[str, ...] = ()
    changes: list[ObjectChange] = field(default_factory=list)
