"""The real thing on free ports: `cloud run` and `edge run` as processes of their own, killed and started at will."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import psutil

from wire.time import Timeline

WAIT_S = 60.0
T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], seconds: float = WAIT_S) -> T:
    """Call `probe` until it gives something true; its value. Fails naming what was waited for."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}; last: {value!r}")
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Stack:
    """One cloud and one edge with its embedded broker, in a folder."""

    def __init__(self, folder: Path, *, database_url: str | None = None, broker: str = "") -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.cloud_dir = folder / "cloud"
        self.edge_dir = folder / "edge"
        self.database_url = database_url or f"sqlite+aiosqlite:///{folder / 'cloud.sqlite'}"
        self.broker = broker
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.log = folder / "processes.log"
        self.broker_port = free_port()

    # -- processes -------------------------------------------------------------------------------------------

    def run(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "shouwang.main", *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self.processes[name] = process
        return process

    def seed(self) -> None:
        """Demo neighbourhood, people, one edge."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            subprocess.run(
                [sys.executable, "-m", "shouwang.main", "cloud", "seed", "--demo", "--database-url", self.database_url,
                 "--data-dir", str(self.cloud_dir)],
                check=True, stdout=log, stderr=log,
            )  # fmt: skip
        self.accounts: dict[str, str] = {
            account["username"]: account["password"]
            for account in json.loads((self.cloud_dir / "secrets/accounts.json").read_text())
        }
        (self.folder / "edge.toml").write_text(
            f"""
[edge]
id = "gw-liuyin"
data_dir = "{self.edge_dir}"

[broker]
{self.broker or f'mode = "embedded"{chr(10)}port = {self.broker_port}'}

[cloud]
url = "{self.url}"
token_file = "{self.cloud_dir}/secrets/edge-gw-liuyin.token"

[status]
listen = "127.0.0.1:0"
"""
        )

    def start_cloud(self) -> None:
        self.run("cloud", "cloud", "run", "--database-url", self.database_url, "--data-dir", str(self.cloud_dir),
                 "--listen", f"127.0.0.1:{self.port}")  # fmt: skip
        wait_for("the cloud's health", lambda: self._answers(self.url + "/api/v1/health"))

    def start_edge(self) -> None:
        (self.edge_dir / "run/edge.json").unlink(missing_ok=True)
        self.run("edge", "edge", "run", "--config", str(self.folder / "edge.toml"))
        wait_for("the edge's health", lambda: self.edge_run and self._answers(self.edge_run["status_url"] + "/health"))

    def start(self) -> "Stack":
        self.seed()
        self.start_cloud()
        self.start_edge()
        return self

    def kill(self, name: str) -> None:
        """As the power cut does it: SIGKILL."""
        if name == "broker":
            self.broker_process().kill()
            return
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(30)

    def broker_process(self) -> psutil.Process:
        """The nats-server that holds the broker's port."""
        for process in psutil.process_iter(["name", "cmdline"]):
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.info["cmdline"] or [])
                if "nats-server" in line and str(self.edge_dir) in line:
                    return process
        raise AssertionError("no embedded broker runs")

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self.processes.clear()
        with contextlib.suppress(AssertionError, psutil.Error):
            broker = self.broker_process()
            broker.terminate()
            broker.wait(20)

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return httpx.get(url, timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    # -- asking ----------------------------------------------------------------------------------------------

    @property
    def edge_run(self) -> dict[str, Any] | None:
        path = self.edge_dir / "run/edge.json"
        try:
            return dict(json.loads(path.read_text()))
        except (OSError, ValueError):
            return None

    def edge_status(self) -> dict[str, Any]:
        run = self.edge_run
        assert run is not None
        return dict(httpx.get(run["status_url"] + "/status", timeout=10).raise_for_status().json())

    def secret(self, name: str) -> dict[str, Any]:
        """Broker credentials: agent, drill, bridge."""
        return dict(json.loads((self.edge_dir / f"secrets/{name}.json").read_text()))

    def sign_in(self, username: str) -> httpx.Client:
        answer = httpx.post(
            self.url + "/api/v1/session",
            json={"username": username, "password": self.accounts[username]},
            timeout=30,
        )
        token = answer.raise_for_status().json()["token"]
        return httpx.Client(base_url=self.url + "/api/v1", timeout=60, headers={"Authorization": f"Bearer {token}"})

    def everything(self, client: httpx.Client, path: str, **query: str | int) -> list[dict[str, Any]]:
        """All pages of a list."""
        items: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = (
                client.get(path, params={**query, **({"cursor": cursor} if cursor else {})}).raise_for_status().json()
            )
            items += page["items"]
            cursor = page.get("next")
            if not cursor:
                return items

    def register(self, rows: list[dict[str, Any]]) -> dict[str, str]:
        """Devices by CSV as a property manager does; waits until the edge knows them. Passwords by device id."""
        columns = list({key: None for row in rows for key in row})
        text = "\n".join([",".join(columns), *(",".join(str(row.get(key, "")) for key in columns) for row in rows)])
        with self.sign_in("manager") as client:
            answer = client.post(
                "/devices/import",
                params={"dry_run": False},
                content=text.encode(),
                headers={"Content-Type": "text/csv"},
            )
            answer.raise_for_status()
            body = answer.json()
            assert body["applied"], body
            passwords = {item["id"]: item["password"] for item in body["credentials"]}
        wanted = len(rows)
        wait_for("the edge to know its devices", lambda: self.edge_status()["devices"] >= wanted)
        return passwords

    def zones(self, site: str) -> list[str]:
        """Zone ids of one seeded site."""
        with self.sign_in("admin") as admin:
            sites = admin.get("/sites").raise_for_status().json()
        here = next(each for each in sites if each["id"] == site)
        return [zone["id"] for part in [here, *here["buildings"]] for zone in part["zones"]]

    def set_timeline(self, timeline: Timeline) -> None:
        """Make or change a named clock."""
        segments = [msgspec.to_builtins(segment) for segment in timeline.segments]
        with self.sign_in("admin") as admin:
            admin.put(f"/timelines/{timeline.name}", json={"segments": segments}).raise_for_status()

    def register_each(self, devices: Iterable[dict[str, Any]]) -> None:
        """Devices one by one, as the form does; waits until the edge knows them."""
        known = self.edge_status()["devices"]
        count = 0
        with self.sign_in("manager") as manager:
            for device in devices:
                answer = manager.post("/devices", json={"edge_id": "gw-liuyin", **device})
                assert answer.status_code == 201, answer.text
                count += 1
        wait_for("the edge to know its devices", lambda: self.edge_status()["devices"] >= known + count)

    def alarms(self, username: str = "duty") -> list[dict[str, Any]]:
        """Every alarm episode that the cloud knows, with its incident."""
        with self.sign_in(username) as client:
            incidents = self.everything(client, "/incidents", state="all", limit=100)
        return [{**alarm, "incident": incident} for incident in incidents for alarm in incident["alarms"]]
