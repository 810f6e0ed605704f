"""How to reach a course database: as its administrator, and from the portal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyreplctl.core.db import WAITS, Connection, connect, parameters, value
from pyreplctl.core.errors import UsageError
from pyreplctl.courses import identity
from pyreplctl.courses.identity import Checked
from pyreplctl.install.strangers import refuse_strangers
from pyreplctl.schema.roles import OWNER, course_owner


@contextmanager
def connect_course(
    connection: Connection,
    number: int,
    name: str,
    dsn: str | None,
    *,
    rebind: bool = False,
    look: bool = False,
    gone: bool = False,
) -> Iterator[Checked]:
    """Connect to a course database as its administrator: as given, or as kept.

    Raises `NotSuitable` where it leads to another one than this portal has registered
    and bound; see `identity.check`.
    """
    hint = None
    if dsn is None:
        hint = "This admin connection was kept at registration; --dsn gives another."
    with connect(administrator(connection, number, dsn), name, hint) as course:
        # OWNER: of one that an older version has registered.
        owners = (course_owner(identity.known(connection, number).role), OWNER)
        refuse_strangers(course, name, owners)
        yield identity.check(
            connection, course, number, rebind=rebind, look=look, gone=gone
        )


def administrator(connection: Connection, number: int, dsn: str | None) -> str:
    """Return the admin connection: a new one given, or the one that was kept."""
    if dsn is not None:
        parameters(dsn)
        return dsn
    kept: str = value(
        connection, "SELECT administrator FROM pyrepl.database WHERE id = %s", number
    )
    return kept


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


def conninfo(administrator: Connection, dsn: str, link: str | None) -> dict[str, str]:
    """Return the parameters by which the portal's server reaches the course database.

    Those of `link` (a connection string without user and password), else those with
    which the administrator's connection was made by `dsn`.
    """
    if link is None:
        info = administrator.info
        given = {"host": info.host, "port": str(info.port), "dbname": info.dbname}
        given |= info.get_parameters()  # also those of a service file
        # psycopg resolves names, tries hosts one by one, and was told how long we wait:
        # none of this is for the portal's server.
        for own in ("hostaddr", *WAITS):
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
