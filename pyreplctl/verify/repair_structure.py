"""Repair of structure: what is outdated, edited, disabled or missing is made again."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, driver_errors
from pyreplctl.core.errors import Error
from pyreplctl.core.locks import Patience
from pyreplctl.courses import conninfo, links, refresh
from pyreplctl.install import portal, roles
from pyreplctl.schema.objects import Change
from pyreplctl.verify import portal_structure
from pyreplctl.verify.findings import Item, Mend
from pyreplctl.verify.structure import Structure

PORTAL = ""  # the place of what is no course database's


@dataclass(frozen=True)
class Step:
    """What is to be done about an object; nothing, where somebody must decide."""

    place: str
    item: Item

    @property
    def action(self) -> str:
        """What will be done, in words."""
        mend = self.item.mend
        return {
            "install": "install",
            "refresh": "course refresh",
            "link": "mend the link",
            "password": "a new password",
            "sql": mend.statement,
            "": "left to you",
        }[mend.step]


@dataclass
class Repaired:
    """What was changed, by place, and what failed with why."""

    changes: dict[str, list[Change]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def plan(found: Structure) -> list[Step]:
    """Return a step for each object that is not current; changes nothing."""
    steps = [Step(PORTAL, item) for item in found.portal if item.state != "current"]
    for name, looked in found.databases.items():
        steps += [Step(name, item) for item in looked.items if item.state != "current"]
    return steps


def repair(dsn: str, steps: list[Step], patience: Patience | None = None) -> Repaired:
    """Do the steps of a plan, as install and refresh would.

    With the configuration that is installed, so that nothing is changed but what was
    found. What is at a course needs the administrator's way in that was kept.
    """
    done = Repaired()
    with connect(dsn, "the portal") as connection:
        config = portal_structure.read(connection).config
        for place in sorted({step.place for step in steps}):
            mends = [step.item.mend for step in steps if step.place == place]
            changes = done.changes.setdefault(place, [])
            try:
                with driver_errors(place or "the portal"):
                    if place == PORTAL:
                        changes += _portal(connection, config, mends, patience)
                    else:
                        changes += _database(connection, config, place, mends, patience)
            except Error as error:
                done.failed[place] = f"{error} {error.hint or ''}".rstrip()
    return done


def _portal(
    connection: Connection, config: Config, mends: list[Mend], patience: Patience | None
) -> list[Change]:
    changes = _run(connection, mends)
    if any(mend.step == "install" for mend in mends):
        done = portal.install_by(connection, config, patience)
        changes += [change for change in done if change.state != "unchanged"]
    return changes


def _database(
    connection: Connection,
    config: Config,
    name: str,
    mends: list[Mend],
    patience: Patience | None,
) -> list[Change]:
    number = databases.numbers(connection, [name])[name]
    steps: set[str] = {mend.step for mend in mends}
    changes: list[Change] = []
    if "link" in steps:
        changes += roles.mend(connection, "portal", {})
        with databases.delivery_stopped(connection, number):
            mended, closed = links.mend_links(connection, number)
        changes += mended
        # What is at the portal is mended even where the course cannot be entered.
        steps |= {"password"} if closed else set()
    if "password" in steps:
        links.rotate_password(connection, name)
        changes.append(Change("password of the link", "replaced"))
    if "sql" in steps:
        with conninfo.entered(connection, number, name, None) as course:
            changes += _run(course, mends)
    if "refresh" in steps:
        changes += refresh.refresh(connection, config, name, patience=patience)
    return changes


def _run(connection: Connection, mends: list[Mend]) -> list[Change]:
    """Run statements of which none loses data, each without waiting long."""
    statements = [mend.statement for mend in mends if mend.step == "sql"]
    for statement in statements:
        with connection.transaction():
            connection.execute("SET LOCAL ROLE pyrepl_owner")
            connection.execute("SET LOCAL lock_timeout = '2s'")
            connection.execute(statement.encode())
    return [Change(statement, "replaced") for statement in statements]
