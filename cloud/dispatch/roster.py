"""Who there is and who is on duty, as the pure choices need it. Reads people and assignments; writes nothing."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.escalation import Desk, Target, way_up
from cloud.dispatch.model import Assignment
from cloud.dispatch.progress import LIVE
from cloud.dispatch.proposal import Engagement, Force, Need
from cloud.incidents.model import Incident
from cloud.people import service as people
from cloud.people.access import within
from cloud.people.model import Area
from wire.alert import Hazard
from wire.level import Level

POSTS: tuple[people.Post, ...] = ("duty_officer", "duty_leader")


async def desks(session: AsyncSession, incident: Incident, now: datetime) -> tuple[Target, ...]:
    """The way up from an incident: who is told when a limit is missed. In an exercise, participants only."""
    areas = people.chain(incident.grid_path)
    on_duty = [
        Desk(area, person.id, post)
        for area in areas
        for post in POSTS
        for person in await people.on_duty(session, area, now, post)
        if incident.exercise is None or incident.exercise in person.exercises
    ]
    return way_up(areas, on_duty)


async def member_ids(session: AsyncSession, responder_id: str, exercise: str | None) -> tuple[str, ...]:
    """Who may act for a responder, and hears of it; in an exercise, participants only."""
    members = await people.members(session, responder_id)
    if exercise is not None:
        taking_part = await participants(session, exercise)
        members = [person for person in members if person in taking_part]
    return tuple(sorted(members))


async def participants(session: AsyncSession, exercise: str) -> frozenset[str]:
    """Person ids that take part in an exercise."""
    return frozenset(account.id for account, _ in await people.participants(session, exercise))


async def forces(session: AsyncSession, incident: Incident, now: datetime) -> list[Force]:
    """Every responder, with shift, load and part in the incident's exercise."""
    members = await people.all_members(session)
    taking_part = await participants(session, incident.exercise) if incident.exercise else frozenset()
    until: dict[str, datetime] = {}
    for shift in await people.shifts_at(session, now):
        if shift.responder_id is not None:
            until[shift.responder_id] = max(shift.ends_at, until.get(shift.responder_id, shift.ends_at))
    engaged = await _engagements(session, incident)
    rows = await people.responders(session)
    named = select(Area.path, Area.name).where(Area.path.in_({row.area_path for row in rows}))
    names = {row.path: row.name for row in await session.execute(named)}
    return [
        Force(
            id=row.id,
            name=row.name,
            kind=row.kind,
            role=row.role,
            skills=frozenset(row.skills),
            lon=row.lon,
            lat=row.lat,
            shift_until=until.get(row.id),
            covers_grid=within(row.area_path, incident.grid_path),
            grid_name=names.get(row.area_path, ""),
            engagements=tuple(engaged[row.id]),
            exercises=frozenset({incident.exercise})
            if incident.exercise and taking_part & set(members.get(row.id, ()))
            else frozenset(),
        )
        for row in rows
    ]


async def _engagements(session: AsyncSession, incident: Incident) -> dict[str, list[Engagement]]:
    """What everybody is on. A drill never makes anybody busy for a real incident."""
    query = (
        select(Assignment.responder_id, Incident.id, Incident.level)
        .join(Incident, Incident.id == Assignment.incident_id)
        .where(Assignment.state.in_(LIVE))
    )
    if incident.exercise is None:
        query = query.where(Assignment.exercise.is_(None))
    found: dict[str, list[Engagement]] = defaultdict(list)
    for responder, other, level in await session.execute(query):
        found[responder].append(Engagement(other, Level(level)))
    return found


def need_of(incident: Incident) -> Need:
    """An incident as the choice of responders sees it."""
    return Need(
        incident=incident.id,
        hazard=Hazard(incident.hazard),
        level=Level(incident.level),
        lon=incident.place.get("lon"),
        lat=incident.place.get("lat"),
        exercise=incident.exercise,
    )


async def asked(session: AsyncSession, incident_id: str) -> Sequence[str]:
    """Responders who have been asked for this incident already, whatever came of it."""
    return list(await session.scalars(select(Assignment.responder_id).where(Assignment.incident_id == incident_id)))
