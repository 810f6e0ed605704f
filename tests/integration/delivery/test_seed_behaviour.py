"""What the signal code of 2012 got wrong, one test for each observation O1 to O15."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from pyreplctl.core.config import USER_COLUMNS
from pyreplctl.delivery import status
from tests.conftest import NewCluster
from tests.support.platform import Course, Platform

pytestmark = pytest.mark.long

C1, C2, C3 = "edX/c1/2012_Fall", "edX/c2/2012_Fall", "edX/c3/2012_Fall"


@dataclass
class Askbot:
    """The course that runs Askbot: it fills 25 columns of its own, and remembers."""

    course: Course
    filled: dict[int, dict[str, Any]] = field(default_factory=dict)

    def own_columns(self) -> dict[int, dict[str, Any]]:
        rows = self.course.rows(
            "SELECT id, to_jsonb(u) - %s::text[] FROM auth_user u", list(USER_COLUMNS)
        )
        return {row[0]: row[1] for row in rows}

    def fill(self) -> None:
        """Give the users who are new values of their own in all 25 columns."""
        self.course.execute(
            """
            UPDATE auth_user u SET status = 'm', email_isvalid = true,
                email_key = 'key' || id, reputation = 100 + id, gravatar = 'g' || id,
                avatar_type = 'g', gold = 10 + id, silver = 20 + id, bronze = 30 + id,
                questions_per_page = 40 + id,
                last_seen = '2012-10-01 00:00+00'::timestamptz + id * interval '1 h',
                real_name = 'Real ' || id, website = 'http://' || id,
                location = 'Place ' || id, country = 'US', show_country = true,
                date_of_birth = '1980-01-01'::date + id, about = 'About ' || id,
                interesting_tags = 'i' || id, ignored_tags = 'n' || id,
                email_tag_filter_strategy = 2, display_tag_filter_strategy = 3,
                new_response_count = 50 + id, seen_response_count = 60 + id,
                consecutive_days_visit_count = 70 + id
            WHERE id <> ALL (%s)""",
            list(self.filled),
        )
        self.filled = self.own_columns() | self.filled

    def assert_untouched(self) -> None:
        """Every column of the course's own is as the course left it."""
        found = self.own_columns()
        left = {user: row for user, row in self.filled.items() if user in found}
        assert left
        assert {user: found[user] for user in left} == left


@dataclass
class Three:
    """A portal and three course databases; the first runs Askbot."""

    platform: Platform
    c1: Course
    c2: Course
    c3: Course
    askbot: Askbot

    def deliver(self) -> None:
        """Deliver all that waits, and let Askbot notice who is new."""
        assert self.platform.deliver() == {}
        self.askbot.fill()

    @property
    def enrollments(self) -> list[list[tuple[int, str]]]:
        """What each database holds."""
        return [course.enrollments for course in (self.c1, self.c2, self.c3)]


@pytest.fixture
def three(platform: Platform) -> Iterator[Three]:
    c1 = platform.course(C1, askbot=True)
    c2, c3 = platform.course(C2), platform.course(C3)
    platform.member(9, C1)  # somebody who is there from beginning to end
    made = Three(platform, c1, c2, c3, Askbot(c1))
    made.deliver()
    yield made
    made.askbot.assert_untouched()
    made.platform.assert_equal()


def pushes(course: Course) -> Callable[[], int]:
    """Count pushes from now on; those that failed count, too."""
    course.execute(
        """
        CREATE SEQUENCE public.pushes;
        CREATE FUNCTION public.count_push() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER AS
        'BEGIN PERFORM nextval(''public.pushes''); RETURN NULL; END';
        CREATE TRIGGER counted AFTER INSERT OR UPDATE ON pyrepl.chain
        FOR EACH ROW EXECUTE FUNCTION public.count_push()"""
    )

    def count() -> int:
        query = "SELECT last_value - (NOT is_called)::integer FROM public.pushes"
        number: int = course.rows(query)[0][0]
        course.execute("SELECT setval('public.pushes', 1, false)")
        return number

    return count


def test_o01_each_database_holds_the_enrollments_of_its_own_courses(
    three: Three,
) -> None:
    three.platform.member(1, C1)
    three.deliver()
    three.platform.enroll(1, C2)
    three.deliver()
    assert three.enrollments == [[(1, C1), (9, C1)], [(1, C2)], []]
    assert (three.c2.users, three.c2.profiles) == ([1], [1])


def test_o02_an_unenrollment_is_deleted_from_its_own_database_only(
    three: Three,
) -> None:
    three.platform.member(1, C1, C2)
    three.deliver()
    three.platform.unenroll(1, C2)
    three.deliver()
    assert three.enrollments == [[(1, C1), (9, C1)], [], []]


