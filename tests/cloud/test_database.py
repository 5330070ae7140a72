"""What cancelling a writer leaves behind on SQLite: nothing, and no lock."""

import asyncio
import gc
import itertools

import pytest
from sqlalchemy import func, select, text

from cloud.database import Database
from cloud.feed.model import FeedEntry
from cloud.feed.service import append


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_writer_that_is_cancelled_anywhere_lets_the_next_one_write(database: Database):
    """Cancelled after each number of steps of the loop in turn; its exception is kept, and with it all that it saw."""

    async def write() -> None:
        async with database.transaction() as session:
            for _ in range(4):
                await append(session, kind="device", key="a", value={}, grid_path=None, exercise=None)
                await session.scalars(select(FeedEntry).limit(2))
                await session.execute(text("INSERT INTO feed_log (kind, key, at) VALUES ('x', 'x', 0) RETURNING kind"))

    kept: list[BaseException] = []
    gc.disable()
    try:
        for steps in itertools.count(step=3):
            task = asyncio.create_task(write())
            for _ in range(steps):
                await asyncio.sleep(0)
                if task.done():
                    break
                await asyncio.wait([task], timeout=0.0005)
            if not task.cancel():
                break
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            kept.append(caught.value)
            async with asyncio.timeout(20), database.transaction() as session:  # SQLite's own patience is 30 s
                assert await session.scalar(select(func.count()).select_from(FeedEntry)) == 0
    finally:
        gc.enable()
    assert len(kept) > 3
