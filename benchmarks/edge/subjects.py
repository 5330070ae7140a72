"""Subjects, their brokers and the load, as processes of one measurement."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.edge.load import KINDS, name
from benchmarks.edge.machine import (
    Counter,
    Mosquitto,
    busy_s,
    cpu_s,
    end,
    free_port,
    listening,
    most_resident_mb,
    resident_mb,
)
from wire.configuration import DeviceConfig, EdgeDocument

ROOT = Path(__file__).resolve().parents[2]
PROFILES = {"water": "shouwang/water-level", "smoke": "shouwang/smoke"}
VALUES = {"water": 1, "smoke": 6}
assert set(PROFILES) == set(VALUES) == set(KINDS)
PATIENT = {"silence": {"levels": {"IV": {"after_s": 3600}}}}
"""The generator's pace is not the devices' cadence, and a subject that waits for its turn hears nobody."""
PATIENCE_S = 300.0
"""For the first readings of very many devices."""
ZONE = 50
"""Devices in a zone."""


@dataclass
class Round:
    """One subject over one stretch of time."""

    messages: int
    seconds: float
    cpu_s: float
    broker_s: float
    load_s: float
    resident_mb: float
    most_mb: float
    busy: float  # of all cores, 0 to 1
    late_ms: list[float]  # of every hundredth message

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / max(self.messages, 1) * 1e6


def document(devices: int, kind: str, *, patient: bool = True) -> EdgeDocument:
    """A table of so many of one model, with the shipped defaults of its family."""
    return EdgeDocument(
        edge="bench",
        revision=1,
        devices=[
            DeviceConfig(
                id=name(index), site="s1", building=f"b{index // ZONE // 20}", zone=f"z{index // ZONE}",
                profile=PROFILES[kind], rules=dict(PATIENT) if patient else {},
            )
            for index in range(devices)
        ],
    )  # fmt: skip


class Subject:
    """One of them with a broker of its own: the others' load does not reach it.

    Args:
        kind: gmqtt, receive, agent, or alone: an agent without a cloud, which keeps no readings.
        folder: for its files.
        devices: in the table.
        sends: what they send.
    """

    def __init__(self, kind: str, folder: Path, devices: int, sends: str) -> None:
        self.kind = kind
        self.devices = devices
        self.sends = sends
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.broker = Mosquitto(folder / "broker")
        self.started_s = 0.0
        self.started_cpu_s = 0.0
        self._where = ""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Subject":
        """It and its broker; returns when it is connected."""
        self.broker.start()
        self._where = str(self._settings()) if self.kind in {"agent", "alone"} else str(self.broker.port)
        self._begin()
        return self

    def restart(self) -> None:
        """The subject alone, from what it kept."""
        end([self._process])
        self._begin()

    def _begin(self) -> None:
        (self.folder / "ready").unlink(missing_ok=True)
        before = time.time()
        self._process = self._run(
            "benchmarks.edge.subject", self.kind.replace("alone", "agent"), self.folder, self._where
        )
        limit = time.monotonic() + 60 + self.devices / 1000
        while not (self.folder / "ready").exists() or not (self.folder / "ready").read_text():
            if self._process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"{self.kind} does not start:\n{(self.folder / 'log').read_text()[-4000:]}")
            time.sleep(0.01)
        self.started_s = float((self.folder / "ready").read_text()) - before
        self.started_cpu_s = cpu_s(self.pid)

    def _settings(self) -> Path:
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        what = document(self.devices, self.sends)
        text = f'[edge]\nid = "bench"\ndata_dir = "data"\n[broker]\nmode = "external"\nurl = "mqtt://127.0.0.1:{self.broker.port}"\n'
        if self.kind == "agent":
            encoded = msgspec.json.encode(what)
            (self.folder / "document.json").write_bytes(encoded)
            (data / "configuration.json").write_bytes(encoded)  # as kept from before
            (self.folder / "token").write_text("bench")
            port = free_port()
            sink = self._run("benchmarks.edge.sink", port, self.folder / "document.json")
            listening(port, sink)
            text += f'[cloud]\nurl = "http://127.0.0.1:{port}"\ntoken_file = "token"\n'
        else:
            text += "".join(_toml(each) for each in what.devices)
        config = self.folder / "edge.toml"
        config.write_text(text)
        return config

    def _run(self, module: str, *arguments: object) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        self._processes.append(process)
        return process

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def load(self, rate: float, seconds: float, warm_s: float = 0.0, passes: int = 0) -> Round:
        """Send; what comes in after `warm_s`, and after every device was heard so many times, counts."""
        done = Counter(self.folder / "done")
        command = [
            sys.executable, "-m", "benchmarks.edge.load", str(self.broker.port), "--devices", str(self.devices),
            "--rate", str(rate), "--seconds", str(seconds + warm_s + PATIENCE_S), "--done", str(self.folder / "done"),
            "--kind", self.sends,
        ]  # fmt: skip
        taken_before = done.get()
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        generator = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment)
        try:
            limit = time.monotonic() + PATIENCE_S
            while done.get() <= taken_before + passes * self.devices:
                if generator.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(f"nothing reaches {self.kind}:\n{(self.folder / 'log').read_text()[-4000:]}")
                time.sleep(0.005)
            time.sleep(warm_s)
            before = self._look(generator.pid, done)
            time.sleep(seconds)
            after = self._look(generator.pid, done)
            generator.terminate()
            told = json.loads(generator.communicate(timeout=120)[0])
        finally:
            end([generator])
        self._drained(done, taken_before + told["sent"])
        wall = after["at"] - before["at"]
        return Round(
            messages=after["done"] - before["done"],
            seconds=wall,
            cpu_s=after["cpu"] - before["cpu"],
            broker_s=after["broker"] - before["broker"],
            load_s=after["load"] - before["load"],
            resident_mb=resident_mb(self.pid),
            most_mb=most_resident_mb(self.pid),
            busy=(after["busy"][0] - before["busy"][0]) / (after["busy"][1] - before["busy"][1]),
            late_ms=self._late(before["at"], after["at"]),
        )

    def _look(self, load_pid: int, done: Counter) -> dict[str, Any]:
        return {
            "at": time.time(), "done": done.get(), "cpu": cpu_s(self.pid), "broker": cpu_s(self.broker.pid),
            "load": cpu_s(load_pid), "busy": busy_s(),
        }  # fmt: skip

    def _drained(self, done: Counter, wanted: int) -> None:
        """Everything published comes through: nothing may be lost on the way, or the figures say nothing."""
        limit = time.monotonic() + 60
        while done.get() < wanted:
            if time.monotonic() > limit:
                raise RuntimeError(f"{self.kind}: {wanted - done.get()} messages of {wanted} were lost")
            time.sleep(0.01)

    def _late(self, begin: float, finish: float) -> list[float]:
        raw = (self.folder / "late").read_bytes()
        pairs = np.frombuffer(raw[: len(raw) // 16 * 16], dtype="<i8").reshape(-1, 2)
        inside = (pairs[:, 0] >= begin * 1e6) & (pairs[:, 0] < finish * 1e6)
        return list(((pairs[inside, 1] - pairs[inside, 0]) / 1000).tolist())

    def resident(self) -> float:
        return resident_mb(self.pid)

    def stop(self) -> None:
        end(self._processes)
        self.broker.stop()


def _toml(device: DeviceConfig) -> str:
    return (
        f'[[devices]]\nid = "{device.id}"\nsite = "{device.site}"\nbuilding = "{device.building}"\n'
        f'zone = "{device.zone}"\nprofile = "{device.profile}"\nrules.silence.levels.IV.after_s = 3600\n'
    )
