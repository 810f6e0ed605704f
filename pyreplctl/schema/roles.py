"""The roles of pyreplctl."""

from __future__ import annotations

# The functions that register, pause, queue and give up are granted to nobody: members
# of pyrepl_owner inherit them, so a role that may install needs no other right. A role
# of their own would have to be created by a later install, which may not create any;
# who wants one grants it the functions.
OWNER = "pyrepl_owner"  # on the portal; each course database has its own
ROLES = {
    OWNER: "owns everything in schema pyrepl",
    "pyrepl_worker": "may run the clock's functions and keep what verify found; reads"
    " nothing",
    "pyrepl_monitor": "may look at status and verify, and change nothing",
}


CONNECTION_LIMIT = 50


IMMEDIATE = "_immediate"


def course_owner(role: str) -> str:
    """Return the owner of schema pyrepl at a course database, given its link role.

    Roles belong to a whole server: who administers one course is not to have the rights
    of the owner at the others.
    """
    return f"{role}_owner"


def link_roles(role: str) -> list[str]:
    """Return the roles of both links of a course database, given the link role."""
    return [f"{role}{IMMEDIATE}", role]
