"""How long does the first copy of a course's members take, against COPY?

Ours: from the order to backfill a registered, empty course database until nothing
waits, on one lane (`pyreplctl deliver --until-empty`) and with a worker. COPY: the same
rows (11 columns of the users, profiles, enrollments) from files on the course server
into the same tables with all their indexes and foreign keys, in one transaction. Each
round takes new databases.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import nullcontext

from psycopg import sql

from benchmarks.contenders import TABLES, Ours
from benchmarks.figures import Figure, Target, ratios
from benchmarks.ground import Ground, Site, key_of
from benchmarks.options import Options, main, told
from pyreplctl.core import databases
from pyreplctl.core.db import value

COPY, ONE_LANE, WORKER = "COPY", "one lane", "worker"
TARGETS = {ONE_LANE: Target("<=", 1.6), WORKER: Target("<=", 1.2)}


def measure(ground: Ground, options: Options) -> list[Figure]:
    ours = Ours(ground, ())
    took: dict[str, list[float]] = defaultdict(list)
    for turn in range(options.rounds + 1):
        ways = [COPY, ONE_LANE, WORKER]
        for way in ways[:: -1 if turn % 2 else 1]:
            seconds = _once(ours, f"{way.lower().replace(' ', '_')}_{turn}", way)
            told(f"{way}: {seconds:.2f} s")
            if turn:
                took[way].append(seconds)
    found = [Figure("initial copy, COPY of the rows", took[COPY], unit="s")]
    for way, aim in TARGETS.items():
        against = ratios(took[way], took[COPY])
        found.append(Figure(f"initial copy, {way}, against COPY", against, aim))
    return found


def _once(ours: Ours, name: str, way: str) -> float:
    site = ours.site
    site.create(name)
    site.enroll(name)
    ours.settle()
    statements = _statements(site, name) if way == COPY else []
    number = 0 if way == COPY else ours.register(name, backfill=False)
    site.tidy()
    site.checkpoint()
    with ours.worker() if way == WORKER else nullcontext():
        begun = time.perf_counter()
        if way == COPY:
            with site.session(name).transaction():
                for statement in statements:
                    site.session(name).execute(statement)
        else:
            databases.backfill(site.session(), [number])
            ours.settle()
        seconds = time.perf_counter() - begun
    _check(site, name)
    return seconds


def _statements(site: Site, name: str) -> list[sql.Composed]:
    """Write the rows to files; return what copies them into a course database."""
    found = []
    for table, columns in TABLES.items():
        file = sql.Literal(str(site.here.directory / f"{name}.{table}"))
        where: sql.Composable = sql.SQL("")
        if table == "student_courseenrollment":
            where = sql.SQL(" WHERE course_id = {}").format(sql.Literal(key_of(name)))
        site.session().execute(
            sql.SQL("COPY (SELECT {} FROM {}{}) TO {}").format(
                columns, sql.Identifier(table), where, file
            )
        )
        listed: sql.Composable = sql.SQL("")
        if table == "auth_user":
            listed = sql.SQL(" ({})").format(columns)
        statement = sql.SQL("COPY {}{} FROM {}")
        found.append(statement.format(sql.Identifier(table), listed, file))
    return found


def _check(site: Site, name: str) -> None:
    for table in TABLES:
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        if (held := value(site.session(name), query)) != site.users:
            raise SystemExit(f"{name} holds {held} rows of {table}")


if __name__ == "__main__":
    main(__doc__, measure)
