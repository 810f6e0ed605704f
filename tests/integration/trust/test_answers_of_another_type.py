"""An answer that is not of its type is not quoted: it may be a password hash."""

from __future__ import annotations

import pytest

from tests.integration.trust.hostile import altered
from tests.integration.trust.test_texts import HASH, deliver, kept
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    platform.member(1, TOY)
    return made


def answer(course: Course, column: str) -> None:
    """Let the inbox answer a text in place of an array."""
    ((held, grantees),) = course.rows(
        "SELECT pg_get_viewdef(c.oid), ARRAY(SELECT DISTINCT a.grantee::regrole::text"
        " FROM aclexplode(c.relacl) a) FROM pg_class c"
        " WHERE c.oid = 'pyrepl.inbox'::regclass"
    )
    old = f"NULL::bigint[] AS {column}"
    assert old in held
    altered_view = held.replace(old, f"NULL::text AS {column}")
    for statement in (
        "DROP VIEW pyrepl.inbox",
        f"CREATE VIEW pyrepl.inbox AS {altered_view}",
        f"GRANT SELECT, UPDATE ON pyrepl.inbox TO {', '.join(grantees)}",
        (
            "CREATE FUNCTION public.lie() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN NEW.copies := '{{}}'; NEW.{column} := '{{{HASH}}}'; RETURN NEW;"
            " END $$"
        ),
        (
            "CREATE TRIGGER lie INSTEAD OF UPDATE ON pyrepl.inbox"
            " FOR EACH ROW EXECUTE FUNCTION public.lie()"
        ),
    ):
        course.connection.execute(statement.encode())


@pytest.mark.parametrize("column", ["copies", "again"])
def test_it_is_not_kept(platform: Platform, course: Course, column: str) -> None:
    answer(course, column)
    said = deliver(platform)
    assert HASH not in kept(platform) + "".join(said)
    assert "22P02" in kept(platform)


def test_control_without_the_look_at_what_quotes_it_is(
    platform: Platform, course: Course
) -> None:
    answer(course, "copies")
    looks = "told_by_course"
    with altered(platform, "pyrepl.from_course", looks, "never"):
        deliver(platform)
    assert HASH in kept(platform)
