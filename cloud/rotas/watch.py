"""Looks for gaps in the days to come: daily and at each change; writes them down and tells whoever leads.

A timer like any other. It also lays every rota a day further out, and deletes positions that nobody shares any more.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from prometheus_client import Gauge
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.feed.service import Audience
from cloud.notify import service as notify
from cloud.people import force
from cloud.people import service as people
from cloud.people.access import Role
from cloud.people.model import Account, Area
from cloud.people.service import new_id
from cloud.rotas import loading, needs, service
from cloud.rotas.cover import Facts, Force, Gap, gaps
from cloud.rotas.model import CoverGap, RotaRow
from cloud.rotas.pattern import zone_of
from cloud.rotas.reach import reached
from cloud.services import Services
from cloud.timers import service as timers
from cloud.timers.service import Due

DAYS = 7
"""Looked over each day."""
AT = time(16, 0)
"""Every day at this hour, local: early enough to find somebody for the night."""
SOON = timedelta(hours=24)
AT_ONCE = 20  # rotas laid out in one transaction

_gaps = Gauge("shouwang_cover_gaps", "Gaps in the rotas that begin within 24 hours")
_last = Gauge("shouwang_cover_last_look_timestamp_seconds", "When the rotas were last looked over")

WHY = {
    "no_one_rostered": ("无人排班", "nobody is rostered"),
    "no_channel": ("无法联系", "cannot be reached"),
    "on_leave": ("请假无人顶班", "on leave, nobody stands in"),
    "double_booked": ("重复排班", "stands elsewhere at the time"),
    "account_closed": ("账号已停用", "account closed"),
}
POSTS = {
    "duty_officer": ("值班员", "duty officer"),
    "duty_leader": ("带班领导", "duty leader"),
    "standby": ("备勤", "stand-by"),
    "responder": ("处置力量", "responder"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What was found in a span."""

    since: datetime
    until: datetime
    gaps: tuple[Gap, ...]
    areas: dict[str, str]  # names, by path
    forces: dict[str, Force]


async def look(session: AsyncSession, zone: str, since: datetime, until: datetime) -> Look:
    """Every gap in a span, in all areas."""
    book = await loading.book(session, since=since)
    laid = book.lay(since, until)
    forces = await loading.forces(session)
    closed = {one.id for one in await session.scalars(select(Account).where(Account.active.is_(False)))}
    wanted, grids = await needs.needs(session, zone)
    facts = Facts(laid.duties, laid.holes, forces, set(await reached(session, since)), closed, grids)
    found = gaps(wanted, facts, since, until)
    for need, ends in await needs.of_modes(session, zone):
        if (end := min(ends, until)) > since:
            found += gaps([need], facts, since, end)
    names = {area.path: area.name for area in await session.scalars(select(Area))}
    return Look(since, until, tuple(sorted(found, key=lambda gap: (gap.since, gap.area, gap.post))), names, forces)


def gap_json(gap: Gap, names: dict[str, str]) -> dict[str, Any]:
    """A gap as the API shows it."""
    zh, en = POSTS.get(gap.post, (gap.post, gap.post))
    return {
        "need": gap.need,
        "area_path": gap.area,
        "area": names.get(gap.area, gap.area),
        "post": gap.post,
        "role": gap.role,
        "text_zh": gap.role or zh,
        "text_en": gap.role or en,
        "from": gap.since.isoformat(),
        "to": gap.until.isoformat(),
        "wanted": gap.wanted,
        "have": gap.have,
        "why": [
            {"code": one.code, "id": one.id, "name": one.name, "text_zh": WHY[one.code][0], "text_en": WHY[one.code][1]}
            for one in gap.why
        ],
    }


def next_look(now: datetime, zone: str) -> datetime:
    """When it looks by itself the next time. Pure."""
    local = now.astimezone(zone_of(zone))
    at = datetime.combine(local.date(), AT, local.tzinfo)
    if at <= local:
        at = datetime.combine(local.date() + timedelta(days=1), AT, local.tzinfo)
    return at.astimezone(UTC)


async def begin(session: AsyncSession, zone: str, now: datetime) -> None:
    """See to it that it looks every day."""
    if await timers.get(session, service.WATCH, service.COVER) is None:
        await timers.arm(session, service.WATCH, service.COVER, next_look(now, zone), now=now)


