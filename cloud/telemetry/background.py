"""Drops readings past their retention, once a day."""

import asyncio
from datetime import timedelta

from cloud.services import Services
from wire.time import to_ms

_EVERY_S = 86_400.0


async def background(services: Services) -> None:
    """Run until cancelled."""
    keep = timedelta(days=services.settings.telemetry_retention_days)
    while True:
        await services.telemetry.prune(to_ms(services.now() - keep))
        await asyncio.sleep(_EVERY_S)
