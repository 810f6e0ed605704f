"""Dumps an installed and registered pair of databases of the present version.

`make release-fixture` writes tests/fixtures/VERSION/{portal,course}.sql:
roles, schema and a few rows, for psql of any PostgreSQL from the oldest supported on.
Passwords of links are not in there, nor the address of the course's server.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import LiteralString

import psycopg

from pyreplctl import __version__
from pyreplctl.core.config import Config
from pyreplctl.install.portal import install
from pyreplctl.sandbox.embedded import Cluster
from tests.conftest import SCHEMA, janitor, running_cluster
from tests.failure.restores import run
from tests.support.platform import Platform
from tests.support.servers import bin_dirs

FIXTURES = Path(__file__).parents[1] / "fixtures"
COURSE = "edX/toy/2012_Fall"
PASSWORD = "placeholder"
PORT = "5432"
# What pg_dump of a newer version writes, an older server does not take.
OLDEST = 15

_ROLES: LiteralString = (
    "SELECT rolname::text, rolcanlogin, rolconnlimit,"
    " coalesce(quote_literal(shobj_description(oid, 'pg_authid')), 'NULL')"
    " FROM pg_roles"
    " WHERE rolname LIKE 'pyrepl%' ORDER BY 1"
)
_MEMBERS: LiteralString = (
    "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members"
    " WHERE roleid::regrole::text LIKE 'pyrepl%'"
    " AND member::regrole::text LIKE 'pyrepl%' ORDER BY 1, 2"
)


def main() -> None:
    """Write the two files of the present version."""
    programs = bin_dirs().get(OLDEST)
    if programs is None:
        sys.exit(f"a fixture is dumped by PostgreSQL {OLDEST}, which is not here")
    folder = FIXTURES / __version__
    folder.mkdir(parents=True, exist_ok=True)
    with running_cluster(programs) as portals, running_cluster(programs) as courses:
        dsn = _database(portals, "portal")
        install(dsn, Config())
        with Platform.opened(dsn, lambda _: "") as platform:
            _populate(platform, _database(courses, "course"))
        for server, name in ((portals, "portal"), (courses, "course")):
            text = _dump(server, name).replace(f"'{courses.port}'", f"'{PORT}'")
            text = text.replace(f"port={courses.port}", f"port={PORT}")
            (folder / f"{name}.sql").write_text(text, encoding="utf-8")


def _populate(platform: Platform, course: str) -> None:
    """Register a course with three members; one is gone and one was changed since."""
    platform.register(course, COURSE)
    for user in (1, 2, 3, 4):
        platform.member(user, COURSE)
    platform.execute("DELETE FROM student_courseenrollment WHERE user_id = 4")
    platform.execute("DELETE FROM auth_userprofile WHERE user_id = 4")
    platform.execute("DELETE FROM auth_user WHERE id = 4")
    platform.deliver()
    platform.execute("UPDATE auth_user SET email = 'new@example.com' WHERE id = 2")


def _database(server: Cluster, name: str) -> str:
    made = janitor(server, name)
    made.init()
    made.load(SCHEMA / "edx_2012.sql")
    return server.conninfo(name)


def _dump(server: Cluster, name: str) -> str:
    text = run(server, "pg_dump", "-d", server.conninfo(name))
    lines = [
        line
        for line in text.splitlines()
        if not line.startswith(("\\restrict", "\\unrestrict"))  # a random key
    ]
    without = re.sub(r"password '[^']*'", f"password '{PASSWORD}'", "\n".join(lines))
    return f"{_roles(server)}\n{without.strip()}\n"


def _roles(server: Cluster) -> str:
    """Return SQL that creates our roles where they are missing."""
    with psycopg.connect(server.conninfo()) as connection:
        roles = connection.execute(_ROLES).fetchall()
        members = connection.execute(_MEMBERS).fetchall()
    lines = ["DO $$ BEGIN"]
    for role, login, limit, comment in roles:
        options = f" LOGIN CONNECTION LIMIT {limit}" if login else ""
        lines += [
            f"    IF to_regrole('{role}') IS NULL THEN",
            f"        CREATE ROLE {role}{options};",
            f"        COMMENT ON ROLE {role} IS {comment};",
            "    END IF;",
        ]
    lines += [f"    GRANT {role} TO {member};" for role, member in members]
    return "\n".join([*lines, "END $$;", ""])


if __name__ == "__main__":
    main()
