"""The clock of pg_cron: a job of the portal's server that calls pyrepl.serve."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg import errors as pg
from psycopg.conninfo import make_conninfo

from pyreplctl.core import names
from pyreplctl.core.db import Connection, connect, fetch, value, without_secrets
from pyreplctl.core.errors import NotSuitable, UsageError
from pyreplctl.core.names import literal
from pyreplctl.schema.objects import ObjectChange

MINUTES = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60)  # that hours consist of
_TIMES = {1: "* * * * *", 60: "0 * * * *"}
_REST = 5  # seconds between the end of a call and the next


def job_name(connection: Connection) -> str:
    """Return what the job of this portal is called."""
    return f"pyreplctl serve {connection.info.dbname}"


def schedule(
    connection: Connection, dsn: str, minutes: int = 1, role: str | None = None
) -> list[ObjectChange]:
    """Let pg_cron call pyrepl.serve; return one change, unchanged where it does.

    A call begins every so many minutes and lasts nearly until the next. It runs as
    `role`, or as whoever we are. Raises `NotSuitable` where there is no pg_cron, with
    what to do.
    """
    if minutes not in MINUTES:
        raise UsageError(
            f"a call every {minutes} minutes does not fit into hours",
            hint=f"Minutes may be: {', '.join(map(str, MINUTES))}.",
        )
    role = role or str(value(connection, "SELECT current_user"))
    _check_role(connection, role)
    wanted = {
        "schedule": _TIMES.get(minutes, f"*/{minutes} * * * *"),
        "command": f"CALL pyrepl.serve('{minutes * 60 - _REST} s')",
        "database": connection.info.dbname,
        "username": role,
        "active": True,
    }
    name = job_name(connection)
    with _pg_cron(connection, dsn) as cron:
        if cron is None:
            raise NotSuitable(
                f"the portal's server has no pg_cron to serve {wanted['database']}",
                hint=f"{_how_to_get_it(connection)}\n"
                f"Or do without. {without_pg_cron(dsn)}",
            )
        with cron.transaction():
            held = _jobs(cron, name)
            if [{key: job[key] for key in wanted} for job in held] == [wanted]:
                return [ObjectChange(f"pg_cron job {name}", "unchanged")]
            _drop(cron, held)
            # NULL for ourselves: naming a role, even the own, is for superusers.
            other = None if role == value(cron, "SELECT current_user") else role
            cron.execute(
                "SELECT cron.schedule_in_database(%s, %s, %s, %s, %s)",
                (
                    *(name, wanted["schedule"], wanted["command"]),
                    *(wanted["database"], other),
                ),
            )
    return [ObjectChange(f"pg_cron job {name}", "replaced" if held else "created")]


def unschedule(connection: Connection, dsn: str) -> list[ObjectChange]:
    """Remove the job; return nothing where there is none, or no pg_cron."""
    name = job_name(connection)
    with _pg_cron(connection, dsn) as cron:
        if cron is None or not (held := _jobs(cron, name)):
            return []
        _drop(cron, held)
    return [ObjectChange(f"pg_cron job {name}", "dropped")]


def logs_in(connection: Connection) -> bool:
    """Return whether pg_cron connects like a client, and so needs a way to log in."""
    with suppress(pg.InsufficientPrivilege), connection.transaction():
        query = "SELECT current_setting('cron.use_background_workers', true)"
        return bool(value(connection, query) == "off")
    return False


def without_pg_cron(dsn: str) -> str:
    """Return how a clock is started without pg_cron, as text of several lines."""
    address = shlex.quote(without_secrets(dsn))
    return (
        "Run this as a service:\n"
        "  pyreplctl run\n"
        "or put this into a crontab:\n"
        f"  * * * * * psql {address} -c \"CALL pyrepl.serve('55 s')\""
    )


@contextmanager
def _pg_cron(connection: Connection, dsn: str) -> Iterator[Connection | None]:
    """Connect to the database that has pg_cron; None if no database of it is known."""
    if _has_it(connection):
        with _rights(connection):
            yield connection
        return
    home = _home(connection)
    if home in (None, connection.info.dbname):
        yield None
        return
    there = make_conninfo(dsn, dbname=home)
    with connect(there, "the database of pg_cron") as other, _rights(other):
        yield other if _has_it(other) else None


def _has_it(connection: Connection) -> bool:
    query = "SELECT count(*) FROM pg_extension WHERE extname = 'pg_cron'"
    return bool(value(connection, query))


def _home(connection: Connection) -> str | None:
    try:
        with connection.transaction():
            query = "SELECT current_setting('cron.database_name', true)"
            found: str | None = value(connection, query)
            return found
    except pg.InsufficientPrivilege:  # so there is such a setting; this is its default
        return "postgres"


@contextmanager
def _rights(cron: Connection) -> Iterator[None]:
    try:
        yield
    except pg.InsufficientPrivilege as error:
        role = cron.info.user
        raise NotSuitable(
            f"role {role} may not use pg_cron: {error.diag.message_primary}",
            hint=f"As a superuser, in database {cron.info.dbname}: GRANT USAGE ON"
            f" SCHEMA cron TO {names.role(role)}; GRANT EXECUTE ON FUNCTION"
            f" cron.schedule_in_database TO {names.role(role)}; or schedule as a"
            " superuser.",
        ) from error
    except pg.UndefinedFunction as error:
        raise NotSuitable(
            "pg_cron is older than 1.4 and serves one database only",
            hint="Upgrade its package, then run: ALTER EXTENSION pg_cron UPDATE;",
        ) from error


def _jobs(cron: Connection, name: str) -> list[dict[str, object]]:
    query = "SELECT * FROM cron.job WHERE jobname = %s ORDER BY jobid"
    return fetch(cron, query, name)


def _drop(cron: Connection, jobs: list[dict[str, object]]) -> None:
    for job in jobs:
        cron.execute("SELECT cron.unschedule(%s::bigint)", (job["jobid"],))


def _check_role(connection: Connection, role: str) -> None:
    rows = fetch(
        connection,
        "SELECT rolcanlogin AS enters,"
        " pg_has_role(oid, 'pyrepl_worker', 'USAGE') AS may"
        " FROM pg_roles WHERE rolname = %s",
        role,
    )
    if not rows:
        raise UsageError(
            f"there is no role {role}",
            hint=f"CREATE ROLE {names.role(role)} LOGIN IN ROLE pyrepl_worker;",
        )
    if not rows[0]["may"]:
        raise UsageError(
            f"role {role} may not run the clock",
            hint=f"GRANT pyrepl_worker TO {names.role(role)};",
        )
    if not rows[0]["enters"]:
        raise UsageError(f"role {role} may not log in", hint="Name another with --as.")


def _how_to_get_it(connection: Connection) -> str:
    major = connection.info.server_version // 10000
    name = connection.info.dbname
    configure = "add pg_cron to shared_preload_libraries, set cron.database_name"
    steps = [
        f"install its package (on Debian: postgresql-{major}-cron)",
        f"{configure} = {literal(name)}, and restart the server",
        f"in database {_home(connection) or name}: CREATE EXTENSION pg_cron;",
    ]
    available = "SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_cron'"
    if _home(connection):
        steps = steps[2:]
    elif value(connection, available):
        steps = steps[1:]
    return "To get it: " + "; then ".join(steps)
