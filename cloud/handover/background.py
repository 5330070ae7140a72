"""Sees to it that the watch over hand-overs is set; it is carried out by the workers of cloud/timers."""

from cloud.handover import service
from cloud.services import Services
from cloud.timers import service as timers


async def background(services: Services) -> None:
    """At the start of a process: nothing, when it is set already."""
    async with services.db.reading() as session:
        if await timers.get(session, service.WATCH, service.DESKS) is not None:
            return
    async with services.db.transaction() as session:
        now = services.now()
        await timers.arm(session, service.WATCH, service.DESKS, await service.next_look(session, now), now=now)
