"""Routes of maintenance: somebody works on a device, for a time and with a reason."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people.access import STAFF, Person, Role, may_see, require
from cloud.problems import not_found
from cloud.registry import maintenance
from cloud.registry.layers import Author
from cloud.registry.model import Device, DeviceAct, Site
from cloud.services import Services, services_of

router = APIRouter(prefix="/devices/{device_id}", tags=["registry"])
Shared = Annotated[Services, Depends(services_of)]
Staff = Annotated[Person, Depends(require(*STAFF))]
Worker = Annotated[Person, Depends(require(Role.PROPERTY_MANAGER, Role.DUTY_OFFICER, Role.ADMINISTRATOR))]
Id = Annotated[str, Path(max_length=64)]
Why = Annotated[str, Field(min_length=2, max_length=500, description="Who works on it, and why")]


class MaintenanceIn(BaseModel):
    """Somebody works on a device."""

    model_config = ConfigDict(extra="forbid")

    until: AwareDatetime = Field(description="It ends by itself then; at most 30 days away")
    why: Why


class MaintenanceEnd(BaseModel):
    """The work is done."""

    model_config = ConfigDict(extra="forbid")

    why: Why


class Maintenance(BaseModel):
    """Whether somebody works on a device."""

    device: str
    until: datetime | None
    by: str | None
    why: str | None


class ActOut(BaseModel):
    """What a person did to a device."""

    act: str = Field(description="maintenance_began or maintenance_ended")
    at: datetime
    by: str
    by_name: str
    why: str
    until: datetime | None


class Acts(BaseModel):
    """The newest first."""

    items: list[ActOut]


async def _check(session: AsyncSession, person: Person, device_id: str) -> None:
    device = await session.get(Device, device_id)
    site = await session.get(Site, device.site_id) if device else None
    if site is None or not may_see(person, site.grid_path, None, site=site.id):
        raise not_found("device", device_id)


def _out(device: Device) -> Maintenance:
    return Maintenance(
        device=device.id, until=device.maintenance_until, by=device.maintenance_by, why=device.maintenance_why
    )


def _act(row: DeviceAct) -> ActOut:
    return ActOut.model_validate(row, from_attributes=True)


@router.put("/maintenance", summary="Somebody works on the device")
async def begin(device_id: Id, given: MaintenanceIn, person: Worker, services: Shared) -> Maintenance:
    """Alarms whose rules are suppressed by `maintenance` are, until then. Again: another end."""
    by = Author(person.id, person.name, given.why)
    async with services.db.transaction() as session:
        await _check(session, person, device_id)
        return _out(await maintenance.begin(session, device_id, given.until, by=by, now=services.now()))


@router.delete("/maintenance", summary="The work on the device is done")
async def end(device_id: Id, given: Annotated[MaintenanceEnd, Body()], person: Worker, services: Shared) -> Maintenance:
    """Before the end that was given."""
    by = Author(person.id, person.name, given.why)
    async with services.db.transaction() as session:
        await _check(session, person, device_id)
        return _out(await maintenance.end(session, device_id, by=by, now=services.now()))


@router.get("/acts", summary="What people did to the device")
async def list_acts(device_id: Id, person: Staff, services: Shared) -> Acts:
    """The newest hundred."""
    async with services.db.reading() as session:
        await _check(session, person, device_id)
        return Acts(items=[_act(row) for row in await maintenance.acts(session, device_id)])
