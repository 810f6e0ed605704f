"""The guard: copies are the portal's to write, and all else of a course is free."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import msgspec
import psycopg
import pytest
from psycopg import errors, sql
from psycopg.rows import TupleRow

from pyreplctl.core.config import Config
from pyreplctl.core.config import Guard as Mode
from pyreplctl.core.errors import DatabaseError, NotSuitable
from pyreplctl.core.locks import Patience
from pyreplctl.courses import guard as courses
from pyreplctl.courses.refresh import refresh
from pyreplctl.install.portal import install
from pyreplctl.install.triggers import drop_triggers
from pyreplctl.schema import objects
from pyreplctl.schema.guard import triggers
from tests.conftest import NewCourse
from tests.integration.courses.test_local_accounts import add_account
from tests.support.logins import as_login, logged_in, new_login
from tests.support.platform import FOR_GOOD, Connection, Course, Platform, owner_of

TOY = "edX/toy/2012_Fall"
LOCAL = 900  # an account of the course, with a profile and enrollments
BARE = 4  # a member without a profile
THREE = ("auth_user", "auth_userprofile", "student_courseenrollment")
HASTY = Patience(lock_timeout=0.05, attempts=2)

# What others may not do, and what the message names beside the table.
REFUSED: dict[LiteralString, str] = {
    "UPDATE auth_user SET email = 'tell-tale' WHERE id = 1": "user 1 … user … email",
    "UPDATE auth_user SET password = 'tell-tale', username = 'x' WHERE id = 2": (
        "user 2 … auth_user … username, password"
    ),
    "UPDATE auth_user SET is_staff = true WHERE id > 2": "auth_user … is_staff",
    "UPDATE auth_user SET id = 5000 WHERE id = 4": "user 4 … auth_user … id",
    "UPDATE auth_userprofile SET goals = '' WHERE user_id = 1": "user 1 … goals",
    "UPDATE auth_userprofile SET id = 5 WHERE user_id = 1": "user 1 … profile … id",
    "UPDATE auth_userprofile SET user_id = 901 WHERE user_id = 1": "user 1 … user_id",
    "UPDATE auth_userprofile SET user_id = 4 WHERE user_id = 900": "user 4 … user_id",
    "UPDATE student_courseenrollment SET created = NULL WHERE user_id = 1": "created",
    "UPDATE student_courseenrollment SET user_id = 900, course_id = 'x'"
    " WHERE user_id = 1": "user 1 … user_id, course_id",
    "UPDATE student_courseenrollment SET user_id = 1, course_id = id"
    " WHERE user_id = 900": "user 1 … user_id, course_id",
    "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware, language,"
    " location) VALUES (9, 4, '', '', '', '', '')": "user 4 … profile … added",
    "INSERT INTO student_courseenrollment (id, user_id, course_id)"
    " VALUES (900, 1, 'mine')": "user 1 … enrollment … added",
    "DELETE FROM auth_user WHERE id = 4": "user 4 … auth_user … deleted",
    "DELETE FROM auth_userprofile WHERE user_id = 1": "user 1 … profile … deleted",
    "DELETE FROM student_courseenrollment": "enrollment … deleted",
    "TRUNCATE student_courseenrollment": "enrollment … truncated",
    "TRUNCATE auth_userprofile": "profile … truncated",
    "TRUNCATE auth_user CASCADE": "truncated",
    "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware, language,"
    " location) VALUES (1001, 1, 'Other', '', '', '', '')"
    " ON CONFLICT (id) DO UPDATE SET name = excluded.name": "user 1 … profile … name",
    "MERGE INTO auth_user u USING (VALUES (1)) v(id) ON u.id = v.id"
    " WHEN MATCHED THEN UPDATE SET email = 'tell-tale'": "user 1 … email",
    "MERGE INTO student_courseenrollment e USING (VALUES (1)) v(id) ON e.user_id = v.id"
    " WHEN MATCHED THEN DELETE": "user 1 … enrollment … deleted",
    "WITH gone AS (DELETE FROM student_courseenrollment WHERE user_id = 1 RETURNING *)"
    " SELECT FROM gone": "user 1 … enrollment … deleted",
}

_NEW_ACCOUNT: LiteralString = (
    "INSERT INTO auth_user (id, username, first_name, last_name, email, password,"
    " is_staff, is_active, is_superuser, last_login, date_joined, reputation)"
    " VALUES (950, 'new', '', '', '', '', false, true, false, now(), now(), 1)"
)

# What others do freely, each after those before.
FREE: tuple[LiteralString, ...] = (
    "UPDATE auth_user SET reputation = 7, about = 'Asks good questions'",
    "UPDATE auth_user SET last_login = now()",
    # As an application does that always saves all columns.
    "UPDATE auth_user SET username = username, email = email, reputation = 8",
    "UPDATE auth_userprofile SET name = name",
    (
        "INSERT INTO auth_user SELECT * FROM auth_user WHERE id = 1"
        " ON CONFLICT (id) DO UPDATE SET reputation = 9"
    ),
    "INSERT INTO auth_user SELECT * FROM auth_user ON CONFLICT DO NOTHING",
    (
        "MERGE INTO auth_user u USING (VALUES (1)) v(id) ON u.id = v.id"
        " WHEN MATCHED THEN UPDATE SET reputation = 10"
    ),
    _NEW_ACCOUNT,
    (
        "INSERT INTO auth_userprofile (id, user_id, name, meta, courseware, language,"
        " location) VALUES (9, 950, '', '', '', '', '')"
    ),
    (
        "INSERT INTO student_courseenrollment (id, user_id, course_id)"
        " VALUES (950, 950, 'mine')"
    ),
    "UPDATE auth_user SET username = 'newer', password = 'x' WHERE id = 950",
    "UPDATE auth_userprofile SET name = 'x' WHERE user_id = 950",
    "UPDATE student_courseenrollment SET user_id = 900 WHERE id = 950",
    "DELETE FROM student_courseenrollment WHERE user_id = 900",
    "DELETE FROM auth_userprofile WHERE user_id IN (900, 950)",
    "UPDATE auth_user SET id = 951 WHERE id = 950",
    "DELETE FROM auth_user WHERE id IN (900, 951)",
)


@pytest.fixture
def course(platform: Platform) -> Course:
    """A course database with four members and an account of its own."""
    made = platform.course(TOY, name="forum", askbot=True)
    for number in (1, 2, 3):
        platform.member(number, TOY)
    platform.user(BARE, profile=False)
    platform.enroll(BARE, TOY)
    platform.deliver()
    add_account(made.connection, LOCAL)
    return made


@pytest.fixture
def application(course: Course) -> Iterator[Connection]:
    """The course's application: all rights on the tables, and no owner of anything."""
    with acting_as(course, "application") as connection:
        yield connection


