from __future__ import annotations

import pytest

from tests.cli.run import Cli
from tests.support.logins import as_login, new_login
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"


@pytest.fixture
def course(platform: Platform, cli: Cli) -> Course:
    """A course where user 1 is stale, 2 has no profile, and 3 is enrolled twice."""
    made = platform.course(TOY, name="forum")
    platform.members(4, TOY)
    platform.deliver()
    made.tamper("UPDATE auth_user SET email = 'x', password = 'leaked' WHERE id = 1")
    made.tamper("DELETE FROM auth_userprofile WHERE user_id = 2")
    made.tamper(
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (900, 3, 'edX/other')"
    )
    cli.at(platform.dsn)
    return made


def kinds(cli: Cli, *options: str) -> tuple[int, int, int]:
    """Return how many users are missing, stale and extra."""
    (found,) = cli("--json", "verify", "--data", *options).document["databases"]
    return found["missing"], found["stale"], found["extra"]


def test_examples_name_table_and_columns(course: Course, cli: Cli) -> None:
    ran = cli("--json", "verify")
    assert ran.code == 3
    (found,) = ran.document["databases"]
    assert [tuple(each.values()) for each in found["examples"]] == [
        (1, "stale", "public.auth_user", ["email", "password"]),
        (2, "missing", "public.auth_userprofile", None),
        (3, "extra", "public.student_courseenrollment", None),
    ]
    assert list(found["examples"][0]) == ["user_id", "kind", "table", "columns"]
    (shorter,) = cli("--json", "verify", "--max-examples", "1").document["databases"]
    assert len(shorter["examples"]) == 1
    assert (shorter["missing"], shorter["stale"], shorter["extra"]) == (1, 1, 1)


def test_values_are_shown_on_demand_and_passwords_never(
    course: Course, cli: Cli
) -> None:
    assert "1@example.com" not in cli("verify").out
    shown = cli("verify", "--show-values")
    assert "email '1@example.com'" in shown.out
    assert "email 'x'" in shown.out
    assert "leaked" not in shown.out + shown.err
    assert "secret" not in shown.out + shown.err
    (found,) = cli("--json", "verify", "--show-values").document["databases"]
    assert found["examples"][0]["values"] == {
        "portal": [{"email": "1@example.com"}],
        "course": [{"email": "x"}],
    }
    assert found["examples"][1]["values"]["course"] == []


def test_a_dry_run_says_the_plan_and_changes_nothing(
    course: Course, cli: Cli, platform: Platform
) -> None:
    ran = cli("verify", "--repair", "--dry-run")
    assert ran.code == 3
    assert "forum: to be delivered again: 1 missing, 1 extra, 1 stale" in ran.err
    assert kinds(cli) == (1, 1, 1)
    assert platform.rows("SELECT FROM pyrepl.change") == []


def test_repair_says_its_plan_and_mends(course: Course, cli: Cli) -> None:
    ran = cli("verify", "--repair")
    assert ran.code == 0, ran
    assert "to be delivered again: 1 missing, 1 extra, 1 stale" in ran.err
    assert kinds(cli) == (0, 0, 0)


def test_one_kind_can_be_repaired_alone(course: Course, cli: Cli) -> None:
    assert kinds(cli, "--repair", "--only", "extra") == (1, 1, 0)
    assert kinds(cli, "--repair", "--only", "stale", "--only", "missing") == (0, 0, 0)


def test_so_many_users_can_be_repaired_at_most(course: Course, cli: Cli) -> None:
    ran = cli("verify", "--repair", "--max-users", "1")
    assert ran.code == 3
    assert "1 missing; 2 users left as they are" in ran.err
    assert kinds(cli) == (0, 1, 1)


@pytest.mark.parametrize(
    "options", [["--dry-run"], ["--only", "stale"], ["--max-users", "1"]]
)
def test_what_repair_should_do_needs_repair(cli: Cli, options: list[str]) -> None:
    ran = cli("verify", "--data", *options)
    assert ran.code == 2
    assert "--repair" in ran.err


def test_who_may_not_repair_hears_it_before_anything_else(
    course: Course, cli: Cli, platform: Platform
) -> None:
    with new_login(platform.connection, "pyrepl_monitor") as name:
        cli.at(as_login(platform.dsn, name))
        assert kinds(cli) == (1, 1, 1)
        ran = cli("verify", "--repair")
        assert ran.code == 1
        assert "permission denied" in ran.err
        assert "delivered again" not in ran.err
        assert kinds(cli, "--repair", "--dry-run") == (1, 1, 1)


def test_a_target_time_and_resume_are_taken(course: Course, cli: Cli) -> None:
    assert kinds(cli, "--target", "500ms", "--resume") == (1, 1, 1)
    assert cli("verify", "--target", "soon").code == 2
