"""Who carries out the timers of drills."""

from cloud.drills import service
from cloud.retrying import retrying
from cloud.services import DueHandler, Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def _end(services: Services, due: Due) -> None:
    async def stop() -> None:
        async with services.db.transaction() as session:
            if await timers.take(session, due):
                await service.move(session, due.key, "stop", now=services.now())

    await retrying(stop)


HANDLERS: dict[str, DueHandler] = {service.END: _end}