@contextmanager
def acting_as(course: Course, who: str) -> Iterator[Connection]:
    """Connect as the application, as the tables' owner, or as a superuser."""
    if who == "superuser":
        with psycopg.connect(course.dsn, autocommit=True) as connection:
            yield connection
        return
    with logged_in(course.dsn, course.connection) as connection:
        role = sql.Identifier(connection.info.user)
        for table in THREE:
            statement = "GRANT ALL ON {} TO {}"
            if who == "owner":
                statement = "ALTER TABLE {} OWNER TO {}"
            course.connection.execute(
                sql.SQL(statement).format(sql.Identifier(table), role)
            )
        yield connection


def refusal(connection: Connection, statement: LiteralString) -> str:
    """Return the message with which a statement is refused, '' where it is not."""
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        refused = error
    else:
        return ""
    assert refused.sqlstate == "PR030", (statement, refused)
    assert "SET ROLE pyrepl_" in (refused.diag.message_hint or "")
    assert "tell-tale" not in f"{refused} {refused.diag.message_detail}"
    return refused.diag.message_primary or ""


def content(course: Course) -> list[list[TupleRow]]:
    """Return all rows of the three tables."""
    return [
        course.rows("SELECT * FROM auth_user ORDER BY id"),
        course.rows("SELECT * FROM auth_userprofile ORDER BY id"),
        course.rows("SELECT * FROM student_courseenrollment ORDER BY id"),
    ]


def assert_names(message: str, words: str) -> None:
    """Find the words, in their order."""
    place = 0
    for word in words.split(" … "):
        found = message.find(word, place)
        assert found >= 0, (message, word)
        place = found + len(word)


