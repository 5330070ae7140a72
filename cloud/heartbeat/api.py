"""Route: how the heartbeat does."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from cloud.heartbeat import service
from cloud.notify import faults
from cloud.people.access import Person, Role, require
from cloud.services import Services, services_of

router = APIRouter(prefix="/heartbeat", tags=["notification"])
Overseer = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.ADMINISTRATOR))]


@router.get("", summary="The outward heartbeat")
async def get_heartbeat(_person: Overseer, services: Annotated[Services, Depends(services_of)]) -> dict[str, Any]:
    """When one last went out, and what is wrong."""
    async with services.db.reading() as session:
        at = await service.last_sent(session)
        fault = await faults.open_one(session, service.FAULT, service.BEAT)
    return {
        "configured": services.settings.heartbeat_url is not None,
        "every_s": services.settings.heartbeat_every_s,
        "last_sent_at": at.isoformat() if at else None,
        "fault": faults.fault_json(fault) if fault else None,
    }
