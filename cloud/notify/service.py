"""The outbox: messages are queued in the caller's transaction and sent by the worker after its commit."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.notify.model import Notification, Receipt
from cloud.people import service as people

OPENING, CLOSING = "【演练】", "【演练】"
"""First and last in every message of an exercise (DESIGN)."""
DEFAULT_CHANNELS = ("feed", "log")


def framed(text: str, exercise: str | None) -> str:
    """The text as it goes out; what comes of an exercise says so first and last. Pure."""
    if exercise is None:
        return text
    bare = text.removeprefix(OPENING).removesuffix(CLOSING)
    return f"{OPENING}{bare}{CLOSING}"


async def queue(
    session: AsyncSession,
    *,
    key: str,
    person_id: str,
    kind: str,
    text_zh: str,
    text_en: str,
    grid_path: str,
    now: datetime,
    incident_id: str | None = None,
    level: str | None = None,
    exercise: str | None = None,
    params: dict[str, Any] | None = None,
    channels: tuple[str, ...] = DEFAULT_CHANNELS,
) -> int:
    """Queue one message, one row a channel; how many are new.

    The same `key` to the same person by the same channel is one message for good. A message of an exercise to
    somebody who does not take part is not queued at all.
    """
    if exercise is not None:
        person = await people.person(session, person_id)
        if person is None or exercise not in person.exercises:
            return 0
    queued = 0
    for channel in channels:
        unique = f"{key}|{person_id}|{channel}"
        if await session.scalar(select(Notification.id).where(Notification.key == unique)):
            continue
        session.add(
            Notification(
                id=people.new_id("msg"),
                key=unique,
                channel=channel,
                person_id=person_id,
                incident_id=incident_id,
                kind=kind,
                level=level,
                exercise=exercise,
                body={
                    "text_zh": framed(text_zh, exercise),
                    "text_en": framed(text_en, exercise),
                    "params": params or {},
                },
                grid_path=grid_path,
                state="pending",
                attempts=0,
                created_at=now,
                due_at=now,
                leased_until=None,
                sent_at=None,
            )
        )
        queued += 1
    await session.flush()
    return queued


async def add_receipt(
    session: AsyncSession, notification_id: str, result: str, *, now: datetime, detail: str = ""
) -> None:
    """Write down what became of a message."""
    session.add(Receipt(notification_id=notification_id, at=now, result=result, detail=detail[:500]))
    await session.flush()


async def receipts(session: AsyncSession, notification_id: str) -> list[Receipt]:
    """What became of a message, in order."""
    query = select(Receipt).where(Receipt.notification_id == notification_id).order_by(Receipt.id)
    return list(await session.scalars(query))
