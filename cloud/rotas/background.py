"""Sees to it that the watch over the rotas is set; it is carried out by the workers of cloud/timers."""

from cloud.rotas import service, watch
from cloud.services import Services
from cloud.timers import service as timers


async def background(services: Services) -> None:
    """At the start of a process: nothing, when it is set already."""
    async with services.db.reading() as session:
        if await timers.get(session, service.WATCH, service.COVER) is not None:
            return
    async with services.db.transaction() as session:
        await watch.begin(session, services.settings.time_zone, services.now())
