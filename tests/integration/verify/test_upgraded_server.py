"""After pg_upgrade verify sees what was edited, and not that versions write otherwise.

Five views of a course that was upgraded from 15 were called edited: only the text in
which the server shows them had changed.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg.conninfo import make_conninfo

from pyreplctl.core.config import Config
from pyreplctl.courses.refresh import refresh
from pyreplctl.sandbox.embedded import Cluster
from pyreplctl.sandbox.embedded.binaries import as_server, give_to_server, reachable
from pyreplctl.verify import structure
from tests.conftest import NewCluster
from tests.support import servers
from tests.support.platform import Course, Platform

TOY = "edX/toy/2012_Fall"


def upgrade(old: Cluster, new: Cluster) -> None:
    """Bring the databases of a server that is down to a new one, and start that."""
    run(old, old.bin_dir / "pg_checksums", "--enable", "--no-sync", "-D", old.data_dir)
    for cluster in (old, new):
        rules = cluster.data_dir / "pg_hba.conf"
        rules.write_text("local all all trust\n" + rules.read_text())
        give_to_server(rules)
    run(
        new,
        new.bin_dir / "pg_upgrade",
        *("--old-datadir", old.data_dir, "--new-datadir", new.data_dir),
        *("--old-bindir", old.bin_dir, "--new-bindir", new.bin_dir),
        *("--username", new.superuser, "--socketdir", new.directory, "--no-sync"),
    )
    new.password = old.password
    new.start()


def run(cluster: Cluster, *command: str | Path) -> None:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        **as_server(cluster.directory),
    )
    assert done.returncode == 0, done.stdout + done.stderr


def moved(platform: Platform, course: Course, server: Cluster) -> None:
    """Let the link lead to where the course database is now."""
    database = psycopg.conninfo.conninfo_to_dict(course.dsn)["dbname"]
    platform.connection.execute(
        f"ALTER SERVER pyrepl_1 OPTIONS (SET port '{server.port}')".encode()
    )
    link = make_conninfo(host="127.0.0.1", port=server.port, dbname=str(database))
    platform.execute("UPDATE pyrepl.database SET link = %s", link)
    course.connection.close()
    dsn = server.conninfo(str(database))
    course.connection = platform.stack.enter_context(
        psycopg.connect(dsn, autocommit=True)
    )


def found(platform: Platform) -> dict[str, str]:
    looked = structure.verify(platform.dsn, [], jobs=1)
    (database,) = looked.databases.values()
    assert database.error is None
    return {i.object: i.state for i in database.items if i.state != "current"}


EDITS: dict[str, LiteralString] = {
    "a condition": (
        "CREATE OR REPLACE VIEW pyrepl.unsettled AS"
        " SELECT r.id, r.xid, r.epoch, r.users FROM pyrepl.receipt r WHERE r.id > 5"
    ),
    "a constant": (
        "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW pyrepl.structure AS'"
        " || replace(pg_get_viewdef('pyrepl.structure'::regclass), 'jit', 'work_mem');"
        " END $$"
    ),
    "a right": "GRANT SELECT ON pyrepl.inbox TO PUBLIC",
}


def test_a_course_after_pg_upgrade_has_edited_views_only_where_somebody_edits(
    platform: Platform, new_cluster: NewCluster
) -> None:
    oldest, *_, newest = (2 * list(servers.bin_dirs().values()))[::1]
    old, new = new_cluster(reachable(oldest)), new_cluster(reachable(newest))
    course = platform.course(TOY, cluster=old)
    platform.member(1, TOY)
    platform.deliver()
    assert found(platform) == {}
    course.connection.close()
    old.stop()
    new.stop()
    upgrade(old, new)
    moved(platform, course, new)
    # That it is another server is true, and for a person to confirm.
    assert found(platform) == {"binding: database": "edited"}
    for edit in EDITS.values():
        course.execute(edit)
    assert found(platform) == {
        "binding: database": "edited",
        "view unsettled": "edited",
        "view structure": "edited",
        "view inbox": "edited",
    }
    # Once bound again, what no trigger sees is noticed as before.
    dsn = new.conninfo(course.connection.info.dbname)
    refresh(platform.connection, Config(), course.name, dsn, rebind=True)
    assert platform.deliver() == {}
    assert found(platform) == {}
    course.execute(
        "ALTER TABLE auth_user DISABLE TRIGGER ALL;"
        " ALTER TABLE auth_user ENABLE TRIGGER ALL"
    )
    assert found(platform)["rows public.auth_user"] == "outdated"
