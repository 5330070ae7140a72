"""What the duty desk and responders do: acknowledge, dispatch, close; accept, on the way, arrived, cleared."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from cloud.dispatch import alarm_api, decisions, owner_api, send_api, service, snapshots, summary
from cloud.dispatch.acts import Desk, Did, Id, on_incident, once
from cloud.dispatch.model import Assignment
from cloud.dispatch.progress import LIVE, Tap
from cloud.dispatch.service import Policy
from cloud.feed import service as feed
from cloud.incidents import arrivals, exercises, places
from cloud.incidents import service as incidents
from cloud.incidents.api import POSITION
from cloud.incidents.docket import Docket, Exercise, by
from cloud.incidents.model import Incident
from cloud.incidents.plan_ticks import card_of
from cloud.incidents.states import Outcome
from cloud.incidents.views import incidents_json
from cloud.people.access import Person, Role, may_see, require
from cloud.problems import Problem, invalid, not_found
from cloud.services import services_of
from wire.alert import Hazard
from wire.level import Level

router = APIRouter(tags=["dispatch"])
router.include_router(alarm_api.router)
router.include_router(send_api.router)
router.include_router(owner_api.router)
Anyone = Annotated[Person, Depends(require())]
Reporter = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER, Role.TRAINER))]
OnTheGround = Annotated[Person, Depends(require(Role.RESPONDER, Role.DUTY_OFFICER))]

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime | None = Field(None, description="When it happened on the device (offline taps)")


class Act(_Body):
    """Nothing to say but when."""


class NoteBody(_Body):
    """A note."""

    text: Words


class ResolveBody(_Body):
    """What was done."""

    note: Words | None = None


class CloseBody(_Body):
    """What it turned out to be."""

    outcome: Outcome
    cause: Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00]*$")] | None = None
    note: Words | None = None


class VoidBody(_Body):
    """Why it is none."""

    reason: Words


class ResetBody(_Body):
    """Which latched alarm."""

    alarm_id: Id


DeclineCode = Literal["busy", "too_far", "not_equipped", "unwell", "off_shift", "not_ours", "unsafe", "other"]


class DeclineBody(_Body):
    """Why not."""

    reason: Short = ""
    code: DeclineCode | None = Field(None, description="Which of the usual reasons")


class ClearBody(_Body):
    """What was done."""

    note: Words | None = None


class PlaceBody(BaseModel):
    """A zone, a site, or words (and perhaps a point on the map)."""

    model_config = ConfigDict(extra="ignore")
    zone_id: Id | None = None
    site_id: Id | None = None
    text: Short | None = None
    lon: float | None = Field(None, ge=-180, le=180)
    lat: float | None = Field(None, ge=-90, le=90)


class ByHandBody(_Body):
    """Three fields: place, what, caller."""

    place: PlaceBody
    hazard: Hazard
    what: Words
    caller: Short = ""
    origin: Literal["phone", "walk_in", "patrol", "hotline", "place_code"] = "phone"
    level: Level | None = None
    exercise: Id | None = Field(None, description="Issued exercise that the report is a part of; its participants only")


BY_HAND_LEVEL = {
    Hazard.SMOKE: Level.II,
    Hazard.WATER_LEVEL: Level.III,
    Hazard.CURTAIN_WALL: Level.III,
    Hazard.DEVICE: Level.IV,
    Hazard.GATEWAY: Level.III,
}
"""Level of what a person reports without naming one: a caller who speaks of smoke is believed."""

# ---------------------------------------------------------------- the desk


@router.post("/incidents", summary="An incident by hand: place, what, caller", status_code=201)
async def by_hand(request: Request, person: Reporter, body: ByHandBody) -> JSONResponse:
    """Opens an incident, or joins the open one of that place (200, `joined`)."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row, joined = await arrivals.open_by_hand(
            work,
            person=person,
            hazard=body.hazard,
            placed=await _place(work, person, body.place),
            what=body.what,
            caller=body.caller,
            origin=body.origin,
            level=body.level or BY_HAND_LEVEL[body.hazard],
            exercise=await _exercise(work, person, body.exercise),
            occurred_at=body.at,
        )
        if person.has(Role.DUTY_OFFICER) and row.acknowledged_at is None:
            incidents.acknowledge(work, row, by(person), at=body.at)  # who takes the call has taken the incident

        async def answer() -> Did:
            found = (await incidents_json(work.session, [row]))[0]
            return (200 if joined else 201), found | {"joined": joined}

        return answer

    return await once(request, person, run)


