"""The outbox: messages are queued in the caller's transaction and sent by the worker after its commit.

A message to a person goes to the channels of the house (their screens, the log, a webhook) at once, and to the
person's own ways one after the other: the next one when no receipt has come within 15 s (levels I and II, by a timer),
or when a hand-over failed (any level). Every row says why it was its turn.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.feed.service import Audience
from cloud.notify.choice import RECEIPT_WITHIN, URGENT, Choice, following
from cloud.notify.model import Notification, Receipt, Way
from cloud.people import service as people
from cloud.timers import service as timers

OPENING, CLOSING = "【演练】", "【演练】"
"""First and last in every message of an exercise (DESIGN)."""
DEFAULT_CHANNELS = ("feed", "log")
NO_RECEIPT = "no_receipt"
"""Kind of the timer that takes a person's next way."""
SELF_TEST = "self-test"
"""The exercise, and the one person in it, of the system's synthetic alerts: told by the heartbeat alone."""
Said = Literal["delivered", "seen", "acknowledged"]
_STAMP: dict[str, str] = {"delivered": "delivered_at", "seen": "seen_at", "acknowledged": "acknowledged_at"}


def framed(text: str, exercise: str | None) -> str:
    """The text as it goes out; what comes of an exercise says so first and last. Pure."""
    if exercise is None:
        return text
    bare = text.removeprefix(OPENING).removesuffix(CLOSING)
    return f"{OPENING}{bare}{CLOSING}"


def message_id_of(key: str, person_id: str) -> str:
    """The id that all ways of one message to one person share. Pure."""
    return f"ntf_{hashlib.sha256(f'{key}|{person_id}'.encode()).hexdigest()[:24]}"


# ---------------------------------------------------------------- queueing


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
    """Queue one message, on the channels of the house (how many are new) and on the first of the person's own ways.

    The same `key` to the same person on the same way is one message for good. A message of an exercise to somebody
    who does not take part is not queued at all.
    """
    if exercise is not None:
        person = await people.person(session, person_id)
        if person is None or exercise not in person.exercises:
            return 0
    message = Notification(
        key=key,
        person_id=person_id,
        incident_id=incident_id,
        kind=kind,
        level=level,
        exercise=exercise,
        body={"text_zh": framed(text_zh, exercise), "text_en": framed(text_en, exercise), "params": params or {}},
        grid_path=grid_path,
        message_id=message_id_of(key, person_id),
    )
    queued = 0
    for channel in ("heartbeat",) if exercise == SELF_TEST else channels:
        queued += await _add(session, message, channel, f"{key}|{person_id}|{channel}", now)
    ways = [] if exercise == SELF_TEST else await ways_of(session, person_id)
    if ways and queued:
        await _take(session, message, [choice(way) for way in ways], now)
    await session.flush()
    return queued


async def _add(
    session: AsyncSession,
    message: Notification,
    channel: str,
    key: str,
    now: datetime,
    way: Choice | None = None,
    turn: int = 0,
    why: str = "",
) -> int:
    """One row of a message; 0 when it stands already."""
    if await session.scalar(select(Notification.id).where(Notification.key == key)):
        return 0
    session.add(
        Notification(
            id=people.new_id("msg"),
            key=key,
            channel=channel,
            person_id=message.person_id,
            incident_id=message.incident_id,
            kind=message.kind,
            level=message.level,
            exercise=message.exercise,
            body=message.body,
            grid_path=message.grid_path,
            message_id=message.message_id,
            state="pending",
            attempts=0,
            created_at=now,
            due_at=now,
            leased_until=None,
            sent_at=None,
            way_id=way.id if way else None,
            turn=turn,
            why=why[:300],
            silent=False,
            bundled_into=None,
            delivered_at=None,
            seen_at=None,
            acknowledged_at=None,
        )
    )
    return 1


async def _take(
    session: AsyncSession,
    message: Notification,
    ways: Sequence[Choice],
    now: datetime,
    used: Sequence[str] = (),
    why: str = "",
) -> int:
    """Take the first way that is left, and set the clock for the one after it. 0: none is left."""
    way = following(ways, used)
    if way is None:
        return 0
    turn = len(used) + 1
    base = message.key if not used else message.key.rsplit("|", 2)[0]
    if way.kind == "feed":
        added = await _screens_turn(session, f"{base}|{message.person_id}|feed", way, turn, why)
    else:
        added = await _add(session, message, way.kind, f"{base}|{message.person_id}|{way.id}", now, way, turn, why)
    if message.level in URGENT and message.message_id is not None:
        await timers.arm(session, NO_RECEIPT, message.message_id, now + RECEIPT_WITHIN, now=now, urgency=0)
    return added


async def _screens_turn(session: AsyncSession, key: str, way: Choice, turn: int, why: str) -> int:
    """The message is on the person's screens anyway: that row is now the way that a receipt is waited for."""
    await session.flush()
    row = await session.scalar(select(Notification).where(Notification.key == key))
    if row is None:
        return 0
    row.way_id, row.turn, row.why = way.id, turn, why[:300]
    return 1


