"""Things that fall due, as rows: they outlive every process, and whichever worker is alive carries them out.

A worker first leases what is due (a short transaction: `FOR UPDATE SKIP LOCKED` on PostgreSQL, the one write lock on
SQLite), then acts and removes the timer in the transaction of the act. If it dies in between, the lease runs out and
another worker takes the timer; if the act was committed, the timer is gone with it. So nothing is lost, and nothing
is done twice.
"""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.database import Database
from cloud.dispatch.model import Timer
from cloud.people.service import new_id

LEASE = timedelta(seconds=30)
AT_ONCE = 50


async def arm(session: AsyncSession, kind: str, key: str, incident_id: str, due_at: datetime) -> Timer:
    """Set (or move) the one timer of this kind for this thing."""
    timer = await get(session, kind, key)
    if timer is None:
        timer = Timer(id=new_id("tim"), kind=kind, key=key, incident_id=incident_id, due_at=due_at, attempts=0)
        session.add(timer)
    timer.due_at, timer.leased_by, timer.leased_until = due_at, None, None
    await session.flush()
    return timer


async def get(session: AsyncSession, kind: str, key: str) -> Timer | None:
    """The timer of this kind for this thing."""
    return (await session.execute(select(Timer).where(Timer.kind == kind, Timer.key == key))).scalar_one_or_none()


async def disarm(session: AsyncSession, kind: str, key: str) -> None:
    """Take a timer away; nothing happens if there is none."""
    await session.execute(delete(Timer).where(Timer.kind == kind, Timer.key == key))


async def of_incident(session: AsyncSession, incident_id: str) -> list[Timer]:
    """All timers of an incident, the next due first."""
    return list(
        await session.scalars(select(Timer).where(Timer.incident_id == incident_id).order_by(Timer.due_at, Timer.id))
    )


async def next_due(session: AsyncSession, now: datetime) -> datetime | None:
    """When there is something to do next: a due time, or the end of a lease."""
    free = await session.scalar(
        select(func.min(Timer.due_at)).where(or_(Timer.leased_until.is_(None), Timer.leased_until <= now))
    )
    leased = await session.scalar(select(func.min(Timer.leased_until)).where(Timer.leased_until > now))
    return min((at for at in (free, leased) if at is not None), default=None)


async def lease(db: Database, worker: str, now: datetime) -> list[str]:
    """Claim what is due, for `LEASE`; the ids, the longest due first."""
    async with db.transaction() as session:
        query = (
            select(Timer)
            .where(Timer.due_at <= now, or_(Timer.leased_until.is_(None), Timer.leased_until <= now))
            .order_by(Timer.due_at, Timer.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        claimed = list(await session.scalars(query))
        for timer in claimed:
            timer.leased_by, timer.leased_until = worker, now + LEASE
            timer.attempts += 1
        return [timer.id for timer in claimed]


async def held(session: AsyncSession, timer_id: str, worker: str, now: datetime) -> Timer | None:
    """The leased timer, if it still stands, is still this worker's, and is still due."""
    timer = await session.get(Timer, timer_id)
    if timer is None or timer.leased_by != worker or timer.due_at > now:
        return None
    return timer
