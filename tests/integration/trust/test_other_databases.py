"""The way in and the link must lead to the database that was registered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import guard, identity, links, refresh, register, unregister
from pyreplctl.courses.request import Request
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.verify import structure
from tests.conftest import NewCluster, NewCourse, drop
from tests.failure.restores import run
from tests.support.platform import Course, Platform

TOY, OTHER = "edX/toy/2012_Fall", "edX/other/2012_Fall"


@pytest.fixture
def course(platform: Platform) -> Course:
    made = platform.course(TOY)
    for user in (1, 2):
        platform.member(user, TOY)
    assert platform.deliver() == {}
    return made


def clone_of(course: Course, cluster: Cluster) -> str:
    """CREATE DATABASE … TEMPLATE course; returns the superuser's DSN."""
    name = f"{course.connection.info.dbname}_clone"
    with psycopg.connect(cluster.conninfo(), autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = %s",
            (course.connection.info.dbname,),
        )
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(course.connection.info.dbname)
            )
        )
    course.connection = psycopg.connect(course.dsn, autocommit=True)
    return cluster.conninfo(name)


@pytest.fixture
def cloned(course: Course, course_cluster: Cluster) -> Iterator[str]:
    dsn = clone_of(course, course_cluster)
    yield dsn
    course.connection.close()
    drop(course_cluster, f"{course.dsn.split('dbname=')[1].split()[0]}_clone")


def settled(platform: Platform) -> None:
    """Deliver after the link has been cut, until all is there."""
    platform.connection.execute(
        "SELECT pyrepl.retry_databases(ARRAY(SELECT id FROM pyrepl.database))"
    )
    platform.deliver()


def kept(platform: Platform) -> list[tuple[Any, ...]]:
    return platform.rows(
        "SELECT d.identity, d.administrator, d.portal = pyrepl.identity(), c.tag"
        " FROM pyrepl.database d JOIN pyrepl.chain c ON c.database_id = d.id"
    )


Act = Callable[[Platform, Course, str], object]

