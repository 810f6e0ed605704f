"""One PostgreSQL cluster: its life from initdb to a stop, a crash or a freeze."""

from __future__ import annotations

import atexit
import secrets
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from psycopg.conninfo import make_conninfo

from pyreplctl.core.errors import ServerError
from pyreplctl.sandbox.embedded import processes
from pyreplctl.sandbox.embedded.binaries import (
    as_server,
    can_enter,
    find_bin_dir,
    give_to_server,
    reachable,
)

HOST = "127.0.0.1"
SECONDS = 60.0  # to start (a crash recovery may take long), and to stop
_SIGNALS = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
_started: set[Cluster] = set()


class Cluster:
    """A cluster in a directory of its own, that asks everyone for a password (SCRAM).

    `settings` may be changed between starts. The port is chosen at the first start
    and then kept, so that links to a server that was down find it again.
    """

    superuser = "postgres"

    def __init__(
        self, directory: Path, bin_dir: Path, settings: Mapping[str, str]
    ) -> None:
        self.directory = directory
        self.bin_dir = bin_dir
        self.settings = dict(settings)
        self.data_dir = directory / "data"
        self.log_file = directory / "server.log"
        self.password = secrets.token_urlsafe(24)
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(
        cls,
        directory: Path,
        *,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Cluster:
        """Initialise a cluster in a directory that is missing or empty.

        Root gives the directory to the unprivileged user that will run the server.
        Raises ServerError with what initdb said.
        """
        directory = directory.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise ServerError(
                f"{directory} is not empty", hint="name a new directory for the server"
            )
        cluster = cls(directory, reachable(bin_dir or find_bin_dir()), settings or {})
        cluster._initdb()
        return cluster

    @property
    def is_running(self) -> bool:
        """Whether the server process exists, even if frozen."""
        return self._process is not None and self._process.poll() is None

    @property
    def port(self) -> int:
        """The TCP port, known from the first start on."""
        if self._port is None:
            raise ServerError("the server has no port before its first start")
        return self._port

    @property
    def version(self) -> int:
        """The major version."""
        return int((self.data_dir / "PG_VERSION").read_text())

    def conninfo(
        self,
        dbname: str = "postgres",
        user: str | None = None,
        password: str | None = None,
    ) -> str:
        """Return a key=value DSN, the superuser's where no user is named."""
        if user is None:
            user, password = self.superuser, password or self.password
        return make_conninfo(
            host=HOST, port=self.port, dbname=dbname, user=user, password=password
        )

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the server's log."""
        if not self.log_file.exists():
            return ""
        text = self.log_file.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def start(self) -> None:
        """Start the server and wait until it takes connections.

        Does nothing when it runs. Raises ServerError with the end of the log.
        """
        # A port that was free may be taken by the time the server binds it.
        for _ in range(1 if self._port else 10):
            if self.is_running:
                return
            port = self._port or _free_port()
            logged = len(self._log())
            if self._launch(port):
                self._port = port
                return
            if b"Address already in use" not in self._log()[logged:]:
                break
        raise ServerError(f"PostgreSQL did not start; its log ends:\n{self.log_tail()}")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Thaw and stop the server, and wait for its end.

        Does nothing when it is down. One that will not stop is killed: ServerError.
        """
        if self._process and self.is_running:
            self._process.send_signal(_SIGNALS[mode])
            self.thaw()
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServerError(
                    f"PostgreSQL did not stop within {SECONDS:.0f} s and was killed; "
                    f"its log ends:\n{self.log_tail()}"
                ) from None
        self._forget()

    def restart(self) -> None:
        """Stop and start again, on the same port."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End all processes at once with SIGKILL, as a crash of the machine would."""
        if self._process and self.is_running:
            # Halted first, or the postmaster would fork, and report its children.
            processes.halt(self._process.pid)
            family = processes.family(self._process.pid)
            processes.send(family, signal.SIGKILL)
            self._process.wait()
            # Whoever lives still holds the shared memory that the next start needs.
            processes.wait_until_gone(family)
        self._forget()

    def freeze(self) -> None:
        """Stop all processes with SIGSTOP: connections stay open and hang."""
        if self._process and self.is_running:
            processes.halt(self._process.pid)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        if self._process and self.is_running:
            family = processes.family(self._process.pid)
            processes.send(family, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _initdb(self) -> None:
        give_to_server(self.directory)
        if not can_enter(self.directory):
            raise ServerError(
                f"the server's user cannot enter {self.directory}",
                hint="name a directory whose parents every user can enter",
            )
        pwfile = self.directory / "pwfile"
        pwfile.touch(0o600)
        pwfile.write_text(self.password)
        give_to_server(pwfile)
        command: list[str | Path] = [
            *(self.bin_dir / "initdb", "-D", self.data_dir, "-U", self.superuser),
            *("-A", "scram-sha-256", f"--pwfile={pwfile}"),
            *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        ]
        done = subprocess.run(
            command, capture_output=True, check=False, **as_server(self.directory)
        )
        pwfile.unlink()
        if done.returncode:
            raise ServerError(f"initdb failed:\n{done.stderr.decode().strip()}")
        with (self.data_dir / "postgresql.conf").open("a") as conf:
            conf.write("include 'cluster.conf'\n")

    def _launch(self, port: int) -> bool:
        self._configure(port)
        # In a session of its own: Ctrl-C in a terminal is not for the server.
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [self.bin_dir / "postgres", "-D", self.data_dir],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **as_server(self.directory),
            )
        _started.add(self)
        self._watchdog = processes.watch(self._process.pid)
        processes.wait_for(lambda: self._is_ready() or not self.is_running, SECONDS)
        if self.is_running and self._is_ready():
            return True
        self.kill()
        return False

    def _configure(self, port: int) -> None:
        settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            **self.settings,
            "port": str(port),
        }
        path = self.data_dir / "cluster.conf"
        path.write_text(
            "".join(
                "{} = '{}'\n".format(name, value.replace("'", "''"))
                for name, value in settings.items()
            )
        )
        give_to_server(path)

    def _is_ready(self) -> bool:
        """Ask as pg_ctl does: the eighth line of postmaster.pid tells the state."""
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        pid = self._process.pid if self._process else None
        return lines[:1] == [str(pid)] and lines[7:8] == ["ready   "]

    def _log(self) -> bytes:
        return self.log_file.read_bytes() if self.log_file.exists() else b""

    def _forget(self) -> None:
        _started.discard(self)
        if self._watchdog:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None


@atexit.register
def _stop_all() -> None:
    for cluster in list(_started):
        cluster.stop("immediate")


def _free_port() -> int:
    """Pick a free port below those of outgoing connections.

    One of those might take it while the server is down. `random` would not do: test
    runners seed it.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
