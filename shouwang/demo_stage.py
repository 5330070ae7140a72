"""The demo's stage: cloud and edge as child processes, accounts, devices; put up in order, taken down in order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console

from shouwang.processes import Child, free_port
from simulators.api import Api
from simulators.neighbourhood import Installed, import_table, survey
from simulators.publisher import Credential

EDGE, TIMELINE = "gw-liuyin", "demo"
START_S = 60.0
"""Cloud and edge must be up within so long."""


class StageFailed(RuntimeError):  # noqa: N818  an event of life, told in the past tense
    """The stage could not be put up: says what and where to look."""


@dataclass(slots=True)
class Stage:
    """What stands while the demo runs."""

    folder: Path
    url: str
    console: Console
    children: list[Child] = field(default_factory=list)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    broker_url: str = ""

    @property
    def cloud_dir(self) -> Path:
        """Data of the cloud."""
        return self.folder / "cloud"

    @property
    def edge_dir(self) -> Path:
        """Data of the edge."""
        return self.folder / "edge"

    @classmethod
    @contextlib.asynccontextmanager
    async def up(cls, folder: Path, host: str, port: int, console: Console) -> AsyncIterator[Stage]:
        """Seed and start the cloud; whatever was started is stopped at the end, the edge before the cloud."""
        free = free_port(host, port)
        if port and free != port:
            console.print(f"port {port} is taken: the screens are at {free}")
        stage = cls(folder, f"http://{host}:{free}", console)
        try:
            await stage._start_cloud(host, free)
            yield stage
        finally:
            await asyncio.shield(stage._down())

    async def _start_cloud(self, host: str, port: int) -> None:
        data = ["--data-dir", str(self.cloud_dir)]
        seed = Child("cloud seed", ["cloud", "seed", "--demo", *data], self.folder / "seed.log")
        await seed.start()
        self.children.append(seed)
        await asyncio.wait_for(seed.finished(), START_S)
        listen = ["--listen", f"{host}:{port}", "--demo-timeline", TIMELINE]
        cloud = Child("cloud", ["cloud", "run", *data, *listen], self.folder / "cloud.log")
        await cloud.start()
        self.children.append(cloud)
        await self._answers(f"{self.url}/api/v1/health", cloud)
        accounts = json.loads((self.cloud_dir / "secrets" / "accounts.json").read_text(encoding="utf-8"))
        self.accounts = {account["username"]: account for account in accounts}

    async def _answers(self, url: str, child: Child) -> None:
        """Ask until it answers 200; a child that died meanwhile is told."""
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            try:
                async with asyncio.timeout(START_S):
                    while True:
                        child.check()
                        with contextlib.suppress(httpx.TransportError):
                            if (await client.get(url)).is_success:
                                return
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise StageFailed(f"{child.name} did not answer at {url} within {START_S:g} s: {child.log}") from None

    async def signed_in(self, stack: contextlib.AsyncExitStack, username: str) -> Api:
        """A session of one of the seeded accounts."""
        if username not in self.accounts:
            raise StageFailed(f"the seed has no account '{username}'")
        api = await stack.enter_async_context(Api(self.url))
        await api.sign_in(username, self.accounts[username]["password"])
        return api

    def responders(self) -> list[str]:
        """Accounts with a phone."""
        return [name for name, account in self.accounts.items() if "responder" in account["roles"]]

    async def register_devices(
        self, stack: contextlib.AsyncExitStack, timeline: str, silent_s: float
    ) -> tuple[list[Installed], dict[str, str]]:
        """As a property manager: a dry run, then the import; answers the devices and their MQTT passwords."""
        manager = await self.signed_in(stack, "manager")
        devices = survey(await manager.list("/sites"))
        table = import_table(devices, EDGE, timeline)
        dry = await manager.import_devices(table, dry_run=True)
        wrong = [f"row {row['row']}: {row['errors']}" for row in dry["rows"] if row["verdict"] == "error"]
        if wrong:
            raise StageFailed("the import of the demo's devices was refused: " + "; ".join(wrong[:5]))
        answer = await manager.import_devices(table, dry_run=False)
        passwords = {one["id"]: one["password"] for one in answer["credentials"]}
        for device in devices:
            body = {
                "name": device.name,
                "site_id": device.site,
                "zone_id": device.zone,
                "profile": device.profile,
                "edge_id": EDGE,
                "timeline": timeline,
                "parameters": dict(device.parameters),
                "rules": {"silence": {"levels": {"IV": {"after_s": max(silent_s, 3 * cadence_of(device))}}}},
            }
            await manager.put(f"/devices/{device.id}", body)
            if device.id not in passwords:  # registered by an earlier demo on the same data
                renewed = await manager.post(f"/devices/{device.id}/credential")
                passwords[device.id] = renewed["password"]
        return devices, passwords

    async def start_edge(self, devices: int) -> None:
        """Start the agent with its embedded broker, and wait until it knows every device."""
        token = self.cloud_dir / "secrets" / f"edge-{EDGE}.token"
        settings = self.folder / "edge.toml"
        settings.write_text(
            f'[edge]\nid = "{EDGE}"\ndata_dir = {_toml(self.edge_dir)}\n\n'
            '[broker]\nmode = "embedded"\nhost = "127.0.0.1"\nport = 0\n\n'
            f'[cloud]\nurl = "{self.url}"\ntoken_file = {_toml(token)}\n\n'
            '[status]\nlisten = "127.0.0.1:0"\n',
            encoding="utf-8",
        )
        running = self.edge_dir / "run" / "edge.json"
        running.unlink(missing_ok=True)
        edge = Child("edge", ["edge", "run", "--config", str(settings)], self.folder / "edge.log")
        await edge.start()
        self.children.append(edge)
        try:
            async with asyncio.timeout(START_S):
                while not running.exists():
                    edge.check()
                    await asyncio.sleep(0.05)
                told = msgspec.json.decode(running.read_bytes())
                async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
                    while True:
                        edge.check()
                        with contextlib.suppress(httpx.TransportError):
                            status = (await client.get(f"{told['status_url']}/status")).json()
                            if status.get("devices", 0) >= devices:
                                break
                        await asyncio.sleep(0.1)
        except TimeoutError:
            raise StageFailed(f"the edge was not ready within {START_S:g} s: {edge.log}") from None
        self.broker_url = self.secret("bridge").url

    def secret(self, name: str) -> Credential:
        """One of the broker's secrets: bridge or drill."""
        return msgspec.json.decode((self.edge_dir / "secrets" / f"{name}.json").read_bytes(), type=Credential)

    async def watch(self, seconds: float | None) -> None:
        """Wait for the end, or for a child that dies before it.

        Raises:
            ChildFailed: when one did.
        """
        lives = [child.ended for child in self.children[1:] if child.ended is not None]
        done, _ = await asyncio.wait(lives, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if done:
            for child in self.children[1:]:
                child.check()

    async def _down(self) -> None:
        for child in reversed(self.children):
            await child.stop()
        self._end_broker()

    def _end_broker(self) -> None:
        """A broker outlives an agent that was killed: end the one of our own folder, if it is still there."""
        for pidfile in self.edge_dir.rglob("nats-server.pid.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                pid = int(json.loads(pidfile.read_bytes())["pid"])
                if "nats-server" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace"):
                    os.kill(pid, signal.SIGTERM)


def cadence_of(device: Installed) -> float:
    """Seconds between its messages."""
    from simulators.sensor import MODELS

    return MODELS[device.profile].cadence_s


def _toml(path: Path) -> str:
    return json.dumps(str(path), ensure_ascii=False)
