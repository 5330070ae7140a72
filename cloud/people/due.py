"""Timer of people: a shared position is deleted when its time is over."""

from cloud.people import force
from cloud.services import DueHandler, Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def _forget(services: Services, due: Due) -> None:
    async with services.db.transaction() as session:
        if await timers.take(session, due):
            await force.forget(session, due.key, services.now())


HANDLERS: dict[str, DueHandler] = {force.FORGET: _forget}
