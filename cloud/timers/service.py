"""Setting timers, and claiming them. The only writer of its table.

A worker first leases what is due (a short transaction: `FOR UPDATE SKIP LOCKED` on PostgreSQL, the one write lock on
SQLite). It then acts, and `take`s the timer in the transaction of the act. If it dies before that commit, nothing has
happened, the lease runs out and another worker takes over; if it dies after, the timer went with the act. A worker
that was held up beyond its lease finds at `take` that the timer is no longer its own, and does nothing. So what a timer
sets off in the database happens exactly once, whatever dies when.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.database import Database
from cloud.timers.model import Timer

AT_ONCE = 20
"""Leased in one go; few, so that something more urgent that falls due meanwhile does not wait long."""
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=2)
LEAST_URGENT = 9


@dataclass(frozen=True, slots=True)
class Due:
    """A timer that a worker has leased."""

    id: str
    kind: str
    key: str
    subject: str | None
    due_at: datetime
    data: dict[str, Any]
    worker: str
    attempt: int


async def arm(
    session: AsyncSession,
    kind: str,
    key: str,
    due_at: datetime,
    *,
    now: datetime,
    subject: str | None = None,
    urgency: int = LEAST_URGENT,
    data: dict[str, Any] | None = None,
) -> Timer:
    """Set (or move) the one timer of this kind for this thing, in the caller's transaction.

    A worker that has leased it and not yet taken it loses it: it is a new timer.
    """
    timer = await get(session, kind, key)
    if timer is None:
        timer = Timer(id=f"tim_{secrets.token_hex(8)}", kind=kind, key=key)
        session.add(timer)
    timer.subject, timer.urgency, timer.due_at, timer.data = subject, urgency, due_at, data or {}
    timer.armed_at, timer.attempts, timer.error = now, 0, None
    timer.leased_by = timer.leased_until = None
    await session.flush()
    return timer


async def get(session: AsyncSession, kind: str, key: str) -> Timer | None:
    """The timer of this kind for this thing, as it stands now."""
    query = select(Timer).where(Timer.kind == kind, Timer.key == key).execution_options(populate_existing=True)
    return (await session.execute(query)).scalar_one_or_none()


async def disarm(session: AsyncSession, kind: str, key: str) -> None:
    """Take a timer away; nothing happens if there is none."""
    await session.execute(delete(Timer).where(Timer.kind == kind, Timer.key == key))


async def of_subject(session: AsyncSession, subject: str) -> list[Timer]:
    """All timers of a thing, the next due first."""
    query = select(Timer).where(Timer.subject == subject).order_by(Timer.due_at, Timer.id)
    return list(await session.scalars(query.execution_options(populate_existing=True)))


async def next_due(session: AsyncSession, now: datetime) -> datetime | None:
    """When there is something to do next: a due time, or the end of a lease."""
    free = await session.scalar(
        select(func.min(Timer.due_at)).where(or_(Timer.leased_until.is_(None), Timer.leased_until <= now))
    )
    leased = await session.scalar(select(func.min(Timer.leased_until)).where(Timer.leased_until > now))
    return min((at for at in (free, leased) if at is not None), default=None)


async def lease(db: Database, worker: str, now: datetime, span: timedelta) -> list[Due]:
    """Claim what is due, for a span: the most urgent first, then the longest due."""
    async with db.transaction() as session:
        query = (
            select(Timer)
            .where(Timer.due_at <= now, or_(Timer.leased_until.is_(None), Timer.leased_until <= now))
            .order_by(Timer.urgency, Timer.due_at, Timer.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        claimed = list(await session.scalars(query))
        for timer in claimed:
            timer.leased_by, timer.leased_until = worker, now + span
            timer.attempts += 1
        return [
            Due(one.id, one.kind, one.key, one.subject, one.due_at, dict(one.data), worker, one.attempts)
            for one in claimed
        ]


async def take(session: AsyncSession, due: Due) -> bool:
    """Remove a leased timer, first thing in the transaction of what it sets off. False: it is not ours any more.

    It was disarmed or set anew, or the lease ran out and another worker has it. Nothing may then be done.
    """
    mine = (Timer.id == due.id, Timer.leased_by == due.worker, Timer.due_at == due.due_at)
    gone = await session.execute(delete(Timer).where(*mine).execution_options(synchronize_session=False))
    assert isinstance(gone, CursorResult)
    return gone.rowcount == 1


def pause_after(attempt: int) -> timedelta:
    """How long a timer rests whose act has failed. Pure."""
    return min(FIRST_PAUSE * float(2 ** min(max(attempt - 1, 0), 20)), LONGEST_PAUSE)


async def failed(db: Database, due: Due, error: str, now: datetime) -> None:
    """The act came to nothing and was rolled back: say why, and try again after a pause. It never gives up."""
    async with db.transaction() as session:
        await session.execute(
            update(Timer)
            .where(Timer.id == due.id, Timer.leased_by == due.worker)
            .values(leased_by=None, leased_until=now + pause_after(due.attempt), error=error[:500])
        )
