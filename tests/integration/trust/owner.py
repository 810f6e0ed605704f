"""What the owner of the platform's tables can do to have his code run by a reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from tests.support.logins import as_login, new_login
from tests.support.platform import Connection, Platform

TABLES = ("auth_user", "auth_userprofile", "student_courseenrollment")

# A sequence a role, as nothing else outlives a transaction that is taken back.
_SPY: LiteralString = """
    CREATE SCHEMA forum;
    GRANT USAGE ON SCHEMA forum TO PUBLIC;
    CREATE FUNCTION forum.spy() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $spy$
    BEGIN
        PERFORM nextval(('forum.seen_' || current_user)::regclass);
        RETURN true;
    END $spy$;
"""


@dataclass
class Owner:
    """A role that owns the three tables, and a session of his."""

    name: str
    session: Connection

    def attack(self, statements: str) -> None:
        """Do something with the tables, in one transaction."""
        self.session.execute(statements.encode())

    def attempt(self, statement: str) -> str | None:
        """Do something that may be refused; returns the SQLSTATE if it was."""
        return attempt(self.session, statement)

    def seen(self) -> set[str]:
        """Return as whom the spy has run since the last time, but himself."""
        rows = self.session.execute(
            "SELECT sequencename::text FROM pg_sequences"
            " WHERE schemaname = 'forum' AND sequencename LIKE 'seen%'"
            " AND last_value IS NOT NULL"
        ).fetchall()
        for (name,) in rows:
            restart = sql.SQL("ALTER SEQUENCE {} RESTART")
            self.session.execute(restart.format(sql.Identifier("forum", name)))
        return {name.removeprefix("seen_") for (name,) in rows} - {self.name}


def attempt(session: Connection, statement: str) -> str | None:
    """Do something that may be refused; returns the SQLSTATE if it was."""
    try:
        session.execute(statement.encode())
    except psycopg.Error as error:
        session.rollback()
        return error.sqlstate or str(error)
    return None


@contextmanager
def table_owner(platform: Platform) -> Iterator[Owner]:
    """Give the three tables to a new role, with a function that tells who runs it."""
    with new_login(platform.connection) as name:
        role = sql.Identifier(name)
        platform.connection.execute(
            sql.SQL(
                "GRANT CREATE ON SCHEMA public TO {0};"
                "GRANT CREATE ON DATABASE {1} TO {0}"
            ).format(role, sql.Identifier(platform.connection.info.dbname))
        )
        for table in TABLES:
            platform.connection.execute(
                sql.SQL("ALTER TABLE {} OWNER TO {}").format(
                    sql.Identifier(table), role
                )
            )
        with psycopg.connect(as_login(platform.dsn, name), autocommit=True) as session:
            session.execute(_SPY)
            roles = session.execute(
                "SELECT rolname::text FROM pg_roles"
                " WHERE rolname LIKE 'pyrepl%' OR rolsuper OR rolname = current_user"
            )
            for (seen,) in roles.fetchall():
                session.execute(
                    sql.SQL(
                        "CREATE SEQUENCE {0}; GRANT ALL ON SEQUENCE {0} TO PUBLIC"
                    ).format(sql.Identifier("forum", f"seen_{seen}"))
                )
            yield Owner(name, session)


_VIEW = """
    ALTER TABLE {table} RENAME TO {table}_real;
    CREATE VIEW {table} AS SELECT * FROM {table}_real WHERE forum.spy();
    GRANT SELECT ON {table}, {table}_real TO PUBLIC;
"""
# What would keep a column from getting another type; the tables are his.
LOOSE = """
    DO $$
    DECLARE
        v_drop text;
    BEGIN
        FOR v_drop IN
            SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass,
                c.conname)
            FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid
            WHERE r.relowner = current_user::regrole AND c.contype IN ('f', 'p', 'u')
            ORDER BY c.contype = 'f' DESC
        LOOP
            EXECUTE v_drop;
        END LOOP;
        FOR v_drop IN
            SELECT format('DROP INDEX %s', i.indexrelid::regclass)
            FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid
            WHERE r.relowner = current_user::regrole AND r.relkind = 'r'
        LOOP
            EXECUTE v_drop;
        END LOOP;
        FOR v_drop IN
            SELECT format('ALTER TABLE %s ALTER %I DROP DEFAULT', d.adrelid::regclass,
                a.attname)
            FROM pg_attrdef d JOIN pg_class r ON r.oid = d.adrelid
            JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
            WHERE r.relowner = current_user::regrole
        LOOP
            EXECUTE v_drop;
        END LOOP;
    END $$;
"""
_EVIL = (
    LOOSE.replace("{", "{{").replace("}", "}}")
    + """
    CREATE TYPE forum.evil AS (held {base});
    CREATE FUNCTION forum.cast(forum.evil) RETURNS {base} LANGUAGE plpgsql AS
        'BEGIN PERFORM forum.spy(); RETURN ($1).held; END';
    CREATE CAST (forum.evil AS {base}) WITH FUNCTION forum.cast AS IMPLICIT;
    CREATE FUNCTION forum.same(forum.evil, forum.evil) RETURNS boolean
        LANGUAGE plpgsql AS 'BEGIN PERFORM forum.spy(); RETURN $1.held = $2.held; END';
    CREATE OPERATOR public.= (PROCEDURE = forum.same,
        LEFTARG = forum.evil, RIGHTARG = forum.evil);
    CREATE FUNCTION forum.same(forum.evil, {base}) RETURNS boolean
        LANGUAGE plpgsql AS 'BEGIN PERFORM forum.spy(); RETURN ($1).held = $2; END';
    CREATE OPERATOR public.= (PROCEDURE = forum.same,
        LEFTARG = forum.evil, RIGHTARG = {base});
    ALTER TABLE {table} ALTER {column} TYPE forum.evil USING ROW({column})::forum.evil;
