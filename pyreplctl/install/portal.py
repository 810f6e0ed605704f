"""The portal: install and check; every step is a no-op where nothing changed."""

from __future__ import annotations

from typing import LiteralString

import msgspec

from pyreplctl import __version__
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, value
from pyreplctl.core.locks import Patience, install_lock
from pyreplctl.install import grants, preflight, roles, triggers
from pyreplctl.install.event_triggers import named_on_refusal
from pyreplctl.install.migrations import apply_pending
from pyreplctl.install.objects import apply_portal_objects, drop
from pyreplctl.install.triggers import apply_triggers
from pyreplctl.schema import contracts, portal_objects
from pyreplctl.schema.objects import ObjectChange, orphans, states
from pyreplctl.schema.roles import CAPTURE, OWNER, READER, ROLES


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
        before = value(connection, _BEFORE)
        with named_on_refusal(connection, "the portal"), connection.transaction():
            changes = _prepare(connection, config)
        patience = patience or Patience()
        missed = [] if before is None else _unfit(changes)
        if before is False:
            missed.append("pyrepl: capture could not use the schema")
        parts = (*contracts.PARTS, None)  # and change, which is ours
        for part, item in zip(parts, portal_objects.triggers(config), strict=True):
            changes.append(apply_triggers(connection, item, patience, part, missed))
        # Those of a table that is watched no longer would go on writing changes.
        for item in orphans(connection, portal_objects.triggers(config), "triggers"):
            changes += triggers.drop_triggers(connection, patience, item.name)
            drop(connection, item)
        return changes + _catch_up(connection, missed)


# What capture cannot do without: where one of these was not in order, nothing of ours
# could note what was missed.
_CAPTURE = {
    *(f"function capture_{part}" for part in (*contracts.PARTS, "truncate")),
    "function note_change",
    "grant INSERT on pyrepl.change to pyrepl_capture",
    "grant INSERT on pyrepl.uncaptured to pyrepl_capture",
}


# NULL where nothing was kept yet: whether capture can use the schema.
_BEFORE = (
    "SELECT has_schema_privilege(r.oid, 'pyrepl', 'USAGE') FROM pg_roles r"
    " WHERE r.rolname = 'pyrepl_capture'"
    " AND to_regclass('pyrepl.table_state') IS NOT NULL"
)


def _unfit(changes: list[ObjectChange]) -> list[str]:
    """Say what of capture was not in order before this install, if an older one ran."""
    return [
        f"{change.object} was not in order: changes may not have been captured"
        for change in changes
        if change.object in _CAPTURE
        and (change.state == "created" or change.detail == "edited")
    ]


def _catch_up(connection: Connection, missed: list[str]) -> list[ObjectChange]:
    """Queue everybody where changes were missed; the triggers are in order now."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        roles.become_owner(connection)
        told = value(connection, "SELECT pyrepl.catch_up(%s)", missed)
    return [ObjectChange("missed changes", "queued", said) for said in told]


def check(dsn: str, config: Config) -> list[ObjectChange]:
    """Return what install would change, each with its state; change nothing.

    What install would do is what it does: this does it in a transaction and takes it
    back. Triggers are only looked at, since they would lock the user's tables.
    """
    with connect(dsn, "the portal") as connection:
        preflight.check_portal(connection, config)
        with connection.transaction(force_rollback=True):
            changes = _prepare(connection, config)
            wanted = portal_objects.triggers(config)
            found = states(connection, wanted)
            for item, state in zip(wanted, found, strict=True):
                changes.append(ObjectChange(str(item), "unchanged", state))
            for item in orphans(connection, wanted, "triggers"):
                changes.append(ObjectChange(str(item), "dropped", "orphan"))
            rows = connection.execute("SELECT name FROM pyrepl.missed_changes()")
            changes += [
                ObjectChange(f"rows {row[0]}", "queued", "outdated") for row in rows
            ]
    return [
        ObjectChange(change.object, change.detail or "missing")
        for change in changes
        if change.state != "unchanged" or change.detail not in ("", "current")
    ]


def _prepare(connection: Connection, config: Config) -> list[ObjectChange]:
    changes = _roles(connection)
    changes += _schema(connection)
    changes += roles.repair(connection, "portal", dict.fromkeys(ROLES, False))
    changes += _grants(connection, config)
    roles.become_owner(connection)
    changes += apply_pending(connection, "portal")
    changes += grants.grant_ours(connection)
    contract = contracts.offered(connection, config)
    made = apply_portal_objects(connection, config, contract)
    # By functions that have just been made.
    changes += _settings(connection, config)
    stored = value(
        connection,
        "SELECT count(*) FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    )
    contracts.store(connection, contract)
    state = "unchanged" if stored else "created"
    changes.append(ObjectChange(f"contract {contract.short}", state))
    return changes + made


def _roles(connection: Connection) -> list[ObjectChange]:
    changes = []
    for role, comment in ROLES.items():
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
        state = grants.grant_table(connection, name, ("SELECT",), READER)
        # The owner of links and secrets reads nothing of the platform's: earlier
        # versions had it do so, and with the tables' code came to run as it.
        if grants.revoke_table(connection, name, OWNER):
            state = "replaced"
        changes.append(ObjectChange(f"grant SELECT on {name}", state, _OF[state]))
        grants.grant_schema(
            connection, name.split(".", 1)[0], OWNER
        )  # to name its types
    grants.grant_types(
        connection, contracts.table_names(config), OWNER, READER, CAPTURE
    )
    return changes


_OF = {"unchanged": "", "created": "", "replaced": "edited"}


def _settings(connection: Connection, config: Config) -> list[ObjectChange]:
    same = {"tables": config.tables, "policy": config.policy}
    kept = msgspec.json.encode(same).decode()
    done = value(
        connection,
        "SELECT pyrepl.set_configuration(%s, %s, %s)",
        __version__,
        kept,
        config.delivery.batch,
    )
    return [ObjectChange("settings", done, "outdated" if done == "replaced" else "")]
