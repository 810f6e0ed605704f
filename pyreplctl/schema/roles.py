"""The roles of pyreplctl."""

from __future__ import annotations

from psycopg import sql

OWNER = "pyrepl_owner"  # on the portal; each course database has its own
READER = "pyrepl_reader"
CAPTURE = "pyrepl_capture"

# The functions that register, pause, queue and give up are granted to nobody: members
# of pyrepl_owner inherit them, so a role that may install needs no other right. A role
# of their own would have to be created by a later install, which may not create any.
ROLES = {
    OWNER: "owns everything in schema pyrepl, but what the next two run",
    READER: "runs what reads the platform's tables, and may do nothing else",
    CAPTURE: "runs in the writers' sessions, and may note changes",
    "pyrepl_worker": "may run the clock's functions and keep what verify found; reads"
    " nothing",
    "pyrepl_monitor": "may look at status and verify, and change nothing",
}

# Whoever installs makes functions that run as these.
OWNERS = (OWNER, READER, CAPTURE)

# (role, right, table, columns; none: all). Code of the platform's table owner can come
# to run with these rights (a cast, a view); so none of the tables holds an address or
# a secret, and what may be inserted he could bring about by writing to his own tables.
TABLE_RIGHTS = (
    (READER, "SELECT", "hosting", ()),  # whose enrollments make members
    (READER, "SELECT", "placement", ()),  # whose copies are sent and verified
    (READER, "SELECT", "departure", ()),  # generations travel in a dossier
    (CAPTURE, "INSERT", "change", ("users", "courses", "priority", "immediate")),
    (CAPTURE, "INSERT", "departure", ("user_id",)),
    (CAPTURE, "INSERT", "uncaptured", ("part", "sqlstate")),
    (CAPTURE, "SELECT", "settings", ("immediate",)),
)
_LETTERS = {"SELECT": "r", "INSERT": "a"}


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


def rights_of_ours() -> sql.Composed:
    """Return VALUES (table, column, aclitem as text) of `TABLE_RIGHTS`."""
    return sql.SQL(", ").join(
        sql.SQL("({}, {}, {})").format(
            sql.Literal(table),
            sql.Literal(column),
            sql.Literal(f"{role}={_LETTERS[right]}/{OWNER}"),
        )
        for role, right, table, columns in TABLE_RIGHTS
        for column in columns or ("",)
    )