COMMANDS: dict[str, Act] = {
    "refresh": lambda at, to, dsn: refresh.refresh(
        at.connection, at.config, to.name, dsn
    ),
    "rebind": lambda at, to, dsn: refresh.refresh(
        at.connection, at.config, to.name, dsn, rebind=True
    ),
    "register": lambda at, _, dsn: at.register(dsn, TOY, OTHER),
    "unregister": lambda at, to, dsn: unregister.unregister(
        at.connection, to.name, dsn
    ),
    "rotate-password": lambda at, to, dsn: links.rotate_password(
        at.connection, to.name, dsn
    ),
    "guard": lambda at, to, dsn: guard.set_guard(at.connection, to.name, "off", dsn),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_clone_of_a_course_is_not_the_course(
    platform: Platform, course: Course, cloned: str, command: str
) -> None:
    before = kept(platform)
    with psycopg.connect(cloned, autocommit=True) as there:
        binding = "SELECT b.*, c.* FROM pyrepl.binding b, pyrepl.chain c"
        theirs = there.execute(binding).fetchall()
        with pytest.raises(NotSuitable) as refused:
            COMMANDS[command](platform, course, cloned)
        assert there.execute(binding).fetchall() == theirs
    for named in (course.name, "_clone"):
        assert named in str(refused.value)
    assert kept(platform) == before


def test_without_the_comparison_a_clone_is_taken_for_the_course(
    monkeypatch: pytest.MonkeyPatch, platform: Platform, course: Course, cloned: str
) -> None:
    """The control: the wrong address is kept, and the wrong database cleaned later."""
    before = kept(platform)
    real = identity.identity_of
    original = before[0][0]

    def blind(connection: Any) -> str:
        found = real(connection)
        return original if "_clone" in connection.info.dbname else found

    monkeypatch.setattr(identity, "identity_of", blind)
    refresh.refresh(platform.connection, platform.config, course.name, cloned)
    assert kept(platform) != before


@pytest.mark.parametrize("command", COMMANDS)
def test_another_registered_database_is_not_the_course(
    platform: Platform, course: Course, command: str
) -> None:
    other = platform.course("edX/third/2012_Fall")
    before = kept(platform)
    if command == "register":
        with pytest.raises(NotSuitable, match="registered"):
            identity.check(platform.connection, other.connection, 1)
        return
    with pytest.raises(NotSuitable, match="is registered as") as refused:
        COMMANDS[command](platform, course, other.dsn)
    for named in (course.name, other.name):
        assert named in str(refused.value)
    assert kept(platform) == before


def test_dsn_and_link_of_a_new_registration_lead_to_one_database(
    platform: Platform, course: Course, cloned: str, new_course: NewCourse
) -> None:
    """Here to a clone of the new one, made while it was being registered."""
    dsn = new_course()
    info = psycopg.conninfo.conninfo_to_dict(course.dsn)
    link = f"host=127.0.0.1 port={info['port']} dbname={info['dbname']}"
    request = Request((OTHER,), dsn, link=link)
    with pytest.raises(NotSuitable):
        register.register(platform.connection, platform.config, request)
    assert platform.rows("SELECT count(*) FROM pyrepl.database") == [(1,)]
    with psycopg.connect(dsn) as there:
        assert there.execute("SELECT to_regnamespace('pyrepl')").fetchone() == (None,)


def test_a_registration_of_an_older_version_gets_its_identity_over_the_link(
    platform: Platform, course: Course
) -> None:
    before = kept(platform)
    platform.execute("UPDATE pyrepl.database SET identity = NULL, portal = NULL")
    refresh.refresh(platform.connection, platform.config, course.name, course.dsn)
    assert kept(platform) == before
    assert before[0][0] is not None
    assert before[0][2] is True


def test_nor_is_a_clone_taken_where_the_identity_is_not_known_yet(
    platform: Platform, course: Course, cloned: str
) -> None:
    platform.execute("UPDATE pyrepl.database SET identity = NULL")
    before = kept(platform)
    with pytest.raises(NotSuitable, match="two databases"):
        refresh.refresh(platform.connection, platform.config, course.name, cloned)
    assert kept(platform) == before


def move(platform: Platform, dsn: str) -> None:
    """What an administrator does with the link after a move."""
    info = psycopg.conninfo.conninfo_to_dict(dsn)
    for server in ("pyrepl_1",):
        statement = sql.SQL(
            "ALTER SERVER {} OPTIONS (SET port {}, SET dbname {})"
        ).format(
            sql.Identifier(server),
            sql.Literal(str(info["port"])),
            sql.Literal(str(info["dbname"])),
        )
        platform.connection.execute(statement)


def test_verify_says_that_the_link_leads_to_a_clone(
    platform: Platform, course: Course, cloned: str
) -> None:
    def wrong() -> dict[str, str]:
        looked = structure.verify(platform.dsn, []).databases[course.name]
        return {i.object: i.state for i in looked.items if i.state != "current"}

    assert wrong() == {}
    move(platform, cloned)
    platform.execute(
        "UPDATE pyrepl.database SET link = replace(link, %s, %s)",
        course.name,
        f"{course.name}_clone",
    )
    assert wrong() == {"binding: database": "edited"}


def test_a_course_restored_under_another_name_is_bound_where_the_link_leads(
    platform: Platform, course: Course, cloned: str
) -> None:
    move(platform, cloned)
    done = refresh.refresh(
        platform.connection, platform.config, course.name, cloned, rebind=True
    )
    [said] = [c for c in done if c.object.startswith("identity ")]
    assert said.object != f"identity {said.detail}"
    settled(platform)
    platform.assert_equal()
    with pytest.raises(NotSuitable, match="not the database"):
        unregister.unregister(platform.connection, course.name, course.dsn)


def test_a_course_restored_on_another_server_has_moved(
    platform: Platform,
    course: Course,
    course_cluster: Cluster,
    new_cluster: NewCluster,
) -> None:
    """From a dump, without roles: the link cannot tell anything until they are made."""
    target = new_cluster()
    name = course.connection.info.dbname
    with psycopg.connect(target.conninfo(), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
    dump = run(
        course_cluster, "pg_dump", "--no-owner", "--no-privileges", "-d", course.dsn
    )
    dsn = target.conninfo(name)
    run(target, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", dsn, given=dump)
    move(platform, dsn)

    def refreshed(*, rebind: bool = True, moved: bool = False) -> object:
        return refresh.refresh(
            platform.connection,
            platform.config,
            course.name,
            dsn,
            rebind=rebind,
            moved=moved,
        )

    with pytest.raises(NotSuitable, match="is not the database"):
        refreshed(rebind=False)
    with pytest.raises(NotSuitable, match="does not tell"):
        refreshed()
    assert refreshed(moved=True)
    settled(platform)
    with psycopg.connect(dsn, autocommit=True) as there:
        query = "SELECT id FROM auth_user ORDER BY 1"
        assert there.execute(query).fetchall() == [(1,), (2,)]
        platform.assert_equal()
    assert make_conninfo(kept(platform)[0][1]) == kept(platform)[0][1]


def test_moved_is_not_where_the_link_does_not_lead(
    platform: Platform, course: Course, cloned: str
) -> None:
    before = kept(platform)
    with pytest.raises(NotSuitable, match="two databases"):
        refresh.refresh(
            platform.connection,
            platform.config,
            course.name,
            cloned,
            rebind=True,
            moved=True,
        )
    assert kept(platform) == before
