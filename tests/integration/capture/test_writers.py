"""However the portal is written, capture sees it and the courses follow."""

from __future__ import annotations

import json
from typing import LiteralString

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.rows import TupleRow

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.courses.refresh import refresh
from pyreplctl.delivery import batches
from pyreplctl.install import portal
from tests.conftest import NewCourse
from tests.support.platform import Connection, Course, Platform

TOY, OTHER = "edX/toy/2012_Fall", "MITx/6.002x/2012_Fall"


@pytest.fixture
def toy(platform: Platform) -> Course:
    """A course database with three members."""
    course = platform.course(TOY)
    for user in (1, 2, 3):
        platform.member(user, TOY)
    settle(platform)
    return course


def settle(platform: Platform) -> None:
    """Deliver everything; every database is equal afterwards."""
    assert platform.deliver() == {}
    platform.assert_equal()


def changes(platform: Platform) -> list[TupleRow]:
    """What capture has written and route has not taken."""
    return platform.rows(
        "SELECT ARRAY(SELECT unnest(users) ORDER BY 1), courses, priority"
        " FROM pyrepl.change ORDER BY at"
    )


def emails(course: Course) -> list[str]:
    return [course.user(user)["email"] for user in course.users]


def cascade(platform: Platform) -> None:
    for table in ("auth_userprofile", "student_courseenrollment"):
        statement = (
            "ALTER TABLE {0} DROP CONSTRAINT {1}, ADD CONSTRAINT {1} FOREIGN KEY"
            " (user_id) REFERENCES auth_user ON DELETE CASCADE ON UPDATE CASCADE"
        )
        platform.connection.execute(
            sql.SQL(statement).format(
                sql.Identifier(table), sql.Identifier(f"{table}_user_id_fkey")
            )
        )


def test_rows_that_come_by_copy_are_captured(platform: Platform, toy: Course) -> None:
    texts: dict[LiteralString, str] = {
        "COPY auth_user FROM STDIN": "7\tcopied\tF\tL\te@x\tp\tf\tt\tf\t"
        "2012-09-01 12:00+00\t2012-08-01 12:00+00\n",
        "COPY auth_userprofile FROM STDIN": "1007\t7\tName\t\t\t\t\t\\N\t\\N\t\\N\t\\N"
        "\t\\N\n",
        "COPY student_courseenrollment FROM STDIN": f"77\t7\t{TOY}\t\\N\n",
    }
    for command, text in texts.items():
        with platform.connection.cursor() as cursor, cursor.copy(command) as copy:
            copy.write(text)
    settle(platform)
    assert toy.user(7)["username"] == "copied"
    assert (7, TOY) in toy.enrollments


def test_merge_is_captured_in_all_that_it_does(platform: Platform, toy: Course) -> None:
    platform.user(4)
    platform.execute(
        "MERGE INTO student_courseenrollment e"
        " USING (VALUES (1), (2), (4)) AS s (id)"
        " ON e.user_id = s.id AND e.course_id = %s"
        " WHEN MATCHED AND s.id = 1 THEN DELETE"
        " WHEN MATCHED THEN UPDATE SET created = '2013-01-01 00:00+00'"
        " WHEN NOT MATCHED THEN INSERT (user_id, course_id) VALUES (s.id, %s)",
        TOY,
        TOY,
    )
    settle(platform)
    assert toy.enrollments == [(2, TOY), (3, TOY), (4, TOY)]
    assert toy.rows(
        "SELECT created = '2013-01-01 00:00+00' FROM student_courseenrollment"
        " WHERE user_id = 2"
    ) == [(True,)]


def test_an_upsert_is_captured_where_it_inserts_and_where_it_updates(
    platform: Platform, toy: Course
) -> None:
    platform.user(4)
    platform.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id, created)"
        " SELECT n, %s, '2013-01-01 00:00+00' FROM unnest('{3,4}'::integer[]) n"
        " ON CONFLICT (user_id, course_id) DO UPDATE SET created = excluded.created",
        TOY,
    )
    settle(platform)
    assert toy.rows(
        "SELECT user_id FROM student_courseenrollment"
        " WHERE created = '2013-01-01 00:00+00' ORDER BY 1"
    ) == [(3,), (4,)]


