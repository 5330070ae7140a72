"""The servers beside the product: PostgreSQL that is as durable as in earnest, and Mosquitto."""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
T = TypeVar("T")


class NotReachedError(AssertionError):
    """What was waited for did not come."""


def wait_for(what: str, probe: Callable[[], T], seconds: float = 60.0, pause_s: float = 0.05) -> T:
    """Call `probe` until it gives something true; its value.

    Raises:
        NotReachedError: naming what was waited for.
    """
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise NotReachedError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause_s)


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody answers there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """Ask it to end; kill it if it does not."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


class Mosquitto:
    """An external broker that saves each change before it goes on, so that a kill costs it nothing."""

    def __init__(self, folder: Path, *, autosave: bool) -> None:
        self.folder = folder
        self.port = free_port()
        self.autosave = autosave
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it (again)."""
        assert MOSQUITTO is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "max_inflight_messages 1000", "max_queued_messages 0", "max_queued_bytes 536870912", "persistence true",
            f"persistence_location {self.folder}/", f"autosave_interval {1 if self.autosave else 5}",
            f"autosave_on_changes {str(self.autosave).lower()}", f"listener {self.port} 127.0.0.1",
            "allow_anonymous true", "message_size_limit 2097152", "user root", "max_connections -1",
        ]  # fmt: skip
        (self.folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        wait_for("mosquitto", lambda: listens(self.port), 20)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Stop or kill it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None


class Sqlite:
    """The cloud's database as a file; away: somebody else holds its write lock and does not let go."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self._file = folder / "cloud.sqlite"
        self.url = f"sqlite+aiosqlite:///{self._file}"
        self._holder: sqlite3.Connection | None = None

    def away(self) -> None:
        """Nobody can write."""
        self._holder = sqlite3.connect(self._file, isolation_level=None, timeout=30, check_same_thread=False)
        self._holder.execute("BEGIN EXCLUSIVE")

    def back(self) -> None:
        """As before."""
        if self._holder is not None:
            self._holder.execute("ROLLBACK")
            self._holder.close()
            self._holder = None

    def stop(self) -> None:
        """Nothing runs."""
        self.back()


class Postgres:
    """A PostgreSQL of the bench's own; away: killed with all its processes (`kill -9`), back: started again.

    A commit is written before it is answered, not synced: the machine does not lose its power here.
    """

    name = "PostgreSQL"

    def __init__(self, folder: Path, binaries: Path, user: str | None) -> None:
        self._binaries = binaries
        self._options: dict[str, Any] = {"user": user, "extra_groups": []} if user else {}
        self._home = folder / "postgres"
        self._port = free_port()
        self.url = f"postgresql+asyncpg://shouwang@127.0.0.1:{self._port}/postgres"
        self._home.mkdir(parents=True)
        for each in (folder, *folder.parents):  # it runs as an ordinary user, and must reach its folder
            with contextlib.suppress(PermissionError):
                each.chmod(each.stat().st_mode | 0o011)
        if user:
            shutil.chown(self._home, user)
        subprocess.run(
            [binaries / "initdb", "-D", self._home / "data", "-U", "shouwang", "-A", "trust", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd=self._home, **self._options,
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.back()

    def away(self) -> None:
        """As a machine that loses power."""
        if self._process is None:
            return
        main = psutil.Process(self._process.pid)
        for each in [main, *main.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.wait(20)
        self._process = None

    def back(self) -> None:
        """Start it; it recovers by its log."""
        if self._process is not None:
            return
        settings = ("max_connections=60", "shared_buffers=64MB", "fsync=off", "synchronous_commit=on")
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._home / "data", "-p", str(self._port), "-h", "127.0.0.1",
                 "-k", self._home, *(word for each in settings for word in ("-c", each))],
                stdout=log, stderr=log, cwd=self._home, **self._options,
            )  # fmt: skip

        def answers() -> bool:
            psql = self._binaries / "psql"
            if not psql.exists():
                return listens(self._port)
            command = [psql, "-h", "127.0.0.1", "-p", str(self._port), "-U", "shouwang", "-c", "select 1", "postgres"]
            return (
                subprocess.run(
                    command, capture_output=True, check=False, cwd="/", env={"PATH": os.environ["PATH"]}
                ).returncode
                == 0
            )

        wait_for("PostgreSQL", answers, 60)

    def stop(self) -> None:
        """Nothing runs."""
        self.away()
