"""The owner of the platform's tables gets no right by what reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import psycopg
import pytest

from pyreplctl.core.config import Config
from pyreplctl.core.errors import Error
from pyreplctl.courses.refresh import refresh
from pyreplctl.install.portal import check, install
from pyreplctl.verify import structure
from tests.integration.trust.hostile import altered
from tests.integration.trust.owner import ATTACKS, LOOSE, Owner, attempt, table_owner
from tests.support.platform import Course, Platform

# Who may come to run what the tables' owner has made: they have nothing he has not.
HARMLESS = {"pyrepl_reader", "pyrepl_capture"}

# The attacks by which code of his does run, then with no more rights than these.
MET = {
    "a course of a type with casts",
    "an enrolled user of a type with casts",
    "a profile's user of a type with casts",
    "a user's key of a type with casts",
    "a user's name of a type with casts",
    "a course of an enum with a cast",
    "an index with a condition",
    "an index on an expression",
    "statistics on an expression",
    "another table of that name",
}

ANOTHER = (
    "INSERT INTO auth_user SELECT (jsonb_populate_record(u, '{\"id\": 7}')).*"
    " FROM auth_user u WHERE id = 1"
)

# As the platform's application, which writes with its owner's rights.
WRITES = (
    "UPDATE auth_user SET first_name = 'New' WHERE first_name <> ''",
    "UPDATE auth_userprofile SET language = 'de'",
    "UPDATE student_courseenrollment SET created = now()",
    "UPDATE auth_user SET id = id",
    ANOTHER,
    "INSERT INTO student_courseenrollment (user_id, course_id) VALUES (7, 'c')",
    "DELETE FROM student_courseenrollment",
    "DELETE FROM auth_userprofile",
    "BEGIN; TRUNCATE auth_userprofile; ROLLBACK",
    "BEGIN; TRUNCATE student_courseenrollment; ROLLBACK",
    "BEGIN; TRUNCATE auth_user CASCADE; ROLLBACK",
)
# As whoever runs pyreplctl, here a superuser: nothing of the tables' may run as he.
READS = (
    "SELECT pyrepl.route()",
    "SELECT * FROM pyrepl.deliver({number})",
    "SELECT * FROM pyrepl.status()",
    "SELECT pyrepl.members({number})",
    "SELECT * FROM pyrepl.explain_user(1)",
    "SELECT * FROM pyrepl.undeliverable(1)",
    "SELECT * FROM pyrepl.find_users('user1')",
    "SELECT * FROM pyrepl.find_users('1')",
    "SELECT * FROM pyrepl.extent({number})",
    "SELECT * FROM pyrepl.digest_here({number}, NULL, 0, 100, 4, 1, false)",
    "SELECT * FROM pyrepl.digest_here({number}, NULL, 0, 100, 4, 1, true)",
    "SELECT * FROM pyrepl.digest_here({number}, '{{1}}', 0, 100, 4, 1, false)",
    "SELECT * FROM pyrepl.sums_here({number}, 0, 100, 4, 1)",
    "SELECT * FROM pyrepl.sums_here({number}, 0, 100, 63, 1)",
    "SELECT * FROM pyrepl.recheck_users({number}, '{{1,2}}', 1)",
    "SELECT pyrepl.has_enrollment('c')",
    "SELECT * FROM pyrepl.accounts_in_the_way({number})",
    "SELECT pyrepl.trial_push({number}, false)",
    "SELECT pyrepl.users_known({number}, '{{1,2}}')",
    # a change of everybody, and of a course
    "INSERT INTO pyrepl.change (courses) VALUES ('{{c}}'), (NULL)",
    "SELECT pyrepl.route()",
    "SELECT * FROM pyrepl.structure()",
)


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course("c")
    for number in (1, 2, 3):
        platform.member(number, "c")
    platform.deliver()
    platform.connection.execute("SELECT pyrepl.explain_user(1)")
    return made


@pytest.fixture
def owner(platform: Platform, course: Course) -> Iterator[Owner]:
    with table_owner(platform) as made:
        yield made


def number_of(platform: Platform) -> int:
    ((number,),) = platform.rows("SELECT id FROM pyrepl.databases()")
    return int(number)


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(name, marks=[pytest.mark.long] * (number % 3 > 0))
        for number, name in enumerate(ATTACKS)
    ],
)
def test_no_code_of_a_tables_owner_runs_with_rights_worth_having(
    platform: Platform, course: Course, owner: Owner, attack: str
) -> None:
    number = number_of(platform)
    owner.attack(ATTACKS[attack])
    owner.seen()
    met = set()
    for read in READS:
        attempt(platform.connection, read.format(number=number))
        met |= (seen := owner.seen())
        assert seen <= HARMLESS, read
    for command in (
        partial(structure.verify, platform.dsn, []),
        platform.verify,
        partial(check, platform.dsn, Config()),
        partial(install, platform.dsn, Config()),
        partial(refresh, platform.connection, Config(), course.name),
        platform.deliver,
    ):
        with suppress(Error, psycopg.Error):
            command()
    met |= (seen := owner.seen())
    assert seen <= HARMLESS
    for write in WRITES:
        owner.attempt(write)
        met |= (seen := owner.seen())
        assert seen <= HARMLESS, write
    assert bool(met) is (attack in MET)


@pytest.mark.parametrize(
    ("function", "call"),
    [
        ("pyrepl.members(integer)", "SELECT pyrepl.members({number})"),
        ("pyrepl.enrollments_of(bigint[])", "SELECT pyrepl.route()"),
        ("pyrepl.capture_enrollment()", None),
    ],
)
def test_with_the_owners_rights_it_would(
    platform: Platform, owner: Owner, function: str, call: str | None
) -> None:
    """The control: the spy sees pyrepl_owner where that runs the reading."""
    owner.attack(ATTACKS["a course of an enum with a cast"])
    owner.attack("GRANT SELECT ON student_courseenrollment TO pyrepl_owner")
    platform.connection.execute(
        f"ALTER FUNCTION {function} OWNER TO pyrepl_owner".encode()
    )
    owner.attack("UPDATE auth_user SET first_name = 'New'")
    owner.seen()
    if call is None:
        owner.attack("DELETE FROM student_courseenrollment")
    else:
        attempt(platform.connection, call.format(number=number_of(platform)))
    assert "pyrepl_owner" in owner.seen()


def test_the_owner_of_links_cannot_read_the_platforms_tables(
    platform: Platform, course: Course
) -> None:
    session = platform.session(autocommit=True)
    session.execute("SET ROLE pyrepl_owner")
    for table in ("auth_user", "auth_userprofile", "student_courseenrollment"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute(f"SELECT FROM {table}".encode())


@pytest.mark.parametrize("role", sorted(HARMLESS))
def test_who_reads_and_captures_can_do_nothing_else(
    platform: Platform, course: Course, role: str
) -> None:
    """Of ours no address, no secret, no link; and nothing can be written that lasts."""
    held = platform.rows(
        "SELECT c.relname::text || ' ' || p.name FROM pg_class c"
        " CROSS JOIN unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) p(name)"
        " WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relkind IN ('r', 'f')"
        " AND (has_table_privilege(%s, c.oid, p.name) OR p.name <> 'DELETE'"
        "  AND p.name <> 'TRUNCATE'"
        "  AND has_any_column_privilege(%s, c.oid, p.name)) ORDER BY 1",
        role,
        role,
    )
    assert [row[0] for row in held] == {
        "pyrepl_reader": [
            "departure SELECT",
            "hosting SELECT",
            "placement SELECT",
        ],
        "pyrepl_capture": [
            "change INSERT",
            "departure INSERT",
            "settings SELECT",
            "uncaptured INSERT",
        ],
    }[role]
    servers = platform.rows(
        "SELECT s.srvname FROM pg_foreign_server s"
        " WHERE has_server_privilege(%s, s.oid, 'USAGE')",
        role,
    )
    assert servers == []
    rights = platform.rows(
        "SELECT has_schema_privilege(%s, 'pyrepl', 'CREATE'), EXISTS (SELECT FROM"
        " pg_auth_members WHERE member = to_regrole(%s))",
        role,
        role,
    )
    assert rights == [(False, False)]


# What code of the tables' owner could do to gain something after the reading.
_ESCAPE = """
    CREATE TABLE forum.trap (id integer);
    GRANT ALL ON forum.trap TO PUBLIC;
    CREATE FUNCTION forum.caught() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM forum.spy(); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER caught AFTER INSERT ON forum.trap
        DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION forum.caught();
    CREATE FUNCTION forum.escape() RETURNS text LANGUAGE plpgsql AS $escape$
    BEGIN
        IF current_user = 'pyrepl_reader' THEN
            ALTER FUNCTION pyrepl.members(integer) SECURITY INVOKER;
            INSERT INTO forum.trap VALUES (1);
            PERFORM set_config('search_path', 'forum', false);
        END IF;
        RETURN 'c';
    END $escape$;
    CREATE TYPE forum.key AS ENUM ('c');
    CREATE FUNCTION forum.cast(forum.key) RETURNS text LANGUAGE sql
        AS 'SELECT forum.escape()';
    CREATE CAST (forum.key AS text) WITH FUNCTION forum.cast AS IMPLICIT;
    ALTER TABLE student_courseenrollment
        ALTER course_id TYPE forum.key USING 'c'::forum.key