EMAIL: LiteralString = "UPDATE auth_user SET email = 'other@example.com' WHERE id = 1"
OWN_COLUMN: LiteralString = "UPDATE auth_user SET reputation = 77"


# Who is refused what.


@pytest.mark.parametrize("who", ["application", "owner", "superuser"])
def test_nobody_else_writes_a_copy(course: Course, who: str) -> None:
    before = content(course)
    with acting_as(course, who) as connection:
        for statement, words in REFUSED.items():
            assert_names(refusal(connection, statement), words)
        assert content(course) == before


def test_without_the_guard_all_of_it_goes_through(
    platform: Platform, course: Course, application: Connection
) -> None:
    """The control: it is nothing else that refuses."""
    drop_triggers(course.connection, Patience())
    for statement in REFUSED:
        with application.transaction(force_rollback=True):
            application.execute(statement)
    application.execute(EMAIL)
    assert platform.verify()[course.name].stale == 1


def test_all_else_is_free(
    platform: Platform, course: Course, application: Connection
) -> None:
    for statement in FREE:
        assert refusal(application, statement) == "", statement
    assert course.users == [1, 2, 3, BARE]
    platform.assert_equal()


def test_copy_brings_rows_of_local_accounts_only(
    course: Course, application: Connection
) -> None:
    into: LiteralString = (
        "COPY student_courseenrollment (id, user_id, course_id) FROM STDIN"
    )

    def load(*users: int) -> None:
        with application.cursor() as cursor, cursor.copy(into) as rows:
            for user in users:
                rows.write_row((990 + user, user, "mine"))

    load(LOCAL)
    with pytest.raises(psycopg.Error) as refused:
        load(LOCAL + 1, 1)
    assert refused.value.sqlstate == "PR030"
    assert [user for user, key in course.enrollments if key == "mine"] == [LOCAL]


def test_a_change_that_only_the_image_shows_counts(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    platform.execute("ALTER TABLE auth_userprofile ADD score numeric DEFAULT 1.0")
    install(platform.dsn, Config())
    with psycopg.connect(dsn) as connection:
        connection.execute("ALTER TABLE auth_userprofile ADD score numeric")
    course, _ = platform.register(dsn, TOY)
    platform.member(1, TOY)
    platform.deliver()
    write: LiteralString = "UPDATE auth_userprofile SET score = 1.00"
    assert_names(refusal(course.connection, write), "user 1 … score")


def test_what_the_courses_own_triggers_make_of_a_row_counts(
    course: Course, application: Connection
) -> None:
    course.execute(
        "CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN NEW.email := 'tidy'; RETURN NEW; END $$;"
        "CREATE TRIGGER zzz BEFORE UPDATE ON auth_user"
        " FOR EACH ROW WHEN (NEW.reputation = 77) EXECUTE FUNCTION tidy()"
    )
    assert_names(refusal(application, OWN_COLUMN), "auth_user … email")


def test_a_deferred_write_is_refused_at_the_commit(
    course: Course, application: Connection
) -> None:
    course.execute(
        "CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN UPDATE auth_user SET email = 'x' WHERE id = 1; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON auth_user"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.reputation = 77)"
        " EXECUTE FUNCTION later()"
    )
    application.autocommit = False
    application.execute(OWN_COLUMN)
    with pytest.raises(psycopg.Error) as refused:
        application.commit()
    assert refused.value.sqlstate == "PR030"


def test_cascades_do_not_get_past_it(course: Course, application: Connection) -> None:
    course.execute(
        "CREATE TABLE cohort (id int PRIMARY KEY);"
        "INSERT INTO cohort VALUES (1), (2), (3); GRANT ALL ON cohort TO PUBLIC;"
        "ALTER TABLE student_courseenrollment"
        " ADD cohort int REFERENCES cohort ON DELETE CASCADE,"
        " ADD room int REFERENCES cohort ON DELETE SET NULL;"
        "UPDATE student_courseenrollment"
        " SET cohort = CASE WHEN user_id = 900 THEN 2 ELSE 1 END, room = 3"
    )
    assert_names(refusal(application, "DELETE FROM cohort WHERE id = 1"), "enrollment")
    assert refusal(application, "DELETE FROM cohort WHERE id > 1") == ""
    assert course.rows(
        "SELECT DISTINCT cohort, room FROM student_courseenrollment"
    ) == [(1, None)]


