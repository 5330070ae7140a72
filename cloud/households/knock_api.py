"""Routes of 逐户敲门: make the list, give parts, tap offline, explain what is left."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import offers, service
from cloud.dispatch.acts import Did, once
from cloud.dispatch.model import Assignment
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import LIVE
from cloud.households import cards, knock, taps
from cloud.households.bodies import ExcuseBody, ListBody, PartBody, SplitBody, TapsBody
from cloud.households.model import KnockList
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER, State
from cloud.incidents.views import instant
from cloud.people.access import Person, Role, require
from cloud.problems import Problem
from cloud.services import services_of

router = APIRouter(tags=["knock lists"])
Desk = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.TRAINER))]
Hands = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.RESPONDER, Role.PROPERTY_MANAGER, Role.TRAINER))]
TASK = "knock_doors"


async def _on_it(session: AsyncSession, person: Person, incident: Incident) -> frozenset[str]:
    """Responders that a person acts for and that are on the incident now."""
    query = select(Assignment.responder_id).where(
        Assignment.incident_id == incident.id,
        Assignment.state.in_(LIVE),
        Assignment.responder_id.in_(sorted(person.responder_ids)),
    )
    return frozenset(await session.scalars(query))


def _at_the_desk(person: Person, incident: Incident) -> bool:
    return person.has(Role.DUTY_OFFICER) or (incident.exercise is not None and person.has(Role.TRAINER))


async def _sight(session: AsyncSession, person: Person, incident: Incident) -> frozenset[str] | None:
    """Whose doors a person sees: None = all (the desk), else those of the parts of whoever they act for.

    Raises:
        Problem: 403 for somebody who is neither at the desk nor on the incident.
    """
    if _at_the_desk(person, incident):
        return None
    on_it = await _on_it(session, person, incident)
    if not on_it:
        raise Problem(403, "not-on-it", "The knock list is for the desk and for whoever is on this incident.")
    return on_it


async def list_json(
    session: AsyncSession, row: KnockList, incident: Incident, only_of: frozenset[str] | None
) -> dict[str, Any]:
    """A list in a person's sight; who is behind a door only while the incident is being handled."""
    shown = State(incident.state) not in OVER and row.cleared_at is None
    doors = [door for door in await knock.doors_in(session, row) if taps.may_tap(door, only_of)]
    return {
        "id": row.id,
        "incident_id": incident.id,
        "rule": row.rule,
        "buildings": row.buildings,
        "made_at": instant(row.made_at),
        "made_by": row.made_by,
        "cleared_at": instant(row.cleared_at),
        "summary": incident.knock_list,
        "doors": [knock.door_json(door, shown=shown) for door in doors],
    }


async def _answered(work: Docket, incident: Incident, row: KnockList, status: int = 200) -> Did:
    return status, await list_json(work.session, row, incident, None)


@router.post("/incidents/{incident_id}/knock-list", summary="逐户敲门: make the list", status_code=201)
async def make(request: Request, person: Desk, incident_id: str, body: ListBody | None = None) -> JSONResponse:
    """Doors by place and hazard, vulnerable first: smoke = the stairwell, flood = low floors, façade = below the line.

    Made again with a wider scope it keeps every tap.
    """
    given = body or ListBody(whole_building=False)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        _its_desk(person, incident)
        row = await knock.make(
            work, incident, by(person), buildings=given.buildings, whole_building=given.whole_building
        )
        doors = len(await knock.doors_in(work.session, row))
        await cards.note_read(
            work.session, person, subject=incident.id, purpose="knock_list", cards=doors, now=work.now
        )
        return lambda: _answered(work, incident, row, 201)

    return await once(request, person, run)


def _its_desk(person: Person, incident: Incident) -> None:
    if not _at_the_desk(person, incident):
        raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")


@router.get("/incidents/{incident_id}/knock-list", summary="逐户敲门: the doors")
async def read(request: Request, person: Hands, incident_id: str) -> dict[str, Any]:
    """To the desk all, to whoever is on the incident their part and doors that are nobody's; each read is audited."""
    services = services_of(request)
    async with services.db.transaction() as session:
        incident = await incidents.get(session, incident_id, person)
        only_of = await _sight(session, person, incident)
        row = await knock.the_list(session, incident)
        shown = await list_json(session, row, incident, only_of)
        await cards.note_read(
            session, person, subject=incident.id, purpose="knock_list", cards=len(shown["doors"]), now=services.now()
        )
    return shown


