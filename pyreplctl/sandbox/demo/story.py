"""The first part of the story: from empty databases to daily life."""

from __future__ import annotations

import statistics
import time
from typing import Final, LiteralString

from pyreplctl.sandbox.demo.ground import AI, CIRCUITS, PORTAL
from pyreplctl.sandbox.demo.stage import Stage

CIRCUITS_KEY: Final = "MITx/6.002x/2012_Fall"
TOY_KEY: Final = "edX/toy/2012_Fall"
AI_KEY: Final = "BerkeleyX/CS188/2012_Fall"
PEOPLE: Final = 1000
SAMPLES: Final = 20

# Ada is in no course yet, Grace and Emmy are in both databases.
_PEOPLE: LiteralString = """\
INSERT INTO auth_user
SELECT id, coalesce((ARRAY['ada', 'grace', 'emmy'])[id], 'student' || id),
       'First', 'Last', 'mail' || id || '@example.org', 'pbkdf2$…',
       false, true, false, now(), now()
FROM generate_series(1, 1000) AS id;
INSERT INTO auth_userprofile
    (id, user_id, name, meta, courseware, language, location)
SELECT id, id, 'First Last', '', 'course.xml', '', '' FROM auth_user;
INSERT INTO student_courseenrollment (user_id, course_id, created)
SELECT id, 'MITx/6.002x/2012_Fall', now() FROM auth_user
WHERE id BETWEEN 2 AND 600
UNION ALL
SELECT id, 'edX/toy/2012_Fall', now() FROM auth_user
WHERE id BETWEEN 3 AND 100
UNION ALL
SELECT id, 'BerkeleyX/CS188/2012_Fall', now() FROM auth_user
WHERE id BETWEEN 2 AND 3 OR id BETWEEN 500 AND 900"""

# Everything at the course that the portal does not own.
_OWN: LiteralString = """\
SELECT string_agg((to_jsonb(u) - ARRAY['id', 'username', 'first_name', 'last_name',
    'email', 'password', 'is_staff', 'is_active', 'is_superuser', 'last_login',
    'date_joined'])::text, ' ' ORDER BY id) FROM auth_user u"""


def databases(stage: Stage) -> None:
    """Start the servers; create tables and people."""
    stage.ground.start()
    stage.narrator.noted(
        f"started: two PostgreSQL {stage.ground.version} servers on 127.0.0.1, ports"
        f" {stage.ground.portal_server.port} and {stage.ground.course_server.port}"
    )
    stage.session(PORTAL).execute(_PEOPLE)
    stage.sql(
        PORTAL,
        "SELECT course_id, count(*) FROM student_courseenrollment\n"
        "GROUP BY course_id ORDER BY course_id",
    )
    stage.sql(AI, "SELECT count(*) AS people FROM auth_user")


def install(stage: Stage) -> None:
    """Install on the portal, twice."""
    stage.cli("install", show=lambda lines: [*lines[:2], "…", *lines[-4:]])
    stage.cli("install", "--check")


def register(stage: Stage) -> None:
    """Register both course databases; the backfill brings their members."""
    stage.cli(
        *("course", "register", CIRCUITS_KEY, TOY_KEY, "--dsn", f"service={CIRCUITS}"),
        show=_outcome,
    )
    stage.cli(
        *("course", "register", AI_KEY, "--dsn", f"service={AI}"),
        show=_outcome,
    )
    count: LiteralString = "SELECT count(*) AS people FROM auth_user"
    for database, people in ((CIRCUITS, 599), (AI, 403)):
        stage.sql(database, count)
        found = stage.rows(database, count)[0][0]
        stage.expect(found == people, f"{database} has {found} people, not {people}")


def _outcome(lines: list[str]) -> list[str]:
    """Leave out the advice: the worker comes next, and no course makes accounts."""
    return [line for line in lines if ": registered" in line]


def worker(stage: Stage) -> None:
    """Start the real worker."""
    line = stage.start_worker()
    stage.narrator.said(line[line.find("serving") :].splitlines()[0])


def enroll(stage: Stage) -> None:
    """Enroll Ada, and others one by one to measure."""
    stage.sql(
        PORTAL,
        "INSERT INTO student_courseenrollment (user_id, course_id, created)\n"
        "VALUES (1, 'MITx/6.002x/2012_Fall', now())",
    )
    stage.until(
        CIRCUITS, "SELECT count(*) FROM student_courseenrollment WHERE user_id = 1", 1
    )
    stage.sql(
        CIRCUITS,
        "SELECT username, email, p.name, course_id\n"
        "FROM auth_user u JOIN auth_userprofile p ON p.user_id = u.id\n"
        "JOIN student_courseenrollment e ON e.user_id = u.id\n"
        "WHERE username = 'ada'",
    )
    times = []
    for user in range(901, 901 + SAMPLES):
        stage.session(PORTAL).execute(
            "INSERT INTO student_courseenrollment (user_id, course_id, created)"
            " VALUES (%s, 'MITx/6.002x/2012_Fall', now())",
            (user,),
        )
        committed = time.perf_counter()
        stage.until(CIRCUITS, "SELECT max(id) FROM auth_user WHERE id > 900", user)
        times.append((time.perf_counter() - committed) * 1000)
    stage.measured["commit_to_visible_ms"] = round(statistics.median(times), 1)
    stage.narrator.noted(
        f"measured: from COMMIT on the portal until another session sees the row at the"
        f" course, {statistics.median(times):.0f} ms (median of {SAMPLES} enrollments,"
        f" {min(times):.0f} to {max(times):.0f} ms)"
    )