def test_o03_leaving_the_last_course_takes_the_enrollment_and_keeps_the_copy_current(
    three: Three,
) -> None:
    three.platform.member(1, C1)
    three.deliver()
    three.platform.unenroll(1, C1)
    three.deliver()
    assert three.enrollments == [[(9, C1)], [], []]
    assert (three.c1.users, three.c1.profiles) == ([1, 9], [1, 9])
    three.platform.execute("UPDATE auth_user SET is_active = false WHERE id = 1")
    three.deliver()
    assert three.c1.user(1)["is_active"] is False


def test_o04_leaving_one_of_three_courses_leaves_the_other_two(three: Three) -> None:
    three.platform.member(1, C1, C2, C3)
    three.deliver()
    three.platform.unenroll(1, C2)
    three.deliver()
    assert three.enrollments == [[(1, C1), (9, C1)], [], [(1, C3)]]


def test_o05_an_enrollment_without_a_profile_is_copied_and_the_profile_follows(
    three: Three,
) -> None:
    three.platform.user(1, profile=False)
    three.platform.enroll(1, C1)
    three.deliver()
    assert three.enrollments[0] == [(1, C1), (9, C1)]
    assert (three.c1.users, three.c1.profiles) == ([1, 9], [9])
    three.platform.profile(1)
    three.deliver()
    assert three.c1.profiles == [1, 9]


def test_o06_a_course_without_a_database_waits_for_its_registration(
    three: Three,
) -> None:
    nowhere = "edX/nowhere/2012_Fall"
    three.platform.member(1, nowhere)
    three.deliver()
    three.platform.execute("UPDATE auth_user SET email = 'e@x' WHERE id = 1")
    three.deliver()
    assert three.enrollments == [[(9, C1)], [], []]
    course = three.platform.course(nowhere)
    assert course.enrollments == [(1, nowhere)]
    assert course.user(1)["email"] == "e@x"


def test_o07_bulk_updates_raw_sql_and_copy_are_replicated(three: Three) -> None:
    with (
        three.platform.connection.cursor() as cursor,
        cursor.copy("COPY auth_user FROM STDIN (DELIMITER ',')") as copy,
    ):
        for user in (1, 2, 3):
            copy.write(f"{user},u{user},F,L,e{user}@x,p,f,t,f,2012-09-01,2012-08-01\n")
    with (
        three.platform.connection.cursor() as cursor,
        cursor.copy(
            "COPY student_courseenrollment (user_id, course_id) FROM STDIN"
        ) as copy,
    ):
        copy.write(f"1\t{C1}\n2\t{C1}\n3\t{C2}\n")
    three.deliver()
    assert three.enrollments == [[(1, C1), (2, C1), (9, C1)], [(3, C2)], []]
    three.platform.execute("UPDATE auth_user SET last_name = 'Bulk ' || id")
    three.deliver()
    assert [three.c1.user(user)["last_name"] for user in (1, 2, 9)] == [
        "Bulk 1",
        "Bulk 2",
        "Bulk 9",
    ]
    assert three.c2.user(3)["last_name"] == "Bulk 3"


def test_o08_a_second_save_reaches_portal_and_course(three: Three) -> None:
    three.platform.member(1, C1)
    for name in ("Once", "Twice"):
        three.platform.execute(
            "UPDATE auth_user SET first_name = %s WHERE id = 1", name
        )
        three.deliver()
        assert three.platform.rows("SELECT first_name FROM auth_user WHERE id = 1") == [
            (name,)
        ]
        assert three.c1.user(1)["first_name"] == name


def test_o09_a_changed_course_id_moves_the_enrollment_to_the_other_database(
    three: Three,
) -> None:
    three.platform.member(1, C1)
    three.deliver()
    three.platform.execute(
        "UPDATE student_courseenrollment SET course_id = %s WHERE user_id = 1", C2
    )
    three.deliver()
    assert three.enrollments == [[(9, C1)], [(1, C2)], []]
    assert three.c2.profiles == [1]


def test_o10_deleted_users_and_profiles_go_and_a_reused_id_inherits_nothing(
    three: Three,
) -> None:
    three.platform.member(1, C1, C2)
    three.platform.member(2, C1)
    three.deliver()
    three.platform.execute("DELETE FROM auth_userprofile WHERE user_id = 2")
    three.platform.execute("DELETE FROM student_courseenrollment WHERE user_id = 1")
    three.platform.execute("DELETE FROM auth_userprofile WHERE user_id = 1")
    three.platform.execute("DELETE FROM auth_user WHERE id = 1")
    three.deliver()
    assert (three.c1.users, three.c1.profiles) == ([2, 9], [9])
    assert (three.c2.users, three.c2.profiles) == ([], [])

    before = three.askbot.filled.pop(1)
    three.platform.member(1, C1, username="somebody_else")
    assert three.platform.deliver() == {}
    found = three.askbot.own_columns()[1]
    assert three.c1.user(1)["username"] == "somebody_else"
    assert (before["about"], found["about"]) == ("About 1", "")
    assert (before["reputation"], found["reputation"]) == (101, 1)


