"""The portal: install and check; every step is a no-op where nothing changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import LiteralString

import msgspec
from psycopg import sql

from pyreplctl import __version__
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, fetch, value
from pyreplctl.core.errors import NotInstalled
from pyreplctl.core.locks import Patience, install_lock, under_lock_timeout
from pyreplctl.install import migrations, preflight, removal, roles
from pyreplctl.schema import contracts, objects
from pyreplctl.schema import slots as fragments
from pyreplctl.schema.contracts import PARTS, Contract
from pyreplctl.schema.objects import Change, Object
from pyreplctl.schema.sql_files import Slots, render, texts

# What verify has for each database.
TRUTHS = ("truth", "truth_rows", "truth_sums", "truth_total")
_OF_A_DATABASE = re.compile(rf"(push|{'|'.join(TRUTHS)})_\d+(_immediate)?")


def install(dsn: str, config: Config, patience: Patience | None = None) -> list[Change]:
    """Bring the portal to the desired state; return one change an object.

    Everything but the triggers is one transaction; triggers are one transaction a
    table, under a lock time-out, so that no writer waits for us long. Can be run again
    at any point.
    """
    with connect(dsn, "the portal") as connection:
        return install_by(connection, config, patience)


def install_by(
    connection: Connection, config: Config, patience: Patience | None = None
) -> list[Change]:
    """Do the same by a connection that is open."""
    with install_lock(connection):
        preflight.check_portal(connection, config)
        with connection.transaction():
            changes = _prepare(connection, config)
        patience = patience or Patience()
        for item in _triggers(config):
            changes.append(bring_triggers(connection, item, patience))
        # Those of a table that is watched no longer would go on writing changes.
        for item in objects.orphans(connection, _triggers(config), "triggers"):
            changes += removal.drop_triggers(connection, patience, item.name)
            objects.drop(connection, item)
        return changes


def check(dsn: str, config: Config) -> list[Change]:
    """Return what install would change, each with its state; change nothing.

    What install would do is what it does: this does it in a transaction and takes it
    back. Triggers are only looked at, since they would lock the user's tables.
    """
    with connect(dsn, "the portal") as connection:
        preflight.check_portal(connection, config)
        with connection.transaction(force_rollback=True):
            changes = _prepare(connection, config)
            wanted = _triggers(config)
            states = objects.states(connection, wanted)
            for item, state in zip(wanted, states, strict=True):
                changes.append(Change(str(item), "unchanged", state))
            for item in objects.orphans(connection, wanted, "triggers"):
                changes.append(Change(str(item), "dropped", "orphan"))
    return [
        Change(change.object, change.detail or "missing")
        for change in changes
        if change.state != "unchanged" or change.detail not in ("", "current")
    ]


def _prepare(connection: Connection, config: Config) -> list[Change]:
    changes = _roles(connection)
    changes += _schema(connection)
    changes += roles.mend(connection, "portal", dict.fromkeys(roles.ROLES, False))
    changes += _grants(connection, config)
    connection.execute("SET LOCAL ROLE pyrepl_owner")
    changes += bring_migrations(connection, "portal")
    changes += _settings(connection, config)
    contract = contracts.offered(connection, config)
    known = value(
        connection,
        "SELECT count(*) FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    )
    contracts.store(connection, contract)
    state = "unchanged" if known else "created"
    changes.append(Change(f"contract {contract.short}", state))
    return changes + bring_objects(connection, config, contract)


def bring_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    only: int | None = None,
) -> list[Change]:
    """Bring types and functions up to date, and drop those that nobody needs now.

    With `only` those of other course databases are left as they are: a refresh of each
    would look at those of all.
    """
    used = contracts.in_use(connection)
    wanted = wanted_objects(connection, config, contract, used, only)
    changes = objects.bring(connection, wanted)
    for item in objects.orphans(connection, wanted, "function", "view", "type"):
        if only is None or not _OF_A_DATABASE.fullmatch(item.name):
            objects.drop(connection, item)
            changes.append(Change(str(item), "dropped", "orphan"))
    return changes


def _roles(connection: Connection) -> list[Change]:
    changes = []
    for role, comment in roles.ROLES.items():
        found = value(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role)
        if not found:
            roles.create_role(connection, role, comment)
        changes.append(Change(f"role {role}", "unchanged" if found else "created"))
    return changes


def _schema(connection: Connection) -> list[Change]:
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
            "SELECT has_schema_privilege('pyrepl_worker', 'pyrepl', 'USAGE')"
            " AND has_schema_privilege('pyrepl_monitor', 'pyrepl', 'USAGE')",
            "GRANT USAGE ON SCHEMA pyrepl TO pyrepl_worker, pyrepl_monitor",
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
) -> Change:
    """Run a statement, unless the query tells that its effect is there."""
    if value(connection, held):
        return Change(what, "unchanged")
    connection.execute(statement)
    return Change(what, "created")


def _grants(connection: Connection, config: Config) -> list[Change]:
    return [
        Change(
            f"grant SELECT on {name}",
            roles.grant_table(connection, name, ("SELECT",), "pyrepl_owner"),
        )
        for name in contracts.table_names(config)
    ]


def bring_migrations(connection: Connection, side: str) -> list[Change]:
    """Apply the migrations of a side in the open transaction; one change each."""
    pending = set(migrations.pending(connection, side))
    if pending:
        migrations.apply(connection, side)
    return [
        Change(f"migration {name}", "created" if name in pending else "unchanged")
        for name in migrations.names(side)
    ]


def _settings(connection: Connection, config: Config) -> list[Change]:
    same = {"tables": config.tables, "policy": config.policy}
    kept = msgspec.json.encode(same).decode()
    row = connection.execute(
        "SELECT version = %s AND configuration = %s::jsonb AND batch = %s"
        " FROM pyrepl.settings",
        (__version__, kept, config.delivery.batch),
    ).fetchone()
    if row == (True,):
        return [Change("settings", "unchanged")]
    connection.execute(
        "INSERT INTO pyrepl.settings (version, configuration, batch)"
        " VALUES (%s, %s, %s) ON CONFLICT (singleton) DO UPDATE"
        " SET version = excluded.version, configuration = excluded.configuration,"
        " batch = excluded.batch",
        (__version__, kept, config.delivery.batch),
    )
    if row is None:
        return [Change("settings", "created")]
    return [Change("settings", "replaced", "outdated")]


def planned_objects(
    connection: Connection, config: Config, contract: Contract
) -> list[Object]:
    """Return what install would create where nothing is registered yet."""
    held = columns_held(connection, config)
    return _own_objects(config, contract, [], held) + _triggers(config)


def wanted_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    used: Sequence[Contract],
    only: int | None = None,
) -> list[Object]:
    """Return all types and functions that the portal should have.

    With `only` of one course database; else of all.
    """
    held = columns_held(connection, config)
    wanted = _own_objects(config, contract, used, held)
    agreed: dict[int, Contract] = {}
    for row in fetch(
        connection,
        "SELECT id, contract_id FROM pyrepl.database"
        " WHERE id = coalesce(%s, id) ORDER BY id",
        only,
    ):
        of = row["contract_id"]
        agreed[of] = agreed.get(of) or contracts.stored(connection, of)
        wanted += database_objects(connection, config, agreed[of], row["id"])
    return wanted


def expected_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    agreed: dict[int, Contract],
) -> list[Object]:
    """Return all objects that the portal should have, triggers too; reads no table.

    `agreed` are the contracts of the course databases by number.
    """
    used = {each.fingerprint: each for each in agreed.values()}
    held = columns_held(connection, config)
    wanted = _own_objects(config, contract, list(used.values()), held)
    for number, each in agreed.items():
        wanted += database_objects(connection, config, each, number)
    return wanted + _triggers(config)


def columns_held(connection: Connection, config: Config) -> dict[str, set[str]]:
    """Return the names of the columns that the three tables have on the portal."""
    return {
        part: {c.name for c in contracts.columns_of(connection, table)}
        for part, table in zip(PARTS, contracts.table_names(config), strict=True)
    }


def _own_objects(
    config: Config,
    contract: Contract,
    used: Sequence[Contract],
    held: dict[str, set[str]],
) -> list[Object]:
    compared = [contract, *(_only(old, held) for old in used)]
    slots = fragments.portal_slots(config, compared)
    wanted = []
    by_fingerprint = {c.fingerprint: c for c in [contract, *used]}
    for each in by_fingerprint.values():
        for part in PARTS:
            name = f"{part}_row_{each.short}"
            source = fragments.row_type(part, each, name)
            wanted.append(Object("type", name, source))
    for folder in ("functions/both", "functions/portal"):
        wanted += [
            Object("function", name, render(text, slots))
            for name, text in texts(folder).items()
            if name not in ("push", *TRUTHS)
        ]
    return wanted


def _only(contract: Contract, held: dict[str, set[str]]) -> Contract:
    """Return a contract without the columns that the portal has no more."""
    kept = {
        part: tuple(c for c in contract.part(part) if c.name in held[part])
        for part in PARTS
    }
    return Contract(tables=contract.tables, **kept)


def database_objects(
    connection: Connection, config: Config, contract: Contract, number: int
) -> list[Object]:
    """Return what the portal has for one course database alone."""
    server = connection.info.server_version
    slots = fragments.database_slots(config, contract, number, server)
    found = texts("functions/portal")
    wanted = [
        Object("function", f"push_{number}", render(found["push"], slots)),
        *(
            Object("function", f"{name}_{number}", render(found[name], slots))
            for name in TRUTHS
        ),
    ]
    immediate = f"{number}_immediate"
    query = "SELECT 1 FROM pg_foreign_server WHERE srvname = %s"
    if value(connection, query, f"pyrepl_{immediate}"):
        slots["push"] = sql.Identifier(f"push_{immediate}")
        slots["inbox"] = sql.Identifier(f"inbox_{immediate}")
        source = render(found["push"], slots)
        wanted.append(Object("function", f"push_{immediate}", source))
    return wanted


def _triggers(config: Config) -> list[Object]:
    text = texts("triggers/portal")["capture"]
    items = []
    for part in PARTS:
        table = getattr(config.tables, part)
        slots: Slots = {
            "table": table.identifier,
            "capture": sql.Identifier(f"capture_{part}"),
            "part": sql.Literal(part),
        }
        items.append(Object("triggers", table.name, render(text, slots)))
    immediate = texts("triggers/portal")["immediate"]
    return [*items, Object("triggers", "pyrepl.change", immediate)]


def bring_triggers(connection: Connection, item: Object, patience: Patience) -> Change:
    """Create or replace the triggers of a table, in a transaction of their own."""
    if (found := objects.state(connection, item)) == "current":
        return Change(str(item), "unchanged")
    under_lock_timeout(
        connection, item.name, patience, lambda: objects.create(connection, item)
    )
    if found == "missing":
        return Change(str(item), "created")
    return Change(str(item), "replaced", found)


def require_installed(connection: Connection) -> None:
    """Raise `NotInstalled` unless this program's version is installed in the portal."""
    if value(connection, "SELECT to_regproc('pyrepl.migrations') IS NULL"):
        raise NotInstalled(
            f"pyreplctl is not installed in database {connection.info.dbname}",
            hint='Run "pyreplctl install" with the portal\'s --portal DSN first.',
        )
    held = {row[0] for row in connection.execute("SELECT pyrepl.migrations()")}
    known = set(migrations.names("portal"))
    if newer := sorted(held - known):
        preflight.refuse_newer("portal", newer)
    if waiting := sorted(known - held):
        raise NotInstalled(
            f"the portal's installation is older than this program: {waiting[0]} waits",
            hint='Run "pyreplctl install".',
        )


def identity(connection: Connection) -> str:
    """Return who the portal is: system identifier/database oid."""
    found: str = value(connection, "SELECT pyrepl.identity()")
    return found


def installed_contract(connection: Connection, config: Config) -> Contract:
    """Return the contract on offer; `NotInstalled` if install has yet to see it."""
    contract = contracts.offered(connection, config)
    if not value(
        connection,
        "SELECT 1 FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    ):
        raise NotInstalled(
            "the portal's tables have changed since the last install",
            hint='Run "pyreplctl install" first.',
        )
    return contract
