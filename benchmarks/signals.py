"""The handlers of 2012 in present-day Django: what one save costs, with and without.

Two processes edit random users with Django: fetch, set the e-mail address, save. With
the handlers, a save of a user also goes to each course database that the user is
enrolled in: the user is read there and saved with the portal's fields, in autocommit,
as the signal code did. The ratio is to the same processes without handlers.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

from psycopg.conninfo import conninfo_to_dict

from benchmarks.contenders import Contender, copy_all
from benchmarks.figures import Figure, ratios
from benchmarks.ground import PORTAL, Ground, key_of
from benchmarks.options import Options, told

CLIENTS = 2


def missing() -> str:
    """Say why it cannot be measured; nothing if it can."""
    return "" if importlib.util.find_spec("django") else "no Django; pip install django"


class Signals(Contender):
    """Course databases that the handlers find everybody in."""

    name = "signal handlers"
    replicates = True

    def set_up(self) -> None:
        for name in self.site.names:
            copy_all(self.site, name)

    def rate(self, seconds: float, *, handlers: bool) -> float:
        """Return saves a second of all processes together."""
        names = (PORTAL, *self.site.names)
        given = {
            "databases": {
                name: conninfo_to_dict(self.site.dsn(name)) for name in names
            },
            "courses": {key_of(name): name for name in self.site.names},
            "users": self.site.users,
            "seconds": seconds,
            "handlers": handlers,
        }
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.signals_client"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(CLIENTS)
        ]
        for process in processes:
            assert process.stdin
            process.stdin.write(json.dumps(given))
            process.stdin.close()
        total = 0.0
        for process in processes:
            assert process.stdout
            total += float(process.stdout.read())
            process.wait()
        return total


def measure(ground: Ground, options: Options) -> list[Figure]:
    contender = Signals(ground)
    rates: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(options.rounds + 1):
        for handlers in (False, True):
            contender.site.tidy()
            rate = contender.rate(options.seconds, handlers=handlers)
            told(f"Django, handlers {handlers}: {rate:.0f} saves/s")
            if turn:
                rates[handlers].append(rate)
    return [
        Figure(
            "throughput, signal handlers, against Django without",
            ratios(rates[True], rates[False]),
            remark=f"{rates[False][-1]:,.0f} saves/s without",
        )
    ]
