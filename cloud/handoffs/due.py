"""Timers of hand-offs: not answered, not arrived, not taken over in time."""

from cloud.dispatch.policy import Policy
from cloud.dispatch.service import follow
from cloud.handoffs import service
from cloud.handoffs.model import ExternalHandOff
from cloud.handoffs.progress import Step
from cloud.incidents.docket import docket
from cloud.services import DueHandler, Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def overdue(services: Services, due: Due) -> None:
    """Ask again; told once for each time that it rings."""
    async with docket(services) as work:
        if not await timers.take(work.session, due):
            return
        row = await work.session.get(ExternalHandOff, due.key)
        if row is not None:
            rounds = int(due.data.get("round", 0))
            await service.overdue(work, row, Step(due.kind), origin=due.id, rounds=rounds)
        await follow(work, Policy.of(services.settings))
        await work.finish()


HANDLERS: dict[str, DueHandler] = dict.fromkeys([step.value for step in Step], overdue)
