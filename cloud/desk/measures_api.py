"""管控措施: put in force, ended by name; the list of those in force."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from cloud.desk.bodies import Because, Body, Short, Words
from cloud.dispatch.acts import Did, on_incident, once
from cloud.incidents import measures
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.measures import Kind, MayEnd
from cloud.incidents.model import Incident, Measure
from cloud.people import service as people
from cloud.people.access import Person, Role, require
from cloud.problems import not_found
from cloud.services import services_of

router = APIRouter(tags=["measures"])
Anyone = Annotated[Person, Depends(require())]
Hands = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.RESPONDER, Role.PROPERTY_MANAGER, Role.TRAINER))]


class MeasureBody(Body):
    """What is put in force."""

    kind: Kind
    place: Short = Field("", description="Where exactly; else the incident's place")
    note: Words = ""
    in_charge: Short = Field("", description="Who carries it out: a post, a firm, the police")
    may_end: MayEnd | None = Field(None, description="Who may end it; by default as its kind says")
    review_at: AwareDatetime | None = Field(None, description="When somebody wants to look again; nothing ends then")


class EndBody(Because):
    """Why it may end."""

    authority: Short = Field("", description="Whose word it was, where somebody outside decides (police, a firm)")


@router.get("/measures", summary="管控措施 in one's sight")
async def list_measures(
    request: Request,
    person: Anyone,
    state: Literal["in_force", "ended", "all"] = "in_force",
    limit: Annotated[int, Query(ge=1, le=500)] = 200,
) -> dict[str, Any]:
    """The longest in force first, each with its incident."""
    async with services_of(request).db.reading() as session:
        rows = await measures.page(session, person, state=state, limit=limit)
    items = [
        measures.measure_json(row)
        | {"incident": {"id": one.id, "number": one.number, "state": one.state, "place": one.place["text"]}}
        for row, one in rows
        if incidents.sees(person, one)
    ]
    return {"items": items, "next": None}


@router.get("/incidents/{incident_id}/measures", summary="管控措施 of an incident")
async def of_incident(request: Request, person: Anyone, incident_id: str) -> dict[str, Any]:
    """In force and ended."""
    async with services_of(request).db.reading() as session:
        row = await incidents.get(session, incident_id, person)
        found = await measures.of_incident(session, row.id)
    return {"items": [measures.measure_json(one) for one in found], "next": None}


@router.post("/incidents/{incident_id}/measures", summary="采取管控措施")
async def put(request: Request, person: Hands, incident_id: str, body: MeasureBody) -> JSONResponse:
    """In force from now (or `at`) until a named person ends it: no reading, timer or closing does. The incident."""

    async def act(work: Docket, row: Incident) -> None:
        await measures.put(
            work,
            row,
            by(person),
            kind=body.kind,
            place=body.place,
            note=body.note,
            in_charge=body.in_charge,
            ends_by=body.may_end,
            review_at=body.review_at,
            since=body.at,
        )

    return await on_incident(request, person, incident_id, act)


@router.post("/measures/{measure_id}/end", summary="解除管控措施")
async def end(request: Request, person: Hands, measure_id: str, body: EndBody) -> JSONResponse:
    """By who may, with the reason; 403 says who may. A second time changes nothing."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await work.session.get(Measure, measure_id)
        incident = await work.session.get(Incident, row.incident_id) if row else None
        if row is None or incident is None or not incidents.sees(person, incident):
            raise not_found("measure", measure_id)
        leads = await _leads(work, person, incident)
        await measures.end(
            work,
            incident,
            row,
            person,
            by(person),
            leads=leads,
            reason=body.reason,
            authority=body.authority,
            at=body.at,
        )

        async def answer() -> Did:
            return 200, measures.measure_json(row)

        return answer

    return await once(request, person, run)


async def _leads(work: Docket, person: Person, incident: Incident) -> bool:
    """Whether a person is duty leader on shift for the incident's area, or one above it."""
    for area in people.chain(incident.grid_path):
        on_duty = await people.on_duty(work.session, area, work.now, "duty_leader")
        if any(one.id == person.id for one in on_duty):
            return True
    return False
