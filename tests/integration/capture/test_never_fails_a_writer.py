"""Whatever has become of the tables, ours too: no writer fails, and nothing is lost."""

from __future__ import annotations

from typing import LiteralString

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.delivery import status
from pyreplctl.install.portal import install
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"

# What happens to the tables of the platform, and is taken back.
TABLES: dict[str, tuple[LiteralString, LiteralString]] = {
    "renamed": ("ALTER TABLE {0} RENAME TO away", "ALTER TABLE away RENAME TO {0}"),
    "moved": (
        "CREATE SCHEMA s; ALTER TABLE {0} SET SCHEMA s",
        "ALTER TABLE s.{0} SET SCHEMA public",
    ),
    "row security": (
        "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE {0} DISABLE ROW LEVEL SECURITY",
    ),
    "no right to read": (
        "REVOKE SELECT ON {0} FROM pyrepl_reader",
        "GRANT SELECT ON {0} TO pyrepl_reader",
    ),
}

# What happens to ours, so that capture cannot note a thing; and is taken back.
OURS: dict[str, tuple[LiteralString, LiteralString]] = {
    "change renamed": (
        "ALTER TABLE pyrepl.change RENAME TO away",
        "ALTER TABLE pyrepl.away RENAME TO change",
    ),
    "no right to write": (
        "REVOKE INSERT (users) ON pyrepl.change FROM pyrepl_capture",
        "GRANT INSERT (users) ON pyrepl.change TO pyrepl_capture",
    ),
    "settings gone": (
        "ALTER TABLE pyrepl.settings RENAME TO away",
        "ALTER TABLE pyrepl.away RENAME TO settings",
    ),
    "a check": (
        "ALTER TABLE pyrepl.change ADD CONSTRAINT no CHECK (false) NOT VALID",
        "ALTER TABLE pyrepl.change DROP CONSTRAINT no",
    ),
    "row security": (
        "ALTER TABLE pyrepl.change ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE pyrepl.change DISABLE ROW LEVEL SECURITY",
    ),
    "note_change gone": (
        "ALTER FUNCTION pyrepl.note_change(bigint[], text[], bigint[]) RENAME TO away",
        "ALTER FUNCTION pyrepl.away(bigint[], text[], bigint[]) RENAME TO note_change",
    ),
    "a sequence at its end": (
        (
            "ALTER SEQUENCE pyrepl.departure_generation_seq MAXVALUE 2147483647"
            " RESTART 2147483647; SELECT nextval('pyrepl.departure_generation_seq')"
        ),
        "ALTER SEQUENCE pyrepl.departure_generation_seq NO MAXVALUE RESTART 2147483648",
    ),
}


@pytest.fixture
def course(platform: Platform) -> Course:
    course = platform.course(TOY)
    for user in (1, 2, 3, 4):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return course


def run(platform: Platform, statements: str, *names: str) -> None:
    for one in statements.format(*names).split(";"):
        platform.connection.execute(one.encode())


def where(platform: Platform, table: str) -> str:
    """The name under which a table is found now."""
    row = platform.connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_trigger t"
        " ON t.tgrelid = c.oid JOIN pg_proc p ON p.oid = t.tgfoid"
        " WHERE p.proname = %s LIMIT 1",
        (
            {"auth_user": "capture_user", "auth_userprofile": "capture_profile"}.get(
                table, "capture_enrollment"
            ),
        ),
    ).fetchone()
    assert row is not None
    return str(row[0])


WRITES: dict[str, list[str]] = {
    "auth_user": [
        "UPDATE {0} SET email = 'new' WHERE id = 1",
        (
            "INSERT INTO {0} SELECT 9, 'nine', 'F', 'L', 'e', 'p', false, true, false,"
            " now(), now()"
        ),
        "TRUNCATE {0} CASCADE",
    ],
    "auth_userprofile": [
        "UPDATE {0} SET name = 'New' WHERE user_id IN (1, 2)",
        "DELETE FROM {0} WHERE user_id = 3",
        "TRUNCATE {0}",
    ],
    "student_courseenrollment": [
        "UPDATE {0} SET created = now() WHERE user_id = 1",
        "DELETE FROM {0} WHERE user_id = 3",
        "TRUNCATE {0}",
    ],
}


