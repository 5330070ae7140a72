"""A person's ways: added, ordered, tested on that phone, removed. With service.py the only writer of these tables."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.feed.service import Audience
from cloud.notify import service
from cloud.notify.by_apprise import PATTERNS, fits
from cloud.notify.model import Notification, QuietHours, Way
from cloud.notify.vault import Sealed, Vault
from cloud.notify.webpush import Subscription
from cloud.people.model import Account
from cloud.people.service import new_id
from cloud.problems import conflict, invalid, not_found

Kind = Literal["feed", "webpush", "wecom", "dingtalk", "feishu", "email", "sms", "apprise", "voice", "siren", "speaker"]
BY_ADMINISTRATORS = frozenset({"apprise", "siren", "speaker"})
"""They lead wherever one writes, or make a noise for others."""
MOST = 10
CODE_LIVES = timedelta(minutes=10)
CODE_TRIES = 5
TEST = "way_test"


async def add(
    session: AsyncSession,
    vault: Vault,
    *,
    person_id: str,
    kind: Kind,
    address: str,
    label: str,
    now: datetime,
) -> Way:
    """A further way, as the last one, untested.

    Raises:
        Problem: 422 for an address that is none of its kind, 409 for one too many.
    """
    if await session.get(Account, person_id) is None:
        raise not_found("person", person_id)
    if kind in PATTERNS and not fits(kind, address):
        raise invalid("address", f"does not look like {PATTERNS[kind][1]}", "look at docs/notification.md")
    standing = await service.ways_of(session, person_id)
    if len(standing) >= MOST:
        raise conflict("too-many", f"A person has at most {MOST} ways: remove one first.")
    if kind == "feed" and any(way.kind == "feed" for way in standing):
        raise conflict("already", "The screens are one of the ways already.")
    way = Way(
        id=new_id("way"),
        person_id=person_id,
        kind=kind,
        label=label[:60],
        turn=max((way.turn for way in standing), default=0) + 1,
        sealed=vault.seal(address),
        digest=None,
        created_at=now,
        tested_at=None,
        tested_by=None,
        code_hash=None,
        code_until=None,
        code_tries=0,
        failed_at=None,
        failure="",
        removed_at=None,
        removed_why="",
    )
    session.add(way)
    await session.flush()
    return way


async def subscribe(
    session: AsyncSession, vault: Vault, subscription: Subscription, *, person_id: str, label: str, now: datetime
) -> Way:
    """Web Push to a browser. One browser is one person's: who signs in on it takes it over; again changes nothing."""
    digest = vault.digest(subscription.endpoint)
    query = select(Way).where(Way.digest == digest, Way.removed_at.is_(None))
    for way in list(await session.scalars(query)):
        if way.person_id == person_id:
            way.sealed, way.label = vault.seal(subscription.written()), label[:60] or way.label
            await session.flush()
            return way
        way.removed_at, way.removed_why = now, "somebody else uses this browser now"
    way = await add(
        session, vault, person_id=person_id, kind="webpush", address=subscription.written(), label=label, now=now
    )
    way.digest = digest
    await session.flush()
    return way


async def order(session: AsyncSession, person_id: str, ids: Sequence[str]) -> list[Way]:
    """The person's order, whole.

    Raises:
        Problem: 422 when it names not exactly the ways that stand.
    """
    standing = {way.id: way for way in await service.ways_of(session, person_id)}
    if sorted(ids) != sorted(standing):
        raise invalid("ids", "are not exactly the ways that there are", "list them first, then name each once")
    for turn, way_id in enumerate(ids, 1):
        standing[way_id].turn = turn
    await session.flush()
    return await service.ways_of(session, person_id)


async def remove(session: AsyncSession, way: Way, why: str, now: datetime) -> None:
    """No message goes there any more; its address is forgotten."""
    way.removed_at, way.removed_why, way.sealed, way.digest = now, why[:100], "", None
    await session.flush()


# ---------------------------------------------------------------- testing


def _hashed(way_id: str, code: str) -> str:
    return hashlib.sha256(f"{way_id}:{code}".encode()).hexdigest()


