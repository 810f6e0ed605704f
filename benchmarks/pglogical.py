"""pglogical: a provider and a subscription a database, column lists, everybody."""

from __future__ import annotations

import subprocess

from benchmarks.contenders import Native
from benchmarks.ground import Ground
from benchmarks.options import PEERS_BIN
from pyreplctl.core.config import USER_COLUMNS

_SETTINGS = {
    "wal_level": "logical",
    "shared_preload_libraries": "pglogical",
    "track_commit_timestamp": "on",
    "max_worker_processes": "20",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
}


def _settings() -> dict[str, str]:
    """Return the settings; newer minor versions ask which plugins may be used."""
    listed = subprocess.run(
        [PEERS_BIN / "postgres", "--describe-config"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    plugins = {"output_plugin_libraries": "pgoutput, pglogical_output"}
    return _SETTINGS | (plugins if "output_plugin_libraries" in listed else {})


class Pglogical(Native):
    """Takes its settling from native: both report to the portal's server."""

    name = "pglogical"

    def __init__(self, ground: Ground, names: tuple[str, ...] = ("one", "two")) -> None:
        self.settings = self.course_settings = _settings()
        super().__init__(ground, names)

    def set_up(self) -> None:
        here = self.site.session()
        here.execute("CREATE EXTENSION pglogical")
        here.execute(
            "SELECT pglogical.create_node(node_name := 'portal', dsn := %s)",
            (self.site.dsn(),),
        )
        for table in ("auth_user", "auth_userprofile", "student_courseenrollment"):
            columns = list(USER_COLUMNS) if table == "auth_user" else None
            here.execute(
                "SELECT pglogical.replication_set_add_table("
                "'default', %s::regclass, columns := %s::text[])",
                (table, columns),
            )
        for name in self.site.names:
            there = self.site.session(name)
            there.execute("CREATE EXTENSION pglogical")
            there.execute(
                "SELECT pglogical.create_node(node_name := %s::name, dsn := %s)",
                (name, self.site.dsn(name)),
            )
            there.execute(
                "SELECT pglogical.create_subscription(subscription_name := %s::name,"
                " provider_dsn := %s)",
                (name, self.site.dsn()),
            )
            # Its function returns before the subscription's worker has begun.
            there.execute(
                "SELECT pglogical.wait_for_subscription_sync_complete(%s::name)",
                (name,),
            )


def missing(ground: Ground) -> str:
    """Say why it cannot be measured; nothing if it can."""
    assert ground.bin_dir
    found = (ground.bin_dir.parent / "lib" / "pglogical.so").exists()
    return "" if found else "no pglogical.so; Debian: postgresql-15-pglogical"
