"""Whether a column holds every value of another one, unchanged and equal."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgspec import structs

from pyreplctl.schema.column_types import DEEPEST, Attribute, ColumnMeaning, Type, Types

# Types that take every value of another without loss.
_WIDER = {
    "int2": ("int4", "int8"),
    "int4": ("int8",),
    "varchar": ("text",),
    "text": ("varchar",),
}
# Types whose text means something else on another server: other locale, other oids.
_ELSEWHERE = ("money", "aclitem")


@dataclass(frozen=True)
class Difference:
    """Why values would not arrive as they are, and what has to be altered.

    `type` is one of the course's own making that stands in the way: a domain, of which
    `check` goes or, without one, NOT NULL; an enum that should have these labels; a
    composite that should have these attributes.
    """

    said: str = ""
    type: Type | None = None
    check: str | None = None
    labels: tuple[str, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    other_equality: bool = False


def unwritable(here: ColumnMeaning, is_key: bool) -> str | None:
    """Return why nobody can write a column; a key is inserted and never updated."""
    if here.generated:
        return "is a generated column"
    if here.identity == "a" and not is_key:
        return "is GENERATED ALWAYS AS IDENTITY and cannot be updated"
    return None


def untold(types: Types, held: Attribute) -> str | None:
    """Return what is within a type whose text means something else elsewhere."""
    for each in types.within(held):
        if not each.own and (each.plain in _ELSEWHERE or each.plain.startswith("reg")):
            return each.name
    return None


def difference(
    held_types: Types, held: Attribute, offered_types: Types, offered: Attribute
) -> Difference | None:
    """Compare what is held here with what is offered; None where all values fit."""
    return _Compared(held_types, offered_types).compare(held, offered)


@dataclass(frozen=True)
class _Compared:
    held: Types
    offered: Types
    depth: int = 0

    def compare(self, held: Attribute, offered: Attribute) -> Difference | None:
        if self.depth > DEEPEST:
            return Difference("it is nested too deep to be compared")
        here, domains = _base(self.held, held)
        there, those = _base(self.offered, offered)
        known = {check for each in those for check in (each.checks or {}).values()}
        for domain in domains:
            for name, check in (domain.checks or {}).items():
                if check not in known:
                    said = f"domain {domain.name} has a CHECK that the portal's has not"
                    return Difference(said, type=domain, check=name)
            if domain.not_null and not there.not_null:
                return Difference(f"domain {domain.name} is NOT NULL", type=domain)
        return _inside(
            replace(self, depth=self.depth + 1), here, there
        ) or _other_equality(here, there)


def _base(types: Types, held: Attribute) -> tuple[Attribute, list[Type]]:
    """Return what is within domains, and these."""
    domains: list[Type] = []
    while (each := types.of(held)).kind == "d" and len(domains) < DEEPEST:
        domains.append(each)
        held = structs.replace(
            held,
            type=each.element,
            modifier=each.modifier,
            not_null=held.not_null or each.not_null,
        )
    return held, domains


def _inside(
    compared: _Compared, held: Attribute, offered: Attribute
) -> Difference | None:
    here, there = compared.held.of(held), compared.offered.of(offered)
    if here.kind != there.kind:
        return Difference()
    match here.kind:
        case "a":
            return compared.compare(
                Attribute(here.element or 0, held.modifier),
                Attribute(there.element or 0, offered.modifier),
            )
        case "c":
            return _attributes(compared, here, there)
        case "e":
            return _labels(here, there)
        case "r" | "m":
            return _ranges(compared, here, there)
    return _base_types(here, held.modifier, there, offered.modifier)


def _other_equality(held: Attribute, offered: Attribute) -> Difference | None:
    if held.equality and held.equality != offered.equality:
        said = "its collation takes other texts for equal"
        return Difference(said, other_equality=True)
    return None


def _attributes(compared: _Compared, here: Type, there: Type) -> Difference | None:
    held, offered = here.attributes or [], there.attributes or []
    names, wanted = ([a.name for a in each] for each in (held, offered))
    alter = Difference(type=here, attributes=tuple(offered))
    if names != wanted:
        said = f"its attributes are {', '.join(names)}, not {', '.join(wanted)}"
        return replace(alter, said=said)
    for mine, other in zip(held, offered, strict=True):
        if found := compared.compare(mine, other):
            said = f"attribute {mine.name}: {found.said or 'is of another type'}"
            return replace(found if found.type else alter, said=said)
    return None


def _labels(here: Type, there: Type) -> Difference | None:
    held, wanted = here.labels or [], there.labels or []
    both = tuple(wanted)
    if missing := [label for label in wanted if label not in held]:
        said = f"it has no label {', '.join(map(repr, missing))}"
        return Difference(said, type=here, labels=both)
    if [label for label in held if label in wanted] != wanted:
        return Difference("its labels have another order", type=here, labels=both)
    return None


def _ranges(compared: _Compared, here: Type, there: Type) -> Difference | None:
    if not (here.own or there.own):
        return None if here.plain == there.plain else Difference()
    mine, other = Attribute(here.element or 0), Attribute(there.element or 0)
    if here.canonical != there.canonical or compared.compare(mine, other):
        return Difference("it is a range of another type")
    return None


def _base_types(here: Type, held: int, there: Type, offered: int) -> Difference | None:
    same = (here.own, here.extension, here.plain) == (
        there.own,
        there.extension,
        there.plain,
    )
    widened = not here.own and here.plain in _WIDER.get(there.plain, ())
    if not same and (there.own or not widened):
        return Difference()
    return None if held == -1 or _kept(here.plain, held, offered) else Difference()


def _kept(plain: str, held: int, offered: int) -> bool:
    """Return whether a modifier keeps every value that another one lets pass."""
    if held == offered:
        return True
    if plain in ("varchar", "varbit"):
        return held >= offered != -1
    if plain == "numeric":
        return offered != -1 and _digits(held, offered)
    if plain in ("time", "timetz", "timestamp", "timestamptz"):
        return held >= (6 if offered == -1 else offered)
    if plain == "interval":
        return _interval(held, offered)
    return False


def _digits(held: int, offered: int) -> bool:
    """Compare numeric(precision, scale): digits after the point are part of the value.

    A negative scale rounds before the point, and shows none after it.
    """
    (here, scale), (there, other) = map(_numeric, (held, offered))
    alike = scale == other or 0 >= scale >= other
    return alike and here - scale >= there - other


def _numeric(modifier: int) -> tuple[int, int]:
    given = modifier - 4
    return given >> 16 & 0xFFFF, ((given & 0x7FF) ^ 1024) - 1024


# The unit to which a field of an interval cuts: the last one named, by its bit.
_UNITS = {2: 0, 1: 1, 3: 2, 10: 3, 11: 4, 12: 5}


def _interval(held: int, offered: int) -> bool:
    (unit, digits), (other, those) = map(_fields, (held, offered))
    return unit >= other and (other < 5 or digits >= those)


def _fields(modifier: int) -> tuple[int, int]:
    """Return the finest unit that is kept (5: seconds), and digits of a second."""
    if modifier == -1:
        return 5, 6
    fields, digits = modifier >> 16 & 0x7FFF, modifier & 0xFFFF
    unit = max((rank for bit, rank in _UNITS.items() if fields >> bit & 1), default=5)
    return unit, min(digits, 6)
