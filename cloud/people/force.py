"""Who can be sent: people and teams with skills that run out, and where they are if they want to say so.

With `service.py` and `shifts.py` the only writer of the tables of people.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people.model import Account, Area, Responder, ResponderMember, Shift
from cloud.people.service import new_id
from cloud.problems import conflict, invalid, not_found
from cloud.timers import service as timers

OPT_IN = frozenset({"volunteer", "rescue_team"})
"""Roles of people who owe nothing: nobody asks them before they have said yes."""
LONGEST_SHARING = timedelta(hours=12)
WITHOUT_SHIFT = timedelta(hours=2)
DECIMALS = 3
"""A shared position is kept to about 100 m: near enough to choose who goes, too coarse to follow somebody home."""
FORGET = "position_forget"
SOON = timedelta(days=30)
"""A certificate that runs out within so long is shown as such."""


def available(row: Responder) -> bool:
    """Whether anybody may be asked: volunteers and rescue teams only after they have opted in. Pure."""
    return row.active and (row.role not in OPT_IN or row.opted_in_at is not None)


def skills_on(row: Responder, day: date) -> list[str]:
    """Skills that hold on a day: those whose certificate has run out do not. Pure."""
    expiry = row.skill_expiry or {}
    return [skill for skill in row.skills if skill not in expiry or date.fromisoformat(expiry[skill]) >= day]


def expiring(row: Responder, day: date) -> list[dict[str, str]]:
    """Skills that have run out or soon will, the first first. Pure."""
    found = [
        {"skill": skill, "until": until, "state": "expired" if date.fromisoformat(until) < day else "soon"}
        for skill, until in (row.skill_expiry or {}).items()
        if skill in row.skills and date.fromisoformat(until) < day + SOON
    ]
    return sorted(found, key=lambda one: (one["until"], one["skill"]))


def place_of(row: Responder, now: datetime) -> tuple[float | None, float | None, datetime | None]:
    """Where to reckon with somebody: a position that is shared now (with its time), else their post. Pure."""
    shares = row.sharing_until is not None and row.sharing_until > now
    if shares and row.lon is not None and row.lat is not None:
        return row.lon, row.lat, row.position_at
    if row.post_lon is None and row.position_at is None and not shares:
        return row.lon, row.lat, None  # a place that does not move, entered before posts had columns of their own
    return row.post_lon, row.post_lat, None


# ---------------------------------------------------------------- responders


async def put(
    session: AsyncSession, responder_id: str | None, values: Mapping[str, Any], members: Sequence[str] | None
) -> Responder:
    """Enter a responder (without id), or change what is given of one.

    Raises:
        Problem: 404 for one that is not there, 422 for an area, a person or a skill that is not.
    """
    if "area_path" in values and await session.get(Area, values["area_path"]) is None:
        raise invalid("area_path", f"there is no area '{values['area_path']:.100}'", "take a path from GET /areas")
    for person in members or ():
        if await session.get(Account, person) is None:
            raise invalid("person_ids", f"there is no person '{person:.64}'", "take one of GET /people")
    if responder_id is None:
        row = Responder(id=new_id("rsp"), skills=[], **_empty())
        session.add(row)
    else:
        found = await session.get(Responder, responder_id)
        if found is None:
            raise not_found("responder", responder_id)
        row = found
    for key, value in values.items():
        setattr(row, key, value)
    unknown = sorted(set(row.skill_expiry or {}) - set(row.skills))
    if unknown:
        raise invalid("skill_expiry", f"'{unknown[0]:.40}' is none of the skills", "add it to skills, or leave it out")
    await session.flush()
    if members is not None:
        if row.kind == "person" and len(set(members)) > 1:
            raise invalid("person_ids", "are several, and this is one person", "make it a team")
        await session.execute(delete(ResponderMember).where(ResponderMember.responder_id == row.id))
        session.add_all(ResponderMember(responder_id=row.id, person_id=person) for person in dict.fromkeys(members))
        await session.flush()
    return row


def _empty() -> dict[str, Any]:
    return {"name_en": "", "active": True, "lon": None, "lat": None, "position_at": None}


async def opt(session: AsyncSession, row: Responder, *, joins: bool, now: datetime) -> bool:
    """A volunteer or a rescue team says yes, or no any more; False when that was so already.

    Raises:
        Problem: 409 for somebody whose duty it is.
    """
    if row.role not in OPT_IN:
        raise conflict("not-voluntary", f"'{row.name}' is a {row.role}: that is no matter of opting in.")
    if (row.opted_in_at is not None) == joins:
        return False
    row.opted_in_at = now if joins else None
    if not joins:
        await unshare(session, row)
    await session.flush()
    return True


# ---------------------------------------------------------------- positions


async def share(
    session: AsyncSession, row: Responder, person_id: str, *, until: datetime | None, now: datetime
) -> datetime:
    """Somebody agrees to share where they are; when it ends: as said, else with the shift, else in two hours.

    Raises:
        Problem: 422 for an end that cannot be.
    """
    if until is None:
        ends = await session.scalar(
            select(Shift.ends_at)
            .where(or_(Shift.responder_id == row.id, Shift.person_id == person_id))
            .where(Shift.starts_at <= now, Shift.ends_at > now)
            .order_by(Shift.ends_at)
            .limit(1)
        )
        until = min(ends or now + WITHOUT_SHIFT, now + LONGEST_SHARING)
    if not now < until <= now + LONGEST_SHARING:
        hours = round(LONGEST_SHARING.total_seconds() / 3600)
        raise invalid("until", f"is not within the next {hours} hours", "choose an end; it can be shared again")
    row.sharing_until, row.sharing_by = until, person_id
    await timers.arm(session, FORGET, row.id, until, now=now)
    await session.flush()
    return until


async def unshare(session: AsyncSession, row: Responder) -> None:
    """Stop sharing, and delete what was shared."""
    row.sharing_until = row.sharing_by = None
    row.lon = row.lat = row.position_at = None
    await timers.disarm(session, FORGET, row.id)
    await session.flush()


async def set_position(session: AsyncSession, row: Responder, lon: float, lat: float, *, at: datetime) -> None:
    """Where a responder who shares it was, rounded; an older position never replaces a newer one."""
    newer = or_(Responder.position_at.is_(None), Responder.position_at <= at)
    await session.execute(
        update(Responder)
        .where(Responder.id == row.id, newer)
        .values(lon=round(lon, DECIMALS), lat=round(lat, DECIMALS), position_at=at)
    )


async def forget_stray(session: AsyncSession, now: datetime) -> None:
    """Positions that nobody shares (any more): left by an older version, or by a timer that was lost."""
    over = or_(Responder.sharing_until.is_(None), Responder.sharing_until <= now)
    await session.execute(
        update(Responder)
        .where(Responder.position_at.is_not(None), over)
        .values(lon=None, lat=None, position_at=None, sharing_until=None, sharing_by=None)
    )


async def forget(session: AsyncSession, responder_id: str, now: datetime) -> None:
    """The time is over: the position goes. One that has been shared anew meanwhile stays."""
    row = await session.get(Responder, responder_id)
    if row is not None and (row.sharing_until is None or row.sharing_until <= now):
        row.sharing_until = row.sharing_by = None
        row.lon = row.lat = row.position_at = None
        await session.flush()
