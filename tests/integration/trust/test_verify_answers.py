"""What verify cannot read is a finding of that database; the others are looked at."""

from __future__ import annotations

from typing import LiteralString

import pytest

from pyreplctl.verify import course_answers, structure
from pyreplctl.verify.course_answers import Unreadable
from tests.cli.run import Cli
from tests.integration.trust.hostile import altered
from tests.support.platform import Course, Platform

FAR, NEAR = "edX/far", "edX/near"

# What the view of structure is made of instead: rows besides those that are true.
ROWS = {
    "a version that is no number": "'version', 'server', 'current', NULL, 'x', NULL",
    "a version of another age": "'version', 'server', 'current', NULL, '-1', NULL",
    "no state": "'function', 'apply', NULL, NULL, NULL, NULL",
    "an unknown state": "'function', 'apply', 'splendid', NULL, NULL, NULL",
    "no kind": "NULL, 'apply', 'current', NULL, NULL, NULL",
    "no name": "'function', NULL, 'current', NULL, NULL, NULL",
    "a huge name": "'function', repeat('x', 10000000), 'current', NULL, NULL, NULL",
    "a huge table": "'table', 'copy', 'current', NULL, repeat('x', 10000000), NULL",
    "a table of nonsense": "'table', 'copy', 'current', NULL, 'spell x', NULL",
    "a constraint with SQL": "'table', 'copy', 'current', NULL,"
    " 'constraint a;DROP/**/SCHEMA/**/public CHECK (true)', NULL",
    "types that are no JSON": "'meaning', '1', 'current', NULL, '{', NULL",
    "a type of nothing": "'meaning', '1', 'current', NULL,"
    ' \'{"oid": 1, "name": "x",'
    ' "plain": "x", "own": true, "extension": null, "kind": "a", "element": null,'
    ' "modifier": -1, "not_null": false, "canonical": null, "labels": null,'
    ' "attributes": null, "checks": null}\', NULL',
    "a column of a type that is not told": "'meaning', '1', 'current', NULL,"
    ' \'{"table": "public.auth_user", "column": "none", "type": 1, "modifier": 1,'
    ' "full_type": "", "equality": "", "not_null": true, "identity": "",'
    ' "generated": ""}\', NULL',
    "many": "'function', 'f' || g, 'orphan', 'x', NULL, NULL"
    " FROM generate_series(1, 20000) g",
}


def tell(course: Course, rows: str) -> None:
    """Let the course tell these rows of itself, before those that are true."""
    course.connection.execute(
        "CREATE OR REPLACE VIEW pyrepl.structure AS"
        f" SELECT * FROM (SELECT {rows}) h(kind, name, state, source, held, problem)"
        " UNION ALL SELECT * FROM pyrepl.structure_rows()".encode()
    )


@pytest.mark.parametrize("name", ROWS)
def test_structure_that_cannot_be_read_is_a_finding(
    platform: Platform, name: str
) -> None:
    far, near = platform.course(FAR), platform.course(NEAR)
    tell(far, ROWS[name])
    found = structure.verify(platform.dsn, []).databases
    assert found[near.name].ok
    assert found[far.name].ok is False
    (item,) = [i for i in found[far.name].items if i.object == "view structure"]
    assert "cannot be read" in item.detail
    assert len(item.detail) < 1000


def test_the_commands_tell_it_and_go_on(platform: Platform, cli: Cli) -> None:
    far, near = platform.course(FAR), platform.course(NEAR)
    tell(far, ROWS["an unknown state"])
    digests(far, "NEW.digests := 'x'::bytea;")
    platform.member(1, FAR, NEAR)
    platform.deliver()
    done = cli("verify", "--json")
    found = {each["name"]: each for each in done.document["databases"]}
    assert found[near.name]["ok"] is True
    assert found[far.name]["ok"] is False
    assert done.code == 3
    cli("verify", "--repair", "--yes")


def test_what_a_table_of_the_course_is_called_is_no_part_of_a_statement() -> None:
    row = {"kind": "table", "name": "copy", "state": "current", "source": None}
    good = row | {"held": "constraint copy_pkey PRIMARY KEY (id)", "problem": None}
    assert course_answers.structure([good])
    for held in ("constraint a;b CHECK (1)", 'column "A b" text', "index CREATE INDEX"):
        with pytest.raises(Unreadable):
            course_answers.structure([good | {"held": held}])


