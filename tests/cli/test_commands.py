"""What scripts rely on: exit codes, JSON keys, and what is printed where."""

from __future__ import annotations

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.cli.run import Cli
from tests.conftest import NewCourse

TOY = "edX/toy/2012_Fall"


def test_a_link_keeps_the_host_by_name_and_its_own_time_out(
    cli: Cli, new_course: NewCourse
) -> None:
    # psycopg resolves names; an address from here would outlive a change of the DNS.
    dsn = make_conninfo(new_course("forum"), host="localhost")
    assert cli("course", "register", TOY, "--dsn", dsn).code == 0
    link = conninfo_to_dict(cli("course", "show", "forum", "--json").document["link"])
    port = conninfo_to_dict(dsn)["port"]
    assert link == {"host": "localhost", "port": port, "dbname": "forum"}


def test_a_link_follows_several_hosts(cli: Cli, new_course: NewCourse) -> None:
    given = conninfo_to_dict(new_course("forum"))
    several = {
        "host": "127.0.0.1,localhost",
        "port": f"{given['port']},{given['port']}",
    }
    hosts = several | {"target_session_attrs": "read-write"}
    assert (
        cli("course", "register", TOY, "--dsn", make_conninfo(**given | hosts)).code
        == 0
    )
    link = conninfo_to_dict(cli("course", "show", "forum", "--json").document["link"])
    assert link == {"dbname": "forum", **hosts}
