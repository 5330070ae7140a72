"""Tasks that must not end: restarted with jittered backoff, counted and logged."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from edge.metrics import TASK_RESTARTS

log = logging.getLogger(__name__)


def backoff_s(attempt: int, *, first_s: float = 0.5, most_s: float = 30.0) -> float:
    """How long to wait before try `attempt` (from 1): doubled each time, with full jitter over its upper half."""
    ceiling = min(most_s, first_s * 2.0 ** min(attempt - 1, 16))
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311  jitter, not a secret


async def supervise(name: str, run: Callable[[], Awaitable[None]], *, steady_s: float = 60.0) -> None:
    """Run a task for ever.

    Args:
        name: for logs and the restart metric.
        run: returns a fresh coroutine; that it ends is as wrong as that it raises.
        steady_s: after running this long the next failure counts as the first.
    """
    attempt = 0
    loop = asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            await run()
            log.error("task %s ended; starting it again", name)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("task %s failed; starting it again", name)
        TASK_RESTARTS.labels(task=name).inc()
        attempt = 1 if loop.time() - started > steady_s else attempt + 1
        await asyncio.sleep(backoff_s(attempt))
