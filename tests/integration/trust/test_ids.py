"""A course is told of its members and copies only, whatever ids it answers with."""

from __future__ import annotations

import msgspec
import pytest
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.courses import refresh
from pyreplctl.delivery import batches
from pyreplctl.install import portal
from tests.integration.trust.hostile import altered, lie, refuse
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"


@pytest.fixture
def course(platform: Platform) -> Course:
    """A course with two members, on a portal that has eight more users."""
    made = platform.course(TOY)
    for number in range(3, 11):
        platform.user(number)
    for number in (1, 2):
        platform.member(number, TOY)
    platform.deliver()
    spy(made)
    return made


def spy(course: Course) -> None:
    """Keep all that is sent, as any administrator of a course could."""
    course.execute("CREATE TABLE public.seen (users text, profiles text, said text)")
    lie(course, "")
    course.execute(
        "CREATE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO public.seen VALUES (NEW.users, NEW.profiles, NEW.enrollments);"
        " RETURN NEW; END $$"
    )
    course.execute("ALTER FUNCTION public.keep() SECURITY DEFINER")
    course.execute(
        "CREATE TRIGGER a_spy INSTEAD OF UPDATE ON pyrepl.inbox"
        " FOR EACH ROW EXECUTE FUNCTION public.keep()"
    )


def leaked(course: Course) -> list[TupleRow]:
    """Return what came of users who are not enrolled here."""
    return course.rows(
        "SELECT * FROM public.seen s WHERE s.users ~ 'user([3-9]|10)'"
        " OR s.profiles ~ ',([3-9]|10),Full'"
    )


def number(platform: Platform) -> int:
    return next(iter(databases.numbers(platform.connection, []).values()))


def push(platform: Platform) -> None:
    platform.execute("UPDATE auth_user SET email = email || 'x' WHERE id = 1")
    platform.deliver()


def placed(platform: Platform) -> list[int]:
    rows = platform.rows("SELECT user_id FROM pyrepl.placement ORDER BY 1")
    return [row[0] for row in rows]


def believe(platform: Platform) -> tuple[Platform, str, str, str]:
    """Return how to have a push in which everybody is known; see `altered`."""
    same = "p.generation IS NOT NULL AND"
    return platform, f"pyrepl.dossiers_{number(platform)}", same, f"true OR {same}"


def ask_for_everybody(platform: Platform, course: Course) -> None:
    lie(course, "NEW.again := ARRAY(SELECT generate_series(1, 10));")
    push(platform)
    lie(course, "")
    platform.deliver()


def test_who_is_asked_for_again_is_not_sent_if_he_is_no_member(
    platform: Platform, course: Course
) -> None:
    ask_for_everybody(platform, course)
    assert leaked(course) == []
    assert course.users == placed(platform) == [1, 2]


def test_control_without_the_filter_everybody_asked_for_is_sent(
    platform: Platform, course: Course
) -> None:
    with altered(*believe(platform)):
        ask_for_everybody(platform, course)
    assert leaked(course)


def claim_everybody(platform: Platform, course: Course) -> None:
    lie(course, "NEW.copies := NEW.copies || ARRAY(SELECT generate_series(1, 10));")
    push(platform)


def test_copies_that_were_not_sent_are_not_placed(
    platform: Platform, course: Course
) -> None:
    claim_everybody(platform, course)
    assert placed(platform) == [1, 2]


@pytest.mark.parametrize(
    "answer",
    [
        "NEW.copies := NEW.copies || NULL::bigint; NEW.again := '{NULL,NULL}';",
        "NEW.copies := '{{1,1},{2,NULL}}'; NEW.again := NULL;",
        "NEW.ids := NULL; NEW.tag := NULL; NEW.users := 'x';",
    ],
)
def test_nulls_and_copies_in_another_shape_are_no_failure(
    platform: Platform, course: Course, answer: str
) -> None:
    lie(course, answer)
    push(platform)
    assert placed(platform) == [1, 2]
    assert platform.rows("SELECT health, failed_at FROM pyrepl.health") == [
        ("ok", None)
    ]