async def begin_test(session: AsyncSession, way: Way, now: datetime) -> str:
    """Send a code on this way alone; the person types what came. A push confirms by its own receipt too.

    Returns:
        The id of the message.
    """
    code = f"{secrets.randbelow(1_000_000):06d}"
    way.code_hash, way.code_until, way.code_tries = _hashed(way.id, code), now + CODE_LIVES, 0
    row = Notification(
        id=new_id("msg"),
        key=f"{TEST}:{way.id}:{secrets.token_hex(6)}",
        channel=way.kind,
        person_id=way.person_id,
        incident_id=None,
        kind=TEST,
        level=None,
        exercise=None,
        body={
            "text_zh": f"守望测试消息，验证码 {code}，10 分钟内有效",
            "text_en": f"Shouwang test, code {code}, good for 10 minutes",
            "params": {},
        },
        grid_path="",
        state="pending",
        attempts=0,
        created_at=now,
        due_at=now,
        leased_until=None,
        sent_at=None,
        message_id=None,
        way_id=way.id,
        turn=1,
        why="test",
        silent=False,
        bundled_into=None,
        delivered_at=None,
        seen_at=None,
        acknowledged_at=None,
    )
    session.add(row)
    await session.flush()
    await _tell(session, way)
    return row.id


async def _tell(session: AsyncSession, way: Way) -> None:
    """On the person's screens (which also wakes the sender)."""
    await feed.append(
        session,
        kind="way",
        key=way.id,
        value=way_json(way, None),
        grid_path=None,
        exercise=None,
        audience=Audience(persons=(way.person_id,), roles=("administrator",)),
    )


async def confirm(session: AsyncSession, way: Way, code: str, now: datetime) -> bool:
    """The code as the person typed it; five tries within ten minutes. False: it is not that one."""
    if way.code_hash is None or way.code_until is None or way.code_until < now or way.code_tries >= CODE_TRIES:
        raise conflict("no-code", "There is no code that still counts: send a new test.")
    way.code_tries += 1
    right = hmac.compare_digest(way.code_hash, _hashed(way.id, code.strip()))
    if right:
        await passed(session, way, "code", now)
    await session.flush()
    return right


async def passed(session: AsyncSession, way: Way, by: str, now: datetime) -> None:
    """The person has what was sent."""
    way.tested_at, way.tested_by = now, by
    way.code_hash = way.code_until = None
    way.failed_at, way.failure = None, ""
    await session.flush()
    await _tell(session, way)


async def test_came(session: AsyncSession, row: Notification, now: datetime) -> None:
    """A device gave a receipt for a test."""
    way = await session.get(Way, row.way_id) if row.kind == TEST and row.way_id else None
    if way is not None and way.removed_at is None:
        await passed(session, way, "receipt", now)


@dataclass(frozen=True, slots=True)
class Reach:
    """How well somebody can be reached."""

    person: Account
    ways: tuple[Way, ...]

    @property
    def tested(self) -> bool:
        """Whether a way beside the screens was confirmed and works."""
        return any(way.tested_at and not way.failed_at and way.kind != "feed" for way in self.ways)


async def reach(session: AsyncSession) -> list[Reach]:
    """Everybody with an open account and how they can be reached."""
    by_person: dict[str, list[Way]] = {}
    for way in await session.scalars(select(Way).where(Way.removed_at.is_(None)).order_by(Way.turn)):
        by_person.setdefault(way.person_id, []).append(way)
    accounts = await session.scalars(select(Account).where(Account.active).order_by(Account.username))
    return [Reach(account, tuple(by_person.get(account.id, ()))) for account in accounts]


async def set_quiet(
    session: AsyncSession, person_id: str, spans: Sequence[Sequence[str]], how: str, now: datetime
) -> QuietHours:
    """A person's own quiet hours."""
    row = await session.get(QuietHours, person_id)
    if row is None:
        row = QuietHours(person_id=person_id, spans=[], how=how, updated_at=now)
        session.add(row)
    row.spans, row.how, row.updated_at = [list(span) for span in spans], how, now
    await session.flush()
    return row


def way_json(way: Way, vault: Vault | None) -> dict[str, Any]:
    """As the API shows it; with the address only to whom it is shown (a vault is given)."""
    shown: dict[str, Any] = {
        "id": way.id,
        "person_id": way.person_id,
        "kind": way.kind,
        "label": way.label,
        "turn": way.turn,
        "tested_at": way.tested_at.isoformat() if way.tested_at else None,
        "tested_by": way.tested_by,
        "failed_at": way.failed_at.isoformat() if way.failed_at else None,
        "failure": way.failure,
    }
    if vault is not None and way.kind != "webpush":
        try:
            shown["address"] = vault.open(way.sealed)
        except Sealed:
            shown["address"] = None
    return shown
