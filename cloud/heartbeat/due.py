"""The timer of the heartbeat."""

from datetime import datetime, timedelta

from cloud.heartbeat import service
from cloud.notify.service import SELF_TEST
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def _beat(services: Services, due: Due) -> None:
    """The next one is set before this one is tried: a beat that fails stops no other."""
    async with services.db.transaction() as session:
        if not await timers.take(session, due) or services.settings.heartbeat_url is None:
            return
        now = services.now()
        every = timedelta(seconds=services.settings.heartbeat_every_s)
        await timers.arm(session, service.BEAT, SELF_TEST, now + every, now=now, data=due.data)
        await service.judge(session, services, datetime.fromisoformat(due.data["since"]))
    await service.beat(services)


HANDLERS = {service.BEAT: _beat}
