"""course register, list, show, set, refresh, pause, resume and the like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pyreplctl import courses, deliveries, portal, registration, registrations, status
from pyreplctl import refresh as refreshing
from pyreplctl.cli.output import SETTINGS, data, progress, table, talk
from pyreplctl.config import Config
from pyreplctl.db import Connection, connect, fetch
from pyreplctl.errors import Error, NotDelivered, UsageError
from pyreplctl.registration import Registered

app = typer.Typer(help="Course databases.", no_args_is_help=True, rich_markup_mode=None)

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME…", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All course databases.")]
Dsn = Annotated[
    str | None, typer.Option(metavar="DSN", help="A new administrator's way in.")
]


@app.command()
def register(
    keys: Annotated[list[str] | None, typer.Argument(metavar="KEY…")] = None,
    dsn: Annotated[
        str | None, typer.Option(metavar="DSN", help="The administrator's way in.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Default: the database's.")] = None,
    link: Annotated[
        str | None,
        typer.Option(
            metavar="CONNINFO", help="How the portal's server reaches it, if not so."
        ),
    ] = None,
    delivery: Annotated[str, typer.Option(help="queued.")] = "queued",
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over accounts that are there.")
    ] = False,
    backfill: Annotated[
        bool, typer.Option("--backfill/--no-backfill", help="Deliver all members now.")
    ] = True,
    from_file: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Register many: CSV or TOML."),
    ] = None,
) -> int:
    """Prepare a course database, link it, register its courses and backfill."""
    config = SETTINGS.config()
    requests = registrations.requests(
        from_file, tuple(keys or ()), dsn, name, link, delivery, adopt, backfill
    )
    done: list[Registered] = []
    stuck: dict[str, list[str]] = {}
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        for request in requests:
            registered = registration.register(connection, config, request)
            done.append(registered)
            _tell(registered)
            if request.backfill and registered.courses:
                stuck |= _deliver(connection, [registered.name])
        talk(_clock(connection))
    data(done, [f"{r.name}: {_what(r)}" for r in done])
    if stuck:
        raise NotDelivered(
            "; ".join(f"{n}: {' | '.join(why)}" for n, why in stuck.items()),
            hint='The database is registered. "pyreplctl status" tells how it goes on.',
        )
    return 0


def _what(done: Registered) -> str:
    if done.created:
        return f"registered with {len(done.courses)} courses"
    return f"{len(done.courses)} courses added" if done.courses else "unchanged"


def _tell(done: Registered) -> None:
    for account in done.adopting:
        talk(f"{done.name}: adopts {account}")
    for account in done.in_the_way:
        talk(f"{done.name}: local account in the way: {account}", "yellow")
    for trigger in done.own_triggers:
        talk(f"{done.name}: the course's own trigger will fire: {trigger}")


def _clock(connection: Connection) -> str:
    alive = [c for c in status.read(connection).clocks if c.alive]
    if alive:
        return f"served by {alive[0].kind} {alive[0].name}"
    return (
        'no clock is running: start "pyreplctl run" as a service, or let cron run\n'
        "  psql -c \"CALL pyrepl.serve('55 s')\" every minute"
    )


def _deliver(connection: Connection, names: list[str]) -> dict[str, list[str]]:
    chosen = courses.numbers(connection, names)
    deliveries.route(connection)
    totals = {d.name: d.pending for d in status.read(connection).databases}
    with progress() as bars:
        tasks = {n: bars.add_task(n, total=totals[n]) for n in chosen}
        return deliveries.until_empty(
            connection, chosen, lambda n, users: bars.advance(tasks[n], users)
        )


@app.command(name="list")
def list_databases() -> None:
    """List the course databases."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        found = status.read(connection).databases
    table(
        found,
        ("name", "delivery", "state", "health", "courses", "members"),
        [(d.name, d.delivery, d.state, d.health, d.courses, d.members) for d in found],
    )


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Show one course database, its links and its courses."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        number = courses.numbers(connection, [name])[name]
        found: dict[str, Any] = fetch(
            connection,
            "SELECT name, delivery, state, administrator, link, link_role,"
            " registered_at, ARRAY(SELECT course FROM pyrepl.hosting h"
            "  WHERE h.database_id = d.id AND h.active ORDER BY 1) AS courses,"
            " ARRAY(SELECT course FROM pyrepl.hosting h"
            "  WHERE h.database_id = d.id AND NOT h.active ORDER BY 1)"
            "  AS former_courses FROM pyrepl.database d WHERE d.id = %s",
            number,
        )[0]
    lines = [f"{key:<15} {text}" for key, text in found.items() if "courses" not in key]
    lines += [f"{'course':<15} {key}" for key in found["courses"]]
    lines += [f"{'former course':<15} {key}" for key in found["former_courses"]]
    data(found, lines)


