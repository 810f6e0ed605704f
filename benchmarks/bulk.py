"""What does a bulk statement cost a writer? Seconds, against no replication.

One UPDATE of all users, and one enrollment of 10,000 users in a course with a database;
no worker runs meanwhile. Beside it how long the delivery takes afterwards, on one lane
a database.
"""

from __future__ import annotations

import time
from collections import defaultdict

from benchmarks.contenders import Contender, Native, Ours
from benchmarks.figures import Figure, Target, ratios
from benchmarks.ground import Ground, key_of
from benchmarks.options import Options, main, told

UPDATE = "one UPDATE of all users"
ENROLL = "enrollment of 10,000 users"
ENROLLED = 10_000
TARGETS = {UPDATE: Target("<=", 1.3), ENROLL: None}


def measure(ground: Ground, options: Options) -> list[Figure]:
    nobody, ours = Contender(ground), Ours(ground)
    contenders = [nobody, ours, Native(ground)]
    took: dict[tuple[str, str], list[float]] = defaultdict(list)
    delivered: dict[tuple[str, str], list[float]] = defaultdict(list)
    for turn in range(options.rounds + 1):
        for contender in contenders[:: -1 if turn % 2 else 1]:
            for what in (UPDATE, ENROLL):
                seconds = _write(contender, what)
                afterwards = contender.settle()
                contender.check()
                told(f"{contender.name}, {what}: {seconds:.2f} s, {afterwards:.2f} s")
                if turn:
                    took[contender.name, what].append(seconds)
                    delivered[contender.name, what].append(afterwards)
    found = []
    for what, aim in TARGETS.items():
        for contender in contenders[1:]:
            against = ratios(took[contender.name, what], took[nobody.name, what])
            title = f"{what}, {contender.name}"
            mine = contender is ours
            found.append(Figure(title, against, aim if mine else None))
            title = f"{what}, {contender.name}: arrived afterwards"
            found.append(Figure(title, delivered[contender.name, what], unit="s"))
    return found


def _write(contender: Contender, what: str) -> float:
    site, session = contender.site, contender.site.session()
    if what == ENROLL:
        session.execute(
            "DELETE FROM student_courseenrollment"
            " WHERE course_id = %s AND user_id <= %s",
            (key_of(site.names[0]), ENROLLED),
        )
        contender.settle()
    site.tidy()
    begun = time.perf_counter()
    if what == ENROLL:
        site.enroll(site.names[0], 1, min(ENROLLED, site.users))
    else:
        session.execute(
            "UPDATE auth_user SET last_name = md5(random()::text)::varchar(30)"
        )
    return time.perf_counter() - begun


if __name__ == "__main__":
    main(__doc__, measure)