"""


def escaped(platform: Platform, owner: Owner) -> set[str]:
    """Return what is left of an escape after members has read."""
    owner.seen()
    found = set()
    with platform.session() as session:
        session.execute("SELECT pyrepl.members(%s)", (number_of(platform),))
        path = session.execute("SHOW search_path").fetchone()
        if path == ("forum",):
            found.add("search_path")
        (definer,) = session.execute(
            "SELECT prosecdef FROM pg_proc WHERE proname = 'members'"
        ).fetchone() or (None,)
        if not definer:
            found.add("definer")
        (trapped,) = session.execute("SELECT count(*) FROM forum.trap").fetchone() or (
            0,
        )
        if trapped:
            found.add("trap")
        session.rollback()
    return found


def test_nothing_that_a_reading_has_brought_about_outlives_it(
    platform: Platform, owner: Owner
) -> None:
    owner.attack(LOOSE + _ESCAPE)
    assert escaped(platform, owner) == set()
    with altered(
        platform,
        "pyrepl.members",
        "    RAISE SQLSTATE 'PR009';\n",
        "    RETURN v_members;\n",
    ):
        assert escaped(platform, owner) == {"search_path", "definer", "trap"}


@pytest.mark.parametrize("attack", [a for a in ATTACKS if "view" in a])
def test_what_is_no_table_any_more_is_named_and_no_writer_fails(
    platform: Platform, owner: Owner, attack: str
) -> None:
    owner.attack(ATTACKS[attack])
    owner.seen()
    with pytest.raises(psycopg.errors.Error) as refused:
        platform.connection.execute("SELECT pyrepl.has_enrollment('c')")
    assert refused.value.sqlstate == "PR018"
    assert "is a view now" in str(refused.value)
    assert "pyreplctl install" in (refused.value.diag.message_hint or "")
    (row,) = platform.rows("SELECT members, state FROM pyrepl.status()")
    assert row[0] is None
    assert owner.seen() == set()
    control = altered(
        platform, "pyrepl.has_enrollment", "PERFORM pyrepl.refuse_tables();", "NULL;"
    )
    with control:  # it would run, but as nobody worth being
        attempt(platform.connection, "SELECT pyrepl.has_enrollment('c')")
        assert owner.seen() == ({"pyrepl_reader"} if "enrollments" in attack else set())


# What an installation was like before there were these roles.
BEFORE = """
    DO $$
    DECLARE
        v_statement text;
    BEGIN
        FOR v_statement IN
            SELECT format('ALTER ROUTINE %s OWNER TO pyrepl_owner', p.oid::regprocedure)
            FROM pg_proc p WHERE p.pronamespace = 'pyrepl'::regnamespace
                AND pg_get_userbyid(p.proowner) IN ('pyrepl_reader', 'pyrepl_capture')
        LOOP
            EXECUTE v_statement;
        END LOOP;
    END $$;
    DROP OWNED BY pyrepl_reader, pyrepl_capture;
    GRANT SELECT ON auth_user, auth_userprofile, student_courseenrollment
        TO pyrepl_owner;
    DROP FUNCTION pyrepl.enrollments_of, pyrepl.users_enrolled, pyrepl.dossiers_1;
    DELETE FROM pyrepl.object WHERE name IN
        ('enrollments_of', 'users_enrolled', 'dossiers_1');
    UPDATE pyrepl.object SET source_hash = 'old';
