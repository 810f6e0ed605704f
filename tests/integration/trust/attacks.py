"""Whoever owns a table or a database of the platform, and wants to be more."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tests.support.platform import Connection

_PASSWORD = "open sesame"
_numbers = itertools.count(1)


@dataclass
class Attacker:
    """A role without any right but those of an owner, and a session of it."""

    name: str
    administrator: Connection
    session: Connection

    @property
    def role(self) -> sql.Identifier:
        """The role's name, as SQL takes it."""
        return sql.Identifier(self.name)

    @property
    def is_superuser(self) -> bool:
        """Whether an attack has succeeded."""
        query = "SELECT rolsuper FROM pg_roles WHERE rolname = %s"
        row = self.administrator.execute(query, (self.name,)).fetchone()
        assert row is not None
        return bool(row[0])

    def owns(self, *tables: str) -> None:
        """Own tables of the platform."""
        for table in tables:
            of = sql.Identifier(*table.split(".", 1))
            statement = sql.SQL("ALTER TABLE {} OWNER TO {}").format(of, self.role)
            self.administrator.execute(statement)

    def owns_database(self) -> None:
        """Own the database."""
        name = sql.Identifier(self.administrator.info.dbname)
        statement = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, self.role)
        self.administrator.execute(statement)

    def procedure(self, name: str, before: str = "") -> None:
        """Make a procedure in public that makes its owner a superuser, if it can."""
        self.session.execute(
            sql.SQL("CREATE PROCEDURE public.{}() LANGUAGE plpgsql AS {}").format(
                sql.Identifier(name), self._body(before)
            )
        )

    def trigger_function(self, name: str, before: str = "") -> None:
        """Make a trigger function in public that does the same."""
        self.session.execute(
            sql.SQL(
                "CREATE FUNCTION public.{}() RETURNS trigger LANGUAGE plpgsql AS {}"
            ).format(sql.Identifier(name), self._body(before, "RETURN NULL;"))
        )

    def _body(self, before: str, after: str = "") -> sql.Composable:
        alter = sql.SQL("ALTER ROLE {} SUPERUSER").format(self.role).as_string()
        # What fails is to leave no trace.
        return sql.Literal(
            f"BEGIN BEGIN {before} EXECUTE {sql.Literal(alter).as_string()};"
            f" EXCEPTION WHEN OTHERS THEN NULL; END; {after} END"
        )


@contextmanager
def attacker(administrator: Connection, name: str | None = None) -> Iterator[Attacker]:
    """Make a role that may log in and create objects in public, for a test."""
    name = name or f"attacker_{next(_numbers)}"
    role = sql.Identifier(name)
    administrator.execute(
        sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, _PASSWORD)
    )
    administrator.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(role))
    info = administrator.info
    try:
        with psycopg.connect(
            host=info.host,
            port=info.port,
            dbname=info.dbname,
            user=name,
            password=_PASSWORD,
            autocommit=True,
        ) as session:
            yield Attacker(name, administrator, session)
    finally:
        administrator.execute(sql.SQL("ALTER ROLE {} NOSUPERUSER").format(role))
        administrator.execute(
            sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(role)
        )
        administrator.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(role))
        administrator.execute(sql.SQL("DROP ROLE {}").format(role))
