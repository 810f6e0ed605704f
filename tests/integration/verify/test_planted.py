"""Two hundred random differences: all are found, nothing besides, all are repaired."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import msgspec
import pytest

from pyreplctl.core.config import Config
from pyreplctl.install.portal import install
from pyreplctl.verify import digests, repair_data
from pyreplctl.verify.data import Difference
from tests.conftest import NewCourse, NewPortal
from tests.support.column_types import COURSE_SETTINGS, PORTAL_SETTINGS, TYPES, prepare
from tests.support.platform import AS_OWNER, Course, Platform

HERE, THERE = "edX/here/2012", "edX/there/2012"
USER = "public.auth_user"
PROFILE = "public.auth_userprofile"
ENROLLMENT = "public.student_courseenrollment"
MEMBERS = range(1, 221)
FORMER = range(221, 241)
GHOSTS = range(401, 500)

# For each column something that no row holds.
CHANGES = {
    USER: {
        "username": "'changed' || id",
        "first_name": "first_name || ' '",
        "email": "upper(email)",
        "password": "reverse(password)",
        "is_staff": "NOT is_staff",
        "is_active": "NOT is_active",
        "date_joined": "date_joined + interval '1 microsecond'",
    },
    PROFILE: {
        "id": "id + 1000000",
        "name": "'é' || name",
        "meta": "repeat('long ', 10000)",
        "year_of_birth": "coalesce(year_of_birth, 0) + 1",
        "gender": "coalesce(gender, '')",
        "goals": "coalesce(goals, '')",
    }
    | {name: others[0] for name, (*_, others) in TYPES.items()},
    ENROLLMENT: {
        "course_id": "course_id || '/x'",
        "created": "created - interval '1 us'",
    },
}
KEY = {USER: "id", PROFILE: "user_id", ENROLLMENT: "user_id"}

Planter = Callable[[Course, random.Random, int], list[Difference]]


def tampered(course: Course, statement: str) -> None:
    with course.connection.transaction():
        course.execute(AS_OWNER)
        course.connection.execute(statement.encode())


def stale(course: Course, chance: random.Random, user: int) -> list[Difference]:
    table = chance.choice(list(CHANGES))
    some = chance.randint(1, min(3, len(CHANGES[table])))
    columns = chance.sample(list(CHANGES[table]), some)
    changes = ", ".join(f"{c} = {CHANGES[table][c]}" for c in columns)
    tampered(course, f"UPDATE {table} SET {changes} WHERE {KEY[table]} = {user}")
    ordered = [c for c in CHANGES[table] if c in columns]
    return [Difference(user, "stale", table, ordered)]


def missing(course: Course, chance: random.Random, user: int) -> list[Difference]:
    tables = chance.choice([[PROFILE], [ENROLLMENT], [ENROLLMENT, PROFILE, USER]])
    for table in tables:
        tampered(course, f"DELETE FROM {table} WHERE {KEY[table]} = {user}")
    return [Difference(user, "missing", table) for table in tables]


def erased(course: Course, chance: random.Random, user: int) -> list[Difference]:
    course.tamper("SELECT pyrepl.erase(ARRAY[%s::bigint])", user)
    return [Difference(user, "missing", t) for t in (ENROLLMENT, PROFILE, USER)]


def enrolled(course: Course, chance: random.Random, user: int) -> list[Difference]:
    key = chance.choice([THERE, "edX/nowhere", "edX/hére/2012"])
    course.tamper(
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (%s, %s, %s)",
        1_000_000 + user,
        user,
        key,
    )
    return [Difference(user, "extra", ENROLLMENT)]


def moved(course: Course, chance: random.Random, user: int) -> list[Difference]:
    tampered(
        course,
        f"UPDATE {ENROLLMENT} SET id = id + 2000000 WHERE user_id = {user}",
    )
    return [Difference(user, kind, ENROLLMENT) for kind in ("extra", "missing")]


def ghost(course: Course, chance: random.Random, user: int) -> list[Difference]:
    """Plant a copy that the portal never had; `user` is of GHOSTS."""
    course.tamper(
        "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
        " is_staff, is_active, is_superuser, last_login, date_joined)"
        " VALUES (%s, %s, '', '', '', '', false, true, false, now(), now())",
        user,
        f"ghost{user}",
    )
    course.tamper("INSERT INTO pyrepl.copy (user_id, generation) VALUES (%s, 0)", user)
    return [Difference(user, "extra", USER)]


PLANTERS: tuple[Planter, ...] = (stale, stale, stale, missing, erased, enrolled, moved)


@pytest.fixture(params=["keep", "freeze", "delete"])
def policy(request: pytest.FixtureRequest) -> Config:
    return msgspec.convert({"policy": {"on_unenroll": request.param}}, Config)


@pytest.fixture
def platform(
    policy: Config, new_portal: NewPortal, new_course: NewCourse
) -> Iterator[Platform]:
    """A portal whose profiles have a column of each type, with a value in it."""
    dsn = new_portal()
    prepare(dsn, PORTAL_SETTINGS)
    install(dsn, policy)
    with Platform.opened(dsn, new_course) as made:
        made.config = policy
        made.members(len(MEMBERS) + len(FORMER), HERE)
        values = ", ".join(f"{name} = {own}" for name, (_, own, *_) in TYPES.items())
        values = values.replace("50000", "500")  # long for a few only
        made.connection.execute(f"UPDATE auth_userprofile SET {values}".encode())
        yield made


@pytest.fixture
def course(platform: Platform, new_course: NewCourse) -> Course:
    """A course database with members and with users who have left."""
    dsn = new_course(askbot=True)
    prepare(dsn, COURSE_SETTINGS)
    made, _ = platform.register(dsn, HERE)
    platform.execute(
        "DELETE FROM student_courseenrollment WHERE user_id = ANY (%s)", list(FORMER)
    )
    platform.deliver()
    return made


def planted(course: Course, chance: random.Random) -> list[Difference]:
    """Plant two hundred differences, and much that is none; return what to find."""
    expected: list[Difference] = []
    for user in chance.sample(MEMBERS, 180):
        expected += chance.choice(PLANTERS)(course, chance, user)
    for user in chance.sample(GHOSTS, 20):
        expected += ghost(course, chance, user)
    course.execute("UPDATE auth_user SET last_login = now()")
    course.execute("UPDATE auth_user SET reputation = 7 WHERE id < 50")
    return sorted(expected, key=str)


def test_all_differences_are_found_and_mended(
    policy: Config, platform: Platform, course: Course
) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201
    former = 0 if policy.policy.on_unenroll == "delete" else len(FORMER)
    (clean,) = platform.verify().values()
    assert (clean.ok, clean.users, clean.former) == (True, len(MEMBERS), former)

    expected = planted(course, random.Random(seed))
    (found,) = platform.verify(examples=1000).values()
    assert sorted(found.examples, key=str) == expected
    assert found.missing + found.stale + found.extra == 200
    assert repair_data.repair(platform.dsn, repair_data.plan([found])) == {}
    (repaired,) = platform.verify().values()
    assert (repaired.ok, repaired.users, repaired.former) == (
        True,
        len(MEMBERS),
        former,
    )


@pytest.mark.parametrize("policy", ["keep"], indirect=True)
def test_who_overlooks_one_of_them_is_found_out(
    platform: Platform, course: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    differing = digests._differing

    def all_but_one(here: bytes | None, there: bytes | None) -> list[int]:
        return differing(here, there)[1:]

    monkeypatch.setattr(digests, "_differing", all_but_one)
    expected = planted(course, random.Random(1))
    (found,) = platform.verify(examples=1000).values()
    assert sorted(found.examples, key=str) != expected
