"""The second part of the story: an outage, drift, repair, and the last look."""

from __future__ import annotations

import json
import time
from typing import LiteralString

from pyreplctl.sandbox.demo.ground import AI, CIRCUITS, PORTAL
from pyreplctl.sandbox.demo.stage import PATIENCE, Stage
from pyreplctl.sandbox.demo.story import AI_KEY, CIRCUITS_KEY, TOY_KEY
from pyreplctl.sandbox.embedded.processes import wait_for

EDITS = 200  # of people who are all at circuits
WIDTH = 76

_EDIT: LiteralString = "UPDATE auth_user SET email = 'old@example.org' WHERE id = 1"
# As a superuser would do it who restores a few rows by hand.
_DRIFT: LiteralString = """\
BEGIN;
SELECT set_config('role', pg_get_userbyid(nspowner), true)
FROM pg_namespace WHERE nspname = 'pyrepl';
UPDATE auth_user SET email = 'old@example.org' WHERE id = 1;
DELETE FROM student_courseenrollment
WHERE user_id = 3 AND course_id = 'edX/toy/2012_Fall';
INSERT INTO student_courseenrollment (id, user_id, course_id)
VALUES (900000, 200, 'edX/toy/2012_Fall');
COMMIT"""
_PLANTED = {
    (1, "stale", "public.auth_user"),
    (3, "missing", "public.student_courseenrollment"),
    (200, "extra", "public.student_courseenrollment"),
}

_USERS: LiteralString = """\
SELECT id, username, first_name, last_name, email, password, is_staff, is_active,
    is_superuser, last_login, date_joined FROM auth_user ORDER BY id"""
_PROFILES: LiteralString = "SELECT * FROM auth_userprofile ORDER BY id"
_ENROLLMENTS: LiteralString = "SELECT * FROM student_courseenrollment ORDER BY id"


def outage(stage: Stage) -> None:
    """Stop the course server; the portal goes on writing."""
    stage.leave_course_server()
    stage.narrator.ran("$", "kill -INT $(head -1 course-server/data/postmaster.pid)")
    stage.ground.stop_courses()
    stage.narrator.noted("the course server has stopped")
    started = time.perf_counter()
    stage.sql(PORTAL, "UPDATE auth_user SET first_name = 'Edited' WHERE id = 1")
    for number in range(2, EDITS + 1):
        stage.session(PORTAL).execute(
            "UPDATE auth_user SET first_name = 'Edited' WHERE id = %s", (number,)
        )
    elapsed = time.perf_counter() - started
    stage.narrator.noted(
        f"and so on for id 2 to {EDITS}; measured: {EDITS} transactions in"
        f" {elapsed:.2f} s, and none failed or waited for a course"
    )
    backing_off = {CIRCUITS: "backing_off", AI: "backing_off"}
    stage.expect(
        wait_for(lambda: _health(stage) == backing_off, PATIENCE),
        f"status does not tell of the outage: {_health(stage)}",
    )
    stage.cli("status", show=_cut)


def _health(stage: Stage) -> dict[str, str]:
    found = json.loads(stage.cli("status", "--json", silent=True))
    return {database["name"]: database["health"] for database in found["databases"]}


def _cut(lines: list[str]) -> list[str]:
    """Fit a wide table: its last columns are of no use here."""
    return [line if len(line) <= WIDTH else line[: WIDTH - 2] + " …" for line in lines]


def back(stage: Stage) -> None:
    """Start it again; the worker delivers."""
    stage.narrator.ran("$", "postgres -D course-server/data &")
    stage.ground.start_courses()
    started = time.perf_counter()
    stage.narrator.noted("the course server has started")
    stage.cli("wait", "--timeout", f"{PATIENCE:.0f}s")
    elapsed = time.perf_counter() - started
    stage.measured["caught_up_s"] = round(elapsed, 1)
    stage.narrator.noted(
        f"measured: all is delivered {elapsed:.1f} s after the server was back, and"
        " some of that is the start of this command"
    )
    edited: LiteralString = "SELECT count(*) FROM auth_user WHERE first_name = 'Edited'"
    stage.sql(CIRCUITS, edited)
    found = stage.rows(CIRCUITS, edited)[0][0]
    stage.expect(found == EDITS, f"{found} of {EDITS} edits arrived")
    health = _health(stage)
    stage.expect(set(health.values()) == {"ok"}, f"status still tells of {health}")