def test_statements_that_write_in_a_with_clause_are_captured(
    platform: Platform, toy: Course
) -> None:
    platform.execute(
        "WITH gone AS (DELETE FROM student_courseenrollment WHERE user_id = 1"
        " RETURNING user_id), named AS (UPDATE auth_userprofile SET name = 'Named'"
        " WHERE user_id = 2)"
        " UPDATE auth_user SET email = 'gone@x' WHERE id IN (SELECT user_id FROM gone)"
    )
    settle(platform)
    assert toy.enrollments == [(2, TOY), (3, TOY)]
    assert toy.user(1)["email"] == "gone@x"
    assert toy.rows("SELECT name FROM auth_userprofile WHERE user_id = 2") == [
        ("Named",)
    ]


def test_rows_that_a_cascade_deletes_are_captured(
    platform: Platform, toy: Course
) -> None:
    cascade(platform)
    platform.execute("DELETE FROM auth_user WHERE id IN (1, 2)")
    settle(platform)
    assert (toy.users, toy.profiles, toy.enrollments) == ([3], [3], [(3, TOY)])


def test_rows_that_a_cascade_rekeys_are_captured(
    platform: Platform, toy: Course
) -> None:
    cascade(platform)
    platform.execute("UPDATE auth_user SET id = 8 WHERE id = 1")
    settle(platform)
    assert (toy.users, toy.profiles) == ([2, 3, 8], [2, 3, 8])
    assert toy.enrollments == [(2, TOY), (3, TOY), (8, TOY)]
    assert toy.user(8)["username"] == "user1"


