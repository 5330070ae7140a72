"""Tasks that must not end, and the waits between tries."""

import asyncio

import pytest

from edge import supervise as module
from edge.supervise import backoff_s, supervise


def test_waits_double_up_to_their_bound_and_are_spread():
    for attempt in range(1, 60):
        ceiling = min(30.0, 0.5 * 2 ** (attempt - 1))
        waits = {backoff_s(attempt) for _ in range(50)}
        assert all(ceiling / 2 <= wait <= ceiling for wait in waits)
        assert len(waits) > 10, "jitter"


async def test_a_task_that_fails_or_ends_is_started_again(monkeypatch):
    monkeypatch.setattr(module, "backoff_s", lambda attempt: 0.001 * attempt)
    runs = []

    async def work():
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("once")
        if len(runs) == 3:
            await asyncio.Event().wait()

    task = asyncio.create_task(supervise("work", work))
    async with asyncio.timeout(5):
        while len(runs) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
