"""Named clocks that devices may be registered on."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.problems import invalid
from cloud.registry.model import TimelineRow
from wire.time import REAL, Segment, Timeline, to_ms
from wire.topics import is_identifier

MAX_SEGMENTS = 1000


async def all_timelines(session: AsyncSession) -> list[Timeline]:
    """Every named clock."""
    rows = await session.scalars(select(TimelineRow).order_by(TimelineRow.name))
    return [_timeline(row) for row in rows]


async def timeline(session: AsyncSession, name: str) -> Timeline | None:
    """One clock; the real one has no row."""
    if name == REAL:
        return Timeline()
    row = await session.get(TimelineRow, name)
    return _timeline(row) if row else None


async def write(session: AsyncSession, value: Timeline, *, label_zh: str = "", label_en: str = "") -> None:
    """Write a clock into the caller's transaction; whoever calls tells the edges (`service.put_timeline`).

    Raises:
        Problem: for the name `real`, for segments out of order or going back in scenario time.
    """
    if value.name == REAL or not is_identifier(value.name):
        raise invalid("name", f"'{value.name:.80}' cannot be the name of a timeline")
    if not 1 <= len(value.segments) <= MAX_SEGMENTS:
        raise invalid("segments", f"a timeline has 1 to {MAX_SEGMENTS} segments")
    for before, after in zip(value.segments, value.segments[1:], strict=False):
        if after.wall_ms <= before.wall_ms:
            raise invalid("segments", "wall times must rise from segment to segment")
        reached = before.scenario_ms + (after.wall_ms - before.wall_ms) * before.rate
        if after.scenario_ms < reached - 1:
            raise invalid("segments", "scenario time may not run back: readings would be judged twice")
    segments = [msgspec.to_builtins(segment) for segment in value.segments]
    row = await session.get(TimelineRow, value.name)
    if row is None:
        session.add(TimelineRow(name=value.name, segments=segments, label_zh=label_zh, label_en=label_en))
    else:
        row.segments = segments
        row.label_zh, row.label_en = label_zh or row.label_zh, label_en or row.label_en
    await session.flush()


async def demo_clock(session: AsyncSession, name: str, now: datetime) -> dict[str, Any] | None:
    """The demonstration's clock as a session shows it; None until somebody has set it."""
    row = await session.get(TimelineRow, name)
    if row is None:
        return None
    rate = _timeline(row).rate(to_ms(now))
    return {"rate": rate, "timeline": name, "label_zh": row.label_zh, "label_en": row.label_en}


def _timeline(row: TimelineRow) -> Timeline:
    return Timeline(name=row.name, segments=tuple(msgspec.convert(one, Segment) for one in row.segments))
