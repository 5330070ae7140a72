"""What cancelling a writer leaves behind on SQLite: nothing, and no lock."""

import asyncio
import gc

import pytest
from sqlalchemy import text

from cloud.database import Database


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_writer_that_is_cancelled_anywhere_lets_the_next_one_write(database: Database):
    """Cancelled a little later each time; its exception is kept, and with it all that it saw."""

    insert = text("INSERT INTO feed_log (kind, key, at) VALUES ('x', 'x', 0) RETURNING kind")

    async def write() -> None:
        async with database.transaction() as session:
            for _ in range(20):
                await session.execute(insert)
                await session.execute(text("SELECT * FROM feed_log LIMIT 5"))

    kept: list[BaseException] = []
    gc.disable()
    try:
        for turn in range(25):
            task = asyncio.create_task(write())
            await asyncio.wait([task], timeout=0.0007 * turn)
            if not task.cancel():
                break
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            kept.append(caught.value)
            async with asyncio.timeout(20), database.transaction() as session:  # SQLite's own patience is 30 s
                assert (await session.execute(text("SELECT count(*) FROM feed_log"))).scalar() == 0
    finally:
        gc.enable()
    assert len(kept) > 3