def test_a_refused_statement_can_be_undone_alone(application: Connection) -> None:
    with application.transaction():
        with pytest.raises(psycopg.Error), application.transaction():
            application.execute(EMAIL)
        assert refusal(application, OWN_COLUMN) == ""


def test_what_is_left_of_an_erased_user_stays_blank_and_may_be_deleted(
    platform: Platform, course: Course, application: Connection
) -> None:
    course.execute("CREATE TABLE post (author integer REFERENCES auth_user)")
    course.execute("INSERT INTO post VALUES (3)")
    platform.unenroll(3, TOY)
    platform.execute("DELETE FROM auth_userprofile WHERE user_id = 3")
    platform.execute("DELETE FROM auth_user WHERE id = 3")
    platform.deliver()
    assert course.user(3)["is_active"] is False
    for statement in (
        "UPDATE auth_user SET is_active = true WHERE id = 3",
        (
            "INSERT INTO student_courseenrollment (id, user_id, course_id)"
            " VALUES (900, 3, 'mine')"
        ),
    ):
        assert_names(refusal(application, statement), "user 3")
    course.execute("DROP TABLE post")
    assert refusal(application, OWN_COLUMN) == ""
    assert refusal(application, "DELETE FROM auth_user WHERE id = 3") == ""
    # The id stays the portal's: whoever has it again comes from there.
    taken: LiteralString = "UPDATE auth_user SET id = 3 WHERE id = 900"
    assert_names(refusal(application, taken), "user 3")
    platform.assert_equal()


# Who passes, and how.


SETTINGS: tuple[LiteralString, ...] = (
    "session_replication_role = replica",
    "pyrepl.guard = 'off'",
    "row_security = off",
    "search_path = impostor, pg_catalog, public",
)


def test_no_setting_opens_it(course: Course) -> None:
    course.execute(
        "CREATE SCHEMA impostor;"
        "CREATE FUNCTION impostor.no(name, name) RETURNS boolean"
        " IMMUTABLE RETURN false;"
        "CREATE OPERATOR impostor.<>"
        " (FUNCTION = impostor.no, LEFTARG = name, RIGHTARG = name)"
    )
    for setting in SETTINGS:
        course.execute("SET " + setting)
        assert_names(refusal(course.connection, EMAIL), "user 1 … email")


