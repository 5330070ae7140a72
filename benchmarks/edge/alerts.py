"""500 readings a second with alarms: from the sensor's publishing to the alert in the journal, and in the cloud.

A real cloud process (SQLite, full sync) and a Mosquitto. `durable` is when the journal's transaction has returned;
`in the cloud` when the edge has the cloud's verdict, which is sent after its commit: an upper bound.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from stack import Stack

from benchmarks.edge.load import name
from benchmarks.edge.machine import Counter, Mosquitto, cpu_s, end

ROOT = Path(__file__).resolve().parents[2]
DEVICES = 100
RATE = 500.0
SITE = "wanghuyuan"
PREFIX = "lat-"


class Measured(Stack):
    """A stack whose agent tells when its commits are."""

    notes = Path()

    def start_edge(self) -> None:
        self.notes.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.processes["edge"] = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.edge.subject", "agent", self.notes, self.folder / "edge.toml"],
                cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        limit = time.monotonic() + 60
        while not (self.notes / "ready").exists():
            if self.processes["edge"].poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"the agent does not start:\n{self.tail()}")
            time.sleep(0.05)


def run(folder: Path, seconds: float, say: Any) -> dict[str, Any]:
    """About four alarms a second, as far as there are devices."""
    broker = Mosquitto(folder / "broker").start()
    stack = Measured(folder / "stack", broker=f'mode = "external"\nurl = "mqtt://127.0.0.1:{broker.port}"')
    stack.notes = folder / "notes"
    try:
        stack.start()
        return _measure(stack, broker, seconds, say)
    finally:
        stack.stop()
        broker.stop()


def _measure(stack: Measured, broker: Mosquitto, seconds: float, say: Any) -> dict[str, Any]:
    zones = stack.zones(SITE)
    stack.register_each(
        {"id": name(index, PREFIX), "name": name(index, PREFIX), "site_id": SITE, "zone_id": zones[index % len(zones)],
         "profile": "shouwang/smoke"}
        for index in range(DEVICES)
    )  # fmt: skip
    done = Counter(stack.notes / "done")
    edge, cloud = stack.processes["edge"].pid, stack.processes["cloud"].pid
    before, edge_cpu, cloud_cpu = done.get(), cpu_s(edge), cpu_s(cloud)
    every = max(1, round(RATE * (seconds - 4) / DEVICES))
    command = [
        sys.executable, "-m", "benchmarks.edge.load", str(broker.port), "--devices", str(DEVICES), "--rate", str(RATE),
        "--seconds", str(seconds), "--done", str(stack.notes / "done"), "--site", SITE, "--prefix", PREFIX,
        "--kind", "smoke", "--alarm-every", str(every), "--alarms-after", str(round(RATE * 2)),
    ]  # fmt: skip
    load = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        told = json.loads(load.communicate(timeout=seconds + 120)[0])
    finally:
        end([load])
    published = {name(int(index), PREFIX): ms * 1000 for index, ms in told["alarms"].items()}
    durable, answered = _wait(stack.notes / "alerts", published)
    messages = done.get() - before
    say(f"  {messages} messages, {len(durable)} of {len(published)} alarms durable, {len(answered)} in the cloud")
    return {
        "devices": DEVICES, "rate": RATE, "seconds": seconds, "alarms": len(published), "durable_ms": durable,
        "cloud_ms": answered, "edge_cpu_us": (cpu_s(edge) - edge_cpu) / messages * 1e6,
        "cloud_cpu_us": (cpu_s(cloud) - cloud_cpu) / messages * 1e6, "messages": messages,
    }  # fmt: skip


def _wait(file: Path, published: dict[str, int]) -> tuple[list[float], list[float]]:
    """The first alert of each device that called, by when it was durable and when the cloud had answered, in ms."""
    limit = time.monotonic() + 60
    while True:
        first: dict[str, dict[str, Any]] = {}
        answered: dict[str, int] = {}
        for line in file.read_text().splitlines():
            note = json.loads(line)
            if note["what"] == "answered":
                answered.setdefault(note["id"], note["us"])
            elif note["verb"] == "raised" and note["rule"] == "device_alarm" and note["device"] in published:
                first.setdefault(note["device"], note)
        if len(first) == len(published) and all(note["id"] in answered for note in first.values()):
            break
        if time.monotonic() > limit:
            raise RuntimeError(f"{len(first)} of {len(published)} alarms were told within a minute")
        time.sleep(0.2)
    return (
        sorted((note["us"] - published[device]) / 1000 for device, note in first.items()),
        sorted((answered[note["id"]] - published[device]) / 1000 for device, note in first.items()),
    )
