"""The portal: install and check; every step is a no-op where nothing changed."""

from __future__ import annotations

from typing import LiteralString

import msgspec

from pyreplctl import __version__
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, value
from pyreplctl.core.locks import Patience, install_lock
from pyreplctl.install import objects as install_objects
from pyreplctl.install import preflight, roles, triggers
from pyreplctl.install.migrations import apply_pending
from pyreplctl.install.objects import apply_portal_objects
from pyreplctl.install.triggers import apply_triggers
from pyreplctl.schema import contracts, objects
from pyreplctl.schema import roles as schema_roles
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.portal_objects import triggers as wanted_triggers


def install(
    dsn: str, config: Config, patience: Patience | None = None
) -> list[ObjectChange]:
    """Bring the portal to the desired state; return one change an object.

    Everything but the triggers is one transaction; triggers are one transaction a
    table, under a lock time-out, so that no writer waits for us long. Can be run again
    at any point.
    """
    with connect(dsn, "the portal") as connection:
        return install_by(connection, config, patience)


def install_by(
    connection: Connection, config: Config, patience: Patience | None = None
) -> list[ObjectChange]:
    """Do the same by a connection that is open."""
    with install_lock(connection):
        preflight.check_portal(connection, config)
        with connection.transaction():
            changes = _prepare(connection, config)
        patience = patience or Patience()
        for item in wanted_triggers(config):
            changes.append(apply_triggers(connection, item, patience))
        # Those of a table that is watched no longer would go on writing changes.
        for item in objects.orphans(connection, wanted_triggers(config), "triggers"):
            changes += triggers.drop_triggers(connection, patience, item.name)
            install_objects.drop(connection, item)
        return changes


def check(dsn: str, config: Config) -> list[ObjectChange]:
    """Return what install would change, each with its state; change nothing.

    What install would do is what it does: this does it in a transaction and takes it
    back. Triggers are only looked at, since they would lock the user's tables.
    """
    with connect(dsn, "the portal") as connection:
        preflight.check_portal(connection, config)
        with connection.transaction(force_rollback=True):
            changes = _prepare(connection, config)
            wanted = wanted_triggers(config)
            states = objects.states(connection, wanted)
            for item, state in zip(wanted, states, strict=True):
                changes.append(ObjectChange(str(item), "unchanged", state))
            for item in objects.orphans(connection, wanted, "triggers"):
                changes.append(ObjectChange(str(item), "dropped", "orphan"))
    return [
        ObjectChange(change.object, change.detail or "missing")
        for change in changes
        if change.state != "unchanged" or change.detail not in ("", "current")
    ]


def _prepare(connection: Connection, config: Config) -> list[ObjectChange]:
    changes = _roles(connection)
    changes += _schema(connection)
    changes += roles.repair(
        connection, "portal", dict.fromkeys(schema_roles.ROLES, False)
    )
    changes += _grants(connection, config)
    connection.execute("SET LOCAL ROLE pyrepl_owner")
    changes += apply_pending(connection, "portal")
    changes += roles.grant_ours(connection)
    changes += _settings(connection, config)
    contract = contracts.offered(connection, config)
    known = value(
        connection,
        "SELECT count(*) FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    )
    contracts.store(connection, contract)
    state = "unchanged" if known else "created"
    changes.append(ObjectChange(f"contract {contract.short}", state))
    return changes + apply_portal_objects(connection, config, contract)


def _roles(connection: Connection) -> list[ObjectChange]:
    changes = []
    for role, comment in schema_roles.ROLES.items():
        found = value(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role)
        if not found:
            roles.create_role(connection, role, comment)
        changes.append(
            ObjectChange(f"role {role}", "unchanged" if found else "created")
        )
    return changes


def _schema(connection: Connection) -> list[ObjectChange]:
    return [
        _ensure(
            connection,
            "schema pyrepl",
            "SELECT to_regnamespace('pyrepl') IS NOT NULL",
            "CREATE SCHEMA pyrepl AUTHORIZATION pyrepl_owner;"
            " COMMENT ON SCHEMA pyrepl IS 'pyreplctl: tables are private, functions are"
            " the interface'",
        ),
        _ensure(
            connection,
            "grant USAGE on pyrepl",
            "SELECT bool_and(has_schema_privilege(r, 'pyrepl', 'USAGE')) FROM unnest("
            "'{pyrepl_worker,pyrepl_monitor,pyrepl_reader,pyrepl_capture}'::name[]) r",
            "GRANT USAGE ON SCHEMA pyrepl"
            " TO pyrepl_worker, pyrepl_reader, pyrepl_capture, pyrepl_monitor",
        ),
        _ensure(
            connection,
            "extension postgres_fdw",
            "SELECT 1 FROM pg_extension WHERE extname = 'postgres_fdw'",
            "CREATE EXTENSION postgres_fdw SCHEMA pyrepl",
        ),
        _ensure(
            connection,
            "grant USAGE on postgres_fdw",
            "SELECT has_foreign_data_wrapper_privilege('pyrepl_owner', 'postgres_fdw',"
            " 'USAGE')",
            "GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO pyrepl_owner",
        ),
    ]


def _ensure(
    connection: Connection, what: str, held: LiteralString, statement: LiteralString
) -> ObjectChange:
    """Run a statement, unless the query tells that its effect is there."""
    if value(connection, held):
        return ObjectChange(what, "unchanged")
    connection.execute(statement)
    return ObjectChange(what, "created")


def _grants(connection: Connection, config: Config) -> list[ObjectChange]:
    changes = []
    for name in contracts.table_names(config):
        state = roles.grant_table(connection, name, ("SELECT",), schema_roles.READER)
        # The owner of links and secrets reads nothing of the platform's: earlier
        # versions had it do so, and with the tables' code came to run as it.
        if roles.revoke_table(connection, name, schema_roles.OWNER):
            state = "replaced"
        changes.append(ObjectChange(f"grant SELECT on {name}", state, _OF[state]))
        roles.grant_usage(connection, name, schema_roles.OWNER)  # to name its types
    return changes


_OF = {"unchanged": "", "created": "", "replaced": "edited"}


def _settings(connection: Connection, config: Config) -> list[ObjectChange]:
    same = {"tables": config.tables, "policy": config.policy}
    kept = msgspec.json.encode(same).decode()
    row = connection.execute(
        "SELECT version = %s AND configuration = %s::jsonb AND batch = %s"
        " FROM pyrepl.settings",
        (__version__, kept, config.delivery.batch),
    ).fetchone()
    if row == (True,):
        return [ObjectChange("settings", "unchanged")]
    connection.execute(
        "INSERT INTO pyrepl.settings (version, configuration, batch)"
        " VALUES (%s, %s, %s) ON CONFLICT (singleton) DO UPDATE"
        " SET version = excluded.version, configuration = excluded.configuration,"
        " batch = excluded.batch",
        (__version__, kept, config.delivery.batch),
    )
    if row is None:
        return [ObjectChange("settings", "created")]
    return [ObjectChange("settings", "replaced", "outdated")]
