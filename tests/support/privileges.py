"""Who may do what with each object of ours: sql/expected/privileges_*.txt, as it is."""

from __future__ import annotations

from pathlib import Path
from typing import LiteralString

from pyreplctl.schema.sql_files import root
from tests.support.platform import Connection

HEADER = (
    "-- What every role may do with every object of ours, and the platform's three"
    ' tables; written by "make expected"'
)
TABLES = ("auth_user", "auth_userprofile", "student_courseenrollment")

# Effective, whether by a grant of its own, by PUBLIC or by membership.
_QUERY: LiteralString = """
WITH ours AS (SELECT oid FROM pg_namespace WHERE nspname = 'pyrepl'), thing AS (
    SELECT 'schema' AS kind, 'pyrepl' AS name, (
        SELECT string_agg(p, ', ') FROM unnest('{USAGE,CREATE}'::text[]) p
        WHERE has_schema_privilege(%(role)s::name, ours.oid, p)) AS rights, 2 AS most
    FROM ours
    UNION ALL
    SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'f' THEN 'foreign table'
            WHEN 'S' THEN 'sequence' ELSE 'table' END,
        CASE WHEN c.relnamespace = ours.oid THEN 'pyrepl.' || c.relname
            ELSE c.relname END, (
        SELECT string_agg(p, ', ')
        FROM unnest(CASE c.relkind WHEN 'S' THEN '{USAGE,SELECT,UPDATE}' ELSE
            '{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}' END::text[]) p
        WHERE CASE c.relkind WHEN 'S'
            THEN has_sequence_privilege(%(role)s::name, c.oid, p)
            ELSE has_table_privilege(%(role)s::name, c.oid, p)
                OR p NOT IN ('DELETE', 'TRUNCATE', 'TRIGGER')
                AND has_any_column_privilege(%(role)s::name, c.oid, p) END),
        CASE c.relkind WHEN 'S' THEN 3 ELSE 7 END
    FROM pg_class c, ours
    WHERE c.relkind IN ('r', 'v', 'f', 'S') AND (
        c.relnamespace = ours.oid OR c.oid = ANY (%(tables)s::text[]::regclass[]))
    UNION ALL
    SELECT 'function', format('pyrepl.%%s(%%s)', p.proname,
            pg_get_function_identity_arguments(p.oid)),
        CASE WHEN has_function_privilege(%(role)s::name, p.oid, 'EXECUTE')
            THEN 'EXECUTE' END, 1
    FROM pg_proc p, ours
    WHERE p.pronamespace = ours.oid AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass
            AND d.objid = p.oid AND d.deptype = 'e')
    UNION ALL
    SELECT 'server', s.srvname, CASE
        WHEN has_server_privilege(%(role)s::name, s.oid, 'USAGE') THEN 'USAGE' END, 1
    FROM pg_foreign_server s
    UNION ALL
    SELECT 'role', r.rolname, CASE WHEN %(role)s = 'public' THEN NULL
        WHEN pg_has_role(%(role)s::name, r.oid, 'MEMBER') THEN 'member' END, 1
    FROM pg_roles r
    WHERE r.rolname ~ '^pyrepl_' AND r.rolname <> %(role)s::name AND (
        r.rolname IN ('pyrepl_owner', 'pyrepl_worker', 'pyrepl_monitor')
        OR r.rolname LIKE %(link)s || '%%')
)
SELECT t.kind, t.name, t.rights,
    cardinality(string_to_array(t.rights, ', ')) = t.most AS whole
FROM thing t ORDER BY t.kind COLLATE "C", t.name COLLATE "C"
"""


def sweep(connection: Connection, roles: dict[str, str], link: str) -> str:
    """Return what each role may, a line an object; `roles` says what each is called.

    The number and fingerprint in names are made the same everywhere.
    """
    blocks = [HEADER]
    for called, role in roles.items():
        rows = connection.execute(
            _QUERY, {"role": role, "tables": list(TABLES), "link": link}
        ).fetchall()
        ours = [row for row in rows if row[0] != "role" and row[1] not in TABLES]
        lines = [
            f"{kind} {name}: {rights}"
            for kind, name, rights, _ in rows
            if rights is not None
        ]
        if all(row[3] for row in ours):
            mine = {f"{kind} {name}" for kind, name, *_ in ours}
            lines = [x for x in lines if x.partition(": ")[0] not in mine]
            lines.insert(0, "everything of ours: everything")
        blocks.append("\n".join([f"role {called}", *(lines or ["nothing"])]))
    return "\n\n".join(blocks).replace(link, "pyrepl_link") + "\n"


def file_of(side: str) -> Path:
    """Return the file with the privileges of a side."""
    return root("sql") / "expected" / f"privileges_{side}.txt"
