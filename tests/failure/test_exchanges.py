"""Values that must be unique, permuted at random among members, transaction by
transaction: each course database ends with what the portal has.

The same examples are tried every time, unless MODEL_EXAMPLES asks for more: these are
random (`make model`).
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyreplctl.delivery import batches
from tests.integration.delivery.test_exchanged_values import (
    CASES,
    Case,
    at_a_course,
    edited,
    give,
    held,
)
from tests.support.platform import Course, Platform

pytestmark = [pytest.mark.failure, pytest.mark.long]

MEMBERS, VALUES = 5, 7
# Seven values for each of these columns; the first two are those of the case.
NUMBERED = {
    "a text": "t{0}",
    "a text, NOT NULL": "t{0}",
    "a small integer": "{0}",
    "a number in bounds": "{0}.5",
    "a uuid": "{0:032}",
    "a date": "2001-01-0{0}",
    "two characters": "a{0}",
    "a form": "+000{0}",
    "equal nulls": "t{0}",
    "not the same": "T{0}",
    "ranges": "[{0},{1})",
    "ranges that are not empty": "[2001-01-0{0},2001-01-0{1})",
    "a checked user name": "name{0}",
    "a checked e-mail": "a{0}@x",
    "lower case": "Secret{0}",
    "a generated column": "Name{0}",
}
Step = dict[str, list[int]]  # which of its values each member has in a column


def value(name: str, number: int) -> str:
    return NUMBERED[name].format(number + 1, number + 2)


def steps() -> st.SearchStrategy[list[tuple[Step, int]]]:
    """Return transactions, each with the size of batches that follow it; 0 for none."""
    chosen = st.permutations(range(VALUES)).map(lambda found: found[:MEMBERS])
    step = st.dictionaries(
        st.sampled_from(sorted(NUMBERED)), chosen, min_size=1, max_size=4
    )
    return st.lists(
        st.tuples(step, st.sampled_from([0, 1, 2, 3, 100])), min_size=1, max_size=4
    )


def made(platform: Platform) -> Course:
    platform.execute("ALTER TABLE auth_user DROP CONSTRAINT auth_user_username_key")
    cases = {name: CASES[name] for name in NUMBERED}
    numbered: list[dict[Case, str]] = [
        {CASES[name]: value(name, user) for name in NUMBERED} for user in range(MEMBERS)
    ]
    return at_a_course(platform, cases, *numbered)


def write(platform: Platform, step: Step) -> None:
    with platform.connection.transaction():
        for name, chosen in step.items():
            for user, number in enumerate(chosen, 1):
                give(platform, CASES[name], user, value(name, number))


def check(platform: Platform, course: Course, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        derandomize="MODEL_EXAMPLES" not in os.environ,
    )
    @given(steps())
    def ends_equal(drawn: list[tuple[Step, int]]) -> None:
        [[number]] = platform.rows("SELECT id FROM pyrepl.database")
        for step, batch in drawn:
            write(platform, step)
            if batch:
                platform.execute("UPDATE pyrepl.settings SET batch = %s", batch)
                batches.route(platform.connection)
                batches.deliver(platform.connection, number)
        assert platform.deliver() == {}
        for name in NUMBERED:
            assert held(course, CASES[name]) == held(platform, CASES[name]), name

    ends_equal()


def test_whatever_is_exchanged_arrives(platform: Platform) -> None:
    course = made(platform)
    check(platform, course, int(os.environ.get("MODEL_EXAMPLES", "10")))
    platform.assert_equal()


def test_control_without_placeholders_it_would_not(platform: Platform) -> None:
    course = made(platform)
    edited(course, "park", "EXIT WHEN v_keys = '{}'", "EXIT WHEN true")
    write(platform, {"a date": [1, 0, 2, 3, 4]})
    # Which of the two is sent along with the other, chance says.
    assert "a unique value is taken at the course" in str(platform.deliver())