@pytest.mark.parametrize("table", WRITES)
@pytest.mark.parametrize("name", TABLES)
def test_whatever_becomes_of_a_table_its_writes_go_on_and_arrive(
    platform: Platform, course: Course, name: str, table: str
) -> None:
    away, back = TABLES[name]
    run(platform, away, table)
    for write in WRITES[table]:
        run(platform, write, where(platform, table))
    run(platform, back, table)
    platform.execute("SELECT pyrepl.retry_databases(ARRAY[1])")
    assert platform.deliver() == {}
    platform.assert_equal()
    assert platform.rows("SELECT * FROM pyrepl.missed_changes()") == []


@pytest.mark.parametrize("name", OURS)
def test_whatever_becomes_of_ours_no_writer_fails_and_it_is_told(
    platform: Platform, course: Course, name: str
) -> None:
    done, undone = OURS[name]
    run(platform, done)
    for write in (
        "UPDATE auth_user SET email = 'new'",
        "UPDATE auth_userprofile SET name = 'New' WHERE user_id = 1",
        "DELETE FROM student_courseenrollment WHERE user_id = 4",
        "DELETE FROM auth_userprofile WHERE user_id = 4",
        "DELETE FROM auth_user WHERE id = 4",
        "TRUNCATE auth_userprofile",
    ):
        run(platform, write)
    told = platform.rows("SELECT part FROM pyrepl.uncaptured")
    assert told
    run(platform, undone)

    actions = status.read(platform.connection).actions()
    assert any("could not be captured" in action for action in actions)
    platform.deliver()
    install(platform.dsn, Config())
    assert platform.deliver() == {}
    platform.assert_equal()
    assert platform.rows("SELECT * FROM pyrepl.uncaptured") == []


def test_where_nothing_of_ours_can_be_written_the_writer_is_warned(
    platform: Platform, course: Course
) -> None:
    told: list[str] = []
    platform.connection.add_notice_handler(
        lambda said: told.append(said.message_primary or "")
    )
    platform.execute("REVOKE USAGE ON SCHEMA pyrepl FROM pyrepl_capture")
    platform.execute("UPDATE auth_user SET email = 'new'")
    platform.execute("TRUNCATE auth_userprofile")
    assert len(told) == 2
    assert all(said.startswith("not captured: ") for said in told)
    # install mends the right, and knows by that what it is worth.
    assert "missed changes" in {c.object for c in install(platform.dsn, Config())}
    assert platform.deliver() == {}
    platform.assert_equal()


def test_many_statements_of_a_transaction_take_few_numbers(
    platform: Platform, course: Course
) -> None:
    """Each subtransaction that writes takes one, and slows snapshots of others."""
    session = platform.session()
    session.execute("SELECT pg_current_xact_id()")
    for n in range(20):
        session.execute("UPDATE auth_user SET email = %s WHERE id = 1", (f"{n}@x",))
    [(mine,)] = session.execute("SELECT pg_current_xact_id()::text::bigint").fetchall()
    session.commit()
    [(next_one,)] = platform.rows("SELECT pg_current_xact_id()::text::bigint")
    assert next_one - mine <= 2 + 1


def test_the_control_without_the_block_the_writer_fails(
    platform: Platform, course: Course
) -> None:
    session = platform.session(autocommit=True)
    session.execute("SET pyrepl.captured = 'on'")  # as after the first of a transaction
    platform.execute("ALTER TABLE pyrepl.change RENAME TO away")
    with pytest.raises(psycopg.errors.UndefinedTable):
        session.execute("UPDATE auth_user SET email = 'new'")
