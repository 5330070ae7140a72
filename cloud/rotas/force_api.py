"""Routes of those who can be sent: teams and people, skills, opting in, sharing where one is."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.dispatch.tasks import catalogue
from cloud.feed import service as feed
from cloud.people import force, service
from cloud.people.access import EVERYONE, STAFF, Person, Role, require, within
from cloud.people.model import Responder
from cloud.problems import Problem, conflict, invalid, not_found
from cloud.services import Services, services_of

router = APIRouter(tags=["people"])
Shared = Annotated[Services, Depends(services_of)]
AnyPerson = Annotated[Person, Depends(require(*EVERYONE))]
Staff = Annotated[Person, Depends(require(*STAFF))]
Keeper = Annotated[Person, Depends(require(Role.ADMINISTRATOR, Role.PROPERTY_MANAGER))]
_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40, pattern=r"^[^\x00]*$")]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00]*$")]
_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
OF_PROPERTY = frozenset({"security_guard", "micro_fire_station", "property_engineer"})
"""Roles that a property manager enters; everybody else is an administrator's to enter."""


class ResponderOut(BaseModel):
    """One who can be sent."""

    id: str
    name: str
    name_en: str
    kind: str
    role: str
    area_path: str
    skills: list[str] = Field(description="That hold today")
    skill_expiry: dict[str, date] = Field(description="By skill, the last day of its certificate")
    skills_ending: list[dict[str, str]] = Field(description="Expired, or within 30 days")
    organisation: str | None = Field(description="Department, firm, rescue team")
    vehicle: str | None
    equipment: list[str]
    may_not: list[str] = Field(description="Tasks that this one is never asked for, beside what the role never does")
    voluntary: bool = Field(description="Asked only after opting in")
    opted_in_at: datetime | None
    active: bool
    lon: float | None = Field(description="A position shared now, else the post")
    lat: float | None
    position_at: datetime | None = Field(description="Of a shared position")
    sharing_until: datetime | None
    on_shift_until: datetime | None
    person_ids: list[str]


class ResponderIn(BaseModel):
    """A new responder."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    name_en: _Text = ""
    kind: Literal["person", "team"]
    role: _Word = Field(description="grid_worker, micro_fire_station, security_guard, department_liaison, …")
    area_path: Annotated[str, Field(max_length=300)]
    person_ids: Annotated[list[_Word], Field(max_length=100)] = []
    skills: Annotated[list[_Word], Field(max_length=50)] = []
    skill_expiry: dict[_Word, date] = {}
    organisation: _Text | None = None
    vehicle: _Text | None = None
    equipment: Annotated[list[_Text], Field(max_length=100)] = []
    may_not: Annotated[list[_Word], Field(max_length=50)] = []
    post_lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    post_lat: Annotated[float | None, Field(ge=-90, le=90)] = None


class ResponderChange(BaseModel):
    """What is to be changed of a responder; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: _Name | None = None
    name_en: _Text | None = None
    area_path: Annotated[str | None, Field(max_length=300)] = None
    person_ids: Annotated[list[_Word] | None, Field(max_length=100)] = None
    skills: Annotated[list[_Word] | None, Field(max_length=50)] = None
    skill_expiry: dict[_Word, date] | None = None
    organisation: _Text | None = None
    vehicle: _Text | None = None
    equipment: Annotated[list[_Text] | None, Field(max_length=100)] = None
    may_not: Annotated[list[_Word] | None, Field(max_length=50)] = None
    post_lon: Annotated[float | None, Field(ge=-180, le=180)] = None
    post_lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    active: bool | None = None


class PositionIn(BaseModel):
    """Where one is."""

    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]
    at: AwareDatetime | None = Field(None, description="Device time of the fix")


class SharingIn(BaseModel):
    """Until when."""

    model_config = ConfigDict(extra="forbid")
    until: AwareDatetime | None = Field(None, description="At most 12 hours away; default the end of the shift")


class SharingOut(BaseModel):
    """Until when."""

    sharing_until: datetime | None


class Responders(BaseModel):
    """A list."""

    items: Sequence[ResponderOut]
    next: str | None = None


def _out(row: Responder, now: datetime, members: Sequence[str], on_shift_until: datetime | None) -> ResponderOut:
    day = (now + timedelta(hours=8)).date()
    lon, lat, at = force.place_of(row, now)
    return ResponderOut(
        id=row.id,
        name=row.name,
        name_en=row.name_en,
        kind=row.kind,
        role=row.role,
        area_path=row.area_path,
        skills=force.skills_on(row, day),
        skill_expiry={skill: date.fromisoformat(until) for skill, until in (row.skill_expiry or {}).items()},
        skills_ending=force.expiring(row, day),
        organisation=row.organisation,
        vehicle=row.vehicle,
        equipment=list(row.equipment or []),
        may_not=list(row.may_not or []),
        voluntary=row.role in force.OPT_IN,
        opted_in_at=row.opted_in_at,
        active=row.active,
        lon=lon,
        lat=lat,
        position_at=at,
        sharing_until=row.sharing_until if row.sharing_until and row.sharing_until > now else None,
        on_shift_until=on_shift_until,
        person_ids=list(members),
    )


async def _one(session: AsyncSession, row: Responder, now: datetime) -> ResponderOut:
    ends = [shift.ends_at for shift in await service.shifts_at(session, now) if shift.responder_id == row.id]
    return _out(row, now, await service.members(session, row.id), max(ends, default=None))


@router.get("/responders", summary="Who can be sent")
async def list_responders(person: Staff, services: Shared) -> Responders:
    """People and teams within one's area, with the end of their present shift."""
    now = services.now()
    async with services.db.reading() as session:
        found = [one for one in await service.responders(session) if within(person.area_path, one.area_path)]
        members = await service.all_members(session)
        on_shift = {shift.responder_id: shift.ends_at for shift in await service.shifts_at(session, now)}
    return Responders(items=[_out(one, now, members.get(one.id, []), on_shift.get(one.id)) for one in found])