def edit(stage: Stage) -> None:
    """Edit one person."""
    stage.sql(
        PORTAL, "UPDATE auth_user SET email = 'ada@example.org'\nWHERE username = 'ada'"
    )
    stage.until(CIRCUITS, "SELECT email FROM auth_user WHERE id = 1", "ada@example.org")
    stage.sql(CIRCUITS, "SELECT username, email FROM auth_user WHERE username = 'ada'")
    stage.sql(AI, "SELECT username, email FROM auth_user WHERE username = 'ada'")
    stage.expect(
        not stage.rows(AI, "SELECT FROM auth_user WHERE id = 1"),
        f"{AI} has a person who is enrolled only at {CIRCUITS}",
    )


def own_columns(stage: Stage) -> None:
    """Write what is the course's, then what is the portal's, of the same rows."""
    stage.sql(
        AI,
        "UPDATE auth_user SET reputation = 42, about = 'Asks good questions'\n"
        "WHERE username = 'grace'",
    )
    before = stage.rows(AI, _OWN)
    started = time.perf_counter()
    stage.sql(PORTAL, "UPDATE auth_user SET last_name = 'Surname'")
    for database in (AI, CIRCUITS):
        stage.until(
            database, "SELECT count(*) FROM auth_user WHERE last_name = 'Last'", 0
        )
    elapsed = time.perf_counter() - started
    stage.measured["bulk_edit_ms"] = round(elapsed * 1000)
    stage.sql(
        AI,
        "SELECT username, last_name, reputation, about FROM auth_user\n"
        "WHERE username = 'grace'",
    )
    stage.expect(stage.rows(AI, _OWN) == before, "the course's own columns changed")
    copies = sum(
        stage.rows(name, "SELECT count(*) FROM auth_user")[0][0]
        for name in (AI, CIRCUITS)
    )
    stage.narrator.noted(
        f"measured: {copies:,} copies in two databases are current"
        f" {elapsed * 1000:.0f} ms after the statement began; Askbot's 25 columns are"
        " what they were, in every row"
    )


def unenroll(stage: Stage) -> None:
    """Take Grace out of one of her two courses."""
    enrollments: LiteralString = (
        "SELECT count(*) FROM student_courseenrollment WHERE user_id = 2"
    )
    stage.sql(
        PORTAL,
        "DELETE FROM student_courseenrollment\n"
        "WHERE user_id = 2 AND course_id = 'BerkeleyX/CS188/2012_Fall'",
    )
    stage.until(AI, enrollments, 0)
    stage.former[AI] = {2}
    for database in (AI, CIRCUITS):
        stage.sql(
            database,
            "SELECT username, course_id FROM auth_user u\n"
            "LEFT JOIN student_courseenrollment e ON e.user_id = u.id\n"
            "WHERE username = 'grace'",
        )
    stage.expect(
        stage.rows(CIRCUITS, enrollments) == [(1,)],
        f"{CIRCUITS} lost the enrollment that the person still has",
    )


def exchange(stage: Stage) -> None:
    """Let Grace and Emmy exchange their usernames."""
    stage.sql(
        PORTAL,
        "BEGIN;\n"
        "UPDATE auth_user SET username = '-' WHERE id = 2;\n"
        "UPDATE auth_user SET username = 'grace' WHERE id = 3;\n"
        "UPDATE auth_user SET username = 'emmy' WHERE id = 2;\n"
        "COMMIT",
    )
    for database in (CIRCUITS, AI):
        stage.until(
            database,
            "SELECT string_agg(username, ' ' ORDER BY id) FROM auth_user"
            " WHERE id IN (2, 3)",
            "emmy grace",
        )
    stage.sql(
        CIRCUITS, "SELECT id, username FROM auth_user WHERE id IN (2, 3) ORDER BY id"
    )


STEPS = (
    (
        "Two servers, three databases",
        (
            "One server holds the portal, the other one two course databases, all with"
            " the three tables of a learning platform of 2012. The course database ai"
            " has Askbot's 25 columns on auth_user, too. The portal has 1,000 people;"
            " the courses have nobody yet."
        ),
        databases,
    ),
    (
        "Install on the portal",
        (
            "Tables, functions and triggers go into a schema of their own. The command"
            " is made to run at every deployment: the second time there is nothing to"
            " do."
        ),
        install,
    ),
    (
        "Register the course databases",
        (
            "A course database is prepared and linked, and the backfill brings exactly"
            " those who are enrolled in its courses."
        ),
        register,
    ),
    (
        "Start the worker",
        "From here on changes arrive by themselves.",
        worker,
    ),
    (
        "An enrollment brings the person",
        (
            "Ada enrolls: her account, her profile and her enrollment belong together"
            " and arrive together."
        ),
        enroll,
    ),
    (
        "An edit follows to where the person is",
        "Ada is at circuits. She is not enrolled at ai, and stays unknown there.",
        edit,
    ),
    (
        "A bulk edit, and a course's own columns",
        (
            "At ai, Askbot writes columns of its own. Then the portal edits everybody"
            " in one statement of raw SQL, which triggers see like any other."
        ),
        own_columns,
    ),
    (
        "An enrollment ends",
        (
            "It goes where it was, and only there. The account stays at ai, and is kept"
            " current there: that is the default policy, on_unenroll."
        ),
        unenroll,
    ),
    (
        "Two people exchange their usernames",
        (
            "Usernames are unique at the courses, too, so neither row could be written"
            " first. What is sent is the state, and both arrive in one piece."
        ),
        exchange,
    ),
)