def verify(stage: Stage) -> None:
    """Verify: equal."""
    stage.cli("verify")


def drift(stage: Stage) -> None:
    """Plant three differences, past the guard; verify finds these and no other."""
    stage.refused(CIRCUITS, _EDIT, "PR030")
    stage.sql(CIRCUITS, _DRIFT)
    stage.cli("verify", code=3)
    document = json.loads(stage.cli("verify", "--json", code=3, silent=True))
    by_name = {found["name"]: found for found in document["databases"]}
    examples = {
        (e["user_id"], e["kind"], e["table"]) for e in by_name[CIRCUITS]["examples"]
    }
    stage.expect(
        examples == _PLANTED, f"verify found {sorted(examples)}, not {sorted(_PLANTED)}"
    )
    stage.expect(by_name[AI]["ok"] is True, f"verify found drift at {AI}, too")
    stage.narrator.noted("exit code 3: drift; exactly the three rows that were planted")


def repair(stage: Stage) -> None:
    """Repair, and verify again."""
    stage.cli("verify", "--repair")
    stage.cli("verify")


def last_look(stage: Stage) -> None:
    """Compare all rows without pyreplctl, and end the worker."""
    circuits = _compare(stage, CIRCUITS, (CIRCUITS_KEY, TOY_KEY))
    ai = _compare(stage, AI, (AI_KEY,))
    stage.narrator.noted(
        f"circuits: {circuits:,} rows, ai: {ai:,} rows; each equals the portal's, and"
        " none is missing or too many"
    )


def end(stage: Stage) -> None:
    """End the worker."""
    stage.narrator.ran("$", "kill %1")
    code = stage.stop_worker()
    stage.narrator.said(stage.worker_log().splitlines()[-1].split("INFO ")[-1])
    stage.expect(code == 0, f"the worker ended with {code}:\n{stage.worker_log()}")


def _compare(stage: Stage, database: str, keys: tuple[str, ...]) -> int:
    """Compare every row with the portal's; return how many there are."""
    enrollments = [r for r in stage.rows(PORTAL, _ENROLLMENTS) if r[2] in keys]
    # Who has left keeps an account, and it is kept current.
    people = {row[0] for row in stage.rows(database, _USERS)}
    members = {row[1] for row in enrollments}
    former = stage.former.get(database, set())
    stage.expect(
        people == members | former,
        f"{database} has people {sorted(people ^ (members | former))[:5]} wrong",
    )
    wanted = (
        [row for row in stage.rows(PORTAL, _USERS) if row[0] in people],
        [row for row in stage.rows(PORTAL, _PROFILES) if row[1] in people],
        enrollments,
    )
    for query, rows in zip((_USERS, _PROFILES, _ENROLLMENTS), wanted, strict=True):
        stage.expect(
            stage.rows(database, query) == rows, f"{database} differs in: {query}"
        )
    return sum(map(len, wanted))


STEPS = (
    (
        "The course server is down",
        (
            "The portal does not notice: its transactions write to the portal only."
            " What changes waits, once for each person, and the worker backs off."
        ),
        outage,
    ),
    (
        "The course server is back",
        "Nobody tells the worker: it tries again by itself, and catches up.",
        back,
    ),
    (
        "Verify",
        (
            "Digests of the rows are compared inside the databases; rows are looked at"
            " only where digests differ."
        ),
        verify,
    ),
    (
        "Drift",
        (
            "Copies belong to the portal, and the guard at circuits refuses edits by"
            " anybody, a superuser included. It lets one role pass, the owner of schema"
            " pyrepl, which a superuser can take on: a changed e-mail address, an"
            " enrollment too few, an enrollment too many."
        ),
        drift,
    ),
    (
        "Repair",
        "Repair queues these people again, by the same path as every change.",
        repair,
    ),
    (
        "A last look, from outside",
        (
            "All rows of the three tables, read from every database and compared one by"
            " one without the help of pyreplctl."
        ),
        last_look,
    ),
    (
        "The end",
        "The worker finishes the batch in hand, and stops.",
        end,
    ),
)