async def check(services: Services, due: Due) -> None:
    """One round. What it reads and lays out first may be done twice; what it tells is in the timer's transaction."""
    zone = services.settings.time_zone
    now = services.now()
    async with services.db.reading() as session:
        rotas = list(await session.scalars(select(RotaRow.id).order_by(RotaRow.id)))
    for first in range(0, len(rotas), AT_ONCE):
        async with services.db.transaction() as session:
            await feed.hold(session)
            await service.lay_out(session, rotas[first : first + AT_ONCE], now)
    async with services.db.reading() as session:
        found = await look(session, zone, now, now + timedelta(days=DAYS))
    async with services.db.transaction() as session:
        await feed.hold(session)
        if not await timers.take(session, due):
            return  # something has changed since: it looks again
        await timers.arm(session, service.WATCH, service.COVER, next_look(now, zone), now=now)
        await _write(session, found, now)
        await force.forget_stray(session, now)
    _gaps.set(sum(gap.since < now + SOON for gap in found.gaps))
    _last.set(now.timestamp())


async def _write(session: AsyncSession, found: Look, now: datetime) -> None:
    """Keep what is found until it is gone, and tell of what is new, and again of what is near."""
    rows = {row.key: row for row in await session.scalars(select(CoverGap).where(CoverGap.until > now))}
    standing = {_key(gap, found.since): gap for gap in found.gaps}
    over = [row for key, row in rows.items() if key not in standing and row.ended_at is None]
    for row in over:
        row.ended_at = now
    tell: list[tuple[CoverGap, Gap]] = []
    for key, gap in standing.items():
        row_ = rows.get(key)
        if row_ is None:
            row_ = CoverGap(
                id=new_id("gap"), key=key, area_path=gap.area, gap={}, since=gap.since, until=gap.until,
                found_at=now, told=0, ended_at=None,
            )  # fmt: skip
            session.add(row_)
        elif row_.ended_at is not None:
            row_.ended_at, row_.told, row_.found_at = None, 0, now
        row_.gap, row_.since, row_.until = gap_json(gap, found.areas), min(row_.since, gap.since), gap.until
        stage = 2 if gap.since < now + SOON else 1
        if row_.told < stage:
            row_.told = stage
            tell.append((row_, gap))
    await session.flush()
    if tell:
        await _tell(session, found, tell, now)
    if tell or over:
        await _to_feed(session, found)


def _key(gap: Gap, since: datetime) -> str:
    """One that has begun already keeps its key: it begins anew at each look."""
    begun = "now" if gap.since <= since else gap.since.isoformat()
    return f"{gap.need}|{gap.area}|{begun}"[:400]


async def _tell(session: AsyncSession, found: Look, tell: Sequence[tuple[CoverGap, Gap]], now: datetime) -> None:
    by_person: dict[str, list[tuple[CoverGap, Gap]]] = {}
    for row, gap in tell:
        for person in await leaders_of(session, gap.area, now):
            by_person.setdefault(person, []).append((row, gap))
    for person, mine in by_person.items():
        first = min((gap for _, gap in mine), key=lambda gap: gap.since)
        named = "|".join(f"{row.id}:{row.told}" for row, _ in mine)
        words = text_of(len(mine), first, found.areas)
        await notify.queue(
            session,
            key=f"cover:{hashlib.sha256(named.encode()).hexdigest()[:24]}",
            person_id=person,
            kind="cover_gap",
            text_zh=words[0],
            text_en=words[1],
            grid_path=first.area,
            now=now,
            params={"gaps": [row.id for row, _ in mine][:50]},
        )


def text_of(count: int, first: Gap, names: dict[str, str]) -> tuple[str, str]:
    """What a leader reads. Pure."""
    zh, en = POSTS.get(first.post, (first.post, first.post))
    why_zh, why_en = WHY[first.why[0].code] if first.why else ("人数不足", "too few")
    at, area = f"{first.since + timedelta(hours=8):%m-%d %H:%M}", names.get(first.area, first.area)
    who = f"（{first.why[0].name}）" if first.why and first.why[0].name else ""
    return (
        f"值班缺口 {count} 处：最早 {at} {area} {first.role or zh}，{why_zh}{who}",
        f"{count} gaps in the rota; the first {at} {area}: {first.role or en}, {why_en}",
    )


async def leaders_of(session: AsyncSession, area: str, now: datetime) -> tuple[str, ...]:
    """Who is told of an area: the nearest duty leader on duty; with none, the duty officers of the nearest area."""
    way = people.chain(area)
    for one in way:
        if found := await people.on_duty(session, one, now, "duty_leader"):
            return tuple(person.id for person in found)
    officers = [one for one in await people.people(session) if one.active and Role.DUTY_OFFICER in one.roles]
    for one in way:
        if there := tuple(account.id for account in officers if account.area_path == one):
            return there
    return tuple(one.id for one in await people.people(session) if one.active and Role.ADMINISTRATOR in one.roles)


async def _to_feed(session: AsyncSession, found: Look) -> None:
    first = min((gap.since for gap in found.gaps), default=None)
    await feed.append(
        session,
        kind="cover",
        key="cover",
        value={"gaps": len(found.gaps), "first": first.isoformat() if first else None},
        grid_path=None,
        exercise=None,
        audience=Audience(roles=("duty_officer", "administrator")),
    )
