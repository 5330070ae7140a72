"""Who there is and who is on duty, as the pure choices need it. Reads people, rotas, assignments; writes nothing.

Who is on duty is what the rotas say (cloud/rotas lays them out as shifts): there is no second list.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.escalation import Desk, Target, way_up
from cloud.dispatch.model import Assignment, Reservation
from cloud.dispatch.progress import LIVE
from cloud.dispatch.proposal import LONG_ON_H, Engagement, Force, Need
from cloud.incidents.docket import LOCAL
from cloud.incidents.model import Incident
from cloud.people import service as people
from cloud.people.access import Person, Role, may_see
from cloud.people.force import available, place_of, skills_on
from cloud.people.model import Account, Area, Responder
from cloud.rotas.stamps import stretches
from wire.alert import Hazard
from wire.level import Level

POSTS: tuple[people.Post, ...] = ("duty_officer", "duty_leader")
LATELY = timedelta(hours=8)


# ---------------------------------------------------------------- the desks


async def who_is_on(session: AsyncSession, at: datetime, area: str, *posts: people.Post) -> list[Person]:
    """Who stands on a post of exactly this area at an instant: the one question that dispatch asks the rota."""
    known = _known(session)
    key = ("on", at, area, *posts)
    if key not in known:
        known[key] = await people.on_duty(session, area, at, *posts)
    found: list[Person] = known[key]
    return found


def _known(session: AsyncSession) -> dict[tuple[Any, ...], Any]:
    """What has been looked up in this transaction: rota and membership do not change in one on incidents."""
    known: dict[tuple[Any, ...], Any] = session.info.setdefault("roster", {})
    return known


async def desks(session: AsyncSession, incident: Incident, now: datetime) -> tuple[Target, ...]:
    """The way up from an incident: who is told when a limit is missed. In an exercise, participants only.

    With nobody on duty anywhere, the duty officers of these areas are told off duty: a hole in the rota is no dead end.
    """
    known, key = _known(session), ("way", now, incident.grid_path, incident.exercise)
    if key not in known:
        known[key] = await _way_up(session, incident, now)
    way: tuple[Target, ...] = known[key]
    return way


async def _way_up(session: AsyncSession, incident: Incident, now: datetime) -> tuple[Target, ...]:
    areas = people.chain(incident.grid_path)

    def told(person: Person) -> bool:
        return incident.exercise is None or incident.exercise in person.exercises

    on_duty = [
        Desk(area, person.id, post)
        for area in areas
        for post in POSTS
        for person in await who_is_on(session, now, area, post)
        if told(person)
    ]
    if not on_duty:
        officers = [one for one in await people.people(session) if one.active and one.area_path in areas]
        found = [await people.person(session, one.id) for one in officers if Role.DUTY_OFFICER in one.roles]
        on_duty = [Desk(one.area_path, one.id, "off_duty") for one in found if one is not None and told(one)]
    return way_up(areas, on_duty)


async def leaders(session: AsyncSession, incident: Incident, now: datetime) -> tuple[str, ...]:
    """The duty leaders (带班领导) above an incident, of the nearest area that has any."""
    for area in people.chain(incident.grid_path):
        found = [
            person.id
            for person in await who_is_on(session, now, area, "duty_leader")
            if incident.exercise is None or incident.exercise in person.exercises
        ]
        if found:
            return tuple(found)
    return ()


async def on_posts(session: AsyncSession, incident: Incident, now: datetime, *posts: str) -> list[str]:
    """Who stands on some posts for an incident: of each post, the nearest area that has anybody on it."""
    found: list[str] = []
    for post in posts:
        for area in people.chain(incident.grid_path):
            on = [
                person.id
                for person in await who_is_on(session, now, area, cast("people.Post", post))
                if incident.exercise is None or incident.exercise in person.exercises
            ]
            if on:
                found += on
                break
    return found


async def may_own(session: AsyncSession, incident: Incident, person_id: str) -> Person | None:
    """The person, if they could be responsible for an incident: a duty officer in whose sight it lies."""
    account = await session.get(Account, person_id)
    person = await people.person(session, person_id) if account is not None and account.active else None
    if person is None or not person.has(Role.DUTY_OFFICER):
        return None
    if incident.exercise is not None and incident.exercise not in person.exercises:
        return None
    return person if may_see(person, incident.grid_path, incident.exercise, site=incident.site_id) else None


async def on_shift_now(session: AsyncSession, person_id: str, now: datetime) -> bool:
    """Whether somebody stands on any post now."""
    return any(shift.person_id == person_id for shift in await people.shifts_at(session, now))


# ---------------------------------------------------------------- who may act for whom


async def member_ids(session: AsyncSession, responder_id: str, exercise: str | None) -> tuple[str, ...]:
    """Who may act for a responder, and hears of it; in an exercise, participants only."""
    known, key = _known(session), ("members", responder_id, exercise)
    if key not in known:
        members = await people.members(session, responder_id)
        taking_part = await participants(session, exercise) if exercise is not None else frozenset(members)
        known[key] = tuple(sorted(person for person in members if person in taking_part))
    found: tuple[str, ...] = known[key]
    return found


async def participants(session: AsyncSession, exercise: str) -> frozenset[str]:
    """Person ids that take part in an exercise."""
    return frozenset(account.id for account, _ in await people.participants(session, exercise))


# ---------------------------------------------------------------- the forces


async def forces(session: AsyncSession, exercise: str | None, now: datetime) -> list[Force]:
    """Every responder who may be asked, with shift, hours, load, position and part in an exercise.

    Volunteers and rescue teams that have not opted in are not among them; skills that have run out do not count.
    """
    members = await people.all_members(session)
    taking_part = await participants(session, exercise) if exercise else frozenset()
    rows = [row for row in await people.responders(session) if available(row)]
    day = now.astimezone(LOCAL).date()
    hours = await _hours(session, members, now)
    areas = {
        row.path: row for row in await session.scalars(select(Area).where(Area.path.in_({r.area_path for r in rows})))
    }
    until, standby = await _shifts(session, now)
    coming = await _coming(session, now)
    engaged = await _engagements(session, exercise, now)
    lately = await _lately(session, exercise, now)
    made = []
    for row in rows:
        mine = set(members.get(row.id, ()))
        area = areas.get(row.area_path)
        lon, lat, position_at, approximate = _position(row, area, now)
        left, following = until.get(row.id), coming.get(row.id)
        made.append(
            Force(
                id=row.id,
                name=row.name,
                kind=row.kind,
                role=row.role,
                skills=frozenset(skills_on(row, day)),
                may_not=frozenset(row.may_not or ()),
                lon=lon,
                lat=lat,
                position_min=_minutes(now - position_at) if position_at else None,
                approximate=approximate,
                shift_until=left,
                shift_left_min=_minutes(left - now) if left else None,
                next_shift_min=_minutes(following - now) if following else None,
                standby=bool(mine & standby),
                area_path=row.area_path,
                grid_name=area.name if area else "",
                engagements=tuple(engaged[row.id]),
                lately=lately[row.id],
                on_for_h=hours.get(row.id),
                exercises=frozenset({exercise}) if exercise and taking_part & mine else frozenset(),
            )
        )
    return made


def _minutes(span: timedelta) -> int:
    return round(span.total_seconds() / 60)


def _position(
    row: Responder, area: Area | None, now: datetime
) -> tuple[float | None, float | None, datetime | None, bool]:
    """A position that is shared now, else the post where they usually are, else the middle of their area."""
    lon, lat, at = place_of(row, now)
    if lon is not None and lat is not None:
        return lon, lat, at, False
    if area is not None and area.lon is not None and area.lat is not None:
        return area.lon, area.lat, None, True
    return None, None, None, False


async def _hours(session: AsyncSession, members: Mapping[str, Sequence[str]], now: datetime) -> dict[str, float]:
    """By responder, hours on without a rest by their own stamps; of a team, those of the freshest who is on."""
    found = await stretches(session, now)
    on = {person: run.on.total_seconds() / 3600 for person, run in found.items() if run.on_now}
    of_team = {one: [on[person] for person in people if person in on] for one, people in members.items()}
    return {one: round(min(hours), 1) for one, hours in of_team.items() if hours}


async def _shifts(session: AsyncSession, now: datetime) -> tuple[dict[str, datetime], frozenset[str]]:
    """Until when each responder is on shift, and which people stand by (备勤)."""
    until: dict[str, datetime] = {}
    standby = set()
    for shift in await people.shifts_at(session, now):
        if shift.responder_id is not None:
            until[shift.responder_id] = max(shift.ends_at, until.get(shift.responder_id, shift.ends_at))
        elif shift.post == "standby" and shift.person_id is not None:
            standby.add(shift.person_id)
    return until, frozenset(standby)


async def _coming(session: AsyncSession, now: datetime) -> dict[str, datetime]:
    """When each responder's next shift begins, within the next two hours."""
    found: dict[str, datetime] = {}
    for shift in await people.shifts(session, now, now + timedelta(hours=2)):
        if shift.responder_id is not None and shift.starts_at > now:
            found.setdefault(shift.responder_id, shift.starts_at)
    return found


