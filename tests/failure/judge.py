"""Whether every course database holds what it should: read row by row, by plain SQL.

Nothing of pyrepl takes part in the comparison. The policies are those of the default
configuration: who has left is kept and kept current, who is deleted is erased.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg

from pyreplctl.core.config import Config
from pyreplctl.verify import data
from tests.failure.ground import LOCALS, Ground, Place
from tests.support.platform import Connection

Rows = dict[int, str]

_USERS: LiteralString = (
    "SELECT id, ROW(id, username, first_name, last_name, email, password, is_staff,"
    " is_active, is_superuser, last_login, date_joined)::text FROM auth_user"
)
_PROFILES: LiteralString = (
    "SELECT user_id, ROW(id, user_id, name, meta, courseware, language, location,"
    " year_of_birth, gender, level_of_education, mailing_address, goals)::text"
    " FROM auth_userprofile"
)
_ENROLLMENTS: LiteralString = (
    "SELECT id, ROW(id, user_id, course_id, created)::text"
    " FROM student_courseenrollment WHERE course_id = ANY (%s)"
)


@dataclass
class Verdict:
    """What was compared, what differs, and what still waits."""

    rows: int = 0
    differences: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Whether all is as it should be."""
        return not self.differences and not self.waiting


def judge(ground: Ground, seconds: float) -> Verdict:
    """Wait until all is delivered, at most so long; then compare all rows."""
    deadline = time.monotonic() + seconds
    while (waiting := _waiting(ground)) and time.monotonic() < deadline:
        time.sleep(0.3)
    verdict = compare(ground)
    verdict.waiting = waiting
    return verdict


def compare(ground: Ground) -> Verdict:
    """Compare the three tables of each course database with the portal's."""
    verdict = Verdict()
    with ground.at_portal() as portal:
        for place in ground.places.values():
            with ground.at(place) as course:
                compare_one(portal, course, place, verdict, phantoms=ground.immediate)
    return verdict


def verify(ground: Ground) -> list[str]:
    """Return what verify finds wrong: it must come to the same."""
    return [
        f"verify: {result}"
        for result in data.verify(ground.dsn, Config(), [])
        if not result.ok or result.pending
    ]


def _waiting(ground: Ground) -> list[str]:
    try:
        with ground.at_portal() as portal:
            # A dead letter is tried again, as by hand.
            portal.execute(
                "UPDATE pyrepl.retry SET due_at = now() WHERE due_at IS NULL"
            )
            found = [
                row[0]
                for row in portal.execute(
                    "SELECT 'a change of ' || at FROM pyrepl.change UNION ALL"
                    " SELECT format('outbox: %s for %s', user_id, database_id)"
                    " FROM pyrepl.outbox UNION ALL"
                    " SELECT format('retry: %s for %s: %s %s', user_id, database_id,"
                    "  sqlstate, message) FROM pyrepl.retry UNION ALL"
                    " SELECT format('health of %s: %s %s %s %s', database_id, health,"
                    "  phase, sqlstate, message) FROM pyrepl.health"
                    " WHERE health <> 'ok' OR intent IS NOT NULL"
                )
            ]
        for place in ground.places.values():
            if ground.immediate and place.immediate:
                with ground.at(place) as course:
                    found += [
                        f"receipt {row[0]} at {place.name}"
                        for row in course.execute("SELECT id FROM pyrepl.receipt")
                    ]
    except psycopg.OperationalError as error:
        return [str(error)]
    return found


def _rows(
    connection: Connection, query: LiteralString, keys: tuple[str, ...] | None = None
) -> Rows:
    found = connection.execute(query, (list(keys),) if keys else None).fetchall()
    rows = {row[0]: row[1] for row in found}
    assert len(rows) == len(found)
    return rows


def compare_one(
    portal: Connection,
    course: Connection,
    place: Place,
    verdict: Verdict,
    *,
    phantoms: bool = False,
) -> None:
    """Compare what one course database holds with what it should hold.

    With `phantoms`, an immediate one may hold copies of who was never enrolled: of a
    transaction that was lost after it had been pushed.
    """
    for connection in (portal, course):
        connection.execute("SET timezone = 'UTC'")
    users, here = _rows(portal, _USERS), _rows(course, _USERS)
    own = {number: here.pop(number, None) for number in LOCALS}
    for number, row in own.items():
        if row is None or f"course_admin_{number}" not in row or ",local," not in row:
            verdict.differences.append(f"{place.name}: local account {number}: {row}")
    members = _members(portal, place)
    expected = {
        user: row for user, row in users.items() if user in here or user in members
    }
    _differ(verdict, place, "auth_user", expected, here)
    profiles = _rows(portal, _PROFILES)
    expected = {user: row for user, row in profiles.items() if user in here}
    _differ(verdict, place, "auth_userprofile", expected, _rows(course, _PROFILES))
    expected = _rows(portal, _ENROLLMENTS, place.keys)
    _differ(
        verdict,
        place,
        "student_courseenrollment",
        expected,
        _rows(course, _ENROLLMENTS, place.keys),
    )
    strays = course.execute(
        "SELECT id FROM student_courseenrollment WHERE course_id <> ALL (%s)",
        (list(place.keys),),
    ).fetchall()
    verdict.differences += [
        f"{place.name}: stray enrollment {row[0]}" for row in strays
    ]
    if not (phantoms and place.immediate):
        for user in here.keys() - _members(portal, place, ever=True):
            verdict.differences.append(f"{place.name}: {user} was never enrolled")


def _members(portal: Connection, place: Place, *, ever: bool = False) -> set[int]:
    query: LiteralString = (
        "SELECT user_id FROM student_courseenrollment WHERE course_id = ANY (%s)"
    )
    if ever:
        query = "SELECT user_id FROM enrolled_once WHERE course_id = ANY (%s)"
    return {row[0] for row in portal.execute(query, (list(place.keys),))}


def _differ(
    verdict: Verdict, place: Place, table: str, expected: Rows, found: Rows
) -> None:
    verdict.rows += len(expected.keys() | found.keys())
    for key in sorted(expected.keys() | found.keys()):
        here, there = expected.get(key), found.get(key)
        if here != there:
            verdict.differences.append(
                f"{place.name}: {table} {key}: portal {here}, course {there}"
            )