async def _place(work: Docket, person: Person, place: PlaceBody) -> places.Placed:
    if place.zone_id:
        placed = await places.of_zone(work.session, place.zone_id)
        if placed is None:
            raise invalid("place.zone_id", f"there is no zone '{place.zone_id:.80}'", "take one of GET /sites")
    elif place.site_id:
        placed = await places.of_site(work.session, place.site_id)
        if placed is None:
            raise invalid("place.site_id", f"there is no site '{place.site_id:.80}'", "take one of GET /sites")
    elif place.text:
        placed = await places.in_own_words(work.session, place.text, place.lon, place.lat, person.area_path)
    else:
        raise invalid("place", "says nothing", "give zone_id, site_id or text")
    if not may_see(person, placed.grid_path, None, site=placed.spot.site):
        raise Problem(
            403, "outside-area", f"'{placed.place['text']}' lies outside the area that you are responsible for."
        )
    return placed


async def _exercise(work: Docket, person: Person, exercise: str | None) -> Exercise | None:
    if exercise is None:
        if not person.has(Role.DUTY_OFFICER, Role.PROPERTY_MANAGER, Role.RESPONDER):
            raise Problem(403, "wrong-role", "A trainer reports within an exercise only: name it.")
        return None
    found = (await exercises.issued(work.session, [exercise])).get(exercise)
    if found is None or not (exercise in person.exercises or person.has(Role.TRAINER)):
        raise not_found("exercise", exercise)
    return found


