"""An agent that is told to stop ends, also when a library lost the word on the way."""

import asyncio

from edge.agent import _cancel


async def test_a_task_that_loses_its_cancellation_is_told_again():
    """As httpx does when closing a broken stream fails while the task is being cancelled."""
    lost = 0

    async def watch():
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost += 1  # the cleanup failed, and its error took the cancellation's place

    async def other():
        await asyncio.sleep(3600)

    tasks = [asyncio.create_task(watch()), asyncio.create_task(other())]
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await _cancel(tasks)
    assert lost == 1
    assert all(task.cancelled() for task in tasks)
