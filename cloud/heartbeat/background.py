"""Brings the heartbeat's timer in line with the settings when the service starts."""

from cloud.heartbeat import service
from cloud.services import Services


async def background(services: Services) -> None:
    """Once."""
    if services.settings.heartbeat_url is not None:
        await service.set_up(services)
    await service.keep_timer(services)
