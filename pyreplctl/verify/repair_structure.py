"""Repair of structure: what is outdated, edited, disabled or missing is made again."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import Connection, connect, driver_errors, execute_one
from pyreplctl.core.errors import Error
from pyreplctl.core.locks import Patience
from pyreplctl.courses import conninfo, links, refresh
from pyreplctl.install import portal, roles, strangers
from pyreplctl.schema.objects import ObjectChange
from pyreplctl.schema.roles import OWNER
from pyreplctl.verify import portal_structure
from pyreplctl.verify.findings import Finding, Remedy
from pyreplctl.verify.structure import Structure

PORTAL = ""  # the place of what is no course database's


@dataclass(frozen=True)
class Step:
    """What is to be done about an object; nothing, where somebody must decide."""

    place: str
    item: Finding

    @property
    def action(self) -> str:
        """What will be done, in words."""
        remedy = self.item.remedy
        return {
            "install": "install",
            "refresh": "course refresh",
            "link": "repair the link",
            "password": "a new password",
            "sql": "; ".join(remedy.statements),
            "": "left to you",
        }[remedy.step]


@dataclass
class Repaired:
    """What was changed, by place, and what failed with why."""

    changes: dict[str, list[ObjectChange]] = field(default_factory=dict)
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
            remedies = [step.item.remedy for step in steps if step.place == place]
            changes = done.changes.setdefault(place, [])
            try:
                with driver_errors(place or "the portal"):
                    if place == PORTAL:
                        changes += _portal(connection, config, remedies, patience)
                    else:
                        changes += _database(
                            connection, config, place, remedies, patience
                        )
            except Error as error:
                done.failed[place] = f"{error} {error.hint or ''}".rstrip()
    return done


def _portal(
    connection: Connection,
    config: Config,
    remedies: list[Remedy],
    patience: Patience | None,
) -> list[ObjectChange]:
    changes = _run(connection, remedies)
    if any(remedy.step == "install" for remedy in remedies):
        done = portal.install_by(connection, config, patience)
        changes += [change for change in done if change.state != "unchanged"]
    return changes


def _database(
    connection: Connection,
    config: Config,
    name: str,
    remedies: list[Remedy],
    patience: Patience | None,
) -> list[ObjectChange]:
    number = databases.numbers(connection, [name])[name]
    steps: set[str] = {remedy.step for remedy in remedies}
    changes: list[ObjectChange] = []
    if "link" in steps:
        changes += roles.repair(connection, "portal", {})
        with databases.delivery_stopped(connection, number):
            roles.become_owner(connection)
            repaired, closed = links.repair_links(connection, number)
        changes += repaired
        # What is at the portal is repaired even where the course cannot be entered.
        steps |= {"password"} if closed else set()
    if "password" in steps:
        links.rotate_password(connection, name)
        changes.append(ObjectChange("password of the link", "replaced"))
    if "sql" in steps:
        with conninfo.connect_course(connection, number, name, None) as course:
            changes += _run_at_course(course, remedies)
    if "refresh" in steps:
        changes += refresh.refresh(connection, config, name, patience=patience)
    return changes


def _run_at_course(course: Connection, remedies: list[Remedy]) -> list[ObjectChange]:
    """Do it at a course, whose tables are their owner's: see refuse_odd_tables."""
    with course.transaction():
        strangers.refuse_odd_tables(course)
        return _run(course, remedies, roles.owner_of(course) or OWNER)


def _run(
    connection: Connection, remedies: list[Remedy], owner: str = OWNER
) -> list[ObjectChange]:
    """Run statements of which none loses data, each without waiting long."""
    changes = []
    for remedy in remedies:
        if remedy.step != "sql":
            continue
        with connection.transaction():
            roles.become_owner(connection, owner)
            connection.execute("SET LOCAL lock_timeout = '2s'")
            for statement in remedy.statements:
                execute_one(connection, statement)
        changes.append(ObjectChange("; ".join(remedy.statements), "replaced"))
    return changes
