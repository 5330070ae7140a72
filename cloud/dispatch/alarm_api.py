"""What the duty desk decides on single alarms besides resetting them: 限时搁置 and 停用, and the ends of both."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from cloud.dispatch import decisions
from cloud.dispatch.acts import Desk, Id, on_incident
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident

router = APIRouter(tags=["alarms"])
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class AlarmBody(BaseModel):
    """Which alarm."""

    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime | None = Field(None, description="When it happened on the device (offline taps)")
    alarm_id: Id


class ShelveBody(AlarmBody):
    """Until when, and why."""

    until: AwareDatetime
    reason: Reason


class OutOfServiceBody(ShelveBody):
    """The rule of the alarm, or its whole device."""

    whole_device: bool = False


class IntoServiceBody(AlarmBody):
    """The rule of the alarm, or its whole device."""

    whole_device: bool = False


@router.post("/incidents/{incident_id}/shelve", summary="限时搁置")
async def shelve(request: Request, person: Desk, incident_id: str, body: ShelveBody) -> JSONResponse:
    """Asks the edge to put an alarm aside for a time; it comes back by itself."""

    async def act(work: Docket, row: Incident) -> None:
        await decisions.mute_alarm(
            work, row, person, body.alarm_id, "shelve", until=body.until, why=body.reason, at=body.at
        )

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/unshelve", summary="解除搁置")
async def unshelve(request: Request, person: Desk, incident_id: str, body: AlarmBody) -> JSONResponse:
    """Asks the edge to announce a shelved alarm again."""

    async def act(work: Docket, row: Incident) -> None:
        await decisions.mute_alarm(work, row, person, body.alarm_id, "unshelve", at=body.at)

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/out-of-service", summary="停用(检修)")
async def out_of_service(request: Request, person: Desk, incident_id: str, body: OutOfServiceBody) -> JSONResponse:
    """Asks the edge to take the rule of an alarm, or its device, out of service for a time."""

    async def act(work: Docket, row: Incident) -> None:
        await decisions.mute_alarm(
            work,
            row,
            person,
            body.alarm_id,
            "out_of_service",
            whole_device=body.whole_device,
            until=body.until,
            why=body.reason,
            at=body.at,
        )

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/into-service", summary="恢复使用")
async def into_service(request: Request, person: Desk, incident_id: str, body: IntoServiceBody) -> JSONResponse:
    """Asks the edge to put a rule or device back into service."""

    async def act(work: Docket, row: Incident) -> None:
        await decisions.mute_alarm(
            work, row, person, body.alarm_id, "into_service", whole_device=body.whole_device, at=body.at
        )

    return await on_incident(request, person, incident_id, act)
