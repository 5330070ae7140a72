"""Timers of 叫应: the chain begins; nobody answered in time; nobody pressed the key in time."""

from collections.abc import Awaitable, Callable
from functools import partial

from cloud.calls import service, speakers
from cloud.calls.chain import passed_over
from cloud.calls.model import Call
from cloud.dispatch import service as dispatch
from cloud.dispatch.policy import Policy
from cloud.incidents.docket import Docket, docket
from cloud.incidents.model import Incident
from cloud.incidents.states import HANDLED, State
from cloud.notify.vault import vault
from cloud.retrying import retrying
from cloud.services import DueHandler, Services
from cloud.timers import service as timers
from cloud.timers.service import Due
from wire.level import Level


def _on_incident(act: Callable[[Services, Docket, Due], Awaitable[None]]) -> DueHandler:
    """In one transaction: the timer is taken, the act is done, dispatch follows it up."""

    async def in_one_transaction(services: Services, due: Due) -> None:
        async with docket(services) as work:
            if not await timers.take(work.session, due):
                return
            await act(services, work, due)
            await dispatch.follow(work, Policy.of(services.settings))
            await work.finish()

    async def handler(services: Services, due: Due) -> None:
        await retrying(partial(in_one_transaction, services, due))

    return handler


async def _begin(services: Services, work: Docket, due: Due) -> None:
    incident = await work.session.get(Incident, due.key)
    if incident is None or State(incident.state) not in HANDLED or incident.late:
        return
    settings = services.settings
    if Level(incident.level).value not in settings.call_levels or incident.hazard not in settings.call_hazards:
        return
    await service.begin(work, settings, vault(settings), incident)
    await speakers.by_themselves(work, incident)


async def _no_answer(services: Services, work: Docket, due: Due) -> None:
    call = await work.session.get(Call, due.key)
    if call is None or call.answered_at is not None:
        return
    await _pass_over(services, work, call, "" if call.placed_at else "the telephone gateway did not take the call")


async def _no_key(services: Services, work: Docket, due: Due) -> None:
    call = await work.session.get(Call, due.key)
    if call is not None:
        await _pass_over(services, work, call, "answered, and no key was pressed")


async def _pass_over(services: Services, work: Docket, call: Call, detail: str) -> None:
    incident = await work.session.get_one(Incident, call.incident_id)
    if State(incident.state) not in HANDLED:
        await service.is_over(work, incident)
        return
    after = passed_over(service.stamps_of(call), work.now, placed=call.placed_at is not None)
    await service.apply(work, services.settings, vault(services.settings), call, after, detail=detail)


HANDLERS: dict[str, DueHandler] = {
    dispatch.CALLS: _on_incident(_begin),
    service.RING: _on_incident(_no_answer),
    service.CONFIRM: _on_incident(_no_key),
}