def test_a_copy_of_somebody_who_left_before_he_was_sent_is_not_placed(
    platform: Platform, course: Course
) -> None:
    """He is sent, as an empty dossier: to be among those sent is not enough."""
    platform.enroll(5, TOY)
    platform.unenroll(5, TOY)
    claim_everybody(platform, course)
    platform.execute("UPDATE auth_user SET email = 'later' WHERE id = 5")
    platform.deliver()
    assert placed(platform) == [1, 2]
    assert leaked(course) == []


def test_control_without_the_filter_he_is_placed_and_sent(
    platform: Platform, course: Course
) -> None:
    platform.enroll(5, TOY)
    platform.unenroll(5, TOY)
    with altered(*believe(platform)):
        claim_everybody(platform, course)
    assert 5 in placed(platform)


@pytest.mark.parametrize(
    "again",
    [
        "ARRAY(SELECT generate_series(1, 1000000))",
        "array_fill(1::bigint, ARRAY[1000000])",
    ],
)
def test_more_users_than_a_push_can_have_are_a_failure(
    platform: Platform, course: Course, again: str
) -> None:
    lie(course, f"NEW.again := {again};")
    platform.execute("UPDATE auth_user SET email = 'x' WHERE id = 1")
    batches.route(platform.connection)
    assert batches.deliver(platform.connection, number(platform)).outcome == "failed"
    assert platform.rows("SELECT sqlstate FROM pyrepl.health") == [("PR016",)]
    assert platform.rows("SELECT count(*) FROM pyrepl.change") == [(0,)]
    assert placed(platform) == [1, 2]


def test_a_course_that_asks_again_and_again_is_heard_once_a_second(
    platform: Platform, course: Course
) -> None:
    assert heard(platform, course) == 1


def test_control_without_the_limit_it_is_heard_each_time(
    platform: Platform, course: Course
) -> None:
    with altered(platform, "pyrepl.send_again", "interval '1 s'", "interval '0'"):
        assert heard(platform, course) == 2


def heard(platform: Platform, course: Course) -> int:
    """Return how often two pushes that ask for somebody are heard."""
    lie(course, "NEW.again := '{1,2,3}';")
    platform.execute("UPDATE pyrepl.settings SET batch = 1")
    platform.execute("UPDATE auth_user SET email = 'x'")
    batches.route(platform.connection)
    for _ in range(2):
        done = batches.deliver(platform.connection, number(platform))
        assert done.outcome == "delivered"
    (row,) = platform.rows(
        "SELECT count(*) FROM pyrepl.change WHERE users @> '{3}' AND NOT users @> '{4}'"
    )
    return int(row[0])


def test_strangers_are_not_even_told_to_go_where_much_is_waiting(
    platform: Platform, course: Course
) -> None:
    """Or the queue of a course that names others each time would grow without end."""
    told = "SELECT pyrepl.users_to_tell(%s, '{1,2,3,4,NULL}')"
    assert sorted(platform.rows(told, number(platform))[0][0]) == [1, 2, 3, 4]
    platform.execute(
        "INSERT INTO pyrepl.outbox (database_id, user_id, priority, at)"
        " SELECT %s, n, 1, now() FROM generate_series(1, 10000) n",
        number(platform),
    )
    assert sorted(platform.rows(told, number(platform))[0][0]) == [1, 2]
    del course


def test_users_of_receipts_who_are_no_members_are_told_to_go(
    platform: Platform, course: Course
) -> None:
    forge_receipt(platform, course)
    platform.deliver()
    assert leaked(course) == []
    assert course.users == placed(platform) == [1, 2]


def test_control_without_the_filter_users_of_receipts_are_sent(
    platform: Platform, course: Course
) -> None:
    with altered(*believe(platform)):
        forge_receipt(platform, course)
        platform.deliver()
    assert leaked(course)