def test_what_a_savepoint_takes_back_is_not_captured_and_the_rest_is(
    platform: Platform, toy: Course
) -> None:
    writer = platform.session()
    writer.execute("UPDATE auth_user SET email = 'kept' WHERE id = 1")
    writer.execute("SAVEPOINT a")
    writer.execute("UPDATE auth_user SET email = 'undone' WHERE id = 2")
    writer.execute("ROLLBACK TO SAVEPOINT a")
    writer.execute("SAVEPOINT b")
    writer.execute("UPDATE auth_user SET email = 'released' WHERE id = 3")
    writer.execute("RELEASE SAVEPOINT b")
    writer.commit()
    assert changes(platform) == [([1], None, 0), ([3], None, 0)]
    settle(platform)
    assert emails(toy) == ["kept", "user2@example.com", "released"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_prepared_transaction_counts_when_it_commits(
    platform: Platform, toy: Course, kept: bool
) -> None:
    writer = platform.session(autocommit=True)
    writer.execute("BEGIN")
    writer.execute("UPDATE auth_user SET email = 'prepared' WHERE id = 1")
    writer.execute("PREPARE TRANSACTION 'writers'")
    try:
        # Route goes on, and its mark must not pass what is prepared.
        for number in range(3):
            platform.execute("UPDATE pyrepl.route_mark SET saved_at = '-infinity'")
            platform.execute(
                "UPDATE auth_user SET email = %s WHERE id = 2", str(number)
            )
            assert platform.deliver() == {}
        assert emails(toy) == ["user1@example.com", "2", "user3@example.com"]
    finally:
        writer.execute(
            "COMMIT PREPARED 'writers'" if kept else "ROLLBACK PREPARED 'writers'"
        )
    settle(platform)
    assert emails(toy)[0] == ("prepared" if kept else "user1@example.com")


def test_a_session_that_turns_triggers_off_is_captured(
    platform: Platform, toy: Course
) -> None:
    writer = platform.session(autocommit=True)
    writer.execute("SET session_replication_role = replica")
    writer.execute("UPDATE auth_user SET email = 'replica' WHERE id = 1")
    writer.execute("DELETE FROM student_courseenrollment WHERE user_id = 2")
    writer.execute("TRUNCATE auth_userprofile")
    settle(platform)
    assert toy.user(1)["email"] == "replica"
    assert (toy.enrollments, toy.profiles) == ([(1, TOY), (3, TOY)], [])


def test_control_an_ordinary_trigger_would_not_fire_there(
    platform: Platform, toy: Course
) -> None:
    platform.execute("ALTER TABLE auth_user ENABLE TRIGGER pyrepl_update")
    writer = platform.session(autocommit=True)
    writer.execute("SET session_replication_role = replica")
    writer.execute("UPDATE auth_user SET email = 'replica' WHERE id = 1")
    assert changes(platform) == []


@pytest.mark.parametrize(
    ("statement", "users", "profiles", "enrollments"),
    [
        ("TRUNCATE student_courseenrollment", [1, 2, 3], [1, 2, 3], []),
        (
            "TRUNCATE auth_userprofile",
            [1, 2, 3],
            [],
            [(1, TOY), (2, TOY), (3, TOY)],
        ),
        ("TRUNCATE auth_user CASCADE", [], [], []),
        ("TRUNCATE student_courseenrollment, auth_userprofile, auth_user", [], [], []),
    ],
)
def test_truncate_deletes_every_row(
    platform: Platform,
    toy: Course,
    statement: LiteralString,
    users: list[int],
    profiles: list[int],
    enrollments: list[tuple[int, str]],
) -> None:
    platform.execute(statement)
    settle(platform)
    assert (toy.users, toy.profiles, toy.enrollments) == (users, profiles, enrollments)


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize(
    "table", ["student_courseenrollment", "auth_userprofile", "auth_user CASCADE"]
)
def test_truncate_is_refused_where_it_would_not_see_what_vanishes(
    platform: Platform, level: LiteralString, table: LiteralString
) -> None:
    writer = platform.session()
    writer.execute("SET TRANSACTION ISOLATION LEVEL " + level)
    with pytest.raises(psycopg.Error) as refused:
        writer.execute("TRUNCATE " + table)
    assert refused.value.sqlstate == "PR002"


def test_truncate_takes_a_row_along_that_was_committed_while_it_waited(
    platform: Platform, toy: Course
) -> None:
    first = platform.session()
    first.execute("SELECT 1")
    platform.member(4, TOY)
    assert platform.deliver() == {}
    first.execute("TRUNCATE student_courseenrollment")
    first.commit()
    settle(platform)
    assert (toy.enrollments, toy.users) == ([], [1, 2, 3, 4])


def test_a_user_with_another_id_takes_profile_and_enrollments_along(
    platform: Platform, toy: Course
) -> None:
    with platform.connection.transaction():
        platform.execute("UPDATE auth_user SET id = 8 WHERE id = 1")
        platform.execute("UPDATE auth_userprofile SET user_id = 8 WHERE user_id = 1")
        platform.execute(
            "UPDATE student_courseenrollment SET user_id = 8 WHERE user_id = 1"
        )
    settle(platform)
    assert (toy.users, toy.profiles) == ([2, 3, 8], [2, 3, 8])
    assert toy.enrollments == [(2, TOY), (3, TOY), (8, TOY)]
    assert toy.user(8)["username"] == "user1"


def test_two_users_may_exchange_their_ids(platform: Platform, toy: Course) -> None:
    with platform.connection.transaction():
        for old, new in ((1, 9), (2, 1), (9, 2)):
            platform.execute("UPDATE auth_user SET id = %s WHERE id = %s", new, old)
    settle(platform)
    assert [toy.user(user)["username"] for user in toy.users] == [
        "user2",
        "user1",
        "user3",
    ]


def test_an_enrollment_with_another_id_replaces_the_old_one(
    platform: Platform, toy: Course
) -> None:
    platform.execute("UPDATE student_courseenrollment SET id = id + 100")
    settle(platform)
    assert toy.rows("SELECT min(id) > 100 FROM student_courseenrollment") == [(True,)]


def test_an_enrollment_moves_to_another_course(platform: Platform, toy: Course) -> None:
    other = platform.course(OTHER)
    platform.execute(
        "UPDATE student_courseenrollment SET course_id = %s WHERE user_id = 1", OTHER
    )
    settle(platform)
    assert toy.enrollments == [(2, TOY), (3, TOY)]
    assert (other.enrollments, other.profiles) == ([(1, OTHER)], [1])


def test_an_enrollment_moves_to_another_user(platform: Platform, toy: Course) -> None:
    platform.user(4)
    platform.execute(
        "UPDATE student_courseenrollment SET user_id = 4 WHERE user_id = 1"
    )
    settle(platform)
    assert toy.enrollments == [(2, TOY), (3, TOY), (4, TOY)]
    assert toy.profiles == [1, 2, 3, 4]


def test_a_profile_moves_to_another_user(platform: Platform, toy: Course) -> None:
    platform.user(4, profile=False)
    platform.enroll(4, TOY)
    settle(platform)
    platform.execute("UPDATE auth_userprofile SET user_id = 4 WHERE user_id = 1")
    settle(platform)
    assert toy.profiles == [2, 3, 4]


def test_a_profile_is_replaced_by_one_with_another_id(
    platform: Platform, toy: Course
) -> None:
    with platform.connection.transaction():
        platform.execute("DELETE FROM auth_userprofile WHERE user_id = 1")
        platform.execute(
            "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware,"
            " language, location) VALUES (5, 1, 'Again', '', '', '', '')"
        )
    settle(platform)
    assert toy.rows("SELECT id, name FROM auth_userprofile WHERE user_id = 1") == [
        (5, "Again")
    ]


@pytest.mark.parametrize("held", ["username", "profile id", "enrollment id"])
@pytest.mark.parametrize(
    "policy", [{"on_user_delete": "keep"}, {"on_unenroll": "freeze"}]
)
def test_what_a_kept_copy_holds_goes_to_whom_the_portal_gives_it(
    platform: Platform, policy: dict[str, str], held: str
) -> None:
    platform.config = msgspec.convert({"policy": policy}, Config)
    portal.install(platform.dsn, platform.config)
    course = platform.course(TOY)
    platform.member(1, TOY)
    settle(platform)
    [(enrollment,)] = course.rows("SELECT id FROM student_courseenrollment")
    platform.unenroll(1, TOY)
    if "on_user_delete" in policy:
        platform.execute("DELETE FROM auth_userprofile")
        platform.execute("DELETE FROM auth_user")
    assert platform.deliver() == {}
    assert (course.users, course.profiles) == ([1], [1])

    platform.member(2)
    if held == "username":
        platform.execute("UPDATE auth_user SET username = 'was1' WHERE id = 1")
        platform.execute("UPDATE auth_user SET username = 'user1' WHERE id = 2")
    elif held == "profile id":
        [(profile,)] = course.rows("SELECT id FROM auth_userprofile")
        platform.execute("DELETE FROM auth_userprofile WHERE user_id = 1")
        platform.execute("UPDATE auth_userprofile SET id = %s", profile)
    platform.execute(
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (%s, 2, %s)",
        enrollment if held == "enrollment id" else 99,
        TOY,
    )
    settle(platform)


@pytest.mark.parametrize(("users", "priority"), [(1000, 0), (1001, 1)])
def test_one_statement_is_one_change_and_a_large_one_ranks_with_backfill(
    platform: Platform, users: int, priority: int
) -> None:
    platform.execute(
        "INSERT INTO auth_user SELECT n, 'user' || n, '', '', '', '', false, true,"
        " false, now(), now() FROM generate_series(1, %s) n",
        users,
    )
    platform.execute("UPDATE auth_user SET email = 'bulk@x'")
    platform.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id)"
        " SELECT id, %s FROM auth_user",
        TOY,
    )
    platform.execute("DELETE FROM student_courseenrollment")
    platform.execute("DELETE FROM auth_user")
    assert (
        platform.rows("SELECT cardinality(users), priority FROM pyrepl.change")
        == [(users, priority)] * 5
    )


