"""Shifts as a rota lays them: the one table that everybody asks who is on duty. What has passed stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people.model import Shift
from cloud.people.service import Post, new_id


@dataclass(frozen=True, slots=True)
class Wanted:
    """One shift that a rota says."""

    who: str
    since: datetime
    until: datetime
    turn: str = ""
    planned: str = ""
    deputy: str | None = None
    why: str = ""

    def same(self, row: Shift) -> bool:
        """Whether a stored shift says this, its times apart."""
        who = row.responder_id or row.person_id
        mine = (self.who, self.turn, self.planned, self.deputy, self.why)
        return mine == (who, row.turn or "", row.planned_id or "", row.deputy_id, row.why or "")


async def lay(
    session: AsyncSession, rota_id: str, area_path: str, post: Post, wanted: Sequence[Wanted], *, now: datetime
) -> int:
    """Bring the shifts of a rota in line with what it says from now on; how many rows changed.

    What has passed is never rewritten: a shift that runs and is not wanted any more ends now; one that is wanted from
    earlier on begins now.
    """
    query = select(Shift).where(Shift.rota_id == rota_id, Shift.ends_at > now)
    standing = list(await session.scalars(query.order_by(Shift.starts_at, Shift.id)))
    left = [one for one in wanted if one.until > now]
    changed = 0
    for row in standing:
        match = next((one for one in left if one.same(row) and _meets(one, row, now)), None)
        if match is not None:
            left.remove(match)
            changed += _move(row, match, now)
        elif row.starts_at < now:
            row.ends_at, changed = now, changed + 1
        else:
            await session.delete(row)
            changed += 1
    session.add_all(_row(one, rota_id, area_path, post, now) for one in left)
    await session.flush()
    return changed + len(left)


def _meets(one: Wanted, row: Shift, now: datetime) -> bool:
    """Whether a stored shift and a wanted one are the same, perhaps moved: they begin alike, or both run now."""
    return one.since == row.starts_at or (row.starts_at <= now and one.since <= now)


def _move(row: Shift, one: Wanted, now: datetime) -> int:
    if row.starts_at >= now and row.starts_at != max(one.since, now):
        row.starts_at = max(one.since, now)
    if row.ends_at == one.until:
        return 0
    row.ends_at = one.until
    return 1


def _row(one: Wanted, rota_id: str, area_path: str, post: Post, now: datetime) -> Shift:
    of_force = post == "responder"
    return Shift(
        id=new_id("shf"),
        post=post,
        area_path=area_path,
        person_id=None if of_force else one.who,
        responder_id=one.who if of_force else None,
        starts_at=max(one.since, now),
        ends_at=one.until,
        rota_id=rota_id,
        turn=one.turn[:40],
        planned_id=one.planned or None,
        deputy_id=one.deputy,
        why=one.why or None,
    )
