"""The worker: routes, and delivers to several course databases at once."""

from __future__ import annotations

import logging
import os
import queue
import signal
import socket
import threading
import time
from collections import OrderedDict
from types import FrameType

import psycopg

from pyreplctl import deliveries, portal
from pyreplctl.db import Connection, connect, fetch, value
from pyreplctl.errors import ConnectionFailed, DatabaseError

log = logging.getLogger("pyreplctl.worker")

SHORTEST = 0.001  # seconds between two polls after work
LONGEST = 0.05  # and when there is none
RECONNECT = 2.0
UNINSTALLED = ("3F000", "42883")  # no schema pyrepl, no function in it
MOST_LINKS = 32  # connections to course databases that one session keeps


class Worker:
    """Serves a portal until `stop` is called; several workers may run at once.

    One thread polls: it routes and asks which databases are due. `jobs` threads
    deliver, each on a connection of its own, one database in one top-level transaction.
    """

    def __init__(self, dsn: str, jobs: int = 4) -> None:
        self._dsn = dsn
        self._jobs = jobs
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._work: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._in_hand: set[int] = set()

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Finish the batches in hand and return from `run`."""
        del signum, frame
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped; reconnects when the portal was away.

        Raises `NotInstalled` or `ConnectionFailed` if it cannot begin.
        """
        with connect(self._dsn, "the portal") as connection:
            portal.require_installed(connection)
            # What this role lacks is to be told now, not again and again.
            connection.execute("SELECT pyrepl.tick('worker', %s)", (self._name,))
        threads = [
            threading.Thread(target=self._deliver_forever, name=f"deliver-{n}")
            for n in range(self._jobs)
        ]
        for thread in threads:
            thread.start()
        log.info("serving with %d jobs as %s", self._jobs, self._name)
        try:
            self._poll_forever()
        finally:
            self._stopping.set()
            for _ in threads:
                self._work.put(None)
            for thread in threads:
                thread.join()
        log.info("stopped")

    def run_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        self.run()

    def _poll_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                with connect(self._dsn, "the portal") as connection:
                    self._poll(connection)
            except (ConnectionFailed, DatabaseError) as error:
                if isinstance(error, DatabaseError) and error.sqlstate in UNINSTALLED:
                    log.error("pyreplctl is not installed in the portal any more")
                    self.stop()
                    return
                log.warning("%s", error)
                self._stopping.wait(RECONNECT)

    def _poll(self, connection: Connection) -> None:
        pause, ticked = SHORTEST, 0.0
        while not self._stopping.is_set():
            if time.monotonic() - ticked > 1:
                ticked = time.monotonic()
                connection.execute("SELECT pyrepl.tick('worker', %s)", (self._name,))
            worked = self._route(connection)
            for row in connection.execute("SELECT pyrepl.due()").fetchall():
                if row[0] not in self._in_hand:
                    self._in_hand.add(row[0])
                    self._work.put(row[0])
                    worked = True
            pause = SHORTEST if worked else min(pause * 1.5, LONGEST)
            self._stopping.wait(pause)

    def _route(self, connection: Connection) -> bool:
        try:
            return bool(value(connection, "SELECT pyrepl.route()"))
        except psycopg.Error as error:
            if connection.broken:
                raise
            # A migration took a key column away. What is queued can still go.
            log.error("cannot route: %s", error.diag.message_primary or error)
            self._stopping.wait(1)
            return False

    def _deliver_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                with connect(self._dsn, "the portal") as connection:
                    self._deliver(connection)
            except (ConnectionFailed, DatabaseError) as error:
                log.warning("%s", error)
                self._stopping.wait(RECONNECT)

    def _deliver(self, connection: Connection) -> None:
        links: OrderedDict[int, None] = OrderedDict()
        while (number := self._work.get()) is not None:
            try:
                self._serve(connection, number)
            finally:
                self._in_hand.discard(number)
            links[number] = None
            links.move_to_end(number)
            if len(links) > MOST_LINKS:
                self._disconnect(connection, links.popitem(last=False)[0])

    def _serve(self, connection: Connection, number: int) -> None:
        while not self._stopping.is_set():
            done = deliveries.deliver(connection, number)
            if done.error:
                log.warning("database %d: %s", number, done.error)
            elif done.outcome not in deliveries.WORKED:
                return

    def _disconnect(self, connection: Connection, number: int) -> None:
        for row in fetch(
            connection,
            "SELECT p.oid::regproc::text AS function FROM pg_proc p"
            " WHERE p.proname = 'postgres_fdw_disconnect'"
            " AND EXISTS (SELECT FROM pg_foreign_server WHERE srvname = %s)",
            f"pyrepl_{number}",
        ):
            connection.execute(f"SELECT {row['function']}('pyrepl_{number}')".encode())
