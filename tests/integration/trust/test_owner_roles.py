"""Each course database has an owner of its own, and it is nobody's at another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
import pytest
from psycopg import errors, sql

from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import refresh, unregister
from pyreplctl.courses import register as registration
from pyreplctl.courses.request import Request
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.verify import structure
from tests.conftest import NewCourse
from tests.support.logins import as_login, logged_in, new_login
from tests.support.platform import Connection, Course, Platform, owner_of

TOY, OTHER = "edX/toy/2012_Fall", "edX/other/2012_Fall"

ATTACKS: tuple[LiteralString, ...] = (
    "SELECT password FROM auth_user",
    "UPDATE auth_user SET last_login = now()",
    "INSERT INTO pyrepl.copy (user_id, generation) VALUES (99, 1)",
    "SELECT tag FROM pyrepl.chain",
    "UPDATE pyrepl.binding SET guard = 'off'",
    "SELECT pyrepl.purge_copies(1000)",
    "CREATE FUNCTION pyrepl.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
)


@pytest.fixture
def two(platform: Platform) -> tuple[Course, Course]:
    """Two course databases on one server, with copies."""
    made = platform.course(TOY), platform.course(OTHER)
    platform.member(1, TOY, OTHER)
    assert platform.deliver() == {}
    return made


def done_by(login: Connection) -> list[str]:
    """Return the attacks that succeed; each is taken back."""
    done = []
    for statement in ATTACKS:
        try:
            with login.transaction(force_rollback=True):
                login.execute(statement)
            done.append(statement)
        except errors.InsufficientPrivilege:
            pass
    return done


def test_the_owner_of_one_course_has_no_rights_at_another(
    two: tuple[Course, Course],
) -> None:
    mine, other = two
    assert owner_of(mine.connection) != owner_of(other.connection)
    with new_login(mine.connection, owner_of(mine.connection)) as name:
        with psycopg.connect(as_login(mine.dsn, name), autocommit=True) as at_home:
            assert done_by(at_home) == list(ATTACKS)  # the control
        with psycopg.connect(as_login(other.dsn, name), autocommit=True) as abroad:
            assert done_by(abroad) == []
            for owner in (owner_of(other.connection), "pyrepl_owner"):
                with pytest.raises(psycopg.Error):
                    abroad.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))


def test_what_all_courses_once_shared_let_one_administrator_in_everywhere(
    two: tuple[Course, Course],
) -> None:
    """The control: as it was before, the same attacks succeed."""
    mine, other = two
    as_before(mine)
    as_before(other)
    with (
        new_login(mine.connection, "pyrepl_owner") as name,
        psycopg.connect(as_login(other.dsn, name), autocommit=True) as abroad,
    ):
        assert done_by(abroad) == list(ATTACKS)


# Registrations made by an older version.


def as_before(course: Course) -> None:
    """Let a course database be as the first version made it: all is pyrepl_owner's."""
    owner = owner_of(course.connection)
    course.execute(
        "DO $$ BEGIN CREATE ROLE pyrepl_owner NOLOGIN;"
        " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    course.about_owner("REASSIGN OWNED BY OWNER TO pyrepl_owner")
    course.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON auth_user, auth_userprofile,"
        " student_courseenrollment TO pyrepl_owner; GRANT USAGE ON SCHEMA public TO"
        " pyrepl_owner"
    )
    for table in ("auth_user", "auth_userprofile", "student_courseenrollment"):
        part = {"auth_user": "user", "auth_userprofile": "profile"}.get(
            table, "enrollment"
        )
        course.connection.execute(
            f"CREATE OR REPLACE TRIGGER pyrepl_guard AFTER INSERT OR UPDATE OR DELETE"
            f" ON {table} FOR EACH ROW WHEN (current_user <> 'pyrepl_owner')"
            f" EXECUTE FUNCTION pyrepl.guard_{part}();"
            f" CREATE OR REPLACE TRIGGER pyrepl_guard_truncate BEFORE TRUNCATE ON"
            f" {table} FOR EACH STATEMENT WHEN (current_user <> 'pyrepl_owner')"
            f" EXECUTE FUNCTION pyrepl.guard_truncate();"
            f" ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_guard;"
            f" ALTER TABLE {table} ENABLE ALWAYS TRIGGER pyrepl_guard_truncate".encode()
        )
    course.connection.execute(f"DROP OWNED BY {owner}; DROP ROLE {owner}".encode())


