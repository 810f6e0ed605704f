"""The portal: install, check and uninstall; every step is a no-op where nothing changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import errors as pg
from psycopg import sql

from pyreplctl import __version__, contracts, migrate, objects, suitability
from pyreplctl.config import Config
from pyreplctl.contracts import PARTS, Contract
from pyreplctl.db import INSTALL_LOCK, LOCK_CLASS, Connection, connect, fetch, value
from pyreplctl.errors import DatabaseError, NotInstalled
from pyreplctl.objects import Change, Object
from pyreplctl.sources import Slots, render, texts

ROLES = {
    "pyrepl_owner": "owns everything in schema pyrepl",
    "pyrepl_worker": "may run the functions of the clock, and read nothing",
    "pyrepl_monitor": "may look at status and verify, and change nothing",
}


@dataclass(frozen=True)
class Patience:
    """How long to wait for the lock of a table, in seconds, and how often to try."""

    lock_timeout: float = 2.0
    attempts: int = 10


def install(dsn: str, config: Config, patience: Patience | None = None) -> list[Change]:
    """Bring the portal to the desired state; return one change an object.

    Everything but the triggers is one transaction; triggers are one transaction a table,
    under a lock time-out, so that no writer waits for us long. Can be run again at any
    point.
    """
    with connect(dsn, "the portal") as connection, install_lock(connection):
        suitability.check_portal(connection, config)
        with connection.transaction():
            changes = _prepare(connection, config)
        for item in _triggers(config):
            changes.append(_bring_triggers(connection, item, patience or Patience()))
        return changes


def check(dsn: str, config: Config) -> list[Change]:
    """Return what install would change, each with its state; change nothing.

    What install would do is what it does: this does it in a transaction and takes it
    back. Triggers are only looked at, since they would lock the user's tables.
    """
    with connect(dsn, "the portal") as connection:
        suitability.check_portal(connection, config)
        with connection.transaction(force_rollback=True):
            changes = _prepare(connection, config)
            for item in _triggers(config):
                state = objects.state(connection, item)
                changes.append(Change(str(item), "unchanged", state))
    return [
        Change(change.object, change.detail or "missing")
        for change in changes
        if change.state != "unchanged" or change.detail not in ("", "current")
    ]


def _prepare(connection: Connection, config: Config) -> list[Change]:
    changes = _roles(connection)
    changes += _schema(connection)
    changes += _grants(connection, config)
    connection.execute("SET LOCAL ROLE pyrepl_owner")
    changes += bring_migrations(connection, "portal")
    changes += _settings(connection, config)
    contract = contracts.offered(connection, config)
    used = contracts.in_use(connection)
    known = value(
        connection,
        "SELECT count(*) FROM pyrepl.contract WHERE fingerprint = %s",
        contract.fingerprint,
    )
    contracts.store(connection, contract)
    state = "unchanged" if known else "created"
    changes.append(Change(f"contract {contract.short}", state))
    wanted = wanted_objects(connection, config, contract, used)
    changes += objects.bring(connection, wanted)
    for item in objects.orphans(connection, [*wanted, *_triggers(config)]):
        objects.drop(connection, item)
        changes.append(Change(str(item), "dropped", "orphan"))
    return changes


@contextmanager
def install_lock(connection: Connection) -> Iterator[None]:
    """Keep other installs and registrations out; they hold it for seconds."""
    deadline = time.monotonic() + 60
    key = (LOCK_CLASS, INSTALL_LOCK)
    while not value(connection, "SELECT pg_try_advisory_lock(%s, %s)", *key):
        if time.monotonic() > deadline:
            holder = value(
                connection,
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
                " AND classid = %s AND objid = (%s::bigint & 4294967295)::oid",
                *key,
            )
            raise DatabaseError(
                f"another install or registration is at work (backend {holder})",
                hint="Wait until it has finished and run the command again.",
            )
        time.sleep(0.2)
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _roles(connection: Connection) -> list[Change]:
    changes = []
    for role, comment in ROLES.items():
        found = value(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role)
        if not found:
            create_role(connection, role, comment)
        changes.append(Change(f"role {role}", "unchanged" if found else "created"))
    return changes


def create_role(connection: Connection, role: str, comment: str) -> None:
    """Create a role that cannot log in, of which we are a member.

    Roles belong to the cluster: somebody else may be creating the same one for another
    database at this moment.
    """
    name = sql.Identifier(role)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
    except (pg.DuplicateObject, pg.UniqueViolation):
        return
    connection.execute(
        sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(comment))
    )
    if not value(connection, "SELECT pg_has_role(%s, 'MEMBER')", role):
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))


def _schema(connection: Connection) -> list[Change]:
    changes = []
    if value(connection, "SELECT to_regnamespace('pyrepl') IS NULL"):
        connection.execute("CREATE SCHEMA pyrepl AUTHORIZATION pyrepl_owner")
        connection.execute(
            "COMMENT ON SCHEMA pyrepl IS 'pyreplctl: tables are private, functions are"
            " the interface'"
        )
        connection.execute(
            "GRANT USAGE ON SCHEMA pyrepl TO pyrepl_worker, pyrepl_monitor"
        )
        changes.append(Change("schema pyrepl", "created"))
    else:
        changes.append(Change("schema pyrepl", "unchanged"))
    if not value(
        connection, "SELECT 1 FROM pg_extension WHERE extname = 'postgres_fdw'"
    ):
        connection.execute("CREATE EXTENSION postgres_fdw SCHEMA pyrepl")
        changes.append(Change("extension postgres_fdw", "created"))
    else:
        changes.append(Change("extension postgres_fdw", "unchanged"))
    return changes


def _grants(connection: Connection, config: Config) -> list[Change]:
    changes = []
    if not value(
        connection,
        "SELECT has_foreign_data_wrapper_privilege('pyrepl_owner', 'postgres_fdw',"
        " 'USAGE')",
    ):
        connection.execute(
            "GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO pyrepl_owner"
        )
        changes.append(Change("grant USAGE on postgres_fdw", "created"))
    else:
        changes.append(Change("grant USAGE on postgres_fdw", "unchanged"))
    for name in contracts.table_names(config):
        state = grant_table(connection, name, ("SELECT",), "pyrepl_owner")
        changes.append(Change(f"grant SELECT on {name}", state))
    return changes


def grant_table(
    connection: Connection, table: str, rights: Sequence[str], role: str
) -> str:
    """Give rights on a table and its schema; return created or unchanged."""
    schema, _ = table.split(".")
    state = "unchanged"
    if not value(
        connection, "SELECT has_schema_privilege(%s, %s, 'USAGE')", role, schema
    ):
        connection.execute(
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
                sql.Identifier(schema), sql.Identifier(role)
            )
        )
        state = "created"
    for right in rights:
        if not value(
            connection, "SELECT has_table_privilege(%s, %s, %s)", role, table, right
        ):
            connection.execute(
                sql.SQL("GRANT {} ON {} TO {}").format(
                    sql.SQL(right),  # type: ignore[arg-type]
                    sql.Identifier(*table.split(".")),
                    sql.Identifier(role),
                )
            )
            state = "created"
    return state


def bring_migrations(connection: Connection, side: str) -> list[Change]:
    """Apply the migrations of a side in the open transaction; one change each."""
    pending = set(migrate.pending(connection, side))
    if pending:
        migrate.apply(connection, side)
    return [
        Change(f"migration {name}", "created" if name in pending else "unchanged")
        for name in migrate.names(side)
    ]


def _settings(connection: Connection, config: Config) -> list[Change]:
    kept = config.model_dump_json(include={"tables", "policy"})
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
    return _own_objects(connection, config, contract, []) + _triggers(config)


def wanted_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    used: Sequence[Contract],
) -> list[Object]:
    """Return all types and functions that the portal should have."""
    wanted = _own_objects(connection, config, contract, used)
    for row in fetch(
        connection, "SELECT id, contract_id FROM pyrepl.database ORDER BY id"
    ):
        agreed = contracts.stored(connection, row["contract_id"])
        wanted += database_objects(config, agreed, row["id"])
    return wanted


def _own_objects(
    connection: Connection,
    config: Config,
    contract: Contract,
    used: Sequence[Contract],
) -> list[Object]:
    held = {
        part: {c.name for c in contracts.columns_of(connection, table)}
        for part, table in zip(PARTS, contracts.table_names(config), strict=True)
    }
    compared = [contract, *(_only(old, held) for old in used)]
    slots = contracts.portal_slots(config, compared)
    wanted = []
    by_fingerprint = {c.fingerprint: c for c in [contract, *used]}
    for each in by_fingerprint.values():
        for part in PARTS:
            name = f"{part}_row_{each.short}"
            source = contracts.row_type(part, each, name)
            wanted.append(Object("type", name, source))
    for folder in ("functions/portal", "triggers/portal"):
        wanted += [
            Object("function", name, render(text, slots))
            for name, text in texts(folder).items()
            if name not in ("push", "truth", "triggers")
        ]
    return wanted


def _only(contract: Contract, held: dict[str, set[str]]) -> Contract:
    """Return a contract without the columns that the portal has no more."""
    kept = {
        part: tuple(c for c in contract.part(part) if c.name in held[part])
        for part in PARTS
    }
    return Contract(tables=contract.tables, **kept)


def database_objects(config: Config, contract: Contract, number: int) -> list[Object]:
    """Return what the portal has for one course database alone."""
    slots = contracts.database_slots(config, contract, number)
    push = texts("functions/portal")["push"]
    truth = texts("functions/portal")["truth"]
    return [
        Object("function", f"push_{number}", render(push, slots)),
        Object("function", f"truth_{number}", render(truth, slots)),
    ]


def _triggers(config: Config) -> list[Object]:
    text = texts("triggers/portal")["triggers"]
    items = []
    for part in PARTS:
        table = getattr(config.tables, part)
        slots: Slots = {
            "table": table.identifier,
            "capture": sql.Identifier(f"capture_{part}"),
        }
        items.append(Object("triggers", table.name, render(text, slots)))
    return items


def _bring_triggers(
    connection: Connection, item: Object, patience: Patience
) -> Change:
    if (found := objects.state(connection, item)) == "current":
        return Change(str(item), "unchanged")
    under_lock_timeout(
        connection, item.name, patience, lambda: objects.create(connection, item)
    )
    if found == "missing":
        return Change(str(item), "created")
    return Change(str(item), "replaced", found)


def under_lock_timeout(
    connection: Connection, table: str, patience: Patience, act: Callable[[], None]
) -> None:
    """Run `act` in a transaction that waits for no lock longer than the time-out.

    Tries again with growing pauses, in which writers go on; then raises `DatabaseError`
    that says who held the table.
    """
    blockers = ""
    for attempt in range(patience.attempts):
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT set_config('lock_timeout', %s, true)",
                    (f"{max(int(patience.lock_timeout * 1000), 1)}ms",),
                )
                act()
        except pg.LockNotAvailable:
            blockers = _holders(connection, table) or blockers
            time.sleep(min(0.1 * 2**attempt, 2.0))
        else:
            return
    raise DatabaseError(
        f"{table} stayed locked: {patience.attempts} attempts of"
        f" {patience.lock_timeout:g} s each; held by {blockers or 'sessions now gone'}",
        hint="Run the command again when they have finished, or end them; what was done"
        " so far stays and is not done again.",
    )


def _holders(connection: Connection, table: str) -> str:
    rows = fetch(
        connection,
        "SELECT DISTINCT a.pid, a.usename, a.application_name, a.state,"
        " date_trunc('second', clock_timestamp() - a.xact_start)::text AS age"
        " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.relation = to_regclass(%s) AND l.granted AND a.pid <> pg_backend_pid()",
        table,
    )
    return "; ".join(
        "backend {pid} ({usename}, {application_name}, {state}, transaction of {age})"
        .format(**row)
        for row in rows
    )


def require_installed(connection: Connection) -> None:
    """Raise `NotInstalled` unless this program's version is installed in the portal."""
    if value(connection, "SELECT to_regproc('pyrepl.migrations') IS NULL"):
        raise NotInstalled(
            f"pyreplctl is not installed in database {connection.info.dbname}",
            hint='Run "pyreplctl install" with the portal\'s --portal DSN first.',
        )
    held = {row[0] for row in connection.execute("SELECT pyrepl.migrations()")}
    known = set(migrate.names("portal"))
    if newer := sorted(held - known):
        suitability.refuse_newer("portal", newer)
    if waiting := sorted(known - held):
        raise NotInstalled(
            f"the portal's installation is older than this program: {waiting[0]} waits",
            hint='Run "pyreplctl install".',
        )