def test_only_a_member_takes_the_role_that_passes(
    course: Course, application: Connection
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        application.execute(FOR_GOOD)
    course.tamper(EMAIL)
    assert course.user(1)["email"] == "other@example.com"


def test_dossiers_pass_and_what_the_courses_triggers_do_with_them(
    platform: Platform, course: Course
) -> None:
    course.execute(
        "CREATE FUNCTION welcome() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER SET search_path = public AS $$ BEGIN"
        " UPDATE auth_user SET reputation = reputation + 100 WHERE id = NEW.user_id;"
        " RETURN NULL; END $$;"
        "CREATE TRIGGER welcome AFTER INSERT ON student_courseenrollment"
        " FOR EACH ROW EXECUTE FUNCTION welcome()"
    )
    platform.member(5, TOY)
    platform.execute("UPDATE auth_user SET email = username")
    platform.unenroll(2, TOY)
    assert platform.deliver() == {}
    assert course.rows("SELECT reputation FROM auth_user WHERE id = 5") == [(101,)]
    platform.assert_equal()


def test_a_dossier_fails_where_the_courses_trigger_writes_a_copy_as_another_role(
    platform: Platform, course: Course
) -> None:
    course.execute(
        "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER SET search_path = public AS $$ BEGIN"
        " UPDATE auth_user SET last_name = 'X' WHERE id = NEW.user_id;"
        " RETURN NULL; END $$;"
        "CREATE TRIGGER shout AFTER INSERT ON student_courseenrollment"
        " FOR EACH ROW EXECUTE FUNCTION shout()"
    )
    platform.member(5, TOY)
    (why,) = platform.deliver()[course.name]
    assert "user 5 is a copy" in why
    assert "last_name" in why


def test_where_there_are_no_copies_the_tables_may_be_truncated(
    platform: Platform,
) -> None:
    course = platform.course(TOY)
    assert refusal(course.connection, "TRUNCATE auth_user CASCADE") == ""


# Reject, warn, off.


def test_a_guard_that_warns_lets_pass(
    platform: Platform, course: Course, application: Connection
) -> None:
    heard: list[tuple[str | None, ...]] = []
    application.add_notice_handler(
        lambda said: heard.append(
            (said.severity_nonlocalized, said.sqlstate, said.message_primary)
        )
    )
    courses.set_guard(platform.connection, course.name, "warn", course.dsn)
    application.execute("UPDATE auth_user SET email = 'x' WHERE id IN (1, 900)")
    application.execute(OWN_COLUMN)
    ((severity, sqlstate, message),) = heard
    assert (severity, sqlstate) == ("WARNING", "PR030")
    assert_names(message or "", "user 1 … email")
    application.execute("TRUNCATE student_courseenrollment")
    assert len(heard) == 2
    assert platform.verify()[course.name].missing == 4


def test_a_guard_that_is_off_says_nothing(
    platform: Platform, course: Course, application: Connection
) -> None:
    heard: list[object] = []
    application.add_notice_handler(heard.append)
    courses.set_guard(platform.connection, course.name, "off", course.dsn)
    application.execute(EMAIL)
    application.execute("TRUNCATE student_courseenrollment")
    assert heard == []


def modes(platform: Platform, course: Course) -> tuple[Mode, Mode]:
    """Return how the database is guarded: as the portal has it, and the course."""
    ((there,),) = platform.rows("SELECT guard FROM pyrepl.database")
    ((here,),) = course.rows("SELECT guard FROM pyrepl.binding")
    return there, here


def test_the_mode_is_kept_on_both_sides(platform: Platform, course: Course) -> None:
    assert modes(platform, course) == ("reject", "reject")
    assert courses.set_guard(platform.connection, course.name, "off", course.dsn)
    assert modes(platform, course) == ("off", "off")
    assert courses.set_guard(platform.connection, course.name, "off", course.dsn) == []
    course.execute("UPDATE pyrepl.binding SET guard = 'warn'")
    (change,) = refresh(platform.connection, Config(), course.name, course.dsn)
    assert str(change.object) == "guard"
    assert modes(platform, course) == ("off", "off")
    refresh(platform.connection, Config(), course.name, course.dsn, rebind=True)
    assert modes(platform, course) == ("off", "off")


def test_a_registration_chooses_the_mode(
    platform: Platform, new_course: NewCourse
) -> None:
    platform.config = msgspec.convert({"policy": {"guard": "warn"}}, Config)
    first = platform.course("a")
    assert modes(platform, first) == ("warn", "warn")
    platform.register(first.dsn, "b")
    assert modes(platform, first) == ("warn", "warn")
    platform.register(first.dsn, "b", guard="off")
    assert modes(platform, first) == ("off", "off")


def test_only_the_database_that_is_meant_is_set(
    platform: Platform, course: Course, new_course: NewCourse
) -> None:
    with pytest.raises(NotSuitable, match="is not bound"):
        courses.set_guard(platform.connection, course.name, "off", new_course())
    assert modes(platform, course) == ("reject", "reject")


def test_exempt_columns_are_free_but_for_those_that_say_whose_a_row_is(
    platform: Platform, new_course: NewCourse
) -> None:
    exempt = ["email", "goals", "user_id"]
    platform.config = msgspec.convert({"policy": {"guard_exempt": exempt}}, Config)
    course = platform.course(TOY)
    platform.member(1, TOY)
    platform.deliver()
    assert refusal(course.connection, EMAIL) == ""
    assert refusal(course.connection, "UPDATE auth_userprofile SET goals = 'x'") == ""
    for statement in (
        "UPDATE auth_user SET last_login = now()",
        "UPDATE auth_userprofile SET user_id = 2",
    ):
        assert_names(refusal(course.connection, statement), "user 1")


# The course's own migrations.

STAFF: LiteralString = "UPDATE auth_user SET is_staff = true, reputation = 78"
MIGRATIONS: tuple[LiteralString, ...] = (
    "ADD karma int NOT NULL DEFAULT 0",
    "ALTER reputation TYPE bigint",
    "DROP about",
    "ALTER email TYPE text",
    "ALTER email TYPE json USING to_json(email)",
    "DROP first_name",
    "DROP username",
    "RENAME last_name TO surname",
)


def test_a_migration_fails_no_writer_and_the_other_columns_stay_guarded(
    course: Course, application: Connection
) -> None:
    """Open sessions have the functions compiled for the table as it was."""
    assert_names(refusal(application, STAFF), "is_staff")
    for migration in MIGRATIONS:
        course.execute("ALTER TABLE auth_user " + migration)
        assert refusal(application, OWN_COLUMN) == "", migration
        assert_names(refusal(application, STAFF), "is_staff")
    email: LiteralString = "UPDATE auth_user SET email = 'null' WHERE id = 1"
    assert_names(refusal(application, email), "email")


@pytest.mark.parametrize("migration", ["RENAME id TO number", "ALTER id TYPE text"])
def test_where_the_users_id_is_gone_nobody_can_say_whose_a_row_is(
    course: Course, application: Connection, migration: LiteralString
) -> None:
    assert_names(refusal(application, STAFF), "is_staff")
    for table in THREE[1:]:
        drop: LiteralString = "ALTER TABLE {0} DROP CONSTRAINT {0}_user_id_fkey"
        course.connection.execute(sql.SQL(drop).format(sql.SQL(table)))
    course.execute("ALTER TABLE auth_user " + migration)
    assert refusal(application, STAFF) == ""


# Bringing and removing the triggers.


def states(course: Course) -> set[str]:
    """Return the states of the triggers of the three tables."""
    return {
        objects.state(course.connection, item)
        for item in triggers(Config(), owner_of(course.connection))
    }


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        ("DROP TRIGGER pyrepl_guard ON {}", "edited"),
        ("ALTER TABLE {} DISABLE TRIGGER pyrepl_guard", "disabled"),
        ("DROP FUNCTION pyrepl.guard_truncate CASCADE", "edited"),
    ],
)
def test_a_refresh_mends_the_guard(
    platform: Platform, course: Course, damage: LiteralString, state: str
) -> None:
    assert states(course) == {"current"}
    assert refresh(platform.connection, Config(), course.name, course.dsn) == []
    for table in THREE:
        if "{}" in damage or table == "auth_user":
            statement = sql.SQL(damage).format(sql.Identifier(table))
            course.connection.execute(statement)
    assert states(course) == {state}
    changes = refresh(platform.connection, Config(), course.name, course.dsn)
    repaired = {change.object for change in changes}
    assert repaired >= {f"triggers public.{table}" for table in THREE}
    assert states(course) == {"current"}
    assert_names(refusal(course.connection, EMAIL), "email")


