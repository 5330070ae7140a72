"""The watch over gateways."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from sqlalchemy import delete

from cloud.intake import gateways
from cloud.intake.model import IntakeEvent
from cloud.registry import service as registry
from cloud.services import Services

KEEP_IDS = timedelta(days=30)
"""An edge whose journal is older than this may have items taken twice: by id no more, by alarm revision still not."""
_PRUNE_EVERY = timedelta(hours=1)


async def background(services: Services) -> None:
    """Look for silent gateways a few times within the limit; drop ids that no edge will repeat, and old rejections.

    The first look waits for one limit: after this service was away itself, edges get the time to speak.
    """
    await _pause(services, services.settings.edge_offline_after_s)
    pause_s = min(5.0, services.settings.edge_offline_after_s / 4)
    pruned = None
    while not services.stopping.is_set():
        await gateways.look(services)
        now = services.now()
        if pruned is None or now - pruned > _PRUNE_EVERY:
            async with services.db.transaction() as session:
                await session.execute(delete(IntakeEvent).where(IntakeEvent.received_at < now - KEEP_IDS))
                await registry.prune_rejections(session)
            pruned = now
        await _pause(services, pause_s)


async def _pause(services: Services, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(services.stopping.wait(), seconds)
