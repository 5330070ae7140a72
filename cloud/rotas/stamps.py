"""到岗, 离岗: people's own stamps, and how long each has been on. The only writer of its table."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people.service import new_id
from cloud.problems import invalid
from cloud.rotas.hours import Stamp, Stretch, stretch
from cloud.rotas.model import DutyStamp

LOOK_BACK = timedelta(days=5)
LATEST = timedelta(days=2)
"""A tap from a phone without signal comes at most so late."""


async def tap(
    session: AsyncSession,
    person_id: str,
    *,
    on: bool,
    at: datetime,
    now: datetime,
    origin: Literal["tap", "handover"] = "tap",
) -> bool:
    """Write a stamp; False when the same was said already. A tap from the future counts as of now.

    Raises:
        Problem: 422 for a tap that is too old.
    """
    if at < now - LATEST:
        raise invalid("at", "is more than two days ago", "stamps are made at the time")
    at = min(at, now)
    same = select(DutyStamp.id).where(DutyStamp.person_id == person_id, DutyStamp.at == at, DutyStamp.on == on)
    if await session.scalar(same) is not None:
        return False
    session.add(DutyStamp(id=new_id("dst"), person_id=person_id, at=at, recorded_at=now, on=on, origin=origin))
    await session.flush()
    return True


async def stretches(
    session: AsyncSession, now: datetime, persons: Collection[str] | None = None
) -> Mapping[str, Stretch]:
    """By person who has stamped in the last days, the stretch that runs."""
    query = select(DutyStamp).where(DutyStamp.at > now - LOOK_BACK)
    if persons is not None:
        query = query.where(DutyStamp.person_id.in_(persons))
    by_person: dict[str, list[Stamp]] = defaultdict(list)
    for row in await session.scalars(query):
        by_person[row.person_id].append(Stamp(row.at, row.on))
    return {person: stretch(stamps, now) for person, stamps in by_person.items()}
