"""Random pairs of types, one of the portal and one of a course, and values to push."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random

CLOCKS = ("time", "timetz", "timestamp", "timestamptz")
FIELDS = (
    "",
    *("year", "month", "day", "hour", "minute", "second"),
    *("year to month", "day to hour", "day to minute", "day to second"),
    *("hour to minute", "hour to second", "minute to second"),
)
LABELS = ("low", "mid", "high", "top")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Side:
    """A type as one side has it: what makes it, and its name."""

    made: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Pair:
    """Types of portal and course, and texts of which the portal takes some."""

    portal: Side
    course: Side
    values: tuple[str, ...]


def draw(random: Random, depth: int = 0) -> Pair:
    """Return a random pair; the deeper, the simpler."""
    kinds = [_numeric, _text, _bits, _clock, _interval, _whole]
    if depth < 2:
        kinds += [_array, _enum, _composite, _domain, _range, _extension]
    return random.choice(kinds)(random, depth)


def _plain(portal: str, course: str, values: list[str]) -> Pair:
    return Pair(Side((), portal), Side((), course), tuple(values))


def _two(random: Random, names: list[str]) -> tuple[str, str]:
    """Return two of them, which are often the same."""
    first = random.choice(names)
    return first, first if random.random() < 0.3 else random.choice(names)


def _numeric(random: Random, depth: int) -> Pair:
    precision, scale = random.randint(2, 12), random.randint(-3, 6)
    near = [
        f"numeric({max(1, precision + p)},{scale + s})"
        for p in (-1, 0, 1, 2)
        for s in (-1, 0, 0, 1)
    ]
    values = ["NaN", "0", "-1.5", *(f"0.{'0' * n}{d}8" for n in range(7) for d in "18")]
    for before, after in itertools.product(range(17), (1, 2, 3, 5, 8)):
        first, last = (random.choices("12345678", k=k) for k in (before, after))
        values.append(f"{''.join(first) or '0'}.{''.join(last)}")
    return _plain(*_two(random, ["numeric", *near]), values)


def _text(random: Random, depth: int) -> Pair:
    most = random.randint(1, 8)
    near = ["text", "varchar", *(f"varchar({max(1, most + n)})" for n in (-1, 0, 1))]
    if random.random() < 0.3:
        near = [f"char({max(1, most + n)})" for n in (-1, 0, 1)]
    letters = "aZ é'\"\\,{}()"
    values = ["".join(random.choices(letters, k=n)) for n in range(12)]
    return _plain(*_two(random, near), [*values, "x" * (most - 1), "x" * most])


def _bits(random: Random, depth: int) -> Pair:
    length = random.randint(1, 6)
    kind = random.choice(("bit", "varbit"))
    near = [f"{kind}({max(1, length + n)})" for n in (-1, 0, 1)]
    near += ["varbit"] if kind == "varbit" else []
    values = ["".join(random.choices("01", k=n)) for n in range(1, 9)]
    return _plain(*_two(random, near), values)


def _clock(random: Random, depth: int) -> Pair:
    kind = random.choice(CLOCKS)
    day = "2012-09-01 " if kind.startswith("timestamp") else ""
    zone = "+02" if kind.endswith("tz") else ""
    fractions = ["", *(".123456"[: n + 1] for n in range(1, 7)), ".654321"]
    values = [f"{day}12:34:56{fraction}{zone}" for fraction in fractions]
    near = [kind, *(f"{kind}({n})" for n in range(7))]
    near = [_written(name) for name in near]
    return _plain(*_two(random, near), values)


def _written(name: str) -> str:
    """Return time(3) with time zone for timetz(3): the short names take no digits."""
    kind, paren, rest = name.partition("(")
    long = {
        "timetz": "time{} with time zone",
        "timestamptz": "timestamp{} with time zone",
    }
    return long.get(kind, kind + "{}").format(paren + rest)


def _interval(random: Random, depth: int) -> Pair:
    near = []
    for _ in range(4):
        fields = random.choice(FIELDS)
        digits = random.choice(("", "(0)", "(3)", "(6)"))
        seconds = not fields or fields.endswith("second")
        near.append(f"interval {fields}{digits if seconds else ''}")
    parts = ("1 year", "2 mons", "3 days", "04:00:00", "00:05:00", "00:00:06")
    values = [*parts, "00:00:00.123456", "00:00:00.5", "00:00:00.123"]
    values += [" ".join(parts[:n]) for n in (2, 3)]
    values.append("1 year 2 mons 3 days 04:05:06.789012")
    return _plain(*_two(random, near), values)


def _whole(random: Random, depth: int) -> Pair:
    near = ["smallint", "integer", "bigint"]
    ends = [2**15, 2**31, 2**63]
    values = [str(n) for end in ends for n in (-end, end - 1)]
    return _plain(*_two(random, near), [*values, "0", "40000", "99999"])


def _array(random: Random, depth: int) -> Pair:
    pair = draw(random, 2)
    values = [f"{{{_quoted(v)}}}" for v in pair.values]
    values += [f"{{NULL,{_quoted(v)}}}" for v in pair.values[:3]]
    sides = [Side(s.made, f"{s.name}[]") for s in (pair.portal, pair.course)]
    return Pair(
        sides[0], sides[1], (*values, "{}", f"[3:3]={{{_quoted(pair.values[0])}}}")
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _enum(random: Random, depth: int) -> Pair:
    labels = random.sample(LABELS, random.randint(1, 4))
    others = list(labels)
    match random.choice(("same", "more", "fewer", "order")):
        case "more":
            others.insert(random.randint(0, len(others)), "one more")
        case "fewer" if len(others) > 1:
            others.remove(random.choice(others))
        case "order":
            random.shuffle(others)
    sides = [
        _type(
            "CREATE TYPE {} AS ENUM (%s)", (", ".join(f"'{label}'" for label in each))
        )
        for each in (labels, others)
    ]
    return Pair(sides[0], sides[1], tuple(labels))


def _type(create: str, inside: str, before: tuple[str, ...] = ()) -> Side:
    name = f"public.t{next(_numbers)}"
    return Side((*before, create.format(name) % inside), name)


def _composite(random: Random, depth: int) -> Pair:
    fields = [draw(random, depth + 1) for _ in range(random.randint(1, 3))]
    names = [f"f{n}" for n in range(len(fields))]
    order = list(range(len(fields)))
    if random.random() < 0.3:
        random.shuffle(order)
    sides = []
    for side, places in (("portal", range(len(fields))), ("course", order)):
        each: list[Side] = [getattr(f, side) for f in fields]
        inside = ", ".join(f"{names[n]} {each[n].name}" for n in places)
        before = tuple(itertools.chain.from_iterable(s.made for s in each))
        sides.append(_type("CREATE TYPE {} AS (%s)", inside, before))
    values = [f"({',' * (len(fields) - 1)})"]
    for n, field in enumerate(fields):
        for value in field.values:
            row = ["" for _ in fields]
            row[n] = _quoted(value)
            values.append(f"({','.join(row)})")
    return Pair(sides[0], sides[1], tuple(values))


def _domain(random: Random, depth: int) -> Pair:
    pair = draw(random, 2)
    rules = (
        "",
        "",
        " NOT NULL",
        " CHECK (VALUE::text <> '0')",
        " CHECK (length(VALUE::text) < 7)",
    )
    sides = []
    for side, rule in zip(
        (pair.portal, pair.course), _two(random, list(rules)), strict=True
    ):
        if random.random() < 0.3 and not rule:
            sides.append(side)
        else:
            sides.append(_type("CREATE DOMAIN {} AS %s", side.name + rule, side.made))
    return Pair(sides[0], sides[1], pair.values)


def _range(random: Random, depth: int) -> Pair:
    near = random.choice((["integer", "bigint"], ["numeric", "double precision"]))
    sides = [
        _type("CREATE TYPE {} AS RANGE (SUBTYPE = %s)", of) for of in _two(random, near)
    ]
    values = ["empty", "[1,5)", "(,1.50]", "[1.25,1e22)", f"[0,{2**40}]"]
    if random.random() < 0.3:
        values = [f"{{{value},[{2**50},)}}" for value in values[1:]] + ["{[1,2],[4,5]}"]
        sides = [Side(s.made, f"{s.name}_multirange") for s in sides]
    return Pair(sides[0], sides[1], tuple(values))


def _extension(random: Random, depth: int) -> Pair:
    """Return a type of an extension, which lies in another schema at the course."""
    name, values = random.choice(
        [
            ("citext", ("Bob", "BOB", "", "a,b")),
            ("hstore", ('"a"=>NULL', '"b"=>"1","c"=>"x"', "")),
        ]
    )
    sides = [
        Side(
            (
                f"CREATE SCHEMA IF NOT EXISTS {schema}",
                f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {schema}",
            ),
            f"{schema}.{name}",
        )
        for schema in ("public", "ext")
    ]
    return Pair(sides[0], sides[1], values)
