"""All measurements, one after the other: what was aimed at, and what was measured.

`make bench` and `make bench-peers` run this. The progress goes to standard error.
"""

from __future__ import annotations

import importlib
import time
from pathlib import Path

from benchmarks.figures import Table
from benchmarks.ground import Ground, machine, versions
from benchmarks.options import PEERS_BIN, chosen, parser, told
from pyreplctl.sandbox.embedded import find_bin_dir

QUESTIONS = (
    *("throughput", "latency", "bulk", "copy", "sustained", "databases"),
    *("horizon", "memory"),
)
PEERS = ("peers",)


def main() -> None:
    asked = parser((__doc__ or "").splitlines()[0])
    asked.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS)
    )
    asked.add_argument("--markdown", type=Path, help="write the table there, too")
    given = asked.parse_args()
    options = chosen(given)
    table, described = Table(), ""
    failed: list[str] = []
    begun = time.monotonic()
    for question in given.questions or (PEERS if options.peers else QUESTIONS):
        module = importlib.import_module(f"benchmarks.{question}")
        bin_dir = PEERS_BIN if options.peers else find_bin_dir()
        told(f"--- {question}")
        with Ground.opened(options.users, bin_dir) as ground:
            described = f"{machine(ground.directory)}; {versions(bin_dir)}"
            try:
                table.figures += module.measure(ground, options)
            except Exception as error:  # the others are not lost with it
                told(f"{question} failed: {error!r}")
                failed.append(question)
    minutes = (time.monotonic() - begun) / 60
    described += (
        f"; {options.users:,} users, {options.rounds} rounds,"
        f" runs of {options.seconds:.0f} s, {minutes:.0f} minutes in all"
    )
    print(table.text(), described, sep="\n\n")
    if given.markdown:
        text = f"{described}\n\n{table.markdown()}\n"
        given.markdown.write_text(text, encoding="utf-8")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