def choice(way: Way) -> Choice:
    """A way as the choice sees it."""
    return Choice(way.id, way.kind, way.turn, way.tested_at is not None, way.failed_at is not None)


async def ways_of(session: AsyncSession, person_id: str) -> list[Way]:
    """A person's ways that stand, in the person's order."""
    query = select(Way).where(Way.person_id == person_id, Way.removed_at.is_(None))
    return list(await session.scalars(query.order_by(Way.turn, Way.id)))


# ---------------------------------------------------------------- the next way


async def rows_of(session: AsyncSession, message_id: str) -> list[Notification]:
    """A message on every way that it took so far."""
    query = select(Notification).where(Notification.message_id == message_id)
    return list(await session.scalars(query.order_by(Notification.turn, Notification.created_at, Notification.id)))


def heard(rows: Collection[Notification]) -> bool:
    """Whether the person (or their phone) has said on any way that the message is there."""
    return any(row.delivered_at or row.seen_at or row.acknowledged_at for row in rows)


async def next_way(session: AsyncSession, message_id: str, now: datetime, why: str) -> Notification | None:
    """Take a person's next way for a message, unless it was heard; None: there is no need or no way left.

    When the last way is used up without a receipt, that is written down too: dispatch's own limits (offer, desk) then
    bring in the next person.
    """
    rows = await rows_of(session, message_id)
    own = [row for row in rows if row.way_id is not None]
    if not own or heard(rows):
        return None
    ways = [choice(way) for way in await ways_of(session, own[0].person_id)]
    used = [row.way_id for row in own if row.way_id is not None]
    if await _take(session, own[0], ways, now, used, why):
        await session.flush()
        taken = (await rows_of(session, message_id))[-1]
        await _show(session, taken)
        return taken
    if following(ways, used) is None:
        await add_receipt(session, own[-1].id, "exhausted", now=now, detail=why)
        await _show(session, own[-1], exhausted=True)
    return None


async def _show(session: AsyncSession, row: Notification, *, exhausted: bool = False) -> None:
    """Say on the feed how far a message came; that also wakes the sender."""
    value = {
        "message_id": row.message_id,
        "incident_id": row.incident_id,
        "person_id": row.person_id,
        "channel": row.channel,
        "turn": row.turn,
        "why": row.why,
        "exhausted": exhausted,
    }
    await feed.append(
        session,
        kind="notify_way",
        key=row.message_id or row.id,
        value=value,
        grid_path=row.grid_path,
        exercise=row.exercise,
        audience=Audience(roles=("duty_officer", "administrator")),
    )


# ---------------------------------------------------------------- receipts


async def add_receipt(
    session: AsyncSession,
    notification_id: str,
    result: str,
    *,
    now: datetime,
    detail: str = "",
    at: datetime | None = None,
) -> None:
    """Write down what became of a message."""
    session.add(Receipt(notification_id=notification_id, at=now, result=result, detail=detail[:500], occurred_at=at))
    await session.flush()


async def receipts(session: AsyncSession, notification_id: str) -> list[Receipt]:
    """What became of a message, in order."""
    query = select(Receipt).where(Receipt.notification_id == notification_id).order_by(Receipt.id)
    return list(await session.scalars(query))


async def said(
    session: AsyncSession, row: Notification, what: Said, *, now: datetime, at: datetime | None = None, detail: str = ""
) -> bool:
    """A device or a person says that a message came, was seen, was taken; False: they said so before.

    The earlier of two times for one thing stands. What was bundled into this message has the receipt too; the ways
    that the message has not taken yet are not needed any more.
    """
    stamp = min(at or now, now)
    mates = await session.scalars(select(Notification).where(Notification.bundled_into == row.id))
    fresh = False
    for one in [row, *mates]:
        before = getattr(one, _STAMP[what])
        if before is not None and before <= stamp:
            continue
        setattr(one, _STAMP[what], stamp)
        if before is None:
            fresh = True
            await add_receipt(session, one.id, what, now=now, detail=detail, at=at)
        if one.message_id is not None:
            await timers.disarm(session, NO_RECEIPT, one.message_id)
    if fresh and row.way_id is not None and row.kind != "way_test":
        way = await session.get(Way, row.way_id)
        if way is not None:
            way.failed_at, way.failure = None, ""
    await session.flush()
    return fresh


async def acted(session: AsyncSession, person_id: str, incident_id: str, now: datetime) -> None:
    """A person has done something with an incident: whoever acts has heard of it, so no further way is needed."""
    query = select(Notification).where(
        Notification.incident_id == incident_id,
        Notification.person_id == person_id,
        Notification.way_id.is_not(None),
        Notification.acknowledged_at.is_(None),
        Notification.bundled_into.is_(None),
    )
    for row in list(await session.scalars(query)):
        await said(session, row, "acknowledged", now=now, detail="acted on the incident")
        if row.state == "pending":
            row.state, row.leased_until = "needless", None
