"""提级 / 降级, 退回重办, 挂账."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, Field

from cloud.desk.bodies import Because
from cloud.dispatch.acts import Desk, on_incident
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.levels import Checked
from cloud.incidents.model import Incident
from cloud.incidents.views import alarms_of, view_of
from wire.level import Level

router = APIRouter(tags=["incidents"])


class LevelBody(Because):
    """Another level, and why."""

    level: Level
    checked: Checked | None = Field(None, description="How it was checked (核实); needed to lower a level")


class PutOffBody(Because):
    """Until when, and why."""

    until: AwareDatetime


@router.post("/incidents/{incident_id}/level", summary="提级 / 降级")
async def set_level(request: Request, person: Desk, incident_id: str, body: LevelBody) -> JSONResponse:
    """Raising stands until a person lowers; lowering covers what was looked at, and a new or worse alarm ends it."""

    async def act(work: Docket, row: Incident) -> None:
        alarms = (await alarms_of(work.session, [row.id]))[row.id]
        incidents.set_level(
            work,
            row,
            by(person),
            body.level,
            [view_of(alarm) for alarm in alarms],
            reason=body.reason,
            checked=body.checked,
            at=body.at,
        )

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/reopen", summary="退回重办")
async def reopen(request: Request, person: Desk, incident_id: str, body: Because) -> JSONResponse:
    """Handled again, with its whole timeline; somebody must take it anew."""

    async def act(work: Docket, row: Incident) -> None:
        incidents.reopen(work, row, by(person), reason=body.reason, at=body.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/put-off", summary="挂账")
async def put_off(request: Request, person: Desk, incident_id: str, body: PutOffBody) -> JSONResponse:
    """Cannot be solved now: it has a reason and a date, and comes back by itself on it (desk/due.py)."""

    async def act(work: Docket, row: Incident) -> None:
        incidents.put_off(work, row, by(person), reason=body.reason, until=body.until)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/come-back", summary="恢复办理")
async def come_back(request: Request, person: Desk, incident_id: str, body: Because) -> JSONResponse:
    """A pending incident before its date."""

    async def act(work: Docket, row: Incident) -> None:
        incidents.come_back(work, row, by(person), reason=body.reason)

    return await on_incident(request, person, incident_id, act)