def test_a_refresh_gives_up_on_a_locked_table_and_a_second_one_finishes(
    platform: Platform, course: Course
) -> None:
    drop_triggers(course.connection, Patience())
    with psycopg.connect(course.dsn) as holder:
        holder.execute("LOCK TABLE auth_userprofile IN ROW EXCLUSIVE MODE")
        pid = holder.info.backend_pid
        with pytest.raises(DatabaseError, match=f"backend {pid} "):
            refresh(
                platform.connection, Config(), course.name, course.dsn, patience=HASTY
            )
    assert states(course) == {"current", "missing"}
    refresh(platform.connection, Config(), course.name, course.dsn, patience=HASTY)
    assert states(course) == {"current"}


def test_the_guard_goes_with_a_registration_that_fails(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    platform.member(1, TOY)
    with psycopg.connect(dsn, autocommit=True) as connection:
        add_account(connection, 1)
        with pytest.raises(NotSuitable, match="already has accounts"):
            platform.register(dsn, TOY)
        left: LiteralString = "SELECT FROM pg_trigger WHERE tgname LIKE 'pyrepl%'"
        assert connection.execute(left).fetchall() == []


def test_who_does_not_own_the_tables_is_told_so(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    with (
        psycopg.connect(dsn, autocommit=True) as connection,
        new_login(connection) as name,
        pytest.raises(
            NotSuitable, match=rf"role {name} does not own public\.auth_user"
        ),
    ):
        platform.register(as_login(dsn, name), TOY)
