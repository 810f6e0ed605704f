"""Rules for SQL that no linter knows, as questions to files and to the catalog."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from pglast import parse_plpgsql, parse_sql

from pyreplctl.core.config import Config
from pyreplctl.core.errors import NotSuitable
from pyreplctl.core.locks import LOCK_CLASS
from pyreplctl.install import roles as install_roles
from pyreplctl.install import strangers
from pyreplctl.schema import (
    contracts,
    course_objects,
    guard,
    link,
    portal_objects,
    slots,
)
from pyreplctl.schema.contracts import columns_of
from pyreplctl.schema.link import Link
from pyreplctl.schema.objects import Object
from pyreplctl.schema.sql_files import (
    Slots,
    render,
    root,
    slots_of,
    statements,
)
from tests.support.platform import Connection, Platform

FILES = sorted(
    path
    for folder in ("functions", "triggers", "views", "links")
    for path in (root("sql") / folder).rglob("*.sql")
)
PIECES = [
    path
    for folder in ("fragments", "queries")
    for path in sorted((root("sql") / folder).glob("*.sql"))
]
MIGRATIONS = sorted(root("migrations").rglob("*.sql"))

_CREATES = re.compile(
    r"^CREATE OR REPLACE (FUNCTION|PROCEDURE|VIEW) pyrepl\.\{?(\w+)\}?", re.MULTILINE
)
_SLOTS = re.compile(r"^-- Slots: (.+(?:\n--   .+)*)$", re.MULTILINE)
_TAG = re.compile(r"^AS (\$\w*\$)$|^(\$\w*\$);$", re.MULTILINE)

# Functions of ours: those of the extension are in the same schema.
OURS: LiteralString = """
    SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'pyrepl'::regnamespace AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.objid = p.oid
            AND d.classid = 'pg_proc'::regclass AND d.deptype = 'e') """

# Tables of ours: yoyo keeps its own in the same schema.
TABLES: LiteralString = """
    SELECT c.relname::text FROM pg_class c
    WHERE c.relnamespace = 'pyrepl'::regnamespace AND c.relkind IN ('r', 'v', 'f')
        AND c.relname NOT LIKE '%yoyo%' """


@pytest.fixture(params=["portal", "course"])
def side(request: pytest.FixtureRequest, platform: Platform) -> Connection:
    """The superuser's connection to a portal, or to a course database."""
    course = platform.course("c")
    return platform.connection if request.param == "portal" else course.connection


def found(side: Connection, query: LiteralString) -> list[str]:
    return [row[0] for row in side.execute(query)]


def test_there_are_functions_and_tables_to_look_at(side: Connection) -> None:
    assert len(found(side, OURS)) > 10
    assert len(found(side, TABLES)) > 5


def test_a_definer_function_has_a_safe_search_path(side: Connection) -> None:
    assert found(side, OURS + "AND p.prosecdef")
    unsafe = (
        "AND p.prosecdef AND NOT coalesce(p.proconfig, '{}')"
        " @> ARRAY['search_path=pg_catalog, pg_temp']"
    )
    assert found(side, OURS + unsafe) == []


def test_other_functions_have_it_too_or_must_not(side: Connection) -> None:
    query = (
        "AND NOT p.prosecdef AND NOT coalesce(p.proconfig, '{}')"
        " @> ARRAY['search_path=pg_catalog, pg_temp']"
    )
    # A procedure with SET may not COMMIT.
    assert {name.split("(")[0] for name in found(side, OURS + query)} <= {
        *("pyrepl.poll", "pyrepl.serve", "pyrepl.commit_pinned")
    }


def test_a_definer_function_that_reads_the_users_tables_meets_no_policy(
    side: Connection,
) -> None:
    query = (
        "AND p.prosecdef AND p.prosrc ~ 'auth_user|student_'"
        " AND p.proname NOT LIKE 'capture%'"
        " AND NOT coalesce(p.proconfig, '{}') @> ARRAY['row_security=off']"
    )
    assert found(side, OURS + query) == []


def test_whoever_reads_the_users_tables_is_the_reader(platform: Platform) -> None:
    """And takes back whatever the reading has brought about."""
    platform.course("c")
    query = (
        "AND p.prosrc ~ 'auth_user|student_'"
        " AND p.prosrc !~ 'regclass|parse_ident'"  # names for the catalog
        " AND p.proowner <> 'pyrepl_reader'::regrole"
    )
    assert found(platform.connection, OURS + query) == []
    query = (
        "AND p.proowner = 'pyrepl_reader'::regrole AND p.prosrc !~ 'SQLSTATE ''PR009'''"
        " AND EXISTS (SELECT FROM aclexplode(p.proacl) a"
        " WHERE a.grantee <> p.proowner)"
    )
    assert found(platform.connection, OURS + query) == []


