"""The soak in short; the long one is `make chaos`."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import sql

from pyreplctl.core import databases
from pyreplctl.delivery import batches
from tests.failure import chaos, judge
from tests.failure.ground import LOCALS, Ground, prepared
from tests.failure.journal import Journal
from tests.support.platform import FOR_GOOD

pytestmark = pytest.mark.failure

CHOSEN = "WHERE live.waits IS NULL AND bulk.waits IS NULL"


def test_all_ends_equal_whatever_is_written_and_whatever_breaks(tmp_path: Path) -> None:
    report = chaos.run(12, secrets.randbelow(10**6), tmp_path)
    assert report.good, report.text()
    assert report.tally.committed > 100
    assert report.faults.total() > 5
    assert report.verdict.rows > 500


def forget_some_users(ground: Ground) -> None:
    """Let route lose what concerns one user in twenty."""
    with ground.at_portal() as portal:
        row = portal.execute(
            "SELECT pg_get_functiondef('pyrepl.route_changes'::regproc)"
        ).fetchone()
        assert row
        assert CHOSEN in row[0]
        portal.execute(row[0].replace(CHOSEN, f"{CHOSEN} AND p.user_id % 20 <> 0"))


@pytest.mark.long
def test_control_a_route_that_forgets_users_ends_with_wrong_rows(
    tmp_path: Path,
) -> None:
    report = chaos.run(
        5,
        5,
        tmp_path,
        immediate=False,
        deadline=5,
        sabotage=forget_some_users,
    )
    assert report.verdict.differences
    assert report.verified
    assert f"FAILED; seed 5; logs are in {tmp_path}" in report.text()
    assert "faults are lifted" in (tmp_path / "journal.log").read_text()


PLANTED: dict[LiteralString, str] = {
    "UPDATE auth_user SET last_login = last_login + interval '1 us' WHERE id = {}": (
        "auth_user {}: portal"
    ),
    "DELETE FROM auth_userprofile WHERE user_id = {}": "auth_userprofile {}: portal",
    "UPDATE student_courseenrollment SET created = NULL WHERE id = (SELECT max(id)"
    " FROM student_courseenrollment WHERE user_id = {})": "student_courseenrollment",
    "INSERT INTO student_courseenrollment (id, user_id, course_id)"
    " VALUES (999999, {}, 'chaos/elsewhere')": "stray enrollment 999999",
    "WITH e AS (DELETE FROM student_courseenrollment WHERE user_id = {}),"
    " p AS (DELETE FROM auth_userprofile WHERE user_id = {})"
    " DELETE FROM auth_user WHERE id = {}": "auth_user {}: portal",
    "INSERT INTO auth_user SELECT 5000, 'x', first_name, last_name, email, password,"
    " is_staff, is_active, is_superuser, last_login, date_joined"
    " FROM auth_user WHERE id = {}": "auth_user 5000: portal None",
    f"UPDATE auth_user SET password = '' WHERE id = {LOCALS[0]} AND 0 < {{}}": (
        f"local account {LOCALS[0]}"
    ),
}


@pytest.mark.long
def test_control_the_judge_sees_every_kind_of_difference(tmp_path: Path) -> None:
    with (
        closing(Journal(tmp_path)) as journal,
        prepared(journal, immediate=False) as ground,
        ground.at_portal() as portal,
        ground.at(ground.places["alpha"]) as course,
    ):
        assert batches.until_empty(portal, databases.numbers(portal, [])) == {}
        whole = judge.judge(ground, 30)
        assert whole.equal
        assert whole.rows > 500
        course.execute(FOR_GOOD)  # or the guard refuses
        for statement, expected in PLANTED.items():
            query = sql.SQL(statement)
            values = [4] * (statement.count("{}"))
            with course.transaction(force_rollback=True):
                course.execute(query.format(*values))
                verdict = judge.Verdict()
                judge.compare_one(portal, course, ground.places["alpha"], verdict)
            assert verdict.differences, statement
            assert expected.format(4) in verdict.differences[0]
        portal.execute("UPDATE auth_user SET email = 'x' WHERE id = 4")
        late = judge.judge(ground, 0)
        assert late.differences
        assert late.waiting
