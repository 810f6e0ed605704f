"""The portal's way to a course database: server options, link role and password."""

from __future__ import annotations

import hashlib

from psycopg import sql

from pyreplctl.db import Connection, parameters, value
from pyreplctl.errors import UsageError
from pyreplctl.sources import render, texts

CONNECTION_LIMIT = 50

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
    "options": "-c statement_timeout=60s -c lock_timeout=5s"
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


def server_name(number: int) -> str:
    """Return the name of the foreign server of a course database."""
    return f"pyrepl_{number}"


def create(portal: Connection, number: int, role: str, link: dict[str, str]) -> str:
    """Create server, mapping and foreign tables; return the link role's password."""
    portal.execute(link_sql(number, role, link).encode())
    return new_password(portal, number)


def link_sql(number: int, role: str, link: dict[str, str]) -> str:
    """Return the SQL that links the portal to a course database, without password."""
    options = _DEFAULTS | {"application_name": f"pyreplctl link {number}"} | link
    return render(
        texts("links")["link"],
        {
            "server": sql.Identifier(server_name(number)),
            "options": sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(text))
                for name, text in options.items()
            ),
            "link_role": sql.Literal(role),
            "inbox": sql.Identifier(f"inbox_{number}"),
            "digest": sql.Identifier(f"digest_{number}"),
            "account": sql.Identifier(f"account_{number}"),
        },
    )


def new_password(portal: Connection, number: int) -> str:
    """Give the mapping a new password and return it; no log will show it."""
    password: str = value(
        portal, "SELECT pyrepl.new_link_password(%s)", server_name(number)
    )
    return password
