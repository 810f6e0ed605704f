"""Which errors are a course's word: whatever their SQLSTATE, and in any language."""

from __future__ import annotations

import psycopg
import pytest

from pyreplctl.core.errors import NotSuitable
from tests.conftest import NewCourse
from tests.integration.trust.attacks import attacker
from tests.integration.trust.hostile import altered
from tests.support.platform import Platform

TOY = "edX/toy/2012_Fall"

_LOCAL = (
    'SQL statement "UPDATE pyrepl.inbox_1 AS told_by_course  -- see from_course\n'
    '    SET portal = v_portal"\n'
    "PL/pgSQL function pyrepl.push_1(bigint[],bigint[]) line 15 at SQL statement"
)

CONTEXTS = {
    # What was sent, with each kind of command.
    "remote SQL command: UPDATE pyrepl.inbox SET portal = $1\n" + _LOCAL: True,
    "remote SQL command: SELECT id, xid FROM pyrepl.unsettled ORDER BY id": True,
    "remote SQL command: START TRANSACTION ISOLATION LEVEL REPEATABLE READ": True,
    "remote SQL command: COMMIT TRANSACTION": True,
    "remote SQL command: SET timezone = 'GMT'": True,
    "Fern-SQL-Befehl: UPDATE pyrepl.inbox SET portal = $1\n" + _LOCAL: True,
    # An answer that is not of its type, in the languages of PostgreSQL.
    'column "copies" of foreign table "told_by_course"\n' + _LOCAL: True,
    "Spalte »again« von Fremdtabelle »told_by_course«\n" + _LOCAL: True,
    '外部テーブル"told_by_course"の列"xid"': True,
    'whole-row reference to foreign table "told_by_course"': True,
    # What this server raises itself.
    _LOCAL: False,
    _LOCAL.splitlines()[0]: False,
    'while updating tuple (0,1) in relation "health"\n' + _LOCAL: False,
    'SQL statement "SELECT * FROM pyrepl.unsettled_1 AS told_by_course"': False,
    'SQL statement "SELECT u.users, u.copies FROM again u, epoch, xid"': False,
    "PL/pgSQL function public.users() line 1 at RAISE\n" + _LOCAL: False,
    "": False,
}


def test_a_course_has_said_what_its_context_tells(platform: Platform) -> None:
    for context, said in CONTEXTS.items():
        found = platform.rows("SELECT pyrepl.from_course(%s)", context)
        assert found == [(said,)], context
    assert platform.rows("SELECT pyrepl.from_course(NULL)") == [(False,)]


# A course that says the word with which a trial push is taken back.

_SAYS = """
    CREATE FUNCTION public.says() RETURNS trigger LANGUAGE plpgsql AS $says$
    BEGIN
        RAISE 'no' USING ERRCODE = 'PR009';
    END $says$;
    CREATE TRIGGER says BEFORE INSERT ON auth_user
        FOR EACH ROW EXECUTE FUNCTION public.says();
"""


def refusing(platform: Platform, new_course: NewCourse) -> str:
    """Make a course database that refuses each user in the words of a trial push."""
    platform.member(1, TOY)
    dsn = new_course()
    with psycopg.connect(dsn, autocommit=True) as course:
        course.execute(_SAYS.encode())
    return dsn


def test_a_trial_push_that_was_not_taken_has_failed(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = refusing(platform, new_course)
    with pytest.raises(NotSuitable, match="PR009"):
        platform.register(dsn, TOY)
    assert platform.rows("SELECT name FROM pyrepl.database") == []


def test_control_it_would_pass_as_taken_back(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = refusing(platform, new_course)
    with altered(platform, "pyrepl.trial_push", "IF NOT v_taken", "IF false"):
        platform.register(dsn, TOY, backfill=False)
    assert len(platform.rows("SELECT name FROM pyrepl.database")) == 1


# The owner of the platform's tables, who says it in a reading.


def test_a_reading_that_its_code_ends_is_no_empty_one(platform: Platform) -> None:
    platform.course(TOY)
    platform.member(1, TOY)
    assert platform.deliver() == {}
    with attacker(platform.connection) as owner:
        owner.owns("public.auth_user")
        owner.session.execute(
            "CREATE FUNCTION public.says(text) RETURNS text LANGUAGE plpgsql IMMUTABLE"
            " AS $$ BEGIN IF current_user = 'pyrepl_reader' THEN RAISE 'no' USING"
            " ERRCODE = 'PR009'; END IF; RETURN $1; END $$"
        )
        owner.session.execute("UPDATE auth_user SET email = 'new' WHERE id = 1")
        owner.session.execute("ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY")
        owner.session.execute(
            "CREATE INDEX says ON auth_user (id) WHERE says(username) IS NOT NULL"
        )
        platform.deliver()
        placed = platform.rows("SELECT user_id FROM pyrepl.placement")
    assert placed == [(1,)]
