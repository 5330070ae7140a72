"""A cloud as people meet it in a browser: the real program, seeded, with devices, alerts and readings of an edge."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cloud_world import DEVICES, EDGE, EVENTS, alert, event

from wire.alert import Verb
from wire.event import Type
from wire.level import Level
from wire.reading import Series, TelemetryBlock
from wire.report import DeviceReport, FoundDevice

ROOT = Path(__file__).parent.parent.parent
POINT = {"smoke": ("obscuration", "dB/m"), "water_level": ("level", "m"), "curtain_wall": ("frequency", "Hz")}
WAIT_S = 60.0


class ScreenWorld:
    """`shouwang cloud run` on a free port, over a seeded folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "shouwang.main", "cloud"]
        self._listen = f"127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: dict[str, httpx.Client] = {}

    def start(self) -> None:
        """Seed (again changes nothing), run, and wait until it answers."""
        subprocess.run([*self._command, "seed", "--demo", "--data-dir", str(self.folder)], check=True, cwd=ROOT)
        self.run()

    def run(self) -> None:
        """The service alone: after `stop`, on the same folder and port."""
        log = (self.folder / "cloud.log").open("ab")
        self.process = subprocess.Popen(
            [*self._command, "run", "--data-dir", str(self.folder), "--listen", self._listen, "--log-level", "warning"],
            cwd=ROOT, stdout=log, stderr=log, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.folder / "cloud.log").read_text()
            try:
                if httpx.get(f"{self.url}/health", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        raise AssertionError("the cloud did not answer")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the service and wait for it."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def close(self) -> None:
        """Everything that was opened."""
        for client in self._clients.values():
            client.close()
        self.stop()

    def password(self, username: str) -> str:
        """Of a seeded account."""
        accounts = json.loads((self.folder / "secrets" / "accounts.json").read_text())
        return next(one["password"] for one in accounts if one["username"] == username)

    def by(self, username: str) -> httpx.Client:
        """The API as that person."""
        if username not in self._clients:
            client = httpx.Client(base_url=f"{self.url}/api/v1", timeout=30)
            answer = client.post("/session", json={"username": username, "password": self.password(username)})
            answer.raise_for_status()
            client.cookies.clear()
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            self._clients[username] = client
        return self._clients[username]

    def register(self, *devices: str) -> None:
        """Devices of the demo neighbourhood, by the property manager's API."""
        for device in devices or DEVICES:
            site, zone, hazard, profile = DEVICES[device]
            body: dict[str, Any] = {
                "id": device,
                "name": f"{zone} 探测器",
                "site_id": site,
                "zone_id": zone,
                "profile": profile,
                "edge_id": EDGE,
            }
            if hazard == "curtain_wall":
                body["parameters"] = {"baseline_frequency_hz": 17.2}
            answer = self.by("manager").post("/devices", json=body)
            assert answer.status_code in (201, 409), answer.text

    def post(self, *events: dict[str, Any]) -> list[dict[str, Any]]:
        """One batch, as the edge."""
        token = (self.folder / "secrets" / f"edge-{EDGE}.token").read_text().strip()
        answer = httpx.post(
            f"{self.url}{EVENTS}", json=list(events), headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        answer.raise_for_status()
        verdicts: list[dict[str, Any]] = answer.json()["verdicts"]
        return verdicts

    def raise_alarm(self, device: str, level: Level, value: float, **more: Any) -> None:
        """An alert of the device's own kind, with a value."""
        hazard = DEVICES[device][2]
        point, unit = POINT[hazard]
        rule = {"smoke": "smoke", "water_level": "water_depth", "curtain_wall": "frequency_shift"}[hazard]
        if hazard == "curtain_wall":
            unit = "%"
        evidence = {"point": point, "kind": "level", "value": value, "unit": unit} | more.pop("evidence", {})
        verdicts = self.post(event(alert(device, verb=Verb.RAISED, level=level, rule=rule, evidence=evidence, **more)))
        assert [one["status"] for one in verdicts] == ["committed"], verdicts

    def find(self, source: str, address: str, **more: Any) -> None:
        """An address that speaks and is registered nowhere."""
        seen = datetime.now(UTC)
        body = FoundDevice(
            edge=EDGE, source=source, address=address, topic="t", first_seen=seen, last_seen=seen, **more
        )
        verdicts = self.post(event(body, type=Type.DEVICE_FOUND))
        assert [one["status"] for one in verdicts] == ["committed"], verdicts

    def health(self, device: str, **more: Any) -> None:
        """What the edge says of a device that is well."""
        body = DeviceReport(device=device, site="", status="online", last_seen=datetime.now(UTC), **more)
        verdicts = self.post(event(body, type=Type.DEVICE_REPORTED))
        assert [one["status"] for one in verdicts] == ["committed"], verdicts

    def readings(self, device: str, peak: float, *, minutes: int = 30) -> None:
        """Half an hour of readings up to now: quiet, a gap, then a rise to the peak, one of them suspect."""
        point, unit = POINT[DEVICES[device][2]]
        end = int(time.time() * 1000)
        ts = [end - minutes * 60_000 + step * 10_000 for step in range(minutes * 6 + 1) if not 45 < step < 56]
        start, span = ts[len(ts) // 2], end - ts[len(ts) // 2]
        value = [0.004 + 0.002 * math.sin(t / 7e4) + peak * (max(0, t - start) / span) ** 1.7 for t in ts]
        flag = [1] * len(ts)
        flag[len(ts) * 2 // 3] = 3
        block = TelemetryBlock([Series(device, point, unit)], [0] * len(ts), ts, value, flag)
        self.post(event(msgspec.to_builtins(block), type=Type.TELEMETRY_RECORDED))

    def incidents(self, state: str = "open") -> list[dict[str, Any]]:
        """As the duty officer sees them."""
        items: list[dict[str, Any]] = self.by("duty").get("/incidents", params={"state": state}).json()["items"]
        return items