def uninstall(connection: Connection, patience: Patience | None = None) -> list[Change]:
    """Remove every trace from the portal: triggers, schema, links, grants, roles.

    Course databases are `courses.unregister`'s business; do these first.
    """
    changes = []
    for row in fetch(
        connection,
        "SELECT c.oid::regclass::text AS table, array_agg(t.tgname::text) AS names"
        " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
        " WHERE t.tgname LIKE 'pyrepl\\_%%' AND c.relkind = 'r'"
        " GROUP BY c.oid ORDER BY 1",
    ):
        drops = sql.SQL("; ").join(
            sql.SQL("DROP TRIGGER {} ON {}").format(
                sql.Identifier(name), sql.SQL(row["table"])
            )
            for name in row["names"]
        )
        under_lock_timeout(
            connection,
            row["table"],
            patience or Patience(),
            lambda drops=drops: connection.execute(drops),  # type: ignore[misc]
        )
        changes.append(Change(f"triggers {row['table']}", "dropped"))
    return changes + drop_all(connection, list(ROLES))


def drop_all(connection: Connection, roles: Sequence[str]) -> list[Change]:
    """Drop schema pyrepl, what the roles own or may do here, and the roles.

    A role that is still needed by another database of the cluster stays.
    """
    changes = []
    with connection.transaction():
        held = value(connection, "SELECT to_regnamespace('pyrepl') IS NOT NULL")
        if held:
            connection.execute("DROP SCHEMA pyrepl CASCADE")
            changes.append(Change("schema pyrepl", "dropped"))
        for role in roles:
            if value(connection, "SELECT to_regrole(%s) IS NOT NULL", role):
                connection.execute(
                    sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(role))
                )
    for role in roles:
        if value(connection, "SELECT to_regrole(%s) IS NULL", role):
            continue
        try:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
        except pg.DependentObjectsStillExist:
            changes.append(Change(f"role {role}", "unchanged", "another database uses it"))
        else:
            changes.append(Change(f"role {role}", "dropped"))
    return changes