"""
)

# What he does; afterwards every path is taken that leads to the tables.
ATTACKS: dict[str, str] = {
    "a view in place of users": _VIEW.format(table="auth_user"),
    "a view in place of profiles": _VIEW.format(table="auth_userprofile"),
    "a view in place of enrollments": _VIEW.format(table="student_courseenrollment"),
    "a view with columns swapped": """
        ALTER TABLE auth_user RENAME TO auth_user_real;
        CREATE VIEW auth_user AS SELECT id, password AS username, first_name, last_name,
            email, username AS password, is_staff, is_active, is_superuser, last_login,
            date_joined FROM auth_user_real WHERE forum.spy();
        GRANT SELECT ON auth_user, auth_user_real TO PUBLIC""",
    "a course of a type with casts": _EVIL.format(
        base="text", table="student_courseenrollment", column="course_id"
    ),
    "an enrolled user of a type with casts": _EVIL.format(
        base="bigint", table="student_courseenrollment", column="user_id"
    ),
    "a profile's user of a type with casts": _EVIL.format(
        base="bigint", table="auth_userprofile", column="user_id"
    ),
    "a user's key of a type with casts": _EVIL.format(
        base="bigint", table="auth_user", column="id"
    ),
    "a user's name of a type with casts": _EVIL.format(
        base="text", table="auth_user", column="username"
    ),
    "a profile's name of a type with casts": _EVIL.format(
        base="text", table="auth_userprofile", column="name"
    ),
    "a course of an enum with a cast": LOOSE
    + """
        CREATE TYPE forum.key AS ENUM ('c');
        CREATE FUNCTION forum.cast(forum.key) RETURNS text LANGUAGE plpgsql AS
            'BEGIN PERFORM forum.spy(); RETURN ''c''; END';
        CREATE CAST (forum.key AS text) WITH FUNCTION forum.cast AS IMPLICIT;
        ALTER TABLE student_courseenrollment
            ALTER course_id TYPE forum.key USING 'c'::forum.key""",
    "a domain that checks": LOOSE
    + """
        CREATE FUNCTION forum.check(text) RETURNS boolean LANGUAGE sql
            AS 'SELECT forum.spy()';
        CREATE DOMAIN forum.checked AS text CHECK (forum.check(VALUE));
        ALTER TABLE auth_user ALTER username TYPE forum.checked;
        ALTER TABLE student_courseenrollment ALTER course_id TYPE forum.checked""",
    "an index with a condition": """
        CREATE INDEX spying_users ON auth_user (id) WHERE forum.spy();
        CREATE INDEX spying_profiles ON auth_userprofile (user_id) WHERE forum.spy();
        CREATE INDEX spying ON student_courseenrollment (user_id) WHERE forum.spy()""",
    "an index on an expression": """
        CREATE INDEX spying_users ON auth_user ((forum.spy()), id);
        CREATE INDEX spying ON student_courseenrollment ((forum.spy()), user_id)""",
    "statistics on an expression": """
        CREATE STATISTICS spying ON (forum.spy()), user_id
            FROM student_courseenrollment;
        ANALYZE student_courseenrollment""",
    "a policy": """
        ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
        CREATE POLICY spying ON auth_user USING (forum.spy());
        ALTER TABLE student_courseenrollment ENABLE ROW LEVEL SECURITY;
        CREATE POLICY spying ON student_courseenrollment USING (forum.spy())""",
    "a rule": """
        CREATE RULE spying AS ON UPDATE TO auth_user DO ALSO SELECT forum.spy();
        CREATE RULE spying AS ON INSERT TO student_courseenrollment
            DO ALSO SELECT forum.spy()""",
    "a child with a trigger": """
        CREATE FUNCTION forum.tell() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN PERFORM forum.spy(); RETURN NEW; END';
        CREATE TABLE forum.child () INHERITS (student_courseenrollment);
        CREATE TRIGGER spying BEFORE INSERT OR UPDATE ON forum.child
            FOR EACH ROW EXECUTE FUNCTION forum.tell();
        CREATE INDEX spying ON forum.child (user_id) WHERE forum.spy();
        GRANT ALL ON forum.child TO PUBLIC""",
    "a child with a check": """
        CREATE TABLE forum.child (CHECK (forum.spy()))
            INHERITS (student_courseenrollment)""",
    "a generated column": """
        ALTER TABLE auth_user ADD told boolean GENERATED ALWAYS AS (forum.spy()) STORED;
        ALTER TABLE student_courseenrollment
            ADD told boolean GENERATED ALWAYS AS (forum.spy()) STORED""",
    "another table of that name": """
        ALTER TABLE student_courseenrollment SET SCHEMA forum;
        CREATE TABLE student_courseenrollment
            (LIKE forum.student_courseenrollment INCLUDING ALL);
        INSERT INTO student_courseenrollment
            SELECT * FROM forum.student_courseenrollment;
        CREATE INDEX spying ON student_courseenrollment (user_id) WHERE forum.spy();
        GRANT SELECT ON student_courseenrollment TO PUBLIC""",
    "a partitioned table of that name": """
        ALTER TABLE student_courseenrollment RENAME TO enrollment_real;
        CREATE TABLE student_courseenrollment (LIKE enrollment_real)
            PARTITION BY LIST (course_id);
        CREATE TABLE forum.part PARTITION OF student_courseenrollment DEFAULT;
        CREATE INDEX spying ON student_courseenrollment (user_id) WHERE forum.spy();
        GRANT SELECT ON student_courseenrollment, forum.part TO PUBLIC""",
}
