"""Verification of structure: is every object there, enabled and unedited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyreplctl.core import databases
from pyreplctl.core.config import Config
from pyreplctl.core.db import connect
from pyreplctl.install import installed, preflight
from pyreplctl.verify.course_structure import DatabaseStructure, look_at_course, verdict
from pyreplctl.verify.delivery_health import delivery_findings, read_deliveries
from pyreplctl.verify.findings import Finding
from pyreplctl.verify.portal_structure import RUN_INSTALL, portal_findings, read


@dataclass
class Structure:
    """What was found on the portal, and at each course database by name."""

    portal: list[Finding]
    databases: dict[str, DatabaseStructure]

    @property
    def ok(self) -> bool | None:
        """Whether all is well on the portal."""
        return verdict(self.portal, None)


def verify(
    dsn: str,
    names: Sequence[str],
    *,
    given: Config | None = None,
    jobs: int = 4,
    progress: Callable[[str], None] = lambda _: None,
) -> Structure:
    """Look at the structure of the portal and of course databases, several at once.

    Measured against what install was told. `given` is a configuration that should be
    the same. Needs the rights of pyrepl_monitor, and at the courses only the links.
    """
    with connect(dsn, "the portal") as connection:
        installed.require_installed(connection)
        preflight.check_server(connection, "the portal")
        chosen = databases.numbers(connection, names)
        known = read(connection)
        found = portal_findings(connection, known, given)
        doing, trouble = read_deliveries(connection)
        if trouble and all(item.state == "current" for item in found):
            found.append(Finding.wrong("status", "edited", trouble, RUN_INSTALL))

    def one(item: tuple[str, int]) -> DatabaseStructure:
        name, number = item
        removing = name in doing and doing[name].state == "removing"
        # Half of it is gone: nobody is to repair that by refresh.
        looked = DatabaseStructure() if removing else look_at_course(dsn, known, number)
        if name in doing:
            looked.items += delivery_findings(doing[name])
        progress(name)
        return looked

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        every = list(pool.map(one, chosen.items()))
    return Structure(found, dict(zip(chosen, every, strict=True)))
