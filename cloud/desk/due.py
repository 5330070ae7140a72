"""Timers of the desk: a pending incident comes back on its date."""

from cloud.dispatch import service as dispatch
from cloud.dispatch.clocks import PENDING
from cloud.dispatch.policy import Policy
from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, docket
from cloud.incidents.model import Incident
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def pending_is_over(services: Services, due: Due) -> None:
    """挂账 until today: somebody has to take it again."""
    async with docket(services) as work:
        if not await timers.take(work.session, due):
            return
        incident = await work.session.get(Incident, due.key)
        if incident is not None and incidents.come_back(work, incident, SYSTEM, reason="date"):
            await dispatch.follow(work, Policy.of(services.settings))
        await work.finish()


HANDLERS = {PENDING: pending_is_over}