def test_a_bulk_update_does_not_delay_a_later_enrollment(
    platform: Platform, toy: Course
) -> None:
    platform.execute(
        "INSERT INTO auth_user SELECT n, 'user' || n, '', '', '', '', false, true,"
        " false, now(), now() FROM generate_series(4, 1500) n"
    )
    platform.execute(
        "INSERT INTO student_courseenrollment (user_id, course_id)"
        " SELECT id, %s FROM auth_user WHERE id > 3",
        TOY,
    )
    settle(platform)
    platform.execute("UPDATE auth_user SET email = 'bulk@x'")
    platform.member(2000, TOY)
    batches.route(platform.connection)
    assert platform.rows("SELECT user_id FROM pyrepl.outbox WHERE priority = 0") == [
        (2000,)
    ]
    settle(platform)
    assert toy.user(1500)["email"] == "bulk@x"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE auth_user SET unlisted = 'x'",
        "UPDATE auth_user SET email = email, username = username",
        "UPDATE auth_userprofile SET name = name",
        "UPDATE student_courseenrollment SET created = created, user_id = user_id",
        "UPDATE auth_user SET email = 'nobody' WHERE id = 999",
        "DELETE FROM student_courseenrollment WHERE user_id = 999",
    ],
)
def test_a_statement_that_changes_nothing_agreed_writes_no_change(
    platform: Platform, toy: Course, statement: LiteralString
) -> None:
    platform.execute("ALTER TABLE auth_user ADD COLUMN unlisted text")
    platform.execute(statement)
    assert changes(platform) == []


