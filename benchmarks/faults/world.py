"""A cloud that runs: process, database, places; kept for many runs, each with a site and an edge of its own."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.faults.clock import Clock
from benchmarks.faults.load import Load
from benchmarks.faults.proxy import Link, Network
from benchmarks.faults.servers import Postgres, Sqlite, end_process, free_port, wait_for
from cloud.database import Database
from cloud.dispatch.model import Assignment
from cloud.dispatch.progress import LIVE, AssignmentState
from cloud.incidents.model import Incident
from cloud.incidents.states import State
from cloud.people.model import Responder, Shift
from cloud.registry import seed
from cloud.registry.model import Site, Zone
from cloud.timers.model import Timer

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0
"""With processes that start: other work may share the machine."""
SESSION_MS = 3_600_000
"""A session is used so long, by the clock of all."""


class World:
    """One cloud process on one database.

    Args:
        folder: everything of it.
        database: SQLite or PostgreSQL.
        clock: the time that everything of the bench lives in.
    """

    def __init__(self, folder: Path, database: Sqlite | Postgres, clock: Clock) -> None:
        self.folder = folder
        self.database = database
        self.clock = clock
        self.network = Network()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/v1"
        self.process: subprocess.Popen[bytes] | None = None
        self._turn = threading.RLock()
        self._accounts: dict[str, str] = {}
        self._tokens: dict[str, tuple[str, int]] = {}  # of sessions, which outlive the process of the cloud; until when

    # ---------------------------------------------------------------- processes

    def start(self) -> "World":
        """Seed it and start it; everybody is on duty for ten years."""
        self._shouwang("cloud", "seed", "--demo", "--database-url", self.database.url, "--data-dir", str(self.folder))
        self._accounts = {
            each["username"]: each["password"]
            for each in json.loads((self.folder / "secrets/accounts.json").read_text())
        }
        self.ask(_everybody_on_duty)
        self.start_cloud()
        return self

    def _shouwang(self, *arguments: str) -> None:
        with (self.folder / "cloud.log").open("ab") as log:
            command = [sys.executable, "-m", "benchmarks.faults.clocked", str(self.clock.path), "-", "--", *arguments]
            subprocess.run(command, check=True, cwd=ROOT, stdout=log, stderr=log)

    def start_cloud(self) -> None:
        """Start the service; nothing if it runs."""
        with self._turn:
            if self.process is not None:
                return
            with (self.folder / "cloud.log").open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "benchmarks.faults.clocked", str(self.clock.path), "-", "--", "cloud", "run",
                     "--database-url", self.database.url, "--data-dir", str(self.folder),
                     "--listen", f"127.0.0.1:{self.port}"],
                    cwd=ROOT, stdout=log, stderr=log, env={**os.environ, "PYTHONUNBUFFERED": "1"},
                )  # fmt: skip
            wait_for("the cloud", self.healthy, PATIENCE_S)

    def kill_cloud(self) -> None:
        """SIGKILL; nothing if it does not run."""
        with self._turn:
            if self.process is not None:
                self.process.send_signal(signal.SIGKILL)
                self.process.wait(30)
                self.process = None

    def healthy(self) -> bool:
        """Whether it answers."""
        try:
            return httpx.get(self.url + "/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def link(self, to_port: int, chance: random.Random, host: str = "127.0.0.1") -> Link:
        """A network between two processes."""
        return self.network.link(to_port, chance, host)

    def stop(self) -> None:
        """Stop everything."""
        with contextlib.ExitStack() as steps:
            steps.callback(self.network.stop)
            steps.callback(self.database.stop)
            if self.process is not None:
                steps.callback(end_process, self.process)
            steps.callback(self.database.back)
        self.process = None

    # ---------------------------------------------------------------- asking and telling

    def ask(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Do something in one transaction of the database, past the service."""

        async def once() -> T:
            database = Database(self.database.url)
            try:
                async with database.transaction() as session:
                    return await work(session)
            finally:
                await database.close()

        return asyncio.run(once())

    @contextlib.contextmanager
    def person(self, username: str) -> Any:
        """A signed-in client."""
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S) as client:
            token, until_ms = self._tokens.get(username, ("", 0))
            if self.clock.now_ms() > until_ms:
                answer = client.post("/session", json={"username": username, "password": self._accounts[username]})
                token = str(answer.raise_for_status().json()["token"])
                self._tokens[username] = token, self.clock.now_ms() + SESSION_MS
            client.headers["Authorization"] = f"Bearer {token}"
            yield client

    def enter(self, name: str, load: Load) -> str:
        """A site, an edge and devices for one run; the edge's token."""
        with self._turn:
            self.ask(lambda session: _site(session, name, len(load.devices)))
            with self.person("admin") as admin:
                answer = admin.post("/edges", json={"id": name, "name": name, "area": seed.STREET})
                token = str(answer.raise_for_status().json()["token"])
            with self.person("manager") as manager, ThreadPoolExecutor(4) as pool:

                def register(index: int) -> None:
                    device = load.devices[index]
                    row = {
                        "id": device.id, "name": device.id, "site_id": name, "zone_id": f"{name}-{index:02d}",
                        "profile": device.model.profile, "edge_id": name, "rules": load.rules(device),
                        "quality": load.tests(device),
                    }  # fmt: skip
                    answer = manager.post("/devices", json=row)
                    if answer.status_code != 201:
                        raise AssertionError(answer.text)

                list(pool.map(register, range(len(load.devices))))
        return token

    def void(self, incidents: list[str]) -> None:
        """Put incidents of a run that is over and judged away, past the service: they would escalate for ever."""

        async def work(session: AsyncSession) -> None:
            of = Assignment.incident_id.in_(incidents), Assignment.state.in_(LIVE)
            await session.execute(delete(Timer).where(Timer.subject.in_(incidents)))
            await session.execute(update(Assignment).where(*of).values(state=AssignmentState.CANCELLED))
            over = {"state": State.VOID, "deadline": None, "closed_at": datetime.now(UTC)}
            await session.execute(update(Incident).where(Incident.id.in_(incidents)).values(over))

        self.ask(work)


async def _everybody_on_duty(session: AsyncSession) -> None:
    await session.execute(delete(Shift))
    now = datetime.now(UTC)
    span = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=3650)}
    for person in seed.PEOPLE:
        if person.post:
            row = {"post": person.post, "person_id": f"per_{person.username}"}
        elif person.responder:
            row = {"post": "responder", "responder_id": f"rsp_{person.username}"}
        else:
            continue
        shift = Shift(id=f"shf_{person.username}", area_path=person.area, **row, **span)
        session.add(shift)
    team = await session.get_one(Responder, seed.TEAM_ID)
    session.add(Shift(id="shf_team", post="responder", area_path=team.area_path, responder_id=team.id, **span))


async def _site(session: AsyncSession, name: str, zones: int) -> None:
    """Each device stands in a section of its own: each has incidents of its own."""
    await session.execute(insert(Site).values(id=name, name=name, grid_path=seed.GRID_02, lon=120.3, lat=31.5))
    await session.execute(
        insert(Zone),
        [
            {"id": f"{name}-{index:02d}", "site_id": name, "building_id": None, "name": f"{index:02d}", "name_en": "",
             "floor": None, "section": f"{name}-{index:02d}", "lon": 120.3, "lat": 31.5}
            for index in range(zones)
        ],
    )  # fmt: skip