async def _sent(work: Docket, policy: Policy, incident: Incident, person: Person, responder_id: str) -> None:
    """Whoever gets a part may knock on doors by their role, and is on the incident; else they are sent for it.

    Raises:
        Problem: 409 when the role never does that, with who may; 422 for an unknown responder.
    """
    force = await offers.force_of(work, incident, responder_id)
    offers.task_for(incident, force, TASK)
    on_it = await work.session.scalar(
        select(Assignment.id).where(
            Assignment.incident_id == incident.id,
            Assignment.responder_id == responder_id,
            Assignment.state.in_(LIVE),
        )
    )
    if on_it is None:
        await service.send(work, policy, incident, person, responder_id, None, task=TASK)


@router.post("/incidents/{incident_id}/knock-list/parts", summary="分派敲门: some doors to one")
async def give(request: Request, person: Desk, incident_id: str, body: PartBody) -> JSONResponse:
    """Whoever is not on the incident is sent for it; a role that does not knock on doors is refused, with who may."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        _its_desk(person, incident)
        row = await knock.the_list(work.session, incident)
        await _sent(work, policy, incident, person, body.responder_id)
        await knock.give(work, incident, row, body.responder_id, body.door_ids)
        return lambda: _answered(work, incident, row)

    return await once(request, person, run)


@router.post("/incidents/{incident_id}/knock-list/split", summary="分派敲门: among several")
async def split(request: Request, person: Desk, incident_id: str, body: SplitBody) -> JSONResponse:
    """Doors without an outcome, in parts of neighbouring doors and about the same work."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        _its_desk(person, incident)
        row = await knock.the_list(work.session, incident)
        chosen = list(dict.fromkeys(body.responder_ids))
        for responder_id in chosen:
            await _sent(work, policy, incident, person, responder_id)
        await knock.split(work, incident, row, chosen)
        return lambda: _answered(work, incident, row)

    return await once(request, person, run)


@router.post("/incidents/{incident_id}/knock-list/taps", summary="敲门结果 (offline taps)")
async def tap(request: Request, person: Hands, incident_id: str, body: TapsBody) -> JSONResponse:
    """Each key once; of several taps at a door the latest by its own time stands, all are kept.

    Taken also after the incident is over (a phone that comes back into signal). No answer at a vulnerable door goes
    up at once.
    """

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await work.heir(await incidents.get(work.session, incident_id, person))
        only_of = None if _at_the_desk(person, incident) else frozenset(person.responder_ids)
        if only_of is not None:
            await _was_on_it(work.session, person, incident_id, incident)
        row = await knock.the_list(work.session, incident)
        given = [taps.Given(one.key, one.door_id, one.outcome, one.at, one.note) for one in body.taps]
        results = await taps.tap(work, incident, row, by(person), given, only_of=only_of)

        async def answer() -> Did:
            items = [{"key": one.key, "result": one.result, "stands": one.stands} for one in results]
            return 200, {"items": items, "summary": incident.knock_list}

        return answer

    return await once(request, person, run)


async def _was_on_it(session: AsyncSession, person: Person, asked: str, incident: Incident) -> None:
    """A phone may tell late: whoever was on the incident (or on one merged into it) taps also when called off."""
    query = select(Assignment.id).where(
        Assignment.incident_id.in_({asked, incident.id}),
        Assignment.acknowledged_at.is_not(None),
        Assignment.responder_id.in_(sorted(person.responder_ids)),
    )
    if await session.scalar(query.limit(1)) is None:
        raise Problem(403, "not-on-it", "Taps are for the desk and for whoever took this incident.")


@router.post("/incidents/{incident_id}/knock-list/excuse", summary="未敲门说明理由")
async def excuse(request: Request, person: Desk, incident_id: str, body: ExcuseBody) -> JSONResponse:
    """An officer's reason for doors that stay without an outcome; on the timeline, and the incident can be closed."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        _its_desk(person, incident)
        row = await knock.the_list(work.session, incident)
        await taps.excuse(work, incident, row, by(person), body.door_ids, reason=body.reason)
        return lambda: _answered(work, incident, row)

    return await once(request, person, run)