def test_an_update_names_only_the_users_whose_columns_changed(
    platform: Platform, toy: Course
) -> None:
    platform.execute(
        "UPDATE auth_user SET email = CASE id WHEN 2 THEN 'new@x' ELSE email END"
    )
    assert changes(platform) == [([2], None, 0)]


@pytest.mark.parametrize(
    ("declared", "before", "after"),
    [("json", '{"a":1}', '{"a": 1}'), ("numeric", "1.0", "1.00")],
)
def test_columns_are_compared_by_image(
    platform: Platform,
    new_course: NewCourse,
    declared: LiteralString,
    before: str,
    after: str,
) -> None:
    alter = "ALTER TABLE auth_userprofile ADD COLUMN extra " + declared
    platform.execute(alter)
    portal.install(platform.dsn, platform.config)
    dsn = new_course()
    with psycopg.connect(dsn) as connection:
        connection.execute(alter)
    course, _ = platform.register(dsn, TOY)
    platform.member(1, TOY)
    update: LiteralString = "UPDATE auth_userprofile SET extra = %s"
    platform.execute(update, before)
    settle(platform)
    platform.execute(update, before)
    assert changes(platform) == []
    platform.execute(update, after)
    settle(platform)
    assert course.rows("SELECT extra::text FROM auth_userprofile") == [(after,)]


def delete(platform: Platform, user: int) -> None:
    with platform.connection.transaction():
        platform.execute(
            "DELETE FROM student_courseenrollment WHERE user_id = %s", user
        )
        platform.execute("DELETE FROM auth_userprofile WHERE user_id = %s", user)
        platform.execute("DELETE FROM auth_user WHERE id = %s", user)


@pytest.mark.parametrize("between", [True, False], ids=["two batches", "one batch"])
def test_an_id_that_comes_back_as_somebody_else_inherits_nothing(
    platform: Platform, between: bool
) -> None:
    course = platform.course(TOY, askbot=True)
    platform.member(1, TOY)
    settle(platform)
    course.execute("UPDATE auth_user SET reputation = 500, about = 'the old one'")
    delete(platform, 1)
    if between:
        settle(platform)
        assert course.users == []
    platform.member(1, TOY, username="the_new_one")
    settle(platform)
    assert course.rows("SELECT username, reputation, about FROM auth_user") == [
        ("the_new_one", 1, "")
    ]


def test_the_same_name_and_date_of_joining_is_the_same_person(
    platform: Platform,
) -> None:
    course = platform.course(TOY, askbot=True)
    platform.member(1, TOY)
    settle(platform)
    course.execute("UPDATE auth_user SET reputation = 500")
    delete(platform, 1)
    platform.member(1, TOY)
    settle(platform)
    assert course.rows("SELECT username, reputation FROM auth_user") == [("user1", 500)]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("username = 'another', date_joined = now()", ("another", 1)),
        ("username = 'renamed'", ("renamed", 500)),
    ],
    ids=["another person", "the same, renamed"],
)
def test_a_course_bound_anew_looks_who_has_an_id_now(
    platform: Platform, change: LiteralString, left: tuple[str, int]
) -> None:
    """After a restore no departure tells that an id was given to somebody else."""
    course = platform.course(TOY, askbot=True)
    platform.member(1, TOY)
    settle(platform)
    course.execute("UPDATE auth_user SET reputation = 500")
    platform.connection.execute(f"UPDATE auth_user SET {change}".encode())
    refresh(platform.connection, platform.config, course.name, course.dsn, rebind=True)
    settle(platform)
    assert course.rows("SELECT username, reputation FROM auth_user") == [left]
    platform.execute("UPDATE auth_user SET username = 'later', date_joined = now()")
    course.execute("UPDATE auth_user SET reputation = 7")
    settle(platform)
    assert course.rows("SELECT username, reputation FROM auth_user") == [("later", 7)]


