"""并案, 拆分, undo; an area's incident and its children."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from cloud.desk.bodies import Because, Id
from cloud.dispatch.acts import Desk, Did, on_incident, once
from cloud.dispatch.moving import move_live
from cloud.households import taps
from cloud.incidents import families, merging, places
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.views import alarms_of, incidents_json
from cloud.people.access import Person, Role
from cloud.problems import Problem

router = APIRouter(tags=["incidents"])


class MergeBody(Because):
    """Which incident takes everything over."""

    into: Id


class SplitBody(Because):
    """Which alarms go."""

    alarm_ids: Annotated[list[Id], Field(min_length=1, max_length=500)]


class ParentBody(Because):
    """Under which incident."""

    parent_id: Id


class FamilyBody(Because):
    """What stands under one."""

    incident_ids: Annotated[list[Id], Field(min_length=2, max_length=200)]


async def _seen(work: Docket, person: Person, incident_id: str) -> Incident:
    row = await incidents.get(work.session, incident_id, person)
    if row.exercise is None and not person.has(Role.DUTY_OFFICER):
        raise Problem(403, "wrong-role", "A trainer handles incidents of exercises only.")
    return row


async def _answer(work: Docket, row: Incident, status: int = 200) -> Did:
    return status, (await incidents_json(work.session, [row]))[0]


@router.post("/incidents/{incident_id}/merge", summary="并案")
async def merge(request: Request, person: Desk, incident_id: str, body: MergeBody) -> JSONResponse:
    """Alarms, people on the way, measures and children go to `into`, which is the answer; nobody is called back."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        source, target = await _seen(work, person, incident_id), await _seen(work, person, body.into)
        merged = await merging.merge(work, source, target, by(person), reason=body.reason)
        merged.moved = merged.moved | {"assignments": await move_live(work, source, target)}
        await taps.move(work, source, target)
        return lambda: _answer(work, target)

    return await once(request, person, run)


@router.post("/incidents/{incident_id}/unmerge", summary="撤销并案")
async def unmerge(request: Request, person: Desk, incident_id: str, body: Because) -> JSONResponse:
    """What had moved and still stands goes back."""

    async def act(work: Docket, row: Incident) -> None:
        merged, holder = await merging.unmerge(work, row, by(person), reason=body.reason)
        await move_live(work, holder, row, only=merged.moved["assignments"])

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/split", summary="拆分", status_code=201)
async def split(request: Request, person: Desk, incident_id: str, body: SplitBody) -> JSONResponse:
    """Some alarms become an incident of their own, which is the answer; somebody must take it anew."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        row = await _seen(work, person, incident_id)
        alarms = (await alarms_of(work.session, [row.id]))[row.id]
        devices = await places.of_devices(work.session, {alarm.device for alarm in alarms})
        other = await merging.split(work, row, body.alarm_ids, devices, by(person), reason=body.reason)
        return lambda: _answer(work, other, 201)

    return await once(request, person, run)


@router.post("/incidents/{incident_id}/parent", summary="归入片区事件")
async def set_parent(request: Request, person: Desk, incident_id: str, body: ParentBody) -> JSONResponse:
    """Puts an incident under an area's incident."""

    async def act(work: Docket, row: Incident) -> None:
        parent = await _seen(work, person, body.parent_id)
        await families.attach(work, row, parent, by(person), reason=body.reason)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/leave-parent", summary="移出片区事件")
async def leave_parent(request: Request, person: Desk, incident_id: str, body: Because) -> JSONResponse:
    """Takes it out again."""

    async def act(work: Docket, row: Incident) -> None:
        await families.detach(work, row, by(person), reason=body.reason)

    return await on_incident(request, person, incident_id, act)


@router.post("/incident-families", summary="片区事件: one incident over several", status_code=201)
async def new_family(request: Request, person: Desk, body: FamilyBody) -> JSONResponse:
    """Opens an incident for the area that holds them all, and puts them under it."""

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        rows = [await _seen(work, person, one) for one in dict.fromkeys(body.incident_ids)]
        parent = await families.by_hand(work, rows, by(person), reason=body.reason)
        return lambda: _answer(work, parent, 201)

    return await once(request, person, run)