_ANSWER: LiteralString = """
    CREATE OR REPLACE FUNCTION public.answer() RETURNS trigger LANGUAGE plpgsql
    AS $answer$ BEGIN %s RETURN NEW; END $answer$;
    DROP TRIGGER IF EXISTS zz_answer ON pyrepl.digest;
    CREATE TRIGGER zz_answer INSTEAD OF UPDATE ON pyrepl.digest
        FOR EACH ROW EXECUTE FUNCTION public.answer();
"""


def digests(course: Course, statements: str) -> None:
    course.connection.execute((_ANSWER % statements).encode())


# Digests of more than users that differ: the second look is at rows, by itself.
DIFFER = "IF NEW.shift IS NOT NULL THEN NEW.digests := NULL; END IF; "
ANSWERS = {
    "of the wrong length": "NEW.digests := '\\x010203';",
    "a little too long": "NEW.digests := NEW.digests || '\\x01';",
    "huge": "NEW.digests := decode(repeat('00', 32000000), 'hex');",
    "rows that are no JSON": DIFFER + "NEW.rows := '{';",
    "rows of another kind": DIFFER + "NEW.rows := '{\"a\": 1}';",
    "rows of scalars": DIFFER + "NEW.rows := '[1, null]';",
    "a part that is none": DIFFER + "NEW.rows := '[{\"user_id\": 1, \"part\": \"x\","
    " \"columns\": \"{1}\"}]';",
    "columns that are no array": DIFFER + "NEW.rows := '[{\"user_id\": 1, \"part\":"
    " \"user\", \"key\": 1, \"columns\": \"secret\"}]';",
    "a number too great": DIFFER
    + "NEW.rows := '[{\"user_id\": 99999999999999999999}]';",
    "huge rows": DIFFER + "NEW.rows := repeat('[', 200000000);",
    "an error": "RAISE 'x' USING ERRCODE = '57014';",
    "an assertion": "ASSERT false;",
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_digests_that_cannot_be_read_are_no_answer_of_that_database(
    platform: Platform, name: str
) -> None:
    far, near = platform.course(FAR), platform.course(NEAR)
    platform.member(1, FAR, NEAR)
    platform.deliver()
    digests(far, ANSWERS[name])
    found = platform.verify()
    assert found[near.name].ok is True
    assert found[far.name].ok is None
    assert found[far.name].error
    assert len(found[far.name].error or "") < 1000


def test_control_where_lengths_are_not_looked_at_it_is_a_traceback(
    platform: Platform,
) -> None:
    far = platform.course(FAR)
    platform.member(1, FAR)
    platform.deliver()
    digests(far, ANSWERS["of the wrong length"])
    with (
        altered(
            platform, "pyrepl.digest_there", "octet_length(digests) % v_width", "0"
        ),
        altered(
            platform, "pyrepl.digest_there", "octet_length(digests) / v_width", "0"
        ),
        pytest.raises(Exception, match="unpack"),
    ):
        platform.verify()


def test_only_users_that_were_asked_for_can_differ(platform: Platform) -> None:
    """Repair queues whoever differs: a course could have names of its own there."""
    far = platform.course(FAR)
    platform.member(1, FAR)
    platform.user(9000)
    platform.deliver()
    digests(
        far,
        "NEW.digests := int8send(9000) || int8send(1) || int8send(9001) || int8send(7);"
        " NEW.digests := substr(NEW.digests, 1, 16);",
    )
    result = platform.verify()[far.name]
    assert 9000 not in result.drifted


def test_ids_at_the_ends_of_their_type_are_looked_at(platform: Platform) -> None:
    far = platform.course(FAR)
    platform.member(1, FAR)
    platform.deliver()
    far.execute(
        "INSERT INTO pyrepl.copy (user_id, generation)"
        " VALUES (9223372036854775807, 0), (-9223372036854775808, 0)"
    )
    result = platform.verify()[far.name]
    assert result.error is None
    assert result.seconds < 60


def test_values_of_a_course_are_cut_and_clean(platform: Platform, cli: Cli) -> None:
    far = platform.course(FAR)
    platform.member(1, FAR)
    platform.deliver()
    far.tamper(
        "UPDATE auth_userprofile"
        " SET mailing_address = E'\\x1b[2J' || repeat('x', 1000000)"
    )
    done = cli("verify", "--data", "--show-values")
    assert "\x1b" not in done.out
    assert "[2J" in done.out
    assert len(done.out) < 5000
