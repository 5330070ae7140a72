"""Who is responsible: 延期, 转交, 接手; and what nobody works on."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import or_, select

from cloud.dispatch import auditor, owners
from cloud.dispatch.acts import Did, Id, on_incident, once
from cloud.dispatch.messages import UNATTENDED
from cloud.dispatch.model import HandOff, Unattended
from cloud.dispatch.policy import Policy
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident
from cloud.incidents.views import incidents_json, instant
from cloud.people.access import Person, Role, require
from cloud.problems import not_found
from cloud.services import services_of

router = APIRouter(tags=["escalation"])
Officer = Annotated[Person, Depends(require(Role.DUTY_OFFICER))]
Overseer = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.ADMINISTRATOR))]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime | None = Field(None, description="When it happened on the device (offline taps)")


class DeferBody(_Body):
    """Until when, and why."""

    until: AwareDatetime = Field(description="At most 15 minutes away at level II, 4 hours at III, 7 days at IV")
    reason: Reason


class HandOffBody(_Body):
    """To whom, and what they need to know."""

    to: Id
    note: Words = ""


class ReasonBody(_Body):
    """Why."""

    reason: Reason


class AnswerBody(_Body):
    """Why not, where it is a no."""

    reason: Words = ""


def _hand_off_json(row: HandOff, incident: Incident) -> dict[str, Any]:
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "number": incident.number,
        "level": incident.level,
        "place": incident.place["text"],
        "from": {"id": row.from_person, "name": row.from_name},
        "to": {"id": row.to_person, "name": row.to_name},
        "note": row.note,
        "at": instant(row.at),
        "due_at": instant(row.due_at),
        "ended_at": instant(row.ended_at),
        "end": row.end,
        "reason": row.reason,
    }


@router.post("/incidents/{incident_id}/defer", summary="延期")
async def defer(request: Request, person: Officer, incident_id: str, body: DeferBody) -> JSONResponse:
    """Lets the desk's clocks of an incident rest until a time; anything that gets worse ends it at once.

    Not at level I, and not before somebody has acknowledged.
    """
    policy = Policy.of(services_of(request).settings)

    async def act(work: Docket, row: Incident) -> None:
        await owners.defer(work, policy, row, person, until=body.until, reason=body.reason, at=body.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/resume", summary="恢复处置")
async def resume(request: Request, person: Officer, incident_id: str, body: _Body | None = None) -> JSONResponse:
    """Ends a deferral before its time; with none running, changes nothing."""
    policy = Policy.of(services_of(request).settings)

    async def act(work: Docket, row: Incident) -> None:
        await owners.resume(work, policy, row, person, body.at if body else None)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/take-over", summary="接手")
async def take_over(request: Request, person: Officer, incident_id: str, body: ReasonBody) -> JSONResponse:
    """Makes an incident one's own whose owner is not on duty (or, for the desks above, at any time)."""
    policy = Policy.of(services_of(request).settings)

    async def act(work: Docket, row: Incident) -> None:
        await owners.take_over(work, policy, row, person, reason=body.reason, at=body.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/hand-off", summary="转交", status_code=201)
async def hand_off(request: Request, person: Officer, incident_id: str, body: HandOffBody) -> JSONResponse:
    """Asks another duty officer to take it over. Until they do it stays with its owner; no clock stops."""
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        row = await owners.hand_off(work, policy, incident, person, to=body.to, note=body.note, at=body.at)

        async def answer() -> Did:
            return 201, _hand_off_json(row, incident)

        return answer

    return await once(request, person, run)


@router.get("/hand-offs/mine", summary="等我答复的和我转出的")
async def mine(request: Request, person: Officer) -> dict[str, Any]:
    """Hand-offs that wait for an answer, to me and from me."""
    async with services_of(request).db.reading() as session:
        query = (
            select(HandOff, Incident)
            .join(Incident, Incident.id == HandOff.incident_id)
            .where(HandOff.ended_at.is_(None), or_(HandOff.to_person == person.id, HandOff.from_person == person.id))
            .order_by(HandOff.due_at, HandOff.id)
        )
        return {
            "items": [_hand_off_json(row, incident) for row, incident in await session.execute(query)],
            "next": None,
        }


async def _answer(
    request: Request,
    person: Person,
    hand_off_id: str,
    end: Literal["accepted", "declined", "withdrawn"],
    body: AnswerBody | None,
) -> JSONResponse:
    policy = Policy.of(services_of(request).settings)
    given = body or AnswerBody(at=None)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await work.session.get(HandOff, hand_off_id)
        if row is None or person.id not in (row.from_person, row.to_person):
            raise not_found("hand-off", hand_off_id)
        incident = await work.session.get_one(Incident, row.incident_id)
        await owners.answer(work, policy, incident, row, person, end, reason=given.reason or None, at=given.at)

        async def answer() -> Did:
            return 200, (await incidents_json(work.session, [incident]))[0]

        return answer

    return await once(request, person, run)


@router.post("/hand-offs/{hand_off_id}/accept", summary="接手转交")
async def accept(request: Request, person: Officer, hand_off_id: str, body: AnswerBody | None = None) -> JSONResponse:
    """It is mine from now on."""
    return await _answer(request, person, hand_off_id, "accepted", body)


@router.post("/hand-offs/{hand_off_id}/decline", summary="不接手转交")
async def decline(request: Request, person: Officer, hand_off_id: str, body: AnswerBody | None = None) -> JSONResponse:
    """It stays with whoever has it; they hear why."""
    return await _answer(request, person, hand_off_id, "declined", body)


@router.post("/hand-offs/{hand_off_id}/withdraw", summary="撤回转交")
async def withdraw(request: Request, person: Officer, hand_off_id: str, body: AnswerBody | None = None) -> JSONResponse:
    """I keep it after all."""
    return await _answer(request, person, hand_off_id, "withdrawn", body)


@router.get("/unattended", summary="无人跟进的事件")
async def unattended(request: Request, person: Overseer) -> dict[str, Any]:
    """What the auditor found and what still is so, worst first; and timers that fail or are behind."""
    services = services_of(request)
    async with services.db.reading() as session:
        query = (
            select(Unattended, Incident)
            .join(Incident, Incident.id == Unattended.incident_id)
            .where(Unattended.ended_at.is_(None))
            .order_by(Incident.level, Unattended.found_at, Unattended.id)
        )
        rows = [(row, one) for row, one in await session.execute(query) if incidents.sees(person, one)]
        failing = await auditor.failing(session, services.now())
    return {
        "items": [
            {
                "incident_id": one.id,
                "number": one.number,
                "level": one.level,
                "place": one.place["text"],
                "owner": one.owner,
                "code": row.code,
                "text_zh": UNATTENDED[row.code][0],
                "text_en": UNATTENDED[row.code][1],
                "params": row.params,
                "found_at": instant(row.found_at),
                "seen_at": instant(row.seen_at),
                "told": row.told,
                "exercise": one.exercise,
            }
            for row, one in rows
        ],
        "next": None,
        "timers_behind": failing,
    }
