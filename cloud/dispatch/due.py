"""Who carries out the timers of dispatch."""

from functools import partial

from cloud.dispatch import auditor, plan_limits
from cloud.dispatch.clocks import DEFERRAL, HAND_OFF, RESERVATION
from cloud.dispatch.escalating import fired
from cloud.dispatch.escalation import STEPS
from cloud.dispatch.policy import Policy
from cloud.dispatch.service import follow
from cloud.incidents.docket import docket
from cloud.retrying import retrying
from cloud.services import DueHandler, Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def _of_incident(services: Services, due: Due) -> None:
    await retrying(partial(_in_one_transaction, services, due))


async def _in_one_transaction(services: Services, due: Due) -> None:
    async with docket(services) as work:
        if not await timers.take(work.session, due):
            return  # somebody else has it, or it is not owed any more
        policy = Policy.of(services.settings)
        await fired(work, policy, due)
        await follow(work, policy)
        await work.finish()


async def _card_line(services: Services, due: Due) -> None:
    """A line of a plan's card is overdue."""

    async def run() -> None:
        async with docket(services) as work:
            if await timers.take(work.session, due):
                await plan_limits.fired(work, due)
                await follow(work, Policy.of(services.settings))
                await work.finish()

    await retrying(run)


HANDLERS: dict[str, DueHandler] = {
    **dict.fromkeys([*STEPS, DEFERRAL, HAND_OFF, RESERVATION], _of_incident),
    auditor.KIND: auditor.look_again,
    plan_limits.KIND: _card_line,
}
