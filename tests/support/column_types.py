"""A column of each type for the profile table, and settings that alter their text."""

from __future__ import annotations

import psycopg

# By column: its type, a value, the same value in other words, and values that are not
# the same, though some of them are equal in the eyes of their type.
TYPES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    # 4294967300 is 5 where 64 bits are folded into 32.
    "a_bigint": ("bigint", "5", "5.0::bigint", ("-5", "4294967300", "NULL")),
    "a_small": ("smallint", "5", "'5'", ("-5", "6")),
    "a_truth": ("boolean", "false", "'no'", ("true", "NULL")),
    "a_real": ("real", "0.1", "0.10000000149", ("0.2", "NULL", "'NaN'")),
    "a_zero": ("double precision", "0", "0e5", ("'-0'", "'1e-300'")),
    "a_double": (
        "double precision",
        "1e22",
        "10000000000000000000000",
        ("1e22 + 4e6",),
    ),
    "a_numeric": ("numeric", "1.0", "'1.0'", ("1.00", "1", "NULL")),
    "a_citext": ("public.citext", "'Bob'", "E'\\x42ob'", ("'BOB'", "'bob'")),
    "an_enum": ("public.mood", "'sad'", "'sad'::public.mood", ("'glad'", "NULL")),
    "a_time": (
        "timestamptz",
        "'2012-02-03 04:05:06.000007+00'",
        "'2012-02-03 05:05:06.000007+01'",
        ("'2012-02-03 05:16:40.967302+00'", "'2012-02-03 04:05:06.000008+00'"),
    ),
    "a_clock": ("timetz", "'12:00+00'", "'12:00Z'", ("'13:00+01'",)),
    "a_moment": (
        "timestamp",
        "'2012-02-03 04:05'",
        "timestamp '2012-02-03 00:05' + interval '4 h'",
        ("'2012-02-03 05:16:34.967297'", "'2012-03-02 04:05'", "'infinity'"),
    ),
    "an_hour": ("time", "'12:00'", "'12:00:00.0'", ("'13:11:34.967297'",)),
    "a_day": ("date", "'2012-02-03'", "make_date(2012, 2, 3)", ("'2012-03-02'",)),
    "a_span": ("interval", "'1 mon'", "'P1M'", ("'30 days'", "'-1 mon'")),
    "a_json": ("json", """'{"a": 1}'""", """'{"a": 1}'""", ("""'{"a":1}'""",)),
    "a_jsonb": (
        "jsonb",
        """'{"a": 1.0, "b": null}'""",
        """'{"b":null,"a":1.0}'""",
        ("""'{"a": 1.00, "b": null}'""", """'{"a": 1.0}'"""),
    ),
    "an_array": ("integer[]", "'{1,2}'", "'[1:2]={1,2}'", ("'{1,2,NULL}'", "'{2,1}'")),
    "words": ("text[]", "'{\"a,b\"}'", "ARRAY['a,b']", ("'{a,b}'", "'{}'")),
    "bytes": ("bytea", "'\\x5c00'", "E'\\\\\\\\\\\\000'", ("'\\x5c'", "'\\x'")),
    "many_bytes": (
        "bytea[]",
        "'{\"\\\\x5c00\"}'",
        "ARRAY['\\x5c00'::bytea]",
        ("'{}'",),
    ),
    "a_uuid": (
        "uuid",
        "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",
        "'{A0EEBC999C0B4EF8BB6D6BB9BD380A11}'",
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12'",),
    ),
    "a_word": ("text", "'Zoë'", "U&'Zo\\00EB'", ("U&'Zo\\0065\\0308'", "'Zoe'")),
    "empty": ("text", "''", "left('x', 0)", ("NULL", "' '")),
    "nothing": ("text", "NULL", "nullif('', '')", ("''",)),
    "long_one": (
        "text",
        "repeat('äx', 50000)",
        "repeat('äxäx', 25000)",
        ("repeat('äx', 49999) || 'äy'", "repeat('äx', 50001)"),
    ),
    "an_address": ("inet", "'10.0.0.1'", "'10.0.0.1/32'", ("'10.0.0.1/24'",)),
    "a_point": ("point", "'(1,2)'", "point(1, 2)", ("'(2,1)'", "'(1,-0)'")),
    "bits": ("bit varying", "B'01'", "B'0' || B'1'", ("B'1'", "B'010'")),
}

# What a database may be set to, and what text then looks like.
PORTAL_SETTINGS = {
    "datestyle": "'SQL, MDY'",
    "timezone": "'America/New_York'",
    "intervalstyle": "'sql_standard'",
    "extra_float_digits": "'0'",
    "bytea_output": "'escape'",
}
COURSE_SETTINGS = {
    "datestyle": "'German, DMY'",
    "timezone": "'Asia/Kolkata'",
    "intervalstyle": "'iso_8601'",
    "extra_float_digits": "'-5'",
}


def prepare(dsn: str, settings: dict[str, str]) -> None:
    """Give the profile table a column of each type, and the database its settings.

    Every second setting is the role's in this database instead.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION citext SCHEMA public")
        connection.execute("CREATE TYPE public.mood AS ENUM ('sad', 'glad')")
        columns = ", ".join(f"ADD {name} {kind}" for name, (kind, *_) in TYPES.items())
        connection.execute(f"ALTER TABLE auth_userprofile {columns}".encode())
        database = connection.info.dbname
        whose = (
            f"DATABASE {database}",
            f"ROLE {connection.info.user} IN DATABASE {database}",
        )
        for number, (name, text) in enumerate(settings.items()):
            statement = f"ALTER {whose[number % 2]} SET {name} = {text}"
            connection.execute(statement.encode())
