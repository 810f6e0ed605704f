"""The roles of pyreplctl."""

from __future__ import annotations

ROLES = {
    "pyrepl_owner": "owns everything in schema pyrepl",
    "pyrepl_worker": "may run the functions of the clock, and read nothing",
    "pyrepl_monitor": "may look at status and verify, and change nothing",
}


CONNECTION_LIMIT = 50


IMMEDIATE = "_immediate"


def link_roles(role: str) -> list[str]:
    """Return the roles of both links of a course database, given the link role."""
    return [f"{role}{IMMEDIATE}", role]