def test_every_function_has_a_comment(side: Connection) -> None:
    query = "AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''"
    assert found(side, OURS + query) == []


def test_public_may_execute_nothing(side: Connection) -> None:
    query = (
        "AND EXISTS (SELECT FROM aclexplode(coalesce(p.proacl,"
        " acldefault('f', p.proowner))) a WHERE a.grantee = 0)"
    )
    assert found(side, OURS + query) == []


def test_a_role_of_ours_that_is_no_superuser_owns_everything(side: Connection) -> None:
    owner = "!~ '^pyrepl_([0-9a-f]{8}_[0-9]+_)?owner$'"
    query = (
        f"AND pg_get_userbyid(p.proowner) {owner} AND NOT (p.prosecdef AND"
        " pg_get_userbyid(p.proowner) IN ('pyrepl_reader', 'pyrepl_capture'))"
    )
    others = {name.split("(")[0] for name in found(side, OURS + query)}
    # Run by those alone who are pyrepl_reader already.
    assert {re.sub(r"_\d+$", "", name) for name in others} <= {
        *("pyrepl.truth", "pyrepl.truth_sums", "pyrepl.truth_total"),
        "pyrepl.non_members",
    }
    query = f"AND pg_get_userbyid(c.relowner) {owner}"
    assert found(side, TABLES + query) == []
    roles: LiteralString = (
        "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'pyrepl\\_%'"
        " AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls"
        " OR rolreplication)"
    )
    assert found(side, roles) == []


def test_every_table_and_view_has_a_comment(side: Connection) -> None:
    query = "AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''"
    assert found(side, TABLES + query) == []


def test_public_may_do_nothing_with_tables(side: Connection) -> None:
    query = "AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0)"
    assert found(side, TABLES + query) == []


def test_every_key_is_where_a_foreign_key_looks(side: Connection) -> None:
    """A foreign key whose columns lead no index makes each delete a scan."""
    query: LiteralString = """
        SELECT k.conname::text FROM pg_constraint k
        WHERE k.contype = 'f' AND k.connamespace = 'pyrepl'::regnamespace
            AND k.confdeltype = 'c' AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = k.conrelid
                AND k.conkey[1] = ANY (i.indkey::smallint[]))"""
    assert found(side, query) == []


def test_every_body_is_valid_where_it_is_checked(platform: Platform) -> None:
    """They refer to each other, so install creates them unchecked."""
    course = platform.course("c")
    items = {
        platform.connection: rendered_portal(platform),
        course.connection: rendered_course(platform),
    }
    for connection, listed in items.items():
        with connection.transaction(force_rollback=True):
            connection.execute("SET LOCAL check_function_bodies = on")
            for item in listed:
                if item.kind == "function":
                    connection.execute(item.source.encode())


def test_every_rendered_text_parses(platform: Platform) -> None:
    parsed = 0
    for item in rendered_portal(platform) + rendered_course(platform):
        statements = parse_sql(item.source)
        assert statements, item
        if "LANGUAGE plpgsql" in item.source:
            # The parser knows two schemas only, and no arrays of their types.
            body = item.source[: item.source.index("COMMENT ON")]
            body = re.sub(r"pyrepl\.\w+\[\]", "text[]", body)
            body = body.replace("pyrepl.", "public.")
            assert parse_plpgsql(body), item
            parsed += 1
    assert parsed > 20


def rendered_portal(platform: Platform) -> list[Object]:
    config = Config()
    contract = contracts.offered(platform.connection, config)
    items = portal_objects.planned_objects(platform.connection, config, contract)
    return items + portal_objects.database_objects(
        platform.connection, config, contract, 1
    )


def rendered_course(platform: Platform) -> list[Object]:
    contract = contracts.offered(platform.connection, Config())
    server = platform.connection.info.server_version
    items = course_objects.wanted_objects(
        Config(),
        contract,
        "pg_monitor",  # a role that is everywhere
        server,
    )
    return items + guard.triggers(Config(), "pyrepl_owner")


def test_the_tables_are_those_of_the_contract(platform: Platform) -> None:
    """What is parsed above is what is installed."""
    names = {c.name for c in columns_of(platform.connection, "public.auth_user")}
    (capture,) = (i for i in rendered_portal(platform) if i.name == "capture_user")
    assert all(name in capture.source for name in names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: "-".join(path.parts[-2:]))