def forge_receipt(platform: Platform, course: Course) -> None:
    course.execute(
        "INSERT INTO pyrepl.receipt (xid, epoch, users)"
        " VALUES ('3', gen_random_uuid(), ARRAY(SELECT generate_series(1, 10)))"
    )
    platform.execute("UPDATE pyrepl.health SET settle_at = now()")
    push(platform)


def test_holders_that_a_course_names_are_not_sent_along(
    platform: Platform, course: Course
) -> None:
    name_holders(platform, course)
    assert leaked(course) == []
    assert placed(platform) == [1, 2]


def test_control_without_the_filter_holders_are_sent_along(
    platform: Platform, course: Course
) -> None:
    with altered(*believe(platform)):
        name_holders(platform, course)
    assert leaked(course)


def name_holders(platform: Platform, course: Course) -> None:
    refuse(
        course,
        "IF cardinality(NEW.ids) = 1 THEN RAISE 'no' USING ERRCODE = 'PR021',"
        " DETAIL = '{3,4,5,6,7,8,9,10}'; END IF;",
    )
    push(platform)


@pytest.mark.parametrize("on_unenroll", ["keep", "freeze", "deactivate", "delete"])
def test_rebind_believes_no_copies_and_tells_them_to_go(
    platform: Platform, course: Course, on_unenroll: str
) -> None:
    """Whatever becomes of former members: these never were the portal's copies."""
    policy = {"on_unenroll": on_unenroll, "on_user_delete": "keep"}
    platform.config = msgspec.convert({"policy": policy}, Config)
    portal.install(platform.dsn, platform.config)
    platform.execute("DELETE FROM auth_userprofile WHERE user_id = 10")
    platform.execute("DELETE FROM auth_user WHERE id = 10")
    claim_copies(platform, course)
    assert leaked(course) == []
    assert placed(platform) == [1, 2]
    assert course.rows("SELECT user_id FROM pyrepl.copy ORDER BY 1") == [(1,), (2,)]


def test_control_without_the_filter_rebind_sends_them(
    platform: Platform, course: Course
) -> None:
    claim_copies(platform, course, deliver=False)
    with altered(*believe(platform)):
        platform.deliver()
    assert leaked(course)


def claim_copies(platform: Platform, course: Course, *, deliver: bool = True) -> None:
    course.execute(
        "INSERT INTO pyrepl.copy (user_id, generation) SELECT generate_series(3, 10), 0"
    )
    refresh.refresh(
        platform.connection, platform.config, course.name, course.dsn, rebind=True
    )
    spy_again(course)
    if deliver:
        platform.deliver()


def spy_again(course: Course) -> None:
    """A refresh replaces the inbox where it has been edited."""
    course.execute("DROP TRIGGER IF EXISTS a_spy ON pyrepl.inbox")
    course.execute(
        "CREATE TRIGGER a_spy INSTEAD OF UPDATE ON pyrepl.inbox"
        " FOR EACH ROW EXECUTE FUNCTION public.keep()"
    )


def test_former_members_are_still_kept_current(
    platform: Platform, course: Course
) -> None:
    platform.unenroll(2, TOY)
    platform.deliver()
    platform.execute("UPDATE auth_user SET email = 'former' WHERE id = 2")
    platform.deliver()
    assert course.user(2)["email"] == "former"
    assert placed(platform) == [1, 2]
    platform.assert_equal()


def test_an_honest_answer_is_taken_as_it_is(platform: Platform) -> None:
    """It is in the order of what was sent: nothing has to be looked up."""
    platform.course(TOY)
    platform.members(500, TOY)
    platform.deliver()
    session = platform.session()
    session.execute("SET LOCAL ROLE pyrepl_owner")
    for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
        session.execute(f"SET LOCAL {setting} = off".encode())
    push = (
        "SELECT cardinality(p.copies), p.copies = p.known FROM pyrepl.chain c,"
        f" pyrepl.push_{number(platform)}(ARRAY(SELECT generate_series(1, 500)),"
        " '{}', c.tag, gen_random_uuid(), NULL, '{}', false) p"
    )
    row = session.execute(push.encode()).fetchone()
    session.rollback()
    assert row == (500, True)
