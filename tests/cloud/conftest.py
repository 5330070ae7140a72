"""A real database (SQLite and PostgreSQL) and the real application for the tests of the cloud.

Fixtures: `database` (both kinds), `services` (running, demo world seeded), `client` (not signed in), `sign_in`
(username -> signed-in client), `served` (the application behind a real uvicorn, for streams). Every account of the
demo world has the password `PASSWORD`.
"""

import asyncio
import contextlib
import itertools
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import postgres_server
import pytest
import uvicorn
from demo_accounts import PASSWORD
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from required import absent
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from cloud.app import create_app, create_services, load_models
from cloud.database import Base, Database
from cloud.people import passwords
from cloud.registry import seed
from cloud.services import Services, wall_clock
from cloud.settings import Settings

CHEAP = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a running server, without a database name."""
    with contextlib.ExitStack() as stack:
        try:
            url = stack.enter_context(postgres_server.running())
        except postgres_server.NoPostgresError as error:
            absent("postgres", f"PostgreSQL: {error}")
        yield url


async def _make(url: str, *, world: bool) -> None:
    """Every table of every domain; with `world` the demo world in them, with cheap passwords."""
    load_models()
    db = Database(url)
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    if world:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(passwords, "hasher", CHEAP)
            async with db.transaction() as session:
                await seed.demo(session, now=wall_clock(), password=lambda _username: PASSWORD)
    await db.close()


class Originals:
    """Databases that tests begin with, made once and copied: empty, with tables, with the demo world."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: set[str] = set()

    async def sqlite(self, content: str | None, file: Path) -> None:
        if content is None:
            return
        original = self._folder / f"{content}.sqlite"
        if content not in self._made:
            await _make(f"sqlite+aiosqlite:///{original}", world=content == "world")
            self._made.add(content)
        shutil.copyfile(original, file)

    async def postgres(self, content: str | None, server: str, name: str, admin: AsyncConnection) -> None:
        original = f"original_{content}"
        if content is not None and original not in self._made:
            await admin.execute(text(f"CREATE DATABASE {original}"))
            await _make(server + original, world=content == "world")
            self._made.add(original)
        await admin.execute(
            text(f"CREATE DATABASE {name}" + (f" TEMPLATE {original} STRATEGY FILE_COPY" if content else ""))
        )


@pytest.fixture(scope="session")
def originals(tmp_path_factory) -> Originals:
    return Originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def database_url(request, tmp_path, originals) -> AsyncIterator[str]:
    """URL of a database of each kind: empty, or with what the test's other fixtures need in it."""
    wanted = request.fixturenames
    content = "world" if {"app", "seeded"} & set(wanted) else "tables" if "database" in wanted else None
    if request.param == "sqlite":
        file = tmp_path / "cloud.sqlite"
        await originals.sqlite(content, file)
        yield f"sqlite+aiosqlite:///{file}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    admin = create_async_engine(server + "postgres", isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await originals.postgres(content, server, name, connection)
    yield server + name
    async with admin.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with every table of every domain, empty; with the demo world where the application runs on it."""
    load_models()
    db = Database(database_url)
    yield db
    await db.close()


@pytest.fixture
def seeded() -> None:
    """Asked for beside `database`: it holds the demo world, also without the application."""


@pytest.fixture
def cheap_passwords(monkeypatch) -> None:
    """Argon2 at its cheapest: a test hashes a dozen passwords."""
    monkeypatch.setattr(passwords, "hasher", CHEAP)


@pytest.fixture(scope="session")
def web_dist(tmp_path_factory) -> Path:
    """Screens, as far as the cloud has to do with them."""
    dist = tmp_path_factory.mktemp("dist")
    (dist / "assets").mkdir()
    (dist / "index.html").write_text("<!doctype html><title>Shouwang</title>")
    (dist / "assets" / "index-abc.js").write_text("export {}")
    return dist


@pytest.fixture
def settings(database: Database, tmp_path, web_dist) -> Settings:
    """Override in a test module to change a limit."""
    return Settings(data_dir=tmp_path / "data", database_url=database.url, web_dist=web_dist)


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Start and stop an application in a task of its own (fixtures start and end in different tasks)."""
    started, stop = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with app.router.lifespan_context(app):
            started.set()
            await stop.wait()

    task = asyncio.create_task(run())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
    try:
        yield
    finally:
        stop.set()
        await task


_apps: dict[str, FastAPI] = {}


def _app(settings: Settings) -> FastAPI:
    """The application; its routes, which FastAPI takes long to build, once for the same limits."""
    limits = settings.model_dump_json(exclude={"data_dir", "database_url"})
    if limits not in _apps:
        _apps[limits] = create_app(settings)
    _apps[limits].state.services = create_services(settings)
    return _apps[limits]


@pytest.fixture
async def app(database: Database, settings: Settings, cheap_passwords) -> AsyncIterator[FastAPI]:
    """The real application, running, with the demo world in its database."""
    app = _app(settings)
    async with lifespan(app):
        yield app


@pytest.fixture
def services(app: FastAPI) -> Services:
    """The parts of the running application."""
    return app.state.services


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is not signed in; paths like `/api/v1/session`."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test") as client:
        yield client


SignIn = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def sign_in(app: FastAPI) -> AsyncIterator[SignIn]:
    """`await sign_in("duty")` -> a client with that person's session."""
    async with contextlib.AsyncExitStack() as stack:

        async def sign_in(username: str, password: str = PASSWORD) -> httpx.AsyncClient:
            client = await stack.enter_async_context(
                httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://cloud.test")
            )
            answer = await client.post("/api/v1/session", json={"username": username, "password": password})
            assert answer.status_code == 200, answer.text
            client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            client.cookies.clear()
            return client

        yield sign_in


@pytest.fixture
async def edge_client(app: FastAPI, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the token of edge `gw-liuyin`."""
    from cloud.people import service as people

    async with database.transaction() as session:
        token = await people.issue_edge_token(session, seed.EDGE_ID, now=app.state.services.now())
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://cloud.test", headers=headers
    ) as client:
        yield client


@pytest.fixture
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The same application behind a real HTTP server: its base URL (streams need one)."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    server.capture_signals = contextlib.nullcontext  # pytest keeps its own
    task = asyncio.create_task(server.serve([listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await task
