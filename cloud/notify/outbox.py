"""Sending what the outbox holds: leased, tried, retried with growing pauses, each try with a receipt."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.database import Database
from cloud.notify import service
from cloud.notify.channels import Channel, Message, NotSent
from cloud.notify.model import Notification
from cloud.people import service as people

LEASE = timedelta(seconds=60)
AT_ONCE = 50
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=5)
MOST_ATTEMPTS = 12
"""Then a message is abandoned, with its receipts saying why."""


def pause_after(attempts: int) -> timedelta:
    """How long to wait before the next try. Pure."""
    return min(FIRST_PAUSE * float(2 ** min(max(attempts - 1, 0), 20)), LONGEST_PAUSE)


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next message is to be tried."""
    return await session.scalar(select(func.min(Notification.due_at)).where(Notification.state == "pending"))


async def send_due(db: Database, channels: Mapping[str, Channel], now: datetime) -> int:
    """Send what is due now; how many were tried.

    A process that dies between the hand-over and the receipt sends that message again, with the same id: at least
    once, and the receiver can tell.
    """
    messages = await _lease(db, now)
    for channel, message in messages:
        detail, sent = await _try(db, channels, channel, message)
        await _record(db, message.id, now, sent=sent, detail=detail)
    return len(messages)


async def _lease(db: Database, now: datetime) -> list[tuple[str, Message]]:
    async with db.transaction() as session:
        query = (
            select(Notification)
            .where(
                Notification.state == "pending",
                Notification.due_at <= now,
                or_(Notification.leased_until.is_(None), Notification.leased_until <= now),
            )
            .order_by(Notification.level.is_(None), Notification.level, Notification.due_at, Notification.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        rows = list(await session.scalars(query))
        for row in rows:
            row.leased_until = now + LEASE
            row.attempts += 1
        return [
            (
                row.channel,
                Message(
                    row.id, row.person_id, row.kind, row.level, row.incident_id, row.exercise, row.body, row.created_at
                ),
            )
            for row in rows
        ]


async def _try(db: Database, channels: Mapping[str, Channel], name: str, message: Message) -> tuple[str, bool | None]:
    """What came of one try: sent, not this time, or (None) never: nobody may send it."""
    if message.exercise is not None:
        async with db.reading() as session:
            person = await people.person(session, message.person_id)
        if person is None or message.exercise not in person.exercises:
            return "takes no part in the exercise", None
    channel = channels.get(name)
    if channel is None:
        return f"channel '{name}' is not set up", False
    try:
        return await channel.send(message), True
    except NotSent as error:
        return str(error), False


async def _record(db: Database, message_id: str, now: datetime, *, sent: bool | None, detail: str) -> None:
    async with db.transaction() as session:
        row = await session.get(Notification, message_id)
        if row is None or row.state != "pending":
            return
        row.leased_until = None
        if sent:
            row.state, row.sent_at = "sent", now
        elif sent is None or row.attempts >= MOST_ATTEMPTS:
            row.state = "abandoned"
        else:
            row.due_at = now + pause_after(row.attempts)
        result = "handed_over" if sent else "failed"
        await service.add_receipt(session, message_id, result, now=now, detail=detail)
