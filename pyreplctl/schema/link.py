"""The portal's link to a course database: server options, link role and password."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from pyreplctl.core.session import has_relation_kinds, has_transaction_timeout
from pyreplctl.schema.foreign_tables import PUSHED, VERIFIED
from pyreplctl.schema.roles import IMMEDIATE
from pyreplctl.schema.sql_files import Slots, statements, texts

# What a database may set for all its sessions, and would change what a push means: see
# core/session.py. postgres_fdw itself sets search_path and the formats of dates.
PINNED = (
    " -c row_security=off -c default_transaction_read_only=off"
    " -c default_transaction_deferrable=off -c exit_on_error=off"
    " -c standard_conforming_strings=on -c array_nulls=on"
    " -c transform_null_equals=off -c quote_all_identifiers=off -c bytea_output=hex"
    " -c backslash_quote=safe_encoding -c xmlbinary=base64 -c xmloption=content"
    " -c plpgsql.extra_errors=none -c idle_session_timeout=0"
)
# What only some servers have, and options of a link must not name: set for its roles.
ROLE_SETTINGS = (
    # The inbox is a view of ours.
    ("restrict_nonsystem_relation_kind", "", has_relation_kinds),
    ("transaction_timeout", "0", has_transaction_timeout),
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
    + PINNED,
}
# A writer waits for these.
_HURRIED = {
    "connect_timeout": "2",
    "tcp_user_timeout": "5000",
    "options": "-c statement_timeout=5s -c lock_timeout=500ms"
    " -c idle_in_transaction_session_timeout=60s -c synchronous_commit=on -c jit=off"
    + PINNED,
}


@dataclass(frozen=True)
class Link:
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


def immediate_role(role: str) -> str:
    """Return the name of the role of immediate delivery, given the link role's."""
    return f"{role}{IMMEDIATE}"


def link_sql(link: Link, options: dict[str, str]) -> tuple[str, ...]:
    """Return the statements that link the portal to a course database.

    Without the password.
    """
    listed = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.Literal(text))
        for name, text in (_defaults(link) | options).items()
    )
    slots: Slots = {
        "server": sql.Identifier(link.server),
        "options": listed,
        "link_role": sql.Literal(link.role),
    }
    tables = [part for _, parts in foreign_tables(link).values() for part in parts]
    return (*statements(texts("links")["link"], slots), *tables)


def _defaults(link: Link) -> dict[str, str]:
    named = {"application_name": f"pyreplctl link {link.suffix}"}
    return _DEFAULTS | named | (_HURRIED if link.immediate else {})


def foreign_tables(link: Link) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the foreign tables of a link: how the catalog has each, its statements."""
    chosen = PUSHED if link.immediate else PUSHED + VERIFIED
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    for table in chosen:
        name = f"{table.view}_{link.suffix}"
        options = f"{{schema_name=pyrepl,table_name={table.view}}}"
        slots: Slots = {
            "name": sql.Identifier(name),
            "server": sql.Identifier(link.server),
            "view": sql.Literal(table.view),
            "columns": sql.SQL(",\n    ").join(map(sql.SQL, table.columns)),
            "comment": sql.Literal(table.comment),
        }
        found[name] = (
            "\n".join([link.server, options, *table.columns]),
            statements(texts("links")["foreign_table"], slots),
        )
    return found


_SETTING = re.compile(r"-c ([\w.]+)=(\S+)")


def lost_options(link: Link, held: Mapping[str, str]) -> dict[str, str]:
    """Return the options that a server of ours has lost, as they should be.

    Another host, or another time-out than ours, is the administrator's business; none
    is not: a course that hangs would hang the portal.
    """
    lost = {}
    for name, wanted in _defaults(link).items():
        if name == "options":
            given = dict(_SETTING.findall(held.get(name, "")))
            settings = dict(_SETTING.findall(wanted))
            wrong = {
                setting: text
                for setting, text in settings.items()
                if setting not in given
                or (setting.endswith("timeout") and _is_zero(given[setting], text))
                or (not setting.endswith("timeout") and given[setting] != text)
            }
            if wrong:
                kept = given | wrong
                lost[name] = " ".join(f"-c {k}={v}" for k, v in kept.items())
        elif name != "application_name" and _is_zero(held.get(name, "0")):
            lost[name] = wanted
    return lost


def altered_options(
    link: Link, registered: Mapping[str, str], held: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the options that are not as registered, as they should be; None: none.

    Where it leads, how it is sure of that (TLS), and settings that nobody of us makes.
    Time-outs and the like may be tuned; see `lost_options` for what may not.
    """
    wanted = _defaults(link) | dict(registered)
    own = {*_DEFAULTS, "application_name"}
    altered: dict[str, str | None] = {
        name: text
        for name, text in wanted.items()
        if name not in own and held.get(name) != text
    }
    altered |= {name: None for name in held if name not in wanted}
    given = held.get("options", "")
    ours = dict(_SETTING.findall(wanted["options"]))
    found = _SETTING.findall(given)
    kept = {name: text for name, text in found if name in ours}
    if len(kept) < len(found) or _SETTING.sub("", given).strip():
        altered["options"] = " ".join(f"-c {k}={v}" for k, v in (ours | kept).items())
    return altered


_UNITS = {"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def other_settings(held: Mapping[str, str], in_force: Mapping[str, str]) -> list[str]:
    """Return the settings of a link that the course's session does not have.

    A pooler drops what `options` say.
    """
    return [
        f"{name} is {in_force[name]}, not {text}"
        for name, text in _SETTING.findall(held.get("options", ""))
        if name in in_force and _meaning(in_force[name]) != _meaning(text)
    ]


def _meaning(text: str) -> str | int:
    found = re.fullmatch(r"(\d+)\s*(ms|s|min|h|d|)", text)
    return int(found[1]) * _UNITS[found[2]] if found else text


def _is_zero(text: str, wanted: str = "1") -> bool:
    return wanted != "0" and re.fullmatch(r"0+\s*[a-z]*", text) is not None


def options_sql(
    link: Link, held: Mapping[str, str], lost: Mapping[str, str | None]
) -> str:
    """Return the statement that gives a server such options; None drops one."""
    listed = sql.SQL(", ").join(
        sql.SQL("DROP {}").format(sql.Identifier(name))
        if text is None
        else sql.SQL("{} {} {}").format(
            sql.SQL("SET" if name in held else "ADD"),
            sql.Identifier(name),
            sql.Literal(text),
        )
        for name, text in lost.items()
    )
    statement = sql.SQL("ALTER SERVER {} OPTIONS ({})")
    return statement.format(sql.Identifier(link.server), listed).as_string()
