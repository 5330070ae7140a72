"""Timers of modes: the warning before the end, and the end."""

from cloud.modes import service
from cloud.modes.model import Mode
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def _end(services: Services, due: Due) -> None:
    async with services.db.transaction() as session:
        if not await timers.take(session, due):
            return
        mode = await session.get(Mode, due.key)
        if mode is not None:
            await service.end(session, mode, by=None, reason="到期", now=services.now())


async def _warn(services: Services, due: Due) -> None:
    async with services.db.transaction() as session:
        if not await timers.take(session, due):
            return
        mode = await session.get(Mode, due.key)
        if mode is not None and mode.ended_at is None:
            await service.warn(session, mode, services.now())


HANDLERS = {service.END: _end, service.WARNING: _warn}
