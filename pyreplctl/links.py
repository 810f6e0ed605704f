"""The portal's way to a course database: server options, link role and password."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from psycopg import sql

from pyreplctl.db import Connection, parameters, value
from pyreplctl.errors import UsageError
from pyreplctl.sources import Slots, render, texts

CONNECTION_LIMIT = 50
IMMEDIATE = "_immediate"

# What libpq and postgres_fdw take as options of a server, and we pass through.
_PASSED = frozenset(
    {
        "host",
        "hostaddr",
        "port",
        "dbname",
        "sslmode",
        "sslrootcert",
        "sslcrl",
        "sslcrldir",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "gssencmode",
        "channel_binding",
        "target_session_attrs",
        "load_balance_hosts",
        "connect_timeout",
        "keepalives",
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
    }
)

# A course that hangs must not hang the portal: every wait has an end.
_DEFAULTS = {
    "connect_timeout": "5",
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "fetch_size": "10000",
    "options": "-c statement_timeout=60s -c lock_timeout=1s"
    " -c idle_in_transaction_session_timeout=60s -c synchronous_commit=on -c jit=off"
    " -c row_security=off",
}
# A writer waits for these.
_HURRIED = {
    "connect_timeout": "2",
    "tcp_user_timeout": "5000",
    "options": "-c statement_timeout=5s -c lock_timeout=500ms"
    " -c idle_in_transaction_session_timeout=60s -c synchronous_commit=on -c jit=off"
    " -c row_security=off",
}


def conninfo(administrator: Connection, dsn: str, link: str | None) -> dict[str, str]:
    """Return the parameters by which the portal's server reaches the course database.

    Those of `link` (a connection string without user and password), else those with
    which the administrator's connection was made by `dsn`.
    """
    if link is None:
        info = administrator.info
        given = {"host": info.host, "port": str(info.port), "dbname": info.dbname}
        given |= info.get_parameters()  # also those of a service file
        # psycopg resolves names, tries hosts one by one, and was told our own time-out:
        # none of this is for the portal's server.
        for own in ("hostaddr", "connect_timeout"):
            given.pop(own, None)
        given |= parameters(dsn)
        return {k: v for k, v in given.items() if k in _PASSED and v}
    given = parameters(link)
    if wrong := sorted(given.keys() - _PASSED):
        raise UsageError(
            f"--link does not take {', '.join(wrong)}",
            hint="It says where the portal's server finds the course: host, port,"
            " dbname, TLS settings. Role and password are generated.",
        )
    return {"dbname": administrator.info.dbname} | given


def role_name(identity: str, number: int) -> str:
    """Return the link role's name, made so that portals can share a cluster."""
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return f"pyrepl_{fingerprint}_{number}"


def set_role_password(course: Connection, role: str, password: str) -> None:
    """Create the link role or change its password; only the verifier is sent."""
    verifier = course.pgconn.encrypt_password(
        password.encode(), role.encode(), b"scram-sha-256"
    ).decode()
    exists = value(course, "SELECT to_regrole(%s) IS NOT NULL", role)
    course.execute(
        sql.SQL("{} ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}").format(
            sql.SQL("ALTER" if exists else "CREATE"),
            sql.Identifier(role),
            sql.Literal(CONNECTION_LIMIT),
            sql.Literal(verifier),
        )
    )


@dataclass(frozen=True)
class Way:
    """A link to a course database: that of deliver, or that of immediate delivery."""

    number: int
    role: str
    immediate: bool = False

    @property
    def suffix(self) -> str:
        """What the names of its server, foreign tables and push function end in."""
        return f"{self.number}{IMMEDIATE if self.immediate else ''}"

    @property
    def server(self) -> str:
        """The name of its foreign server."""
        return f"pyrepl_{self.suffix}"


def roles(role: str) -> list[str]:
    """Return the roles of both links of a course database, given the link role."""
    return [immediate_role(role), role]


def immediate_role(role: str) -> str:
    """Return the name of the role of immediate delivery, given the link role's."""
    return f"{role}{IMMEDIATE}"


def ways(portal: Connection, number: int) -> list[Way]:
    """Return the links that there are to a course database."""
    role: str = value(
        portal, "SELECT link_role FROM pyrepl.database WHERE id = %s", number
    )
    both = [Way(number, role), Way(number, immediate_role(role), immediate=True)]
    query = "SELECT 1 FROM pg_foreign_server WHERE srvname = %s"
    return [way for way in both if value(portal, query, way.server)]


def create(portal: Connection, way: Way, link: dict[str, str]) -> str:
    """Create server, mapping and foreign tables; return the role's password."""
    portal.execute(link_sql(way, link).encode())
    return new_password(portal, way)


def link_sql(way: Way, link: dict[str, str]) -> str:
    """Return the SQL that links the portal to a course database, without password."""
    options = _DEFAULTS | {"application_name": f"pyreplctl link {way.suffix}"}
    if way.immediate:
        options |= _HURRIED
    options |= link
    listed = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(text))
        for name, text in options.items()
    )
    slots: Slots = {
        "server": sql.Identifier(way.server),
        "options": listed,
        "link_role": sql.Literal(way.role),
    }
    slots |= {
        name: sql.Identifier(f"{name}_{way.suffix}")
        for name in ("inbox", "unsettled", "digest", "account")
    }
    found = texts("links")
    parts = [found["link"]] + ([] if way.immediate else [found["verification"]])
    return "\n".join(render(part, slots) for part in parts)


def new_password(portal: Connection, way: Way) -> str:
    """Give the mapping a new password and return it; no log will show it."""
    password: str = value(portal, "SELECT pyrepl.new_link_password(%s)", way.server)
    return password
