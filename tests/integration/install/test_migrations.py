from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from yoyo import read_migrations

from pyreplctl.core.config import Config
from pyreplctl.courses import binding
from pyreplctl.install import migrations as migrate
from pyreplctl.install import roles, yoyo_backend
from pyreplctl.install.portal import install
from pyreplctl.schema import roles as schema_roles
from pyreplctl.schema.sql_files import root
from tests.conftest import NewPortal
from tests.integration.install.test_install import dump
from tests.support.platform import Connection, Platform

SIDES = ("portal", "course")
FILES = [
    path
    for side in SIDES
    for path in sorted((root("migrations") / side).glob("*.sql"))
    if not path.name.endswith(".rollback.sql")
]
# Every point from which an installation may be upgraded.
UPGRADES = [
    (side, number) for side in SIDES for number in range(1, len(migrate.names(side)))
]


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_migration_has_a_number_a_name_and_a_rollback(path: Path) -> None:
    assert re.fullmatch(r"\d{4}-[a-z]+(-[a-z]+)*", path.stem)
    assert path.with_suffix(".rollback.sql").read_text().strip()


@pytest.mark.parametrize("side", SIDES)
def test_migrations_are_numbered_without_a_gap(side: str) -> None:
    numbers = [int(name[:4]) for name in migrate.names(side)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 1


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_migration_depends_on_one_before(path: Path) -> None:
    found = re.findall(r"^-- depends: (.+)$", path.read_text(), re.MULTILINE)
    wanted = [name for line in found for name in line.split()]
    before = [name for name in migrate.names(path.parent.name) if name < path.stem]
    assert set(wanted) <= set(before)
    assert bool(wanted) is bool(before)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_migration_names_every_table_that_it_refers_to(path: Path) -> None:
    """What its foreign keys need is among what it depends on, however far back."""
    text = path.read_text()
    made = set(re.findall(r"CREATE (?:UNLOGGED )?TABLE pyrepl\.(\w+)", text))
    for parent in _ancestors(path):
        parts = parent.read_text()
        made |= set(re.findall(r"CREATE (?:UNLOGGED )?TABLE pyrepl\.(\w+)", parts))
    assert set(re.findall(r"REFERENCES pyrepl\.(\w+)", text)) <= made


def _ancestors(path: Path) -> set[Path]:
    found: set[Path] = set()
    for line in re.findall(r"^-- depends: (.+)$", path.read_text(), re.MULTILINE):
        for name in line.split():
            parent = path.with_name(f"{name}.sql")
            found |= {parent} | _ancestors(parent)
    return found


@contextmanager
def as_owner(connection: Connection) -> Iterator[None]:
    """A transaction of pyrepl_owner's in a database with an empty schema pyrepl."""
    with connection.transaction():
        roles.create_role(
            connection, "pyrepl_owner", schema_roles.ROLES["pyrepl_owner"]
        )
        connection.execute(
            "CREATE SCHEMA IF NOT EXISTS pyrepl AUTHORIZATION pyrepl_owner"
        )
        connection.execute("SET LOCAL ROLE pyrepl_owner")
        yield


def apply_first(connection: Connection, side: str, number: int) -> None:
    """Apply the oldest migrations, as an older program would have."""
    migrations = read_migrations(str(root("migrations") / side))[:number]
    with yoyo_backend.backend(connection) as yoyo:
        yoyo.apply_migrations(yoyo.to_apply(migrations))


def ours(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'S', 'v')"
        " AND relnamespace = 'pyrepl'::regnamespace AND relname NOT LIKE '%yoyo%'"
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize("side", SIDES)
def test_rolled_back_and_applied_again_gives_the_same(
    new_portal: NewPortal, side: str
) -> None:
    dsn = new_portal()
    with psycopg.connect(dsn, autocommit=True) as connection:
        with as_owner(connection):
            migrate.apply(connection, side)
        first = dump(dsn)
        assert ours(connection)
        with as_owner(connection):
            migrate.roll_back(connection, side)
        assert ours(connection) == []
        assert migrate.pending(connection, side) == migrate.names(side)
        with as_owner(connection):
            migrate.apply(connection, side)
        assert dump(dsn) == first
        assert migrate.pending(connection, side) == []


@pytest.mark.parametrize(("side", "number"), UPGRADES)
def test_an_upgrade_ends_where_a_fresh_install_does(
    new_portal: NewPortal, side: str, number: int
) -> None:
    old, fresh = new_portal(), new_portal()
    for dsn in (old, fresh):
        with psycopg.connect(dsn, autocommit=True) as connection:
            if dsn == old:
                with as_owner(connection):
                    apply_first(connection, side, number)
                assert migrate.pending(connection, side) == migrate.names(side)[number:]
            with as_owner(connection):
                migrate.apply(connection, side)
    assert schema_of(old) == schema_of(fresh)


def test_an_older_installation_is_upgraded_by_install(new_portal: NewPortal) -> None:
    old, fresh = new_portal(), new_portal()
    with psycopg.connect(old, autocommit=True) as connection:
        with as_owner(connection):
            apply_first(connection, "portal", 1)
        # The schema's comment is as old as the schema.
        connection.execute(
            "COMMENT ON SCHEMA pyrepl IS 'pyreplctl: tables are private, functions are"
            " the interface'"
        )
    states = {change.object: change.state for change in install(old, Config())}
    assert states[f"migration {migrate.names('portal')[0]}"] == "unchanged"
    assert states[f"migration {migrate.names('portal')[1]}"] == "created"
    install(fresh, Config())
    assert schema_of(old) == schema_of(fresh)


def schema_of(dsn: str) -> list[str]:
    """Return the dump of a database, without its name."""
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    return [line for line in dump(dsn) if str(name) not in line]


def test_a_course_has_all_migrations_of_its_side(platform: Platform) -> None:
    course = platform.course("c")
    assert migrate.pending(course.connection, "course") == []
    assert binding.binding(course.connection) is not None


def test_a_migration_of_a_newer_program_is_named(platform: Platform) -> None:
    platform.execute(
        "INSERT INTO pyrepl._yoyo_migration (migration_hash, migration_id)"
        " VALUES ('x', '9999-future')"
    )
    assert migrate.unknown(platform.connection, "portal") == ["9999-future"]