@pytest.mark.parametrize("action", ["CASCADE", "RESTRICT", "SET NULL", "NO ACTION"])
def test_deleted_users_to_whom_the_course_refers_are_blanked_instead(
    platform: Platform, new_course: NewCourse, action: LiteralString
) -> None:
    dsn = new_course(askbot=True)
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "CREATE TABLE post (id integer PRIMARY KEY, author integer"
            " REFERENCES auth_user ON DELETE " + action + ")"
        )
    course, _ = platform.register(dsn, TOY)
    for user in (1, 2, 3):
        platform.member(user, TOY)
    settle(platform)
    course.execute("INSERT INTO post VALUES (1, 1), (2, 2)")
    course.execute("UPDATE auth_user SET reputation = 500")
    for user in (1, 2, 3):
        delete(platform, user)
    settle(platform)
    assert course.rows("SELECT id, author FROM post ORDER BY 1") == [(1, 1), (2, 2)]
    assert (course.users, course.profiles, course.enrollments) == ([1, 2], [], [])
    left = course.user(1)
    assert (left["is_active"], left["email"], left["password"]) == (False, "", "")
    assert left["username"] != "user1"
    assert course.rows("SELECT DISTINCT reputation FROM auth_user") == [(500,)]


def test_a_blanked_user_who_comes_back_is_filled_again(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE post (author integer REFERENCES auth_user)")
    course, _ = platform.register(dsn, TOY)
    platform.member(1, TOY)
    settle(platform)
    course.execute("INSERT INTO post VALUES (1)")
    delete(platform, 1)
    settle(platform)
    platform.member(1, TOY)
    settle(platform)
    assert course.user(1)["username"] == "user1"
    assert course.rows("SELECT author FROM post") == [(1,)]


@pytest.mark.parametrize(
    "name",
    [
        'O\'Neil "Bob"',
        "back\\slash\\\\ and \\n",
        "{braces} {{two}} (parens), ,",
        "two\nlines\r\nand\ttab",
        "NULL",
        "null",
        "",
        "   ",
        "Żółć Ångström Ελληνικά 学生 עבר",
        "🎓👩🏽‍🎓",
        "e\u0301 and \u00e9",
        "%s %(x)s $1 $$",
        "\x01\x7f\u200b\ufeff",
    ],
)
def test_awkward_text_survives_the_trip(
    platform: Platform, toy: Course, name: str
) -> None:
    platform.execute(
        "UPDATE auth_user SET first_name = %s, last_name = %s WHERE id = 1",
        name,
        name[::-1],
    )
    platform.execute(
        "UPDATE auth_userprofile SET name = %s, goals = %s WHERE user_id = 1",
        name,
        name,
    )
    settle(platform)
    held = toy.user(1)
    assert (held["first_name"], held["last_name"]) == (name, name[::-1])
    assert toy.rows("SELECT name, goals FROM auth_userprofile WHERE user_id = 1") == [
        (name, name)
    ]


def test_nulls_and_very_long_texts_survive_the_trip(
    platform: Platform, toy: Course
) -> None:
    meta = json.dumps({"answers": ['"quoted", {braced} \\ 学生 🎓'] * 50_000})
    platform.execute(
        "UPDATE auth_userprofile SET meta = %s, goals = NULL, gender = NULL,"
        " year_of_birth = NULL, mailing_address = '' WHERE user_id = 1",
        meta,
    )
    platform.execute("UPDATE student_courseenrollment SET created = NULL")
    settle(platform)
    assert toy.rows(
        "SELECT meta, goals, gender, year_of_birth, mailing_address"
        " FROM auth_userprofile WHERE user_id = 1"
    ) == [(meta, None, None, None, "")]
    assert toy.rows("SELECT DISTINCT created FROM student_courseenrollment") == [
        (None,)
    ]


def deliver_in(session: Connection) -> None:
    assert batches.until_empty(session, databases.numbers(session, [])) == {}


def test_the_settings_of_a_session_change_no_value(
    platform: Platform, toy: Course
) -> None:
    for connection in (platform.connection, toy.connection):
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET datestyle = 'SQL, DMY'").format(
                sql.Identifier(connection.info.dbname)
            )
        )
    session = platform.session(
        autocommit=True,
        options="-c datestyle=German,DMY -c timezone=Asia/Kolkata"
        " -c intervalstyle=sql_standard -c extra_float_digits=0"
        " -c bytea_output=escape",
    )
    session.execute(
        "UPDATE auth_user SET date_joined = '03.04.2012 01:02:03.456789' WHERE id = 1"
    )
    deliver_in(session)
    moment = "SELECT extract(epoch FROM date_joined) FROM auth_user WHERE id = 1"
    assert toy.connection.execute(moment).fetchall() == platform.rows(
        "SELECT extract(epoch FROM timestamptz '2012-04-02 19:32:03.456789+00')"
    )
    settle(platform)
