"""course list, show, set, refresh, pause, resume and the like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import click

from pyreplctl.cli.deliveries import deliver_waiting
from pyreplctl.cli.output import SETTINGS, complain, count, data, table, talk
from pyreplctl.cli.register import DELIVERY_MODE, GUARD_MODE, register
from pyreplctl.core import databases
from pyreplctl.core.config import Config, Guard, Mode
from pyreplctl.core.db import Connection, connect
from pyreplctl.core.errors import Error, NotDelivered, UsageError
from pyreplctl.core.names import pasted
from pyreplctl.courses import delivery_mode, hosting, links, move, state
from pyreplctl.courses import guard as courses_guard
from pyreplctl.courses import refresh as courses_refresh
from pyreplctl.courses import unregister as courses_unregister
from pyreplctl.delivery import status
from pyreplctl.install import installed
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.verify import data as verification

T = TypeVar("T")

app = click.Group(
    "course",
    help="Register, show, refresh, pause and unregister course databases.",
    short_help="Register, show and change course databases.",
)
app.add_command(register)

NAME = click.argument("name", metavar="NAME", help="The course database's name.")
DSN = click.option(
    "--dsn",
    metavar="DSN",
    help="The admin connection, if not the one kept at registration.",
)
LINK = click.option(
    "--link",
    metavar="CONNINFO",
    help="How the portal's server reaches it from now on; all of it: host, port,"
    " dbname, TLS settings.",
)
NAMES = click.argument(
    "names", nargs=-1, metavar="[NAME]...", help="Names of course databases."
)
ALL = click.option("--all", "every", is_flag=True, help="All course databases.")
JOBS = click.option(
    "--jobs",
    type=click.IntRange(min=1, max=64),
    default=4,
    metavar="N",
    help="Course databases to work on at once.",
)


@app.command("list")
def list_databases() -> None:
    """List the course databases.

    With their state, and how many courses and members each has.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        found = status.read(connection).databases
    table(
        found,
        ("name", "delivery", "state", "health", "courses", "members"),
        [(d.name, d.delivery, d.state, d.health, d.courses, d.members) for d in found],
        rare={"delivery": ("queued",)},
    )


@app.command()
@NAME
def show(name: str) -> None:
    """Show one course database, its link and its courses."""
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        found = state.details(connection, name)
    lines = [f"{key:<15} {text}" for key, text in found.items() if "courses" not in key]
    lines += [f"{'course':<15} {key}" for key in found["courses"]]
    lines += [f"{'former course':<15} {key}" for key in found["former_courses"]]
    data(found, lines)


@app.command("set", short_help="Change where it is, what it hosts, and how.")
@NAME
@click.option(
    "--remove-course",
    multiple=True,
    metavar="KEY",
    help="A course that this database is to host no longer; may be repeated.",
)
@DELIVERY_MODE
@GUARD_MODE
@LINK
@DSN
def set_course(
    name: str,
    remove_course: tuple[str, ...],
    delivery: Mode | None,
    guard: Guard | None,
    link: str | None,
    dsn: str | None,
) -> None:
    """Change what a course database hosts, how it is delivered to and guarded.

    With --link and --dsn also where it is, after a move: they must lead to the database
    that is registered. Alone, --dsn is kept; else it is the way in for this once.
    """
    place = link is not None or not (remove_course or guard or delivery)
    if place and link is None and dsn is None:
        raise UsageError(
            "nothing to set",
            hint=f"pyreplctl course set {pasted(name)} --remove-course KEY,"
            " --delivery MODE, --guard MODE, --link CONNINFO or --dsn DSN",
        )
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        done = []
        if place:
            changed = move.set_place(connection, name, link, dsn)
            done += [f"{c.object} {c.detail}" for c in changed] or ["unchanged"]
        for key in remove_course:
            hosting.remove_course(connection, name, key)
            done.append(f"hosts {key} no longer")
        if guard:
            changed = courses_guard.set_guard(connection, name, guard, dsn)
            done.append(f"guard {guard}" if changed else "unchanged")
        if delivery:
            changed = delivery_mode.set_delivery(
                connection, config, name, delivery, dsn
            )
            done.append(f"delivery {delivery}" if changed else "unchanged")
    data(done, [f"{name}: {text}" for text in done])


def _chosen(connection: Connection, names: Sequence[str], every: bool) -> list[str]:
    installed.require_installed(connection)
    if bool(names) == every:
        raise UsageError(
            "names and --all exclude each other"
            if every
            else "no course database named",
            hint="Name course databases, or use --all.",
        )
    return list(databases.numbers(connection, names))


def _on_each(
    names: list[str], jobs: int, act: Callable[[Connection, str], T]
) -> dict[str, T]:
    """Do something for several course databases at once; return what came of it.

    Complains of those that fail; they are not among what is returned.
    """
    dsn = SETTINGS.dsn(SETTINGS.config())

    def one(name: str) -> T | Error:
        try:
            with connect(dsn, "the portal") as connection:
                return act(connection, name)
        except Error as error:
            return error

    done: dict[str, T] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        for name, found in zip(names, pool.map(one, names), strict=True):
            if isinstance(found, Error):
                complain(f"{name}: {found}", found.hint)
            else:
                done[name] = found
    return done


