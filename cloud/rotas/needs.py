"""What must be covered: as an area has it set, else as every street needs it; and what emergency modes add."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.feed import service as feed
from cloud.modes import service as modes
from cloud.people.access import Person
from cloud.people.model import Area
from cloud.people.service import new_id
from cloud.rotas.cover import RANK, Need
from cloud.rotas.model import CoverNeed

MOST_NEEDS = 100
"""Of one area."""


def built_in(area: str, zone: str) -> tuple[Need, ...]:
    """What every street needs around the clock: an officer, a leader, and in each grid somebody who can go. Pure."""
    return (
        Need(f"officer:{area}", area, "duty_officer", zone=zone),
        Need(f"leader:{area}", area, "duty_leader", zone=zone),
        Need(f"grids:{area}", area, "responder", each_grid=True, zone=zone),
    )


def need_of(row: CoverNeed, zone: str) -> Need:
    """A stored need."""
    begins = time.fromisoformat(row.begins) if row.begins else None
    ends = time.fromisoformat(row.ends) if row.ends else None
    return Need(row.id, row.area_path, row.post, row.role, row.count, row.each_grid, begins, ends, zone)


async def needs(session: AsyncSession, zone: str) -> tuple[list[Need], list[str]]:
    """What must be covered now, and the paths of all grids."""
    areas = list(await session.scalars(select(Area).order_by(Area.path)))
    rows = list(await session.scalars(select(CoverNeed).order_by(CoverNeed.area_path, CoverNeed.id)))
    found = [need_of(row, zone) for row in rows]
    given = {row.area_path for row in rows}
    for area in areas:
        if area.tier == "street" and area.path not in given:
            found += built_in(area.path, zone)
    return found, [area.path for area in areas if area.tier == "grid"]


async def of_modes(session: AsyncSession, zone: str) -> list[tuple[Need, datetime]]:
    """What modes that are on ask for beside, and until when; those of exercises ask for nothing real."""
    return [
        (_of_mode(mode.id, mode.area_path, post, int(count), zone), mode.ends_at)
        for mode in await modes.active(session)
        if mode.exercise is None
        for post, count in sorted(mode.staffing.items())
    ]


def _of_mode(mode: str, area: str, post: str, count: int, zone: str) -> Need:
    if post in RANK:
        return Need(f"{mode}:{post}", area, post, None, count, zone=zone)
    return Need(f"{mode}:{post}", area, "responder", post, count, zone=zone)


def need_json(need: Need) -> dict[str, Any]:
    """As the API shows it."""
    return {
        "id": need.id,
        "area_path": need.area,
        "post": need.post,
        "role": need.role,
        "count": need.count,
        "each_grid": need.each_grid,
        "from": need.begins.isoformat("minutes") if need.begins else None,
        "to": need.ends.isoformat("minutes") if need.ends else None,
    }


async def put(
    session: AsyncSession, area: Area, wanted: Sequence[Mapping[str, Any]], person: Person, now: datetime
) -> None:
    """Set what an area needs, in place of what it had; nothing given = as every street."""
    await feed.hold(session)
    await session.execute(delete(CoverNeed).where(CoverNeed.area_path == area.path))
    by = {"id": person.id, "name": person.name}
    session.add_all(
        CoverNeed(
            id=new_id("ned"),
            area_path=area.path,
            post=one["post"],
            role=one["role"],
            count=one["count"],
            each_grid=one["each_grid"],
            begins=one["begins"],
            ends=one["ends"],
            set_at=now,
            set_by=by,
        )
        for one in wanted
    )
    await session.flush()
    await audit.append(
        session,
        kind="cover_needs_set",
        now=now,
        subject=area.path[:200],
        actor=person.id,
        body={"needs": [dict(one) for one in wanted]},
    )
