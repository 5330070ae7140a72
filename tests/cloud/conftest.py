"""A real database (SQLite and PostgreSQL) and the real application for the tests of the cloud.

Fixtures: `database` (both kinds), `services` (running, demo world seeded), `client` (not signed in), `sign_in`
(username -> signed-in client), `served` (the application behind a real uvicorn, for streams). Every account of the
demo world has the password `PASSWORD`.
"""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any

import httpx
import postgres_server
import pytest
import uvicorn
from demo_accounts import PASSWORD
from fastapi import FastAPI
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from required import absent
from sqlalchemy import Table, insert, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from cloud.app import create_app, load_models
from cloud.database import Base, Database
from cloud.people import passwords
from cloud.registry import seed
from cloud.services import Services
from cloud.settings import Settings

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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def database_url(request, tmp_path) -> AsyncIterator[str]:
    """URL of an empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'cloud.sqlite'}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{next(_numbers)}"
    admin = create_async_engine(server + "postgres", isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    yield server + name
    async with admin.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with every table of every domain, empty."""
    load_models()
    db = Database(database_url)
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield db
    await db.close()


@pytest.fixture
def cheap_passwords(monkeypatch) -> None:
    """Argon2 at its cheapest: a test hashes a dozen passwords."""
    monkeypatch.setattr(passwords, "hasher", PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))


@pytest.fixture
def settings(database: Database, tmp_path) -> Settings:
    """Override in a test module to change a limit."""
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<!doctype html><title>Shouwang</title>")
    (dist / "assets" / "index-abc.js").write_text("export {}")
    return Settings(data_dir=tmp_path / "data", database_url=database.url, web_dist=dist)


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


_world: dict[Table, list[dict[str, Any]]] = {}


async def _settle(database: Database, now: datetime) -> None:
    """Seed the demo world; after the first time from a copy of its rows, which is much quicker."""
    async with database.transaction() as session:
        if _world:
            for table, rows in _world.items():
                await session.execute(insert(table), rows)
            return
        await seed.demo(session, now=now, password=lambda _username: PASSWORD)
        for table in Base.metadata.sorted_tables:
            rows = [dict(row) for row in (await session.execute(select(table))).mappings()]
            if rows:
                _world[table] = rows


@pytest.fixture
async def app(database: Database, settings: Settings, cheap_passwords) -> AsyncIterator[FastAPI]:
    """The real application, running, with the demo world in its database."""
    app = create_app(settings)
    await _settle(database, app.state.services.now())
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
