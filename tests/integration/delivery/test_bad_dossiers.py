from __future__ import annotations

from pyreplctl.courses import state
from pyreplctl.delivery.batches import deliver, route
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"
MANY = 64


def spoil(platform: Platform, *users: int) -> None:
    """Give users a name that no course takes: its column there is made shorter."""
    for user in users:
        platform.execute(
            "UPDATE auth_user SET first_name = repeat('x', 30) WHERE id = %s", user
        )


def test_bad_dossiers_are_isolated_in_few_calls(platform: Platform) -> None:
    course = platform.course(TOY)
    course.execute("ALTER TABLE auth_user ALTER COLUMN first_name TYPE varchar(20)")
    for number in range(1, MANY + 1):
        platform.member(number, TOY)
    bad = (7, 8, 40)
    spoil(platform, *bad)
    route(platform.connection)
    calls = 0
    while deliver(platform.connection, 1).outcome != "idle":
        calls += 1
        assert calls < 40 * len(bad)
    assert course.users == [n for n in range(1, MANY + 1) if n not in bad]
    rows = platform.rows("SELECT user_id, sqlstate FROM pyrepl.retry ORDER BY 1")
    assert rows == [(number, "22001") for number in bad]


def test_a_newer_change_of_a_bad_dossier_is_tried_at_once(platform: Platform) -> None:
    course = platform.course(TOY)
    course.execute("ALTER TABLE auth_user ALTER COLUMN first_name TYPE varchar(20)")
    platform.member(1, TOY)
    spoil(platform, 1)
    assert "too long" in platform.deliver()[course.name][0]
    platform.execute("UPDATE auth_user SET first_name = 'short' WHERE id = 1")
    assert platform.deliver() == {}
    assert course.user(1)["first_name"] == "short"
    assert platform.rows("SELECT * FROM pyrepl.retry") == []


def test_a_change_that_waits_while_its_dossier_is_set_aside_is_not_lost(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    course.execute("ALTER TABLE auth_user ALTER COLUMN first_name TYPE varchar(20)")
    platform.member(1, TOY)
    spoil(platform, 1)
    route(platform.connection)
    while deliver(platform.connection, 1).outcome != "failed" or not alone(platform):
        assert not platform.rows("SELECT 1 FROM pyrepl.retry")
    # Repaired after its dossier has failed alone, before it is set aside.
    platform.execute("UPDATE auth_user SET first_name = 'short' WHERE id = 1")
    route(platform.connection)
    assert deliver(platform.connection, 1).outcome == "probed"
    assert platform.rows("SELECT user_id FROM pyrepl.retry") == [(1,)]
    assert platform.deliver() == {}
    assert course.user(1)["first_name"] == "short"


def alone(platform: Platform) -> bool:
    return platform.rows("SELECT cardinality(intent) FROM pyrepl.health") == [(1,)]


def test_an_outage_uses_up_nobodys_attempts(platform: Platform) -> None:
    course = platform.course(TOY)
    platform.member(1, TOY)
    course.execute("ALTER VIEW pyrepl.inbox RENAME TO elsewhere")
    assert course.name in platform.deliver()
    assert platform.rows("SELECT health FROM pyrepl.health") == [("backing_off",)]
    assert platform.rows("SELECT * FROM pyrepl.retry") == []
    course.execute("ALTER VIEW pyrepl.elsewhere RENAME TO inbox")
    state.resume(platform.connection, [course.name])
    assert platform.deliver() == {}
    assert course.users == [1]
