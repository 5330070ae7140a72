"""What is wrong with reaching people, where the desk sees it: one open fault a code and subject."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.feed.service import Audience
from cloud.notify.model import NotifyFault
from cloud.people.service import new_id


async def begin(session: AsyncSession, code: str, subject: str, detail: str, now: datetime) -> NotifyFault:
    """It is so from now on; a fault that stands gets the newer word."""
    row = await open_one(session, code, subject)
    if row is not None and row.detail == detail[:500]:
        return row
    if row is None:
        row = NotifyFault(
            id=new_id("flt"), code=code, subject=subject[:100], detail=detail[:500], since=now, ended_at=None
        )
        session.add(row)
    row.detail = detail[:500]
    await session.flush()
    await _tell(session, row)
    return row


async def end(session: AsyncSession, code: str, subject: str, now: datetime) -> bool:
    """It is over; False when it was not so."""
    row = await open_one(session, code, subject)
    if row is None:
        return False
    row.ended_at = now
    await session.flush()
    await _tell(session, row)
    return True


async def open_one(session: AsyncSession, code: str, subject: str) -> NotifyFault | None:
    """The fault that stands."""
    query = select(NotifyFault).where(
        NotifyFault.code == code, NotifyFault.subject == subject[:100], NotifyFault.ended_at.is_(None)
    )
    return (await session.scalars(query.order_by(NotifyFault.since).limit(1))).first()


async def standing(session: AsyncSession) -> list[NotifyFault]:
    """All that stand, the oldest first."""
    query = select(NotifyFault).where(NotifyFault.ended_at.is_(None)).order_by(NotifyFault.since, NotifyFault.id)
    return list(await session.scalars(query))


def fault_json(row: NotifyFault) -> dict[str, Any]:
    """As the API and the feed show it."""
    return {
        "id": row.id,
        "code": row.code,
        "subject": row.subject,
        "detail": row.detail,
        "since": row.since.isoformat(),
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }


async def _tell(session: AsyncSession, row: NotifyFault) -> None:
    await feed.append(
        session,
        kind="notify_fault",
        key=row.id,
        value=fault_json(row),
        grid_path=None,
        exercise=None,
        audience=Audience(roles=("duty_officer", "administrator")),
    )
