"""A running stack for a test: cloud, edge and embedded broker on free ports, all gone afterwards."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import postgres_server
import pytest
from required import absent
from stack import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path)
    try:
        yield stack.start()
    finally:
        print(stack.tail())
        stack.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def stack_on_each(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """The same on SQLite and on PostgreSQL."""
    with contextlib.ExitStack() as cleanup:
        url = None
        if request.param == "postgresql":
            try:
                server = cleanup.enter_context(postgres_server.running()).rstrip("/")
            except postgres_server.NoPostgresError as error:
                absent("postgres", f"PostgreSQL: {error}")
            asyncio.run(_create(server.replace("+asyncpg", ""), "stack"))
            url = f"{server}/stack"
        stack = Stack(tmp_path, database_url=url)
        cleanup.callback(stack.stop)
        cleanup.callback(lambda: print(stack.tail()))
        yield stack.start()


async def _create(server: str, name: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres")
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
