"""Follows the log and drops what is past its time."""

import asyncio
from datetime import timedelta

from cloud.services import Services

_PRUNE_EVERY_S = 600.0


async def background(services: Services) -> None:
    """Run both until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(services.feed.run())
        group.create_task(_prune(services))


async def _prune(services: Services) -> None:
    keep = timedelta(hours=services.settings.feed_retention_hours)
    while True:
        await asyncio.sleep(_PRUNE_EVERY_S)
        await services.feed.prune(keep=keep, rows=services.settings.feed_retention_rows, now=services.now())
