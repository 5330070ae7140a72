"""Rotas of the demonstration neighbourhood: every hour and every grid covered, by people who answered a call.

Turns of a day and a night as a street works them. In the demonstration the same few people work both, so that it looks
the same whenever one looks.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.rotas import service, watch
from cloud.rotas.model import CoverNeed, ReachCheck, RotaRevision, RotaRow
from cloud.rotas.pattern import Days, Member, Pattern, Turn, written
from cloud.timers import service as timers

ZONE = "Asia/Shanghai"
ANCHOR = date(2026, 1, 5)  # a Monday
BY = {"id": "shouwang", "name": "系统"}
MORNING, EVENING = time(8, 30), time(17, 30)


@dataclass(frozen=True, slots=True)
class Planted:
    """A rota of the demonstration."""

    id: str
    area: str
    post: str
    name: str
    turns: tuple[Turn, ...]


def around_the_clock(who: str, deputy: str | None = None) -> tuple[Turn, ...]:
    """值班 of 24 hours, handed over at half past eight."""
    return (Turn("全天", MORNING, MORNING, (Member(who, deputy),)),)


def day_and_night(who: str) -> tuple[Turn, ...]:
    """白班 and 夜班."""
    members = (Member(who),)
    return Turn("白班", MORNING, EVENING, members), Turn("夜班", EVENING, MORNING, members)


def nights_and_days_off(who: str) -> tuple[Turn, ...]:
    """备勤: every night, and by day when the offices are closed."""
    members = (Member(who),)
    night = Turn("夜间备勤", EVENING, MORNING, members)
    return night, Turn("节假日备勤", MORNING, EVENING, members, days=Days.DAY_OFF)


async def plant(session: AsyncSession, rotas: tuple[Planted, ...], people: list[str], needs: list[tuple[str, str]],
                *, now: datetime) -> None:  # fmt: skip
    """Write what is not there yet, and lay everything out from yesterday on.

    Args:
        session: the caller's transaction.
        rotas: of the demonstration.
        people: person ids; each has answered a call.
        needs: by area, a role that must be there around the clock, besides what every street needs.
        now: the present.
    """
    began = now - timedelta(days=1)
    standing = set(await session.scalars(select(RotaRow.id)))
    new = [one for one in rotas if one.id not in standing]
    for one in new:
        session.add(RotaRow(id=one.id, area_path=one.area, post=one.post, name=one.name, revision=1,
                            created_at=began))  # fmt: skip
    await session.flush()
    for one in new:
        pattern = written(Pattern(ZONE, ANCHOR, 7, one.turns))
        session.add(RotaRevision(rota_id=one.id, number=1, since=began, pattern=pattern, at=began, by=BY,
                                 reason="演示"))  # fmt: skip
    await session.flush()
    await service.lay_out(session, [one.id for one in new], began)
    await service.lay_out(session, [one.id for one in rotas if one.id in standing], now)
    for area, role in needs:
        if await session.get(CoverNeed, f"ned_demo-{role}") is None:
            session.add(CoverNeed(id=f"ned_demo-{role}", area_path=area, post="responder", role=role, count=1,
                                  each_grid=False, begins=None, ends=None, set_at=now, set_by=BY))  # fmt: skip
    await _called(session, people, now)
    await watch.begin(session, ZONE, now)
    if await timers.get(session, "handover_watch", "desks") is None:  # as cloud/handover sets it when a process starts
        await timers.arm(session, "handover_watch", "desks", now + timedelta(hours=1), now=now)


async def _called(session: AsyncSession, people: list[str], now: datetime) -> None:
    recent = select(ReachCheck.person_id).where(ReachCheck.at > now - timedelta(days=7), ReachCheck.reached)
    fresh = set(await session.scalars(recent))
    for person in people:
        row = await session.get(ReachCheck, f"rch_demo-{person}")
        if row is not None and person not in fresh:
            row.at = now
        elif row is None:
            session.add(ReachCheck(id=f"rch_demo-{person}", person_id=person, at=now, by=BY, way="phone",
                                   reached=True, note="演示"))  # fmt: skip
    await session.flush()
