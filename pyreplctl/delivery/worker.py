"""The worker: routes, and delivers to several course databases at once."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from types import FrameType

import psycopg
from psycopg import sql

from pyreplctl.core.databases import numbers
from pyreplctl.core.db import Connection, connect, fetch, value
from pyreplctl.core.errors import ConnectionFailed, DatabaseError
from pyreplctl.delivery import batches
from pyreplctl.delivery.batches import Outcome
from pyreplctl.delivery.scheduler import Scheduler
from pyreplctl.install import installed

log = logging.getLogger("pyreplctl.worker")

POLL = timedelta(milliseconds=250)  # for which the portal is left to look for changes
RECONNECT = 2.0
# Many changes in one go cost the portal a fraction of what they cost one by one. So the
# more there were, the longer the next are left to gather; those of an idle portal go at
# once. A backlog has gathered: a batch that is large is followed by the next.
REST = 0.0005  # seconds for each change or dossier
REST_OF_ROUTER = 0.05  # at most
REST_OF_DATABASE = 0.2
BACKLOG_OF_ROUTER = 5000  # changes: what route takes in one go
BACKLOG_OF_DATABASE = 1000  # dossiers
BUSY = 0.05  # seconds until another look at a database that others deliver to
UNINSTALLED = ("3F000", "42883")  # no schema pyrepl, no function in it
MOST_LINKS = 32  # connections to course databases that one session keeps
HANGS = 1.0  # seconds after which a delivery does not count as one of the jobs
MOST_HANGING = 64
# A statement at the course ends after 60 s. What takes longer than this waits for a
# server that does not even say so, and holds the portal's vacuum up.
TOO_LONG = 90.0
GRACE = 30.0  # for the batches in hand when it is told to stop


@dataclass
class _Delivery:
    """What a thread is doing, and since when."""

    connection: Connection
    number: int
    began: float
    cancelled: bool = False


class Worker:
    """Serves a portal until `stop` is called; several workers may run at once.

    One thread polls: it waits for changes, routes them and learns which databases are
    due. `jobs` threads deliver, each on a connection of its own, one database in one
    top-level transaction. For each delivery that hangs there is one thread more, so
    that databases which do not answer take nothing from the others, however many.
    """

    def __init__(self, dsn: str, jobs: int = 4) -> None:
        self._dsn = dsn
        self._jobs = jobs
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._stopping = threading.Event()
        self._fault: BaseException | None = None  # of the thread that polls
        self._turns = Scheduler()
        self._names: dict[int, str] = {}
        self._threads: list[threading.Thread] = []
        self._deliveries: dict[threading.Thread, _Delivery] = {}
        self._lock = threading.Lock()

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Finish the batches in hand and return from `run`."""
        del signum, frame
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped; reconnects when the portal was away.

        Raises `NotInstalled` or `ConnectionFailed` if it cannot begin.
        """
        with connect(self._dsn, "the portal") as connection:
            installed.require_installed(connection)
            # What this role lacks is to be told now, not again and again.
            if not _is_standby(connection):
                connection.execute("SELECT pyrepl.tick('worker', %s)", (self._name,))
        log.info("serving with %d jobs as %s", self._jobs, self._name)
        # Not in this thread: a portal that says nothing would keep it from a signal.
        poller = threading.Thread(target=self._poll_to_the_end, daemon=True)
        poller.start()
        try:
            self._stopping.wait()
        finally:
            self._stopping.set()
            self._finish(poller)
        if self._fault is not None:
            raise self._fault
        log.info("stopped")

    def _poll_to_the_end(self) -> None:
        try:
            self._poll_forever()
        except BaseException as fault:
            self._fault = fault
        finally:
            self._stopping.set()

    def _finish(self, poller: threading.Thread) -> None:
        deadline = time.monotonic() + GRACE
        self._turns.close()
        for thread in [poller, *self._threads]:
            thread.join(max(deadline - time.monotonic(), 0))
        if poller.is_alive():
            log.warning("the portal did not answer: left")
        for delivery in list(self._deliveries.values()):
            # Its transaction is whole, whether the server still commits it or not.
            name = self._called(delivery.number)
            log.warning("%s: left while it did not answer", name)

    def run_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        self.run()

    def _poll_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                with connect(self._dsn, "the portal") as connection:
                    self._await_promotion(connection)
                    self._poll(connection)
            except (ConnectionFailed, DatabaseError) as error:
                if isinstance(error, DatabaseError) and error.sqlstate in UNINSTALLED:
                    log.error("pyreplctl is not installed in the portal any more")
                    self.stop()
                    return
                log.warning("%s", error)
                self._stopping.wait(RECONNECT)

    def _await_promotion(self, connection: Connection) -> None:
        told = False
        while not self._stopping.is_set() and _is_standby(connection):
            if not told:
                log.warning("the portal is a standby: waiting until it is promoted")
                told = True
            self._stopping.wait(RECONNECT)

    def _poll(self, connection: Connection) -> None:
        ticked = polled = 0.0
        while not self._stopping.is_set():
            now = time.monotonic()
            if now - ticked > 1:
                ticked = now
                connection.execute("SELECT pyrepl.tick('worker', %s)", (self._name,))
            self._mind_deliveries()
            everywhere = now - polled > POLL.total_seconds()
            if everywhere:
                polled = now
            routed, due = self._wait_and_route(connection, everywhere=everywhere)
            if not set(due) <= self._names.keys():
                self._names = {n: name for name, n in numbers(connection, []).items()}
            self._turns.ask(due)
            self._stopping.wait(_rest(routed, BACKLOG_OF_ROUTER, REST_OF_ROUTER))

    def _called(self, number: int) -> str:
        return self._names.get(number, f"course database {number}")

    def _wait_and_route(
        self, connection: Connection, *, everywhere: bool
    ) -> tuple[int, list[int]]:
        """Wait for changes; return how many were routed, and the databases due."""
        asked = (POLL, everywhere)
        try:
            row = connection.execute("CALL pyrepl.poll(%s, %s)", asked).fetchone()
            assert row is not None
            return row[0] or 0, row[1]
        except psycopg.Error as error:
            if connection.broken:
                raise
            # A migration took a key column away. What is queued can still go.
            log.error("cannot route: %s", error.diag.message_primary or error)
            self._stopping.wait(1)
            return 0, [row[0] for row in connection.execute("SELECT pyrepl.due()")]

    def _mind_deliveries(self) -> None:
        """Start threads where some are missing, and end deliveries that take too long.

        The portal then notes a failure, and asks the database with an empty push.
        """
        with self._lock:
            while len(self._threads) < self._jobs + self._hanging():
                thread = threading.Thread(target=self._deliver_forever, daemon=True)
                self._threads.append(thread)
                thread.start()
        for delivery in list(self._deliveries.values()):
            if not delivery.cancelled and time.monotonic() - delivery.began > TOO_LONG:
                delivery.cancelled = True
                log.warning("%s: does not answer", self._called(delivery.number))
                try:
                    delivery.connection.cancel_safe(timeout=RECONNECT)
                except psycopg.Error as error:
                    log.warning("cannot cancel: %s", error)

    def _hanging(self) -> int:
        late = time.monotonic() - HANGS
        found = [d for d in list(self._deliveries.values()) if d.began < late]
        return min(len(found), MOST_HANGING)

    def _leaves(self) -> bool:
        """Whether this thread is one too many, now that its delivery has ended."""
        with self._lock:
            if len(self._threads) <= self._jobs + self._hanging():
                return False
            self._threads.remove(threading.current_thread())
            return True

    def _deliver_forever(self) -> None:
        while not self._stopping.is_set():
            try:
                with connect(self._dsn, "the portal") as connection:
                    self._deliver(connection)
            except (ConnectionFailed, DatabaseError) as error:
                log.warning("%s", error)
                self._stopping.wait(RECONNECT)
            if self._leaves():
                return

    def _deliver(self, connection: Connection) -> None:
        links: OrderedDict[int, None] = OrderedDict()
        while (number := self._turns.take()) is not None:
            rest, again = 0.0, False
            try:
                rest, again = self._serve(connection, number)
            finally:
                self._turns.give_back(number, rest, again=again)
            links[number] = None
            links.move_to_end(number)
            if len(links) > MOST_LINKS:
                self._disconnect(connection, links.popitem(last=False)[0])
            if len(self._threads) > self._jobs + self._hanging():
                return

    def _serve(self, connection: Connection, number: int) -> tuple[float, bool]:
        """Deliver a batch; return for how long to rest, and whether more is to be done.

        Whether a small batch was all, the next poll says; not so where dossiers are
        tried by themselves, one small batch after the other.
        """
        done = self._deliver_batch(connection, number)
        if isolating := done.outcome == "isolating":
            done = self._deliver_batch(connection, number)
        if done.error:
            log.warning("%s: %s", self._called(number), done.error)
            return 0.0, True
        if done.outcome == "busy":
            return BUSY, True
        if isolating:
            return 0.0, done.outcome in batches.WORKED
        rest = _rest(done.users, BACKLOG_OF_DATABASE, REST_OF_DATABASE)
        return rest, done.outcome in batches.WORKED and rest == 0

    def _deliver_batch(self, connection: Connection, number: int) -> Outcome:
        me = threading.current_thread()
        self._deliveries[me] = _Delivery(connection, number, time.monotonic())
        try:
            return batches.deliver(connection, number)
        finally:
            del self._deliveries[me]

    def _disconnect(self, connection: Connection, number: int) -> None:
        rows = fetch(
            connection,
            "SELECT n.nspname::text AS schema FROM pg_extension e"
            " JOIN pg_namespace n ON n.oid = e.extnamespace"
            " WHERE e.extname = 'postgres_fdw'"
            " AND EXISTS (SELECT FROM pg_foreign_server WHERE srvname = %s)",
            f"pyrepl_{number}",
        )
        for row in rows:
            # That of the extension: anybody can make one of this name elsewhere.
            function = sql.Identifier(row["schema"], "postgres_fdw_disconnect")
            query = sql.SQL("SELECT {}(%s)").format(function)
            connection.execute(query, (f"pyrepl_{number}",))


def _is_standby(connection: Connection) -> bool:
    return bool(value(connection, "SELECT pg_is_in_recovery()"))


def _rest(done: int, backlog: int, longest: float) -> float:
    return 0.0 if done >= backlog else min(done * REST, longest)