@router.post("/incidents/{incident_id}/acknowledge", summary="接警")
async def acknowledge(request: Request, person: Desk, incident_id: str, body: Act | None = None) -> JSONResponse:
    """Names the owner and stops the sound; a second one changes nothing of that."""

    async def act(work: Docket, row: Incident) -> None:
        if not incidents.acknowledge(work, row, by(person), at=body.at if body else None):
            await decisions.acknowledge_alarms(work, row)  # alarms that joined since

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/notes", summary="A note")
async def note(request: Request, person: Anyone, incident_id: str, body: NoteBody) -> JSONResponse:
    """One line on the timeline, by anyone who sees the incident."""

    async def act(work: Docket, row: Incident) -> None:
        incidents.note(work, row, by(person), body.text, at=body.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/resolve", summary="处置完毕")
async def resolve(request: Request, person: Desk, incident_id: str, body: ResolveBody | None = None) -> JSONResponse:
    """The work is done."""

    async def act(work: Docket, row: Incident) -> None:
        given = body or ResolveBody(at=None)
        incidents.resolve(work, row, by(person), text=given.note, at=given.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/verify", summary="核查")
async def verify(request: Request, person: Desk, incident_id: str, body: Act | None = None) -> JSONResponse:
    """Somebody has looked at the work done."""

    async def act(work: Docket, row: Incident) -> None:
        incidents.verify(work, row, by(person), at=body.at if body else None)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/close", summary="结案")
async def close(request: Request, person: Desk, incident_id: str, body: CloseBody) -> JSONResponse:
    """Closes with an outcome; `unknown` keeps it open, to be looked at again."""

    async def act(work: Docket, row: Incident) -> None:
        incidents.close(work, row, by(person), outcome=body.outcome, cause=body.cause, text=body.note, at=body.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/void", summary="作废")
async def void(request: Request, person: Desk, incident_id: str, body: VoidBody) -> JSONResponse:
    """It is none: a duplicate, a test call, not ours."""

    async def act(work: Docket, row: Incident) -> None:
        incidents.void(work, row, by(person), reason=body.reason, at=body.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/reset", summary="复位")
async def reset(request: Request, person: Desk, incident_id: str, body: ResetBody) -> JSONResponse:
    """Asks the edge to reset a latched alarm whose condition is over."""

    async def act(work: Docket, row: Incident) -> None:
        await decisions.reset_alarm(work, row, person, body.alarm_id, body.at)

    return await on_incident(request, person, incident_id, act)


@router.get("/summary", summary="The figures of the console")
async def figures(request: Request, person: Anyone) -> dict[str, Any]:
    """Within one's sight; exercises don't count."""
    services = services_of(request)
    async with services.db.reading() as session:
        return await summary.figures(session, person, services.now())


# ---------------------------------------------------------------- the phone


@router.get("/assignments/mine", summary="What is asked of me")
async def mine(request: Request, person: OnTheGround) -> JSONResponse:
    """Live assignments of mine and of my teams, with the incident and the 应急处置卡."""
    services = services_of(request)
    async with services.db.reading() as session:
        position = await feed.position(session)
        query = (
            select(Assignment)
            .where(Assignment.responder_id.in_(sorted(person.responder_ids)), Assignment.state.in_(LIVE))
            .order_by(Assignment.offered_at.desc(), Assignment.id)
        )
        rows = [row for row in await session.scalars(query) if row.exercise is None or row.exercise in person.exercises]
        found = list(await session.scalars(select(Incident).where(Incident.id.in_({row.incident_id for row in rows}))))
        by_id = {row["id"]: row for row in await incidents_json(session, found)}
        at = {row.id: row for row in found}
        items = [
            snapshots.assignment_json(row)
            | {
                "incident": by_id[row.incident_id],
                "card": await card_of(session, at[row.incident_id], row.responder["role"], services.now()),
            }
            for row in rows
        ]
    return JSONResponse({"items": items, "next": None}, headers={POSITION: str(position)})


async def _tap(
    request: Request, person: Person, assignment_id: str, what: Tap, at: datetime | None, text: str | None = None
) -> JSONResponse:
    policy = Policy.of(services_of(request).settings)

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row, incident = await service.assignment_for(work.session, assignment_id, person)
        await service.tapped(work, policy, row, incident, person, what, at=at, text=text or None)

        async def answer() -> Did:
            return 200, snapshots.assignment_json(row)

        return answer

    return await once(request, person, run)


@router.post("/assignments/{assignment_id}/accept", summary="接单")
async def accept(request: Request, person: OnTheGround, assignment_id: str, body: Act | None = None) -> JSONResponse:
    """I go (one of a team accepts for all)."""
    return await _tap(request, person, assignment_id, Tap.ACCEPT, body.at if body else None)


@router.post("/assignments/{assignment_id}/decline", summary="无法前往")
async def decline(
    request: Request, person: OnTheGround, assignment_id: str, body: DeclineBody | None = None
) -> JSONResponse:
    """I cannot, and why."""
    given = body or DeclineBody(at=None, code=None)
    reason = given.reason or (given.code or "")
    return await _tap(request, person, assignment_id, Tap.DECLINE, given.at, reason)


@router.post("/assignments/{assignment_id}/en-route", summary="已出发")
async def en_route(request: Request, person: OnTheGround, assignment_id: str, body: Act | None = None) -> JSONResponse:
    """On the way."""
    return await _tap(request, person, assignment_id, Tap.EN_ROUTE, body.at if body else None)


@router.post("/assignments/{assignment_id}/on-scene", summary="已到场")
async def on_scene(request: Request, person: OnTheGround, assignment_id: str, body: Act | None = None) -> JSONResponse:
    """There."""
    return await _tap(request, person, assignment_id, Tap.ON_SCENE, body.at if body else None)


@router.post("/assignments/{assignment_id}/clear", summary="归队")
async def clear(
    request: Request, person: OnTheGround, assignment_id: str, body: ClearBody | None = None
) -> JSONResponse:
    """Done and back; the last one to clear resolves the incident."""
    given = body or ClearBody(at=None)
    return await _tap(request, person, assignment_id, Tap.CLEAR, given.at, given.note)