def rights_of(course: Connection, role: str) -> list[tuple[str, ...]]:
    """What a role owns or may do in this database, but for what everybody may."""
    return course.execute(
        "SELECT classid::regclass::text, objid::text, deptype::text FROM pg_shdepend"
        " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND refobjid = to_regrole(%s)",
        (role,),
    ).fetchall()


def test_refresh_gives_what_is_ours_to_an_owner_of_this_database(
    platform: Platform, two: tuple[Course, Course]
) -> None:
    course, other = two
    for each in two:
        as_before(each)
    course.execute(
        "CREATE TABLE seen (n integer); GRANT INSERT ON seen TO pyrepl_owner;"
        " CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $see$ BEGIN"
        " INSERT INTO public.seen VALUES (1); RETURN NULL; END $see$;"
        " CREATE TRIGGER see AFTER UPDATE ON auth_user"
        " FOR EACH ROW EXECUTE FUNCTION see()"
    )
    platform.execute("UPDATE auth_user SET email = 'before' WHERE id = 1")
    assert platform.deliver() == {}  # deliveries go on until then
    assert rights_of(course.connection, "pyrepl_owner")

    refresh.refresh(platform.connection, platform.config, course.name, course.dsn)
    role = platform.rows(
        "SELECT link_role FROM pyrepl.database WHERE name = %s", course.name
    )[0][0]
    assert owner_of(course.connection) == f"{role}_owner"
    assert rights_of(course.connection, "pyrepl_owner") == []
    assert rights_of(other.connection, "pyrepl_owner")
    platform.execute("UPDATE auth_user SET email = 'after' WHERE id = 1")
    assert platform.deliver() == {}
    assert course.rows("SELECT count(*) FROM seen") == [(2,)]
    found = structure.verify(platform.dsn, [course.name]).databases[course.name]
    assert [i for i in found.items if i.state != "current"] == []
    again = refresh.refresh(
        platform.connection, platform.config, course.name, course.dsn
    )
    assert again == []
    with pytest.raises(psycopg.Error) as refused:
        course.execute("UPDATE auth_user SET email = 'local' WHERE id = 1")
    assert refused.value.sqlstate == "PR030"
    refresh.refresh(platform.connection, platform.config, other.name, other.dsn)
    assert rights_of(other.connection, "pyrepl_owner") == []
    platform.assert_equal()


def test_what_is_still_as_before_can_be_unregistered(
    platform: Platform, two: tuple[Course, Course]
) -> None:
    course, other = two
    for each in two:
        as_before(each)
    unregister.unregister(platform.connection, course.name, course.dsn)
    assert course.rows("SELECT to_regnamespace('pyrepl')") == [(None,)]
    assert rights_of(course.connection, "pyrepl_owner") == []
    assert rights_of(other.connection, "pyrepl_owner")
    assert [n for n in left(course.connection) if n != "pyrepl_owner"] == sorted(
        left_of(platform, other)
    )


def left(course: Connection) -> list[str]:
    rows = course.execute(
        "SELECT rolname::text FROM pg_roles r WHERE rolname ~ '^pyrepl_' AND EXISTS"
        " (SELECT FROM pg_shdepend d WHERE d.refobjid = r.oid) ORDER BY 1"
    )
    return [row[0] for row in rows]


def left_of(platform: Platform, other: Course) -> list[str]:
    rows = platform.rows(
        "SELECT link_role FROM pyrepl.database WHERE name = %s", other.name
    )
    return [row[0] for row in rows]


# A portal and its course on one server.


