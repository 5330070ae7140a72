"""What goes out next: leased, looked at once more (exercise, heard already, quiet hours, bundles), addresses opened."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.notify import service
from cloud.notify.channels import Message
from cloud.notify.choice import URGENT, Span, held_until, read_spans, together, when, window
from cloud.notify.model import Notification, QuietHours, Way
from cloud.notify.vault import Sealed, Vault
from cloud.people import service as people
from cloud.services import Services

LEASE = timedelta(seconds=60)
AT_ONCE = 50
HANDS = 8
"""Hand-overs at a time on one channel."""
WITHOUT_HANDS = frozenset({"feed"})
"""Our own table: all that is due goes in together."""
NEVER_BUNDLED = frozenset({"way_test"})
_HEADS = {"zh": "{count} 条消息：", "en": "{count} messages:"}
_MORE = {"zh": "另有 {count} 条，见系统", "en": "and {count} more, see the screens"}


@dataclass(frozen=True, slots=True)
class Leased:
    """A message on one way, to be tried now."""

    id: str
    channel: str
    message: Message
    attempts: int
    urgent: bool
    mates: tuple[str, ...] = field(default=())  # rows that go out as part of it


async def next_due(session: AsyncSession) -> datetime | None:
    """When the next message is to be tried."""
    return await session.scalar(
        select(func.min(func.coalesce(Notification.leased_until, Notification.due_at))).where(
            Notification.state == "pending"
        )
    )


async def lease(services: Services, vault: Vault, now: datetime, busy: Mapping[str, int]) -> list[Leased]:
    """Claim what is due, the most urgent first; what must not or need not go out is settled here.

    Args:
        services: of this process.
        vault: opens addresses.
        now: wall time.
        busy: by channel, how many hand-overs are on their way: one with its hands full gets no more.
    """
    full = [name for name, count in busy.items() if count >= HANDS]
    async with services.db.transaction() as session:
        query = (
            select(Notification)
            .where(
                Notification.state == "pending",
                Notification.due_at <= now,
                Notification.channel.not_in(full),
                or_(Notification.leased_until.is_(None), Notification.leased_until <= now),
            )
            .order_by(Notification.level.is_(None), Notification.level, Notification.due_at, Notification.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        rows = list(await session.scalars(query))
        found: list[Leased] = []
        taken: set[str] = set()
        begun = Counter(busy)
        for row in rows:
            room = row.channel in WITHOUT_HANDS or begun[row.channel] < HANDS
            if row.id not in taken and row.state == "pending" and room:
                one = await _prepare(services, session, vault, row, now)
                if one is not None:
                    taken |= {one.id, *one.mates}
                    found.append(one)
                    begun[one.channel] += 1
        return found


async def _prepare(
    services: Services, session: AsyncSession, vault: Vault, row: Notification, now: datetime
) -> Leased | None:
    if row.exercise is not None:
        person = await people.person(session, row.person_id)
        if person is None or row.exercise not in person.exercises:
            await _give_up(session, row, "takes no part in the exercise", now)
            return None
    mates: Sequence[Notification] = ()
    address = ""
    if row.way_id is not None and row.channel != "feed":
        way = await session.get(Way, row.way_id)
        if way is None or way.removed_at is not None:
            await _give_up(session, row, "the way was removed", now)
            await _following(session, row, "the way was removed", now)
            return None
        if row.kind not in NEVER_BUNDLED:
            if await _needless(services, session, row, now):
                return None
            mates = await _mates(session, row, now)
        try:
            address = vault.open(way.sealed)
        except Sealed as error:
            await _give_up(session, row, str(error), now)
            await _following(session, row, str(error), now)
            return None
    for one in (row, *mates):
        one.leased_until = now + LEASE
        one.attempts += 1
    message = replace(message_of(row, mates), address=address, token=vault.token("receipt", row.id))
    return Leased(row.id, row.channel, message, row.attempts, row.level in URGENT, tuple(mate.id for mate in mates))


async def _needless(services: Services, session: AsyncSession, row: Notification, now: datetime) -> bool:
    """Heard already on another way; or it waits: for the end of quiet hours, or for others to go along."""
    if row.message_id is not None and service.heard(await service.rows_of(session, row.message_id)):
        row.state, row.leased_until = "needless", None
        return True
    if row.attempts == 0 and row.level not in URGENT:
        quiet = await quiet_hours(services, session, row.person_id)
        duty = any(shift.person_id == row.person_id for shift in await people.shifts_at(session, now))
        goes = when(row.level, now, quiet[0], quiet[1], on_duty=duty)
        row.silent = goes.silent
        if goes.at > now:
            row.due_at, row.why = goes.at, row.why or "quiet hours"
            return True
    lately = await session.scalars(
        select(Notification.sent_at).where(
            Notification.way_id == row.way_id,
            Notification.kind == row.kind,
            Notification.sent_at > now - window(row.level),
            Notification.bundled_into.is_(None),
            func.coalesce(Notification.level, "").in_(URGENT).is_(row.level in URGENT),
        )
    )
    until = held_until(row.level, [at for at in lately if at is not None], now) if row.attempts == 0 else None
    if until is not None and until > now and row.created_at + window(row.level) > now:
        row.due_at = until
        return True
    return False


async def quiet_hours(services: Services, session: AsyncSession, person_id: str) -> tuple[list[Span], str]:
    """When a person is left alone, and whether messages then wait or go silent."""
    own = await session.get(QuietHours, person_id)
    if own is not None:
        return read_spans(own.spans), own.how
    return read_spans(services.settings.quiet_hours), services.settings.quiet_how


async def _mates(session: AsyncSession, row: Notification, now: datetime) -> list[Notification]:
    """What else of this kind waits for this person on this way: it goes out with this one, if there was a burst."""
    query = (
        select(Notification)
        .where(
            Notification.state == "pending",
            Notification.way_id == row.way_id,
            Notification.kind == row.kind,
            Notification.id != row.id,
            Notification.attempts == 0,
            Notification.due_at <= now + window(row.level),
            Notification.leased_until.is_(None),
            Notification.level.in_(URGENT)
            if row.level in URGENT
            else ~func.coalesce(Notification.level, "").in_(URGENT),
            Notification.exercise == row.exercise if row.exercise else Notification.exercise.is_(None),
        )
        .order_by(Notification.created_at, Notification.id)
        .with_for_update(skip_locked=True)
    )
    found = list(await session.scalars(query))
    return found if len(found) >= 2 else []  # two more than this one: a burst; else each by itself


def message_of(row: Notification, mates: Sequence[Notification]) -> Message:
    """A row as channels take it; with others, one text that names them all. Pure."""
    body = row.body
    if mates:
        all_of = [row, *mates]
        body = body | {
            f"text_{tongue}": service.framed(
                together([_bare(one, tongue) for one in all_of], _HEADS[tongue], _MORE[tongue]), row.exercise
            )
            for tongue in ("zh", "en")
        }
        body["bundled"] = [one.id for one in mates]
    return Message(
        row.id, row.person_id, row.kind, row.level, row.incident_id, row.exercise, body, row.created_at,
        silent=bool(row.silent),
    )  # fmt: skip


def _bare(row: Notification, tongue: str) -> str:
    text = str(row.body.get(f"text_{tongue}", ""))
    return text.removeprefix(service.OPENING).removesuffix(service.CLOSING) if row.exercise else text


async def _give_up(session: AsyncSession, row: Notification, why: str, now: datetime) -> None:
    row.state, row.leased_until = "abandoned", None
    await service.add_receipt(session, row.id, "failed", now=now, detail=why)


async def _following(session: AsyncSession, row: Notification, why: str, now: datetime) -> None:
    if row.message_id is not None:
        await service.next_way(session, row.message_id, now, f"{row.channel}: {why}")
