"""Trying again what PostgreSQL broke off to undo a deadlock or a serialisation failure."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
TRIES = 5
_TRANSIENT = frozenset({"40001", "40P01"})


async def retrying(work: Callable[[], Awaitable[T]]) -> T:
    """Run a whole transaction, again if need be: at most `TRIES` times, with growing jittered pauses."""
    for attempt in range(1, TRIES):
        try:
            return await work()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in _TRANSIENT:
                raise
            await asyncio.sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311  jitter
    return await work()
