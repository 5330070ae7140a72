"""Down-sampled history of one point of a device, with its thresholds."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from cloud.people.access import EVERYONE, Person, Role, may_see, require
from cloud.problems import invalid, not_found
from cloud.registry import checks, layers
from cloud.registry.model import Device, Site
from cloud.services import Services, services_of

router = APIRouter(prefix="/telemetry", tags=["telemetry"])
AnyPerson = Annotated[Person, Depends(require(*EVERYONE))]
Shared = Annotated[Services, Depends(services_of)]
_LAST_MS = 253_402_300_799_999


class ThresholdOut(BaseModel):
    """At which value a rule reaches a level."""

    level: str
    value: float
    rule: str
    direction: str


class HistoryOut(BaseModel):
    """Columns of equal length: one element for each bucket that has readings."""

    device: str
    point: str
    unit: str
    timeline: str
    exercise: str | None
    points: list[str] = Field(description="Every point of the device that has readings")
    t: list[int] = Field(description="Start of the bucket, epoch ms on the timeline of the device")
    min: list[float | None]
    mean: list[float | None]
    max: list[float | None]
    flag: list[int] = Field(
        description="Worst quality flag of the bucket: 1 good, 2 unknown, 3 suspect, 4 fail, 9 missing"
    )
    tests: list[str] = Field(description="Quality tests that spoke in the bucket, by comma: spike,rate (docs/rules.md)")
    count: list[int]
    thresholds: list[ThresholdOut]
    gaps: list[tuple[int, int]] = Field(description="Silences longer than three times the usual interval")


@router.get("/{device_id}", summary="History of a device")
async def get_history(
    device_id: Annotated[str, Path(max_length=64)],
    person: AnyPerson,
    services: Shared,
    point: Annotated[str | None, Query(max_length=64, description="Default: the one its rules judge")] = None,
    start: Annotated[int | None, Query(alias="from", ge=0, le=_LAST_MS, description="Epoch ms on its timeline")] = None,
    stop: Annotated[int | None, Query(alias="to", ge=0, le=_LAST_MS, description="Default: its newest reading")] = None,
    points: Annotated[int, Query(ge=1, le=2000, description="At most so many buckets")] = 300,
    exercise: Annotated[str | None, Query(max_length=64, description="Readings of this drill")] = None,
) -> HistoryOut:
    """Minimum, mean, maximum and worst flag per bucket; by default the last hour of readings."""
    if start is not None and stop is not None and stop <= start:
        raise invalid("to", "lies before `from`", "give a later instant")
    async with services.db.reading() as session:
        device = await session.get(Device, device_id)
        site = await session.get(Site, device.site_id) if device else None
        over = await layers.over_device(session, device) if device else []
    if device is None or site is None or not _may_look(person, site, exercise):
        raise not_found("device", device_id)
    chosen = point or checks.main_point(device.profile) or ""
    history = await services.telemetry.history(
        device_id,
        chosen,
        exercise=exercise,
        from_ms=start,
        to_ms=stop,
        points=points,
        cadence_s=checks.cadence_s(device.profile),
    )
    return HistoryOut(
        device=device_id,
        point=chosen,
        unit=history.unit or checks.unit_of(device.profile, chosen),
        timeline=exercise or device.timeline,
        exercise=exercise,
        points=await services.telemetry.points(device_id, exercise),
        t=history.t,
        min=history.min,
        mean=history.mean,
        max=history.max,
        flag=history.flag,
        tests=history.tests,
        count=history.count,
        thresholds=[
            ThresholdOut(level=level, value=value, rule=rule, direction=direction)
            for level, value, rule, direction in checks.thresholds(
                device.profile, device.parameters, device.rules, chosen, over
            )
        ],
        gaps=history.gaps,
    )


def _may_look(person: Person, site: Site, exercise: str | None) -> bool:
    """Responders too look at the sensors of any place within their street: they are sent beyond their own grid."""
    if may_see(person, site.grid_path, exercise, site=site.id):
        return True
    if not person.has(Role.RESPONDER):
        return False
    street = "/".join(person.area_path.split("/")[:4])
    return (exercise is None or exercise in person.exercises) and (site.grid_path + "/").startswith(street + "/")