@app.command(name="set")
def set_course(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    remove_course: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="End the hosting of a course here."),
    ] = None,
) -> None:
    """Change a course database."""
    if not remove_course:
        raise UsageError("nothing to set", hint="Use --remove-course KEY.")
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        for key in remove_course:
            courses.remove_course(connection, name, key)
    data(remove_course, [f"{name}: hosts {key} no longer" for key in remove_course])


def _chosen(connection: Connection, names: list[str] | None, every: bool) -> list[str]:
    portal.require_installed(connection)
    if bool(names) == every:
        raise UsageError("name course databases, or use --all")
    return list(courses.numbers(connection, names or []))


@app.command()
def refresh(
    names: Names = None,
    every: All = False,
    dsn: Dsn = None,
    rebind: Annotated[
        bool, typer.Option("--rebind", help="Bind to this portal anew and redeliver.")
    ] = False,
) -> int:
    """Bring course databases to the present contract and code."""
    config = SETTINGS.config()
    failed = 0
    done: dict[str, Any] = {}
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        chosen = _chosen(connection, names, every)
        if dsn and len(chosen) > 1:
            raise UsageError("--dsn goes with one course database")
        for name in chosen:
            try:
                done[name] = _refresh(connection, config, name, dsn, rebind)
            except Error as error:
                failed += 1
                talk(f"{name}: {error}\n  {error.hint or ''}", "red")
    data(done, [f"{name}: {text}" for name, text in done.items()])
    return 1 if failed else 0


def _refresh(
    connection: Connection, config: Config, name: str, dsn: str | None, rebind: bool
) -> str:
    changes = refreshing.refresh(connection, config, name, dsn, rebind=rebind)
    if not changes:
        return "unchanged"
    if stuck := _deliver(connection, [name]):
        raise NotDelivered("; ".join(stuck[name]))
    return f"{len(changes)} objects changed"


@app.command()
def pause(names: Names = None, every: All = False) -> None:
    """Stop delivering; what changes meanwhile waits."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        done = courses.pause(connection, _chosen(connection, names, every))
    data(done, [f"{name}: paused" for name in done])


@app.command()
def resume(names: Names = None, every: All = False) -> None:
    """Deliver again, and at once where a database is backing off."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        done = courses.resume(connection, _chosen(connection, names, every))
    data(done, [f"{name}: resumed" for name in done])


@app.command(name="rotate-password")
def rotate_password(names: Names = None, every: All = False, dsn: Dsn = None) -> None:
    """Give link roles new passwords."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        chosen = _chosen(connection, names, every)
        for name in chosen:
            courses.rotate_password(connection, name, dsn)
    data(chosen, [f"{name}: password changed" for name in chosen])


@app.command()
def unregister(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    dsn: Dsn = None,
    purge: Annotated[
        bool, typer.Option("--purge", help="Erase the copies, too.")
    ] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="The course database is gone: do not ask it."),
    ] = False,
) -> None:
    """End replication to a course database; copies stay, or go with --purge."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        portal.require_installed(connection)
        changes = courses.unregister(connection, name, dsn, purge=purge, forget=forget)
    data(changes, [f"{c.state} {c.object}" for c in changes])
