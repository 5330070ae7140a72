"""Ends drills at the end of their script, and tells of a new score when an incident of a drill has moved."""

import asyncio
from collections.abc import Iterable
from datetime import datetime

from cloud.drills import clock, service
from cloud.feed import service as feed
from cloud.feed.service import Reset
from cloud.services import Services
from wire.time import to_datetime, to_ms

_SCORED = frozenset({"incident", "assignment"})
_GATHER_S = 0.5
_LONGEST_WAIT_S = 60.0


async def background(services: Services) -> None:
    """Follow the feed; wake at the latest when the next drill is over."""
    async with services.db.reading() as session:
        position = await feed.position(session)
    while True:
        due = await _end_what_is_over(services)
        wait_s = min(_LONGEST_WAIT_S, max(0.05, (due - services.now()).total_seconds())) if due else _LONGEST_WAIT_S
        if not await services.feed.wait_beyond(position, wait_s):
            continue
        await asyncio.sleep(_GATHER_S)
        page = await services.feed.after(position)
        if isinstance(page, Reset):
            position = page.position
            continue
        moved = {entry.exercise for entry in page if entry.kind in _SCORED and entry.exercise}
        position = page[-1].position if page else position
        if moved:
            await _announce(services, moved)


async def _announce(services: Services, moved: Iterable[str]) -> None:
    async with services.db.transaction() as session:
        for drill_id in sorted(moved):
            await service.announce(session, drill_id, now=services.now())


async def _end_what_is_over(services: Services) -> datetime | None:
    """Stops what is past its script; returns when the next one will be."""
    now = services.now()
    over: list[str] = []
    coming: list[datetime] = []
    async with services.db.reading() as session:
        for drill in await service.drills(session, "running"):
            end = clock.due_wall_ms(service.timeline_of(drill), service.script_of(drill).duration_s)
            if end is not None and end <= to_ms(now):
                over.append(drill.id)
            elif end is not None:
                coming.append(to_datetime(end))
    for drill_id in over:
        async with services.db.transaction() as session:
            await service.move(session, drill_id, "stop", now=now)
    return min(coming, default=None)
