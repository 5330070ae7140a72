"""One edge of a run: the agent as a process, its broker, its links."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from benchmarks.faults.clock import Clock
from benchmarks.faults.kernel import Veth, get
from benchmarks.faults.proxy import Link
from benchmarks.faults.servers import Mosquitto, end_process, free_port, wait_for
from benchmarks.faults.world import PATIENCE_S, ROOT, World

BROKERS = ("embedded", "mosquitto")


class Gateway:
    """An agent with a broker, embedded or Mosquitto.

    Args:
        world: the cloud that it speaks to.
        name: its id, and that of its site.
        token: its secret.
        folder: of everything it writes.
        broker: one of `BROKERS`.
        chance: of this run.
        net: a network of the kernel's between it and all others; None: it shares ours.
        save_each: Mosquitto saves at each change, so that a kill costs it nothing.
    """

    def __init__(
        self, world: World, name: str, token: str, folder: Path, broker: str, chance: random.Random, *, save_each: bool,
        net: Veth | None = None,
    ) -> None:  # fmt: skip
        self.net = net
        host = net.host if net is not None else "127.0.0.1"
        self.world = world
        self.name = name
        self.folder = folder
        self.data = folder / "disk" / "data"
        self.broker_kind = broker
        self.steps = Clock(folder / "steps")
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.to_cloud: Link = world.link(world.port, chance, host)
        self.mosquitto = Mosquitto(folder / "mosquitto", autosave=save_each) if broker == "mosquitto" else None
        self.broker_port = self.mosquitto.port if self.mosquitto else free_port()
        self.to_broker: Link = world.link(self.broker_port, chance, host)  # the agent's, to a broker elsewhere
        self.devices: Link = world.link(self.broker_port, chance)
        self.preload = ""
        self.data.mkdir(parents=True, exist_ok=True)
        (folder / "token").write_text(token)
        where = (
            f'mode = "external"\nurl = "mqtt://{host}:{self.to_broker.port}"'
            if self.mosquitto
            else f'mode = "embedded"\nport = {self.broker_port}'
        )
        (folder / "edge.toml").write_text(
            f'[edge]\nid = "{name}"\ndata_dir = "{self.data}"\n\n[broker]\n{where}\n\n'
            f'[cloud]\nurl = "http://{host}:{self.to_cloud.port}"\ntoken_file = "{folder}/token"\n'
            'timeout_s = 3.0\nretry_first_s = 0.2\nretry_most_s = 1.0\n\n[status]\nlisten = "127.0.0.1:0"\n'
        )

    def start_broker(self) -> None:
        """Mosquitto; the embedded one comes with the agent."""
        if self.mosquitto is not None and self.mosquitto.process is None:
            self.mosquitto.start()

    def start(self, *, wait: bool = True) -> None:
        """Start the agent (again)."""
        with contextlib.suppress(OSError):  # a disk that is read-only
            (self.data / "run" / "edge.json").unlink()
        self.starts += 1
        with (self.folder / "edge.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*(self.net.prefix if self.net is not None else ()),
                 sys.executable, "-m", "benchmarks.faults.clocked", str(self.world.clock.path), str(self.steps.path),
                 "--", "edge", "run", "--config", str(self.folder / "edge.toml")],
                cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        if wait:
            self.until_up()

    def until_up(self) -> None:
        """Until the agent speaks with its broker."""

        def up() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"the agent ended with {self.process.returncode}: {self.last_words()}")
            return bool(self.status()["broker"]["connected"])

        wait_for("the agent", up, PATIENCE_S)

    def last_words(self) -> str:
        """The end of its log."""
        return (self.folder / "edge.log").read_text(errors="replace")[-3000:]

    def status(self) -> dict[str, Any]:
        """`/status`; without an answer: not connected."""
        try:
            run = json.loads((self.data / "run" / "edge.json").read_text())
            fetch = self.net.fetch if self.net is not None else get
            return dict(json.loads(fetch(run["status_url"] + "/status", 10)))
        except (OSError, ValueError):
            return {"broker": {"connected": False}, "devices": 0, "journal": {"events": {"alarm": 1, "state": 1}}}

    def credential(self) -> dict[str, Any]:
        """What the devices' network server signs in with."""
        if self.mosquitto is not None:
            return {}
        return dict(json.loads((self.data / "secrets" / "bridge.json").read_text()))

    def kill(self) -> None:
        """SIGKILL the agent; the broker stays."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(30)
            self.process = None

    def broker_process(self) -> psutil.Process | None:
        """The embedded broker's."""
        try:
            pid = json.loads((self.data / "broker" / "nats-server.pid.json").read_text())["pid"]
            process = psutil.Process(pid)
            return process if str(self.data) in " ".join(process.cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None

    def kill_broker(self) -> None:
        """SIGKILL. The embedded one is started again by the agent, Mosquitto by its service manager: us."""
        if self.mosquitto is not None:
            self.mosquitto.end(signal.SIGKILL)
        elif (process := self.broker_process()) is not None:
            process.kill()

    def end(self) -> None:
        """Leave nothing behind."""
        with contextlib.ExitStack() as steps:
            if self.net is not None:
                steps.callback(self.net.end)
            for link in (self.to_cloud, self.to_broker, self.devices):
                steps.callback(link.close)
            if self.mosquitto is not None:
                steps.callback(self.mosquitto.end)
            steps.callback(self._end_broker)
            if self.process is not None:
                steps.callback(end_process, self.process)
        self.process = None

    def _end_broker(self) -> None:
        if (process := self.broker_process()) is not None:
            process.kill()
