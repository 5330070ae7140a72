"""Tells of a new score when an incident of a drill has moved. Drills end by a timer (due.py)."""

import asyncio
from collections.abc import Iterable

from cloud.drills import service
from cloud.feed import service as feed
from cloud.feed.service import Reset
from cloud.services import Services

_SCORED = frozenset({"incident", "assignment"})
_GATHER_S = 0.5
_LONGEST_WAIT_S = 60.0


async def background(services: Services) -> None:
    """Set the ends of drills that an older version left running without a timer; then follow the feed."""
    async with services.db.transaction() as session:
        for drill in await service.drills(session, "running"):
            await service.keep_end(session, drill, now=services.now())
    async with services.db.reading() as session:
        position = await feed.position(session)
    while True:
        if not await services.feed.wait_beyond(position, _LONGEST_WAIT_S):
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
