"""A link that is not as it was registered is found, and so is what is not in force."""

from __future__ import annotations

from typing import LiteralString

import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from pyreplctl.core.errors import NotSuitable
from pyreplctl.courses import move, register
from pyreplctl.courses.request import Request
from pyreplctl.schema.link import PINNED, other_settings
from pyreplctl.verify import structure
from tests.cli.run import Cli
from tests.conftest import NewCourse
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"

# What somebody does to the server; `{port}` is the course's.
ALTERED: dict[str, LiteralString] = {
    "TLS dropped": "DROP sslmode",
    "TLS weakened": "SET sslmode 'allow'",
    "another host": "SET host 'localhost'",
    "an address besides": "ADD hostaddr '127.0.0.1'",
    "another database": "SET dbname 'postgres'",
    "a port dropped": "DROP port",
    "an option added": "ADD sslcert '/tmp/mine'",
    "a setting added": "SET options '-c statement_timeout=60s -c lock_timeout=1s"
    " -c idle_in_transaction_session_timeout=60s -c synchronous_commit=on -c jit=off"
    f"{PINNED} -c search_path=public'",
    "a setting in other words": "SET options '-c statement_timeout=60s -c"
    " lock_timeout=1s -c idle_in_transaction_session_timeout=60s"
    f" -c synchronous_commit=on -c jit=off{PINNED} --search_path=public'",
}
TUNED: tuple[LiteralString, ...] = (
    "SET connect_timeout '9'",
    "SET fetch_size '100'",
    (
        "SET options '-c statement_timeout=90s -c lock_timeout=2s"
        " -c idle_in_transaction_session_timeout=60s -c synchronous_commit=on"
        f" -c jit=off{PINNED}'"
    ),
)


@pytest.fixture
def course(platform: Platform, new_course: NewCourse) -> Course:
    """One that is linked with an explicit sslmode."""
    dsn = new_course()
    given = conninfo_to_dict(dsn)
    link = (
        f"host=127.0.0.1 port={given['port']} dbname={given['dbname']} sslmode=prefer"
    )
    request = Request((TOY,), dsn, link=link)
    done = register.register(platform.connection, platform.config, request)
    platform.member(1, TOY)
    assert platform.deliver() == {}
    made, again = platform.register(dsn, TOY)
    assert (again.created, made.name) == (False, done.name)
    return made


def alter(platform: Platform, options: LiteralString) -> None:
    platform.connection.execute(
        sql.SQL("ALTER SERVER pyrepl_1 OPTIONS ({})").format(sql.SQL(options))
    )


def server(platform: Platform) -> tuple[str, str]:
    """Return the state of the server of the link, and what is said of it."""
    [looked] = structure.verify(platform.dsn, []).databases.values()
    [item] = [i for i in looked.items if i.object == "server pyrepl_1"]
    assert item.state == "current" or item.remedy.step == ""
    return item.state, item.detail


def test_a_link_as_registered_is_current(platform: Platform, course: Course) -> None:
    assert server(platform)[0] == "current"
    [looked] = structure.verify(platform.dsn, [course.name]).databases.values()
    assert ("settings in force", "current") in [
        (i.object, i.state) for i in looked.items
    ]


@pytest.mark.parametrize("how", ALTERED)
def test_what_was_altered_is_said_and_its_remedy_puts_it_back(
    platform: Platform, course: Course, how: str
) -> None:
    alter(platform, ALTERED[how])
    state, said = server(platform)
    assert state == "edited"
    assert f"course set {course.name} --link" in said
    back = said.partition("; ")[2].partition("; or, if that is right")[0]
    platform.connection.execute(back.encode())
    assert server(platform)[0] == "current"


@pytest.mark.parametrize("options", TUNED)
def test_what_may_be_tuned_is_not_said(
    platform: Platform, course: Course, options: LiteralString
) -> None:
    alter(platform, options)
    assert server(platform)[0] == "current"


def test_repair_does_not_decide_where_a_link_leads(
    cli: Cli, platform: Platform, course: Course
) -> None:
    alter(platform, "SET host 'localhost'")
    done = cli("verify", "--structure", "--repair")
    assert done.code == 3
    assert server(platform)[0] == "edited"


def test_settings_that_a_pooler_drops_are_said() -> None:
    held = {"options": "-c statement_timeout=60s -c lock_timeout=1s -c jit=off"}
    same = {"statement_timeout": "1min", "lock_timeout": "1s", "jit": "off"}
    assert other_settings(held, same) == []
    assert other_settings(held, same | {"statement_timeout": "0", "jit": "on"}) == [
        "statement_timeout is 0, not 60s",
        "jit is on, not off",
    ]


# Moving it on purpose.


def test_the_address_is_changed_where_it_leads_to_the_same_database(
    cli: Cli, platform: Platform, course: Course
) -> None:
    given = conninfo_to_dict(course.dsn)
    link = f"host=localhost port={given['port']} dbname={given['dbname']}"
    done = cli("course", "set", course.name, "--link", link, "--dsn", course.dsn)
    assert done.code == 0, done.err
    assert server(platform)[0] == "current"
    [(kept,)] = platform.rows("SELECT link FROM pyrepl.database")
    assert conninfo_to_dict(kept) == conninfo_to_dict(link)
    platform.execute("UPDATE auth_user SET email = 'moved' WHERE id = 1")
    assert platform.deliver() == {}
    platform.assert_equal()


def test_and_not_where_it_leads_elsewhere_or_nowhere(
    platform: Platform, course: Course
) -> None:
    other = conninfo_to_dict(platform.course("edX/other/2012_Fall").dsn)
    before = platform.rows("SELECT link FROM pyrepl.database ORDER BY 1")
    for link in (
        f"host=127.0.0.1 port={other['port']} dbname={other['dbname']}",
        f"host=127.0.0.1 port=1 dbname={other['dbname']}",
    ):
        with pytest.raises(NotSuitable):
            move.set_place(platform.connection, course.name, link, course.dsn)
        assert platform.rows("SELECT link FROM pyrepl.database ORDER BY 1") == before
        assert server_of(platform, course) == "current"


def server_of(platform: Platform, course: Course) -> str:
    looked = structure.verify(platform.dsn, [course.name]).databases[course.name]
    [state] = [i.state for i in looked.items if i.object == "server pyrepl_1"]
    return state