async def _engagements(session: AsyncSession, exercise: str | None, now: datetime) -> dict[str, list[Engagement]]:
    """What everybody is on, or kept for. A drill never makes anybody busy for a real incident."""
    on = select(Assignment.responder_id, Incident.id, Incident.level, Incident.number)
    on = on.join(Incident, Incident.id == Assignment.incident_id).where(Assignment.state.in_(LIVE))
    kept = select(Reservation.responder_id, Incident.id, Incident.level, Incident.number)
    kept = kept.join(Incident, Incident.id == Reservation.incident_id)
    kept = kept.where(Reservation.ended_at.is_(None), Reservation.until > now)
    if exercise is None:
        on, kept = on.where(Assignment.exercise.is_(None)), kept.where(Reservation.exercise.is_(None))
    found: dict[str, list[Engagement]] = defaultdict(list)
    for query, reserved in ((on, False), (kept, True)):
        for responder, other, level, number in await session.execute(query):
            found[responder].append(Engagement(other, Level(level), reserved=reserved, number=number))
    return found


async def _lately(session: AsyncSession, exercise: str | None, now: datetime) -> Counter[str]:
    """How often each was sent in the last hours."""
    query = select(Assignment.responder_id, func.count()).where(
        Assignment.offered_at > now - LATELY,
        Assignment.acknowledged_at.is_not(None),
        Assignment.exercise == exercise if exercise else Assignment.exercise.is_(None),
    )
    found: Counter[str] = Counter()
    for responder, count in await session.execute(query.group_by(Assignment.responder_id)):
        found[responder] = count
    return found


# ---------------------------------------------------------------- the need


def need_of(
    incident: Incident,
    *,
    task: str | None = None,
    roles: Sequence[str] | None = None,
    long_on_h: float = LONG_ON_H,
) -> Need:
    """An incident as the choice of responders sees it."""
    return Need(
        incident=incident.id,
        hazard=Hazard(incident.hazard),
        level=Level(incident.level),
        lon=incident.place.get("lon"),
        lat=incident.place.get("lat"),
        exercise=incident.exercise,
        task=task,
        long_on_h=long_on_h,
        roles=frozenset(roles) if roles is not None else None,
        number=incident.number,
        grid_path=incident.grid_path,
    )


async def asked(session: AsyncSession, *incident_ids: str) -> dict[str, frozenset[str]]:
    """By incident, the responders who have been asked for it already, whatever came of it."""
    found: dict[str, set[str]] = {one: set() for one in incident_ids}
    query = select(Assignment.incident_id, Assignment.responder_id).where(Assignment.incident_id.in_(incident_ids))
    for incident, responder in await session.execute(query):
        found[incident].add(responder)
    return {one: frozenset(people) for one, people in found.items()}
