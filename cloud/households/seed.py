"""Household cards of the demonstration neighbourhood: invented doors, no names."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.households.model import Household
from cloud.households.order import Flag
from cloud.people.service import new_id

_SITES = {"wh": "wanghuyuan", "sn": "shuinan"}
_KNOWN: tuple[tuple[str, int, str, int, tuple[Flag, ...], str, str], ...] = (
    ("wh-7", 1, "102", 2, (Flag.WHEELCHAIR,), "101", "轮椅在楼道"),
    ("wh-7", 1, "301", 3, (Flag.INFANT,), "", ""),
    ("wh-7", 1, "502", 1, (Flag.LIVES_ALONE, Flag.OVER_80, Flag.DEAF), "501", "看灯，不听门铃"),
    ("wh-7", 1, "601", 2, (), "", ""),
    ("wh-7", 1, "602", 1, (Flag.LIVES_ALONE, Flag.OVER_80), "601", "常熬药"),
    ("wh-7", 2, "202", 2, (Flag.OXYGEN,), "201", "制氧机靠门口插座"),
    ("wh-7", 2, "401", 4, (), "", ""),
    ("wh-8", 1, "101", 2, (Flag.MOBILITY, Flag.OVER_80), "102", ""),
    ("wh-9", 1, "501", 1, (Flag.LIVES_ALONE,), "", ""),
    ("sn-12", 1, "101", 3, (Flag.CHILDREN_ALONE,), "102", "放学后无大人"),
    ("sn-12", 1, "201", 1, (Flag.BEDRIDDEN, Flag.LIVES_ALONE), "202", "护工白天在"),
    ("sn-12", 2, "302", 2, (Flag.BLIND,), "", ""),
    ("sn-15", 1, "102", 2, (Flag.PREGNANT,), "", ""),
)
"""Building, stairwell, door, persons, flags, who has a key, note."""


async def demo(session: AsyncSession, *, now: datetime) -> int:
    """Write them into the caller's transaction where there are none; how many."""
    if await session.scalar(select(func.count()).select_from(Household)):
        return 0
    for building, stairwell, door, persons, flags, key_with, note in _KNOWN:
        session.add(
            Household(
                id=new_id("hh"), site_id=_SITES[building[:2]], building_id=building,
                section=f"{building}-s{stairwell}", floor=int(door[:-2]), door=door, persons=persons,
                flags=[str(flag) for flag in flags], key_with=key_with, note=note, consent=bool(flags),
                reviewed_at=now, updated_by="per_manager",
            )
        )  # fmt: skip
    await session.flush()
    return len(_KNOWN)