@pytest.mark.failure
def test_o11_what_is_saved_while_a_course_is_down_arrives_when_it_is_back(
    three: Three, new_cluster: NewCluster
) -> None:
    cluster = new_cluster()
    key = "edX/down/2012_Fall"
    course = three.platform.course(key, cluster=cluster)
    three.platform.member(1, C1, key)
    three.deliver()
    course.connection.close()
    cluster.stop()
    three.platform.execute("UPDATE auth_user SET email = 'new@x' WHERE id = 1")
    assert list(three.platform.deliver()) == [course.name]
    assert three.c1.user(1)["email"] == "new@x"
    cluster.start()
    deadline = time.monotonic() + 60
    while three.platform.deliver():  # backing off
        assert time.monotonic() < deadline
    with psycopg.connect(course.dsn) as connection:
        query = "SELECT email FROM auth_user WHERE id = 1"
        assert connection.execute(query).fetchall() == [("new@x",)]


def test_o12_what_the_portal_rolls_back_is_never_sent(three: Three) -> None:
    counted = pushes(three.c1)
    writer = three.platform.session()
    writer.execute("UPDATE auth_user SET email = 'rolled@back' WHERE id = 9")
    writer.execute("DELETE FROM student_courseenrollment WHERE user_id = 9")
    three.deliver()
    writer.rollback()
    three.deliver()
    assert counted() == 0
    assert three.c1.user(9)["email"] == "user9@example.com"
    writer.execute("UPDATE auth_user SET email = 'com@mitted' WHERE id = 9")
    writer.commit()
    three.deliver()
    assert counted() == 1


def test_o13_users_may_exchange_their_names(three: Three) -> None:
    for user in (1, 2, 3, 4, 5):
        three.platform.member(user, C1, username=f"name{user}")
    three.deliver()
    with three.platform.connection.transaction():
        for user, name in [(1, "~"), (2, "name1"), (1, "name2")]:  # an exchange
            three.platform.execute(
                "UPDATE auth_user SET username = %s WHERE id = %s", name, user
            )
        for user, name in [(5, "new"), (4, "name5"), (3, "name4")]:  # a chain
            three.platform.execute(
                "UPDATE auth_user SET username = %s WHERE id = %s", name, user
            )
    counted = pushes(three.c1)
    three.deliver()
    assert counted() == 1
    names = [three.c1.user(user)["username"] for user in (1, 2, 3, 4, 5)]
    assert names == ["name2", "name1", "name4", "name5", "new"]


def test_o13_a_name_that_is_freed_may_be_taken_by_somebody_new(three: Three) -> None:
    three.platform.member(1, C1, username="wanted")
    three.deliver()
    three.platform.execute("UPDATE auth_user SET username = 'freed' WHERE id = 1")
    three.platform.member(2, C1, username="wanted")
    three.deliver()
    assert three.c1.user(1)["username"] == "freed"
    assert three.c1.user(2)["username"] == "wanted"


def test_o14_columns_of_the_courses_own_stay_and_replicated_ones_follow_the_portal(
    three: Three,
) -> None:
    three.platform.member(1, C1)
    three.deliver()
    three.c1.tamper("UPDATE auth_user SET first_name = 'Local' WHERE id = 1")
    for update in (
        b"UPDATE auth_user SET email = 'new@x', last_login = now() WHERE id = 1",
        b"UPDATE auth_userprofile SET location = 'Elsewhere' WHERE user_id = 1",
        b"UPDATE student_courseenrollment SET created = now() WHERE user_id = 1",
    ):
        three.platform.connection.execute(update)
        three.deliver()
        three.askbot.assert_untouched()
    assert three.c1.user(1)["first_name"] == "First"
    assert three.askbot.filled[1]["location"] == "Place 1"


def test_o15_a_change_is_one_push_to_each_database_concerned(three: Three) -> None:
    keys = [f"edX/k{k}/2012_Fall" for k in range(1, 17)]
    course = three.platform.course(*keys)
    three.platform.member(1, C1, C2, *keys[:15])
    three.deliver()
    counts = [pushes(each) for each in (three.c1, three.c2, three.c3, course)]

    three.platform.enroll(1, keys[15])
    three.deliver()
    assert [count() for count in counts] == [0, 0, 0, 1]
    three.platform.execute("UPDATE auth_user SET email = 'new@x' WHERE id = 1")
    three.deliver()
    assert [count() for count in counts] == [1, 1, 0, 1]


def test_o15_nothing_is_sent_where_nothing_whitelisted_changed(three: Three) -> None:
    three.platform.execute("ALTER TABLE auth_user ADD COLUMN portal_only integer")
    counted = pushes(three.c1)
    three.platform.execute("UPDATE auth_user SET portal_only = 1")
    three.platform.execute("UPDATE auth_user SET email = email")
    three.platform.execute("UPDATE auth_userprofile SET name = name")
    three.platform.execute("UPDATE student_courseenrollment SET created = created")
    assert status.read(three.platform.connection).unrouted == 0
    three.deliver()
    assert counted() == 0
    three.platform.execute("UPDATE auth_user SET portal_only = 2, email = 'x@y'")
    three.deliver()
    assert counted() == 1