def _may_keep(person: Person, role: str, *areas: str) -> None:
    for area in areas:
        if not within(person.area_path, area):
            raise Problem(403, "outside-area", "This area is not one that you are responsible for.")
    if not person.has(Role.ADMINISTRATOR) and role not in OF_PROPERTY:
        raise Problem(403, "wrong-role", f"A property manager enters: {', '.join(sorted(OF_PROPERTY))}.")


def _stored(values: dict[str, Any]) -> tuple[dict[str, Any], list[str] | None]:
    members = values.pop("person_ids", None)
    if unknown := sorted(set(values.get("may_not") or ()) - catalogue().tasks.keys()):
        raise invalid("may_not", f"there is no task '{unknown[0]:.40}'", "take one of GET /tasks")
    if values.get("skill_expiry") is not None:
        values["skill_expiry"] = {skill: until.isoformat() for skill, until in values["skill_expiry"].items()}
    return values, members


@router.post("/responders", status_code=201, summary="Enter a responder or a team")
async def add_responder(given: ResponderIn, person: Keeper, services: Shared) -> ResponderOut:
    """Property managers: their own guards, engineers and micro fire stations; volunteers still have to opt in."""
    _may_keep(person, given.role, given.area_path)
    values, members = _stored(given.model_dump())
    async with services.db.transaction() as session:
        await feed.hold(session)
        row = await force.put(session, None, values, members or [])
        await _record(session, "responder_entered", row, person, services, sorted(values))
        return await _one(session, row, services.now())


@router.put("/responders/{responder_id}", summary="Change a responder or a team")
async def change_responder(responder_id: str, given: ResponderChange, person: Keeper, services: Shared) -> ResponderOut:
    """Changes what is given: members, skills and when they run out, vehicle, equipment, what they may not do."""
    values, members = _stored(given.model_dump(exclude_unset=True))
    async with services.db.transaction() as session:
        await feed.hold(session)
        row = await session.get(Responder, responder_id)
        if row is None or not within(person.area_path, row.area_path):
            raise not_found("responder", responder_id)
        _may_keep(person, row.role, values.get("area_path") or row.area_path)
        kept = {key: value for key, value in values.items() if value is not None or key not in _NEVER_NULL}
        row = await force.put(session, responder_id, kept, members)
        changed = sorted([*kept, *(["person_ids"] if members is not None else [])])
        await _record(session, "responder_changed", row, person, services, changed)
        return await _one(session, row, services.now())


_NEVER_NULL = frozenset({"name", "name_en", "area_path", "skills", "active"})


async def _record(
    session: AsyncSession, kind: str, row: Responder, person: Person, services: Services, fields: Sequence[str]
) -> None:
    body = {"fields": list(fields), "area": row.area_path, "role": row.role}
    await audit.append(session, kind=kind, now=services.now(), subject=row.id, actor=person.id, body=body)


async def _own(session: AsyncSession, responder_id: str, person: Person) -> Responder:
    row = await session.get(Responder, responder_id)
    if row is None or responder_id not in person.responder_ids:
        raise not_found("responder", responder_id)
    return row


@router.post("/responders/{responder_id}/join", summary="加入（志愿者、社会应急力量）")
async def join(responder_id: str, person: AnyPerson, services: Shared) -> ResponderOut:
    """A volunteer or a rescue team agrees to be asked. Nobody does it for them."""
    return await _opt(responder_id, person, services, joins=True)


@router.post("/responders/{responder_id}/leave", summary="退出（志愿者、社会应急力量）")
async def leave(responder_id: str, person: AnyPerson, services: Shared) -> ResponderOut:
    """Not any more; a position that was shared is deleted."""
    return await _opt(responder_id, person, services, joins=False)


async def _opt(responder_id: str, person: Person, services: Services, *, joins: bool) -> ResponderOut:
    async with services.db.transaction() as session:
        await feed.hold(session)
        row = await _own(session, responder_id, person)
        if await force.opt(session, row, joins=joins, now=services.now()):
            await _record(session, "opted_in" if joins else "opted_out", row, person, services, [])
        return await _one(session, row, services.now())


@router.put("/responders/{responder_id}/sharing", summary="Share where one is, until then")
async def share(responder_id: str, given: SharingIn, person: AnyPerson, services: Shared) -> SharingOut:
    """Opt in, for oneself or one's team, at most 12 hours; then it ends and what was shared is deleted."""
    async with services.db.transaction() as session:
        row = await _own(session, responder_id, person)
        until = await force.share(session, row, person.id, until=given.until, now=services.now())
    return SharingOut(sharing_until=until)


@router.delete("/responders/{responder_id}/sharing", status_code=204, summary="Stop sharing where one is")
async def unshare(responder_id: str, person: AnyPerson, services: Shared) -> None:
    """At once; what was shared is deleted."""
    async with services.db.transaction() as session:
        await force.unshare(session, await _own(session, responder_id, person))


@router.put("/responders/{responder_id}/position", status_code=204, summary="Where one is, while one shares it")
async def set_position(responder_id: str, position: PositionIn, person: AnyPerson, services: Shared) -> None:
    """Only for oneself or one's team, only while shared; kept to 100 m. A fix from the future counts as of now."""
    now = services.now()
    async with services.db.transaction() as session:
        row = await _own(session, responder_id, person)
        if row.sharing_until is None or row.sharing_until <= now:
            raise conflict("not-sharing", "The position is not shared: agree to it first, by PUT …/sharing.")
        await force.set_position(session, row, position.lon, position.lat, at=min(position.at or now, now))