@app.command()
@NAMES
@ALL
@DSN
@JOBS
@click.option(
    "--rebind",
    is_flag=True,
    help="Bind it to this portal again, deliver all members and verify:"
    " after a restore, a move, or a failover with loss.",
)
@click.option(
    "--moved",
    is_flag=True,
    help="With --rebind: the database is on another server now, and the roles of its"
    " link are to be made there.",
)
@LINK
def refresh(
    names: tuple[str, ...],
    every: bool,
    dsn: str | None,
    jobs: int,
    rebind: bool,
    moved: bool,
    link: str | None,
) -> int:
    """Bring course databases to the present contract and code.

    What the portal gained is added and backfilled. Exit code 1 if one could not be
    refreshed; the others are.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        chosen = _chosen(connection, names, every)
        if (dsn or link) and len(chosen) > 1:
            raise UsageError(
                "--dsn goes with one course database",
                hint="Name the one that it leads to.",
            )
        if (moved or link) and not rebind:
            raise UsageError(
                "--moved and --link go with --rebind",
                hint=f"Add --rebind, or use: pyreplctl course set {chosen[0]} --link",
            )
        changes = _on_each(
            chosen,
            jobs,
            lambda at, name: courses_refresh.refresh(
                at, config, name, dsn, rebind=rebind, moved=moved, link=link
            ),
        )
        stuck = (
            deliver_waiting(connection, changed) if (changed := _some(changes)) else {}
        )
    done = {}
    for name, made in changes.items():
        try:
            done[name] = _refreshed(config, name, len(made), stuck.get(name), rebind)
        except Error as error:
            complain(f"{name}: {error}", error.hint)
    data(done, [f"{name}: {text}" for name, text in done.items()])
    return 1 if len(done) < len(chosen) else 0


def _some(changes: dict[str, list[ObjectChange]]) -> list[str]:
    """Return the names of databases of which something was changed."""
    return [name for name, made in changes.items() if made]


def _refreshed(
    config: Config, name: str, changes: int, stuck: list[str] | None, rebind: bool
) -> str:
    """Say what a refresh has changed; raise `NotDelivered` for what came of it."""
    if stuck:
        raise NotDelivered(
            "refreshed, but not everything could be delivered\n  " + "\n  ".join(stuck),
            hint='It stays queued and is tried again; see "pyreplctl status".',
        )
    if not changes:
        return "unchanged"
    said = f"{count(changes, 'object')} changed"
    return f"{said}, {_verified(config, name)}" if rebind else said


def _verified(config: Config, name: str) -> str:
    """Look whether the two ends agree again; return how many users were compared."""
    [found] = verification.verify(SETTINGS.dsn(config), config, [name])
    if not found.ok:
        raise NotDelivered(
            f"bound again, but {found.error or 'the database still differs'}",
            hint=f'"pyreplctl verify {pasted(name)}" shows it, and --repair ends it.',
        )
    return f"{count(found.users, 'user')} verified"


@app.command()
@NAMES
@ALL
def pause(names: tuple[str, ...], every: bool) -> None:
    """Stop delivering to course databases.

    What changes meanwhile waits.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        chosen = _chosen(connection, names, every)
        done = state.pause(connection, chosen)
    data(done, [f"{name}: paused" for name in done])
    for name in sorted({*chosen} - {*done}):
        talk(f"{name} was paused already")


@app.command()
@NAMES
@ALL
def resume(names: tuple[str, ...], every: bool) -> None:
    """Deliver again to paused course databases.

    Also tries at once one that is backing off after a failure.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        chosen = _chosen(connection, names, every)
        done = state.resume(connection, chosen)
    data(done, [f"{name}: resumed" for name in done])
    for name in sorted({*chosen} - {*done}):
        talk(f"{name} was neither paused nor backing off")


@app.command("rotate-password")
@NAMES
@ALL
@DSN
@JOBS
def rotate_password(
    names: tuple[str, ...], every: bool, dsn: str | None, jobs: int
) -> int:
    """Give link roles new passwords.

    Generated, set on the course database and in the portal's user mapping, and never
    shown. Exit code 1 if one could not be changed; the others are.
    """
    with connect(SETTINGS.dsn(SETTINGS.config()), "the portal") as connection:
        chosen = _chosen(connection, names, every)
    done = _on_each(chosen, jobs, lambda at, name: links.rotate_password(at, name, dsn))
    data([*done], [f"{name}: password changed" for name in done])
    return 1 if len(done) < len(chosen) else 0


@app.command()
@NAME
@DSN
@click.option("--purge", is_flag=True, help="Erase the copies as well.")
@click.option(
    "--forget",
    is_flag=True,
    help="Do not connect to the course database: it is gone for good.",
)
def unregister(name: str, dsn: str | None, purge: bool, forget: bool) -> None:
    """End replication to a course database.

    Removes all that registration made, on both sides. Copies stay, or go with --purge.
    """
    config = SETTINGS.config()
    with connect(SETTINGS.dsn(config), "the portal") as connection:
        installed.require_installed(connection)
        changes = courses_unregister.unregister(
            connection, name, dsn, purge=purge, forget=forget
        )
    data(changes, [f"{c.state} {c.object}" for c in changes])
