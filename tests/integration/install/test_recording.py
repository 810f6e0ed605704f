"""What records objects is among them: installations from before it can be upgraded."""

from __future__ import annotations

from pyreplctl.core.config import Config
from pyreplctl.courses.refresh import refresh
from pyreplctl.install.portal import check, install
from tests.support.platform import Connection, Platform


def age(connection: Connection) -> None:
    """Make an installation as old as one that was written by Python."""
    for name in ("record_objects", "forget_objects", "require_one_of"):
        connection.execute("DELETE FROM pyrepl.object WHERE name = %s", (name,))
    connection.execute("DROP FUNCTION pyrepl.record_objects, pyrepl.forget_objects")
    connection.execute("DROP FUNCTION pyrepl.require_one_of")
    # Some that are outdated, one of which returns something else, and one too many.
    connection.execute(
        "UPDATE pyrepl.object SET source_hash = '' WHERE name LIKE 'object%'"
        " OR name = 'erase' OR name = 'databases'"
    )
    connection.execute("DROP FUNCTION pyrepl.privilege_problem CASCADE")
    connection.execute(
        "CREATE FUNCTION pyrepl.privilege_problem(oid, aclitem[], boolean)"
        " RETURNS integer LANGUAGE sql AS 'SELECT 1';"
        " INSERT INTO pyrepl.object VALUES ('function', 'former', '', '');"
        " CREATE FUNCTION pyrepl.former() RETURNS void LANGUAGE sql AS ''"
    )


def test_a_portal_without_them_is_upgraded(platform: Platform) -> None:
    age(platform.connection)
    done = {c.object: c.state for c in install(platform.dsn, Config())}
    assert done["function record_objects"] == "created"
    assert done["function privilege_problem"] == "replaced"
    assert done["function former"] == "dropped"
    assert check(platform.dsn, Config()) == []


def test_a_course_without_them_is_upgraded(platform: Platform) -> None:
    course = platform.course("c")
    age(course.connection)
    args = (platform.connection, Config(), course.name, course.dsn)
    done = {c.object: c.state for c in refresh(*args)}
    assert done["function record_objects"] == "created"
    assert done["function former"] == "dropped"
    assert refresh(*args) == []
    platform.member(1, "c")
    platform.deliver()
    assert course.users == [1]