def test_a_course_beside_its_portal_does_not_belong_to_the_portals_owner(
    platform: Platform, portal_cluster: Cluster
) -> None:
    course = platform.course(TOY, cluster=portal_cluster)
    platform.member(1, TOY)
    assert platform.deliver() == {}
    assert owner_of(platform.connection) == "pyrepl_owner"
    assert owner_of(course.connection) != "pyrepl_owner"
    assert rights_of(course.connection, "pyrepl_owner") == []
    found = structure.verify(platform.dsn, [])
    assert found.ok
    assert found.databases[course.name].ok
    unregister.unregister(platform.connection, course.name, course.dsn)
    assert owner_of(platform.connection) == "pyrepl_owner"
    assert structure.verify(platform.dsn, []).ok


# Who may register.


@contextmanager
def owner_of_tables(course: Connection, *options: LiteralString) -> Iterator[str]:
    """A role that logs in and owns the three tables, with some options of roles."""
    with new_login(course) as name:
        role = sql.Identifier(name)
        for option in options:
            course.execute(sql.SQL("ALTER ROLE {} {}").format(role, sql.SQL(option)))
        for table in ("auth_user", "auth_userprofile", "student_courseenrollment"):
            course.execute(
                sql.SQL("ALTER TABLE {} OWNER TO {}").format(
                    sql.Identifier(table), role
                )
            )
        yield name
        for table in ("auth_user", "auth_userprofile", "student_courseenrollment"):
            course.execute(
                sql.SQL("ALTER TABLE {} OWNER TO CURRENT_USER").format(
                    sql.Identifier(table)
                )
            )


def test_who_may_register_may_refresh_and_unregister(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    platform.member(1, TOY)
    with psycopg.connect(dsn, autocommit=True) as course:
        before = left(course)
        with owner_of_tables(course, "CREATEROLE") as name:
            database = sql.Identifier(course.info.dbname)
            course.execute(
                sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(
                    database, sql.Identifier(name)
                )
            )
            request = Request((TOY,), as_login(dsn, name))
            done = registration.register(platform.connection, platform.config, request)
            assert platform.deliver() == {}
            platform.assert_equal()
            given = (platform.connection, platform.config, done.name, request.dsn)
            assert refresh.refresh(*given) == []
            assert structure.verify(platform.dsn, []).databases[done.name].ok
            assert refresh.refresh(*given, rebind=True)
            unregister.unregister(
                platform.connection, done.name, request.dsn, purge=True
            )
            gone = "SELECT to_regnamespace('pyrepl'), count(*) FROM auth_user"
            assert course.execute(gone).fetchall() == [(None, 0)]
        assert left(course) == before


def test_what_is_lacking_is_told_before_anything_is_changed(
    platform: Platform, new_course: NewCourse
) -> None:
    dsn = new_course()
    with (
        psycopg.connect(dsn, autocommit=True) as course,
        owner_of_tables(course) as name,
    ):
        request = Request((TOY,), as_login(dsn, name))
        with pytest.raises(NotSuitable) as refused:
            registration.register(platform.connection, platform.config, request)
        assert platform.rows("SELECT count(*) FROM pyrepl.database") == [(0,)]
        assert course.execute("SELECT to_regnamespace('pyrepl')").fetchone() == (None,)
        statements = (refused.value.hint or "").splitlines()[1:]
        assert len(statements) == 2
        for statement in statements:
            course.execute(statement.encode())
        done = registration.register(platform.connection, platform.config, request)
        unregister.unregister(platform.connection, done.name, request.dsn)


def test_another_administrator_is_told_which_role_to_be_given(
    platform: Platform, two: tuple[Course, Course]
) -> None:
    course, _ = two
    with owner_of_tables(course.connection, "CREATEROLE") as name:
        dsn = as_login(course.dsn, name)
        given = (platform.connection, platform.config, course.name, dsn)
        with pytest.raises(NotSuitable) as refused:
            refresh.refresh(*given)
        [grant] = (refused.value.hint or "").splitlines()[1:]
        assert owner_of(course.connection) in grant
        with pytest.raises(NotSuitable, match="may not register"):
            unregister.unregister(platform.connection, course.name, dsn)
        course.connection.execute(grant.encode())
        assert refresh.refresh(*given) == []
    with logged_in(course.dsn, course.connection) as stranger:
        assert done_by(stranger) == []
