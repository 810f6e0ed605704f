"""No setting of a session, a role or a pooler's connection silences a delivery."""

from __future__ import annotations

from typing import LiteralString

import pytest

from tests.integration.trust.hostile import altered
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"

EDIT: LiteralString = "UPDATE auth_user SET first_name = %s WHERE id = 1"

OF_ANOTHER: LiteralString = (
    "SELECT set_config('pyrepl.delivered_at',"
    " pg_current_xact_id() || ' 999999999999.000000', false)"
)
# As older versions took it, and as one takes it that has seen a transaction's own.
SET: tuple[LiteralString, ...] = (
    "SELECT set_config('pyrepl.delivered_at', '999999999999.000000', false)",
    OF_ANOTHER,
)


def first_name(immediate: Platform, before: LiteralString, name: str) -> str:
    """Edit a user in a session that has set something; return what the course has."""
    with immediate.session(autocommit=True) as session:
        session.execute(before)
        session.execute(EDIT, (name,))
    return name


def test_what_a_session_has_set_silences_nothing(immediate: Platform) -> None:
    course = immediate.course(TOY, delivery="immediate")
    immediate.member(1, TOY)
    for number, statement in enumerate(SET):
        name = first_name(immediate, statement, f"name{number}")
        assert course.user(1)["first_name"] == name


def test_control_a_time_of_any_transaction_would(immediate: Platform) -> None:
    course = immediate.course(TOY, delivery="immediate")
    immediate.member(1, TOY)
    bound = "s[1] = v_xid::text"
    with altered(immediate, "pyrepl.deliver_at_commit", bound, "true"):
        first_name(immediate, OF_ANOTHER, "silent")
    assert course.user(1)["first_name"] == "First"


@pytest.mark.parametrize("times", [3])
def test_what_a_transaction_has_done_is_not_done_again(
    immediate: Platform, times: int
) -> None:
    """What the setting is for: several changes of one transaction are one push."""
    course = immediate.course(TOY, delivery="immediate")
    immediate.member(1, TOY)
    course.execute("CREATE SEQUENCE pushes")
    course.execute(
        "CREATE FUNCTION public.pushed() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM nextval('public.pushes'); RETURN NEW; END $$;"
        " CREATE TRIGGER aa_pushed INSTEAD OF UPDATE ON pyrepl.inbox"
        " FOR EACH ROW EXECUTE FUNCTION public.pushed();"
        " GRANT USAGE ON SEQUENCE pushes TO PUBLIC"
    )
    with immediate.session() as session:
        for number in range(times):
            session.execute(EDIT, (f"name{number}",))
    assert course.user(1)["first_name"] == f"name{times - 1}"
    assert course.rows("SELECT last_value FROM pushes") == [(1,)]
