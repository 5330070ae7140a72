"""Timers of hand-over: one that waits too long, a promise that is due, shifts that ended without any."""

from cloud.feed import service as feed
from cloud.handover import notes, service
from cloud.handover.model import DeskNote, Handover
from cloud.services import DueHandler, Services
from cloud.timers import service as timers
from cloud.timers.service import Due


async def _overdue(services: Services, due: Due) -> None:
    async with services.db.transaction() as session:
        await feed.hold(session)
        if not await timers.take(session, due):
            return
        row = await session.get(Handover, due.key)
        if row is not None and row.state in service.OPEN:
            await service.overdue(session, row, services.now())


async def _note(services: Services, due: Due) -> None:
    async with services.db.transaction() as session:
        await feed.hold(session)
        if not await timers.take(session, due):
            return
        row = await session.get(DeskNote, due.key)
        if row is not None and row.done_at is None:
            await notes.due(session, row, services.now())


async def _look(services: Services, due: Due) -> None:
    async with services.db.transaction() as session:
        await feed.hold(session)
        if not await timers.take(session, due):
            return
        now = services.now()
        await service.forgotten(session, now)
        await timers.arm(session, service.WATCH, service.DESKS, await service.next_look(session, now), now=now)


HANDLERS: dict[str, DueHandler] = {service.DUE: _overdue, notes.NOTE_DUE: _note, service.WATCH: _look}