"""


def test_install_makes_it_so_of_what_earlier_versions_have_installed(
    platform: Platform,
) -> None:
    course = platform.course("c")
    platform.member(1, "c")
    platform.deliver()
    query = (
        "SELECT proname, pg_get_userbyid(proowner), ARRAY(SELECT a::text"
        " FROM unnest(proacl) a ORDER BY 1) FROM pg_proc"
        " WHERE pronamespace = 'pyrepl'::regnamespace ORDER BY 1"
    )
    before = platform.rows(query)
    platform.connection.execute(BEFORE.encode())
    assert platform.rows(query) != before
    install(platform.dsn, Config())
    assert platform.rows(query) == before
    assert check(platform.dsn, Config()) == []
    assert structure.verify(platform.dsn, []).ok
    platform.member(2, "c")
    platform.deliver()
    assert course.users == [1, 2]
    platform.assert_equal()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("ALTER FUNCTION pyrepl.members(integer) OWNER TO pyrepl_owner", "members"),
        ("ALTER FUNCTION pyrepl.capture_user() OWNER TO pyrepl_owner", "capture_user"),
        ("ALTER FUNCTION pyrepl.route() OWNER TO pyrepl_reader", "function route"),
        ("GRANT SELECT (id) ON auth_user TO pyrepl_owner", "public.auth_user"),
        ("REVOKE SELECT ON auth_user FROM pyrepl_reader", "public.auth_user"),
        ("GRANT SELECT ON pyrepl.database TO pyrepl_reader", "table database"),
        ("REVOKE SELECT ON pyrepl.hosting FROM pyrepl_reader", "table hosting"),
        ("GRANT INSERT ON pyrepl.change TO pyrepl_capture", "table change"),
        ("GRANT pyrepl_reader TO pyrepl_worker", "role pyrepl_worker"),
    ],
)
def test_another_owner_and_other_rights_are_found_and_repaired(
    platform: Platform, damage: str, told: str
) -> None:
    platform.connection.execute(damage.encode())
    found = structure.verify(platform.dsn, [])
    wrong = [item.object for item in found.portal if item.state != "current"]
    assert len(wrong) == 1, wrong
    assert told in wrong[0]
    install(platform.dsn, Config())
    assert structure.verify(platform.dsn, []).ok


def test_a_table_with_a_child_or_without_a_log_is_named(
    platform: Platform, owner: Owner
) -> None:
    refused = "SELECT pyrepl.has_enrollment('c')"
    owner.attack("CREATE TABLE child () INHERITS (student_courseenrollment)")
    assert attempt(platform.connection, refused) == "PR018"
    owner.attack("DROP TABLE child")
    assert attempt(platform.connection, refused) is None
    owner.attack("ALTER TABLE student_courseenrollment SET UNLOGGED")
    assert attempt(platform.connection, refused) == "PR018"
    assert owner.attempt("UPDATE student_courseenrollment SET created = now()") is None
    owner.attack("ALTER TABLE student_courseenrollment SET LOGGED")
    assert attempt(platform.connection, refused) is None
