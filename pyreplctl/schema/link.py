"""The portal's way to a course database: server options, link role and password."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from pyreplctl.core.db import Connection, fetch, parameters, value
from pyreplctl.core.errors import UsageError
from pyreplctl.install import roles as rights
from pyreplctl.install.roles import CONNECTION_LIMIT, IMMEDIATE
from pyreplctl.schema.objects import Change
from pyreplctl.schema.sql_files import Slots, render, texts

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
    return rights.link_roles(role)


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
    options = _defaults(way) | link
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
        for name in ("inbox", "unsettled", "digest", "account", "structure")
    }
    found = texts("links")
    names = ["link"] if way.immediate else ["link", "verification", "structure"]
    return "\n".join(render(found[name], slots) for name in names)


def _defaults(way: Way) -> dict[str, str]:
    named = {"application_name": f"pyreplctl link {way.suffix}"}
    return _DEFAULTS | named | (_HURRIED if way.immediate else {})


_FOREIGN_TABLE = re.compile(
    r"CREATE FOREIGN TABLE pyrepl\.\"(\w+)\" \(\n(.*?)\n\) SERVER \"(\w+)\""
    r" OPTIONS \(schema_name '(\w+)', table_name '(\w+)'\);\nCOMMENT [^;]*;",
    re.DOTALL,
)


def foreign_tables(way: Way) -> dict[str, tuple[str, str]]:
    """Return the foreign tables of a link: how the catalog has each, and its SQL."""
    found = {}
    for match in _FOREIGN_TABLE.finditer(link_sql(way, {})):
        name, columns, server, schema, table = match.groups()
        listed = [column.strip().rstrip(",") for column in columns.splitlines()]
        held = [server, f"{{schema_name={schema},table_name={table}}}", *listed]
        found[name] = ("\n".join(held), match[0])
    return found


_SETTING = re.compile(r"-c (\w+)=(\S+)")


def lost_options(way: Way, held: Mapping[str, str]) -> dict[str, str]:
    """Return the options that a server of ours has lost, as they should be.

    Another host, or another time-out than ours, is the administrator's business; none
    is not: a course that hangs would hang the portal.
    """
    lost = {}
    for name, wanted in _defaults(way).items():
        if name == "options":
            given = dict(_SETTING.findall(held.get(name, "")))
            settings = dict(_SETTING.findall(wanted))
            wrong = {
                setting: text
                for setting, text in settings.items()
                if setting not in given
                or (setting.endswith("timeout") and _is_zero(given[setting]))
                or (not setting.endswith("timeout") and given[setting] != text)
            }
            if wrong:
                kept = given | wrong
                lost[name] = " ".join(f"-c {k}={v}" for k, v in kept.items())
        elif name != "application_name" and _is_zero(held.get(name, "0")):
            lost[name] = wanted
    return lost


def _is_zero(text: str) -> bool:
    return re.fullmatch(r"0+\s*[a-z]*", text) is not None


def options_sql(way: Way, held: Mapping[str, str], lost: Mapping[str, str]) -> str:
    """Return the statement that gives a server its lost options back."""
    listed = sql.SQL(", ").join(
        sql.SQL("{} {} {}").format(
            sql.SQL("SET" if name in held else "ADD"),
            sql.Identifier(name),
            sql.Literal(text),
        )
        for name, text in lost.items()
    )
    statement = sql.SQL("ALTER SERVER {} OPTIONS ({})")
    return statement.format(sql.Identifier(way.server), listed).as_string()


def mend(portal: Connection, way: Way) -> list[Change]:
    """Bring back what a link has lost but its server and its password."""
    changes = []
    held = server_options(portal, way)
    if lost := lost_options(way, held):
        portal.execute(options_sql(way, held, lost).encode())
        changes.append(Change(f"server {way.server}", "replaced", ", ".join(lost)))
    changes += _mend_mappings(portal, way)
    query = "SELECT name, held FROM pyrepl.link_rows(%s) WHERE kind = 'foreign table'"
    tables = {row["name"]: row["held"] for row in fetch(portal, query, way.server)}
    for name, (wanted, statement) in foreign_tables(way).items():
        found = tables.get(name)
        if found == wanted:
            continue
        table = sql.Identifier("pyrepl", name)
        portal.execute(sql.SQL("DROP FOREIGN TABLE IF EXISTS {}").format(table))
        portal.execute(statement.encode())
        state = "created" if found is None else "replaced"
        changes.append(Change(f"foreign table {name}", state))
    return changes


def _mend_mappings(portal: Connection, way: Way) -> list[Change]:
    server = sql.Identifier(way.server)
    rows = fetch(
        portal,
        "SELECT usename::text AS name, (SELECT o.option_value FROM"
        " pg_options_to_table(umoptions) o WHERE o.option_name = 'user') AS role"
        " FROM pg_user_mappings WHERE srvname = %s",
        way.server,
    )
    held = {row["name"]: row["role"] for row in rows}
    changes = []
    for name in held.keys() - {"pyrepl_owner"}:
        whom = sql.SQL("PUBLIC") if name == "public" else sql.Identifier(name)
        drop = sql.SQL("DROP USER MAPPING FOR {} SERVER {}")
        portal.execute(drop.format(whom, server))
        changes.append(Change(f"mapping of {name} at {way.server}", "dropped"))
    if "pyrepl_owner" not in held:
        statement = sql.SQL(
            "CREATE USER MAPPING FOR pyrepl_owner SERVER {} OPTIONS (user {})"
        )
    elif held["pyrepl_owner"] != way.role:
        statement = sql.SQL(
            "ALTER USER MAPPING FOR pyrepl_owner SERVER {} OPTIONS (SET user {})"
        )
    else:
        return changes
    portal.execute(statement.format(server, sql.Literal(way.role)))
    return [*changes, Change(f"mapping {way.server}", "replaced")]


def has_password(portal: Connection, way: Way) -> bool:
    """Tell whether the mapping of a link holds a password."""
    return bool(
        value(
            portal,
            "SELECT 1 FROM pg_user_mappings m, pg_options_to_table(m.umoptions) o"
            " WHERE m.srvname = %s AND m.usename = 'pyrepl_owner'"
            " AND o.option_name = 'password'",
            way.server,
        )
    )


def server_options(portal: Connection, way: Way) -> dict[str, str]:
    """Return the options of a link's server."""
    rows = portal.execute(
        "SELECT o.option_name, o.option_value FROM pg_foreign_server s,"
        " pg_options_to_table(s.srvoptions) o WHERE s.srvname = %s",
        (way.server,),
    )
    return dict(rows.fetchall())


def new_password(portal: Connection, way: Way) -> str:
    """Give the mapping a new password and return it; no log will show it."""
    password: str = value(portal, "SELECT pyrepl.new_link_password(%s)", way.server)
    return password