def test_a_file_keeps_to_the_form(path: Path) -> None:
    text = path.read_text()
    lines = text.splitlines()
    assert re.match(r"-- (pyrepl\.|[A-Z])", lines[0]), (
        "the first line says what it does: a comment with a capital letter"
    )
    assert len(lines) <= 90, "a file has 90 lines at the most"
    assert [line for line in lines if len(line) > 92] == [], (
        "a line has 92 characters at the most"
    )
    assert [line for line in lines if line != line.rstrip() or "\t" in line] == [], (
        "a line has no blanks at its end, and no tabs"
    )
    assert text.isascii(), "it goes into databases of any encoding: ASCII only"
    created = _CREATES.findall(text)
    names = {name for _, name in created}
    assert names <= {path.stem}, "the file has the name of its function"
    for kind, name in created:
        comment = rf"^COMMENT ON {kind} pyrepl\.\{{?{name}\b"
        assert re.search(comment, text, re.MULTILINE), f"no COMMENT ON {kind}"
    if any(kind != "VIEW" for kind, _ in created):
        tags = {tag for pair in _TAG.findall(text) for tag in pair if tag}
        assert tags == {f"${path.stem}$"}, "the dollar tag is the function's name"
        revoke = rf"^REVOKE ALL ON (FUNCTION|PROCEDURE) pyrepl\.\{{?{path.stem}\b"
        assert re.search(revoke, text, re.MULTILINE), "no REVOKE ALL … FROM PUBLIC"


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda p: "-".join(p.parts[-2:]))
def test_a_migration_keeps_to_the_form(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= 90
    if not path.name.endswith(".rollback.sql"):
        assert lines[0].startswith("-- ")


@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_a_piece_keeps_to_the_form(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0].startswith("-- ")
    assert len(lines) <= 90
    assert [line for line in lines if len(line) > 92 or line != line.rstrip()] == []


@pytest.mark.parametrize(
    "path", [*FILES, *PIECES], ids=lambda path: "-".join(path.parts[-2:])
)
def test_a_file_declares_its_slots(path: Path) -> None:
    text = path.read_text()
    declared = _SLOTS.findall(text)
    assert len(declared) == bool(slots_of(text))
    if declared:
        assert re.split(r",\s(?:--   )?", declared[0]) == sorted(slots_of(text))
        header = re.match(r"(?:--.*\n)+", text)
        assert header
        assert declared[0] in header[0]
        assert [line for line in declared[0].splitlines() if len(line) > 88] == []


def test_every_slot_is_filled_wherever_its_file_is_rendered(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = filled_slots(platform, monkeypatch)
    for path in [*FILES, *PIECES]:
        text = path.read_text()
        if needed := slots_of(text):
            assert filled[text], path
            assert all(needed <= given.keys() for given in filled[text]), path


def filled_slots(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> defaultdict[str, list[Slots]]:
    """Return what each file is given, by its text, whenever it is rendered."""
    filled: defaultdict[str, list[Slots]] = defaultdict(list)

    def recording(text: str, given: Slots) -> str:
        filled[text].append(given)
        return render(text, given)

    def recording_each(text: str, given: Slots) -> tuple[str, ...]:
        filled[text].append(given)
        return statements(text, given)

    for module in (slots, install_roles, strangers):
        monkeypatch.setattr(module, "render", recording)
    for module in (course_objects, guard, link, portal_objects):
        monkeypatch.setattr(module, "statements", recording_each)
    rendered_portal(platform)
    rendered_course(platform)
    link.link_sql(Link(1, "pyrepl_0123abcd_1"), {"host": "db1"})
    install_roles.repair(platform.connection, "portal", {})
    strangers.refuse_strangers(platform.connection, "the portal")
    with (
        platform.connection.transaction(force_rollback=True),
        pytest.raises(NotSuitable),  # a portal's tables have triggers
    ):
        strangers.refuse_odd_tables(platform.connection)
    with psycopg.connect(platform.new_course(), autocommit=True) as bare:
        install_roles.take_from_shared(bare, "pyrepl_0123abcd_1_owner")
    return filled


@pytest.mark.parametrize("path", FILES, ids=lambda path: "-".join(path.parts[-2:]))
def test_advisory_locks_are_of_our_class(path: Path) -> None:
    locks = re.findall(r"pg_\w*advisory\w*\(([^,)]*)", path.read_text())
    assert set(locks) <= {str(LOCK_CLASS)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: "-".join(path.parts[-2:]))
def test_own_sqlstates_are_of_class_pr(path: Path) -> None:
    raised = re.findall(r"ERRCODE = '(\w+)'", path.read_text())
    assert [code for code in raised if not re.fullmatch(r"PR\d{3}", code)] == []
    # PL/pgSQL takes a code that ends in 000 for all of its class.
    assert "PR000" not in path.read_text()
