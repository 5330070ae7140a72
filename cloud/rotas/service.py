"""Rotas: entered, revised, a day given by itself; and laid out as shifts. With its neighbours the only writer here.

Whatever changes a rota lays it anew in the same transaction, so that the shifts that everybody asks never differ from
what the rota says; has it looked over for gaps at once; and goes to the audit chain with who and why.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.feed import service as feed
from cloud.feed.service import Audience
from cloud.people import service as people
from cloud.people import shifts
from cloud.people.access import Person, Role, within
from cloud.people.model import Account, Area, Responder
from cloud.people.service import new_id
from cloud.problems import Problem, ProblemError, conflict, invalid, not_found
from cloud.rotas import loading, pattern
from cloud.rotas.duties import lay
from cloud.rotas.model import CalendarDay, RotaDay, RotaRevision, RotaRow
from cloud.rotas.pattern import Fault, Pattern, Turn
from cloud.timers import service as timers

AHEAD = timedelta(days=21)
"""Shifts are laid out so far ahead, and a day further every day: weeks of a watch that stands still leave no hole."""
WATCH, COVER = "rota_watch", "cover"
MOST_ROTAS = 2_000


# ---------------------------------------------------------------- who may


def may_keep(person: Person, area_path: str, post: str) -> bool:
    """Whether somebody may change a rota: for their area; property managers, those of who goes. Pure."""
    if not within(person.area_path, area_path):
        return False
    return person.has(Role.ADMINISTRATOR, Role.DUTY_OFFICER) or (
        post == "responder" and person.has(Role.PROPERTY_MANAGER)
    )


def refuse_unless_keeper(person: Person, area_path: str, post: str) -> None:
    """See `may_keep`.

    Raises:
        Problem: 403.
    """
    if not may_keep(person, area_path, post):
        raise Problem(403, "outside-area", "This rota is not one that you keep.")


async def get(session: AsyncSession, rota_id: str, person: Person) -> RotaRow:
    """A rota in somebody's sight: of their area, of one above it or below it.

    Raises:
        Problem: 404.
    """
    row = await session.get(RotaRow, rota_id)
    if row is None or not (within(person.area_path, row.area_path) or within(row.area_path, person.area_path)):
        raise not_found("rota", rota_id)
    return row


# ---------------------------------------------------------------- what may be said


async def judge_turns(session: AsyncSession, post: str, area: str, turns: Sequence[Turn], where: str = "turns") -> None:
    """Refuse turns with somebody on them who cannot stand there.

    Raises:
        Problem: 422 that names each.
    """
    errors = []
    for number, turn in enumerate(turns):
        for place, member in enumerate(turn.members):
            for key, one in (("id", member.id), ("deputy", member.deputy)):
                if one is not None and (what := await unfit(session, post, area, one)) is not None:
                    errors.append(
                        ProblemError(
                            where=f"{where}.{number}.members.{place}.{key}",
                            what=what,
                            fix="take a responder of GET /responders"
                            if post == "responder"
                            else "take somebody of GET /people who may stand there",
                            code="cannot_stand",
                            params={"id": one[:64]},
                        )
                    )
    if errors:
        raise Problem(422, "invalid", f"{len(errors)} on this rota cannot stand there.", errors=errors[:50])


async def unfit(session: AsyncSession, post: str, area: str, one: str) -> str | None:
    """Why somebody cannot stand on a post of an area; None when they can."""
    if post == "responder":
        responder = await session.get(Responder, one)
        return None if responder is not None and responder.active else f"there is no responder '{one:.64}'"
    account = await session.get(Account, one)
    if account is None or not account.active:
        return f"there is no person '{one:.64}'"
    if post in ("duty_officer", "duty_leader"):
        if Role.DUTY_OFFICER not in account.roles:
            return f"{account.name} is no duty officer"
        if not within(account.area_path, area):
            return f"{account.name} does not see this area"
    return None


def refuse(faults: Collection[Fault]) -> None:
    """Turn what is wrong with a pattern into an answer.

    Raises:
        Problem: 422 that names each.
    """
    if faults:
        errors = [ProblemError(where=one.where, what=one.what, fix=one.fix) for one in faults]
        raise Problem(422, "invalid", "This pattern cannot be worked.", errors=errors[:50])


# ---------------------------------------------------------------- entering and revising


async def enter(
    session: AsyncSession,
    person: Person,
    *,
    area_path: str,
    post: people.Post,
    name: str,
    wanted: Pattern,
    since: datetime,
    reason: str,
    now: datetime,
    rota_id: str | None = None,
) -> RotaRow:
    """A new rota, in force from an instant on.

    Raises:
        Problem: 422 for a pattern, an area or a person that cannot be, 409 when there are too many rotas.
    """
    await feed.hold(session)
    if await session.get(Area, area_path) is None:
        raise invalid("area_path", f"there is no area '{area_path:.100}'", "take a path from GET /areas")
    if len(list(await session.scalars(select(RotaRow.id)))) >= MOST_ROTAS:
        raise conflict("too-many", f"There are {MOST_ROTAS} rotas: end some that are over.")
    row = RotaRow(id=rota_id or new_id("rta"), area_path=area_path, post=post, name=name, revision=0, created_at=now)
    session.add(row)
    await session.flush()
    await _revise(session, row, person, wanted=wanted, since=max(since, now), reason=reason, now=now)
    return row


async def revise(
    session: AsyncSession,
    row: RotaRow,
    person: Person,
    *,
    wanted: Pattern | None,
    since: datetime,
    reason: str,
    now: datetime,
    expected: int | None = None,
) -> None:
    """Another pattern from an instant on (None: the rota is over then). What has passed stands.

    Raises:
        Problem: 422 for a pattern that cannot be, 409 when somebody else was quicker.
    """
    await feed.hold(session)
    await session.refresh(row)
    if expected is not None and expected != row.revision:
        raise conflict("changed", f"'{row.name}' is at revision {row.revision} by now: look at it again.")
    await _revise(session, row, person, wanted=wanted, since=max(since, now), reason=reason, now=now)


async def _revise(
    session: AsyncSession,
    row: RotaRow,
    person: Person,
    *,
    wanted: Pattern | None,
    since: datetime,
    reason: str,
    now: datetime,
) -> None:
    if wanted is not None:
        refuse(pattern.faults(wanted))
        await judge_turns(session, row.post, row.area_path, wanted.turns)
    row.revision += 1
    session.add(
        RotaRevision(
            rota_id=row.id,
            number=row.revision,
            since=since,
            pattern=pattern.written(wanted) if wanted is not None else None,
            at=now,
            by={"id": person.id, "name": person.name},
            reason=reason,
        )
    )
    body = {"revision": row.revision, "since": since.isoformat(), "over": wanted is None, "reason": reason}
    await touched(session, [row], person, "rota_revised", now, body)


async def give_day(
    session: AsyncSession,
    row: RotaRow,
    person: Person,
    *,
    day: date,
    turns: Sequence[Turn] | None,
    reason: str,
    now: datetime,
) -> None:
    """One date by itself: its turns instead of those that repeat; None: as it repeats again.

    Raises:
        Problem: 422 for turns that cannot be, or a day that has passed.
    """
    await feed.hold(session)
    await session.refresh(row)
    if day < (now - timedelta(days=1)).date():
        raise invalid("day", f"{day} has passed", "what has passed stands")
    by = {"id": person.id, "name": person.name}
    query = select(RotaDay).where(RotaDay.rota_id == row.id, RotaDay.day == day, RotaDay.ended_at.is_(None))
    for standing in await session.scalars(query):
        standing.ended_at, standing.ended_by = now, by
    if turns is not None:
        refuse([fault for place, turn in enumerate(turns) for fault in pattern.turn_faults(turn, f"turns.{place}", 1)])
        await judge_turns(session, row.post, row.area_path, turns)
        session.add(
            RotaDay(
                id=new_id("rdy"),
                rota_id=row.id,
                day=day,
                turns=msgspec.to_builtins(tuple(turns)),
                at=now,
                by=by,
                reason=reason,
                ended_at=None,
                ended_by=None,
            )
        )
    row.revision += 1
    body = {"day": day.isoformat(), "turns": None if turns is None else len(turns), "reason": reason}
    await touched(session, [row], person, "rota_day", now, body)


async def mark_days(
    session: AsyncSession, days: Mapping[date, tuple[bool, str] | None], person: Person, now: datetime
) -> None:
    """Public holidays (False), days worked in their place (True); None: an ordinary day again."""
    await feed.hold(session)
    for day, marked in days.items():
        row = await session.get(CalendarDay, day)
        if marked is None:
            if row is not None:
                await session.delete(row)
        elif row is None:
            session.add(CalendarDay(day=day, works=marked[0], name=marked[1]))
        else:
            row.works, row.name = marked
    await session.flush()
    rows = list(await session.scalars(select(RotaRow).order_by(RotaRow.id)))
    await touched(session, rows, person, "calendar_marked", now, {"days": sorted(day.isoformat() for day in days)})


# ---------------------------------------------------------------- laying out


async def touched(
    session: AsyncSession,
    rows: Sequence[RotaRow],
    person: Person,
    kind: str,
    now: datetime,
    body: Mapping[str, Any],
) -> None:
    """Follow up a change of rotas: shifts, audit chain, feed, and the watch looks at once."""
    await session.flush()
    await lay_out(session, [row.id for row in rows], now)
    await audit.append(
        session, kind=kind, now=now, subject=rows[0].id if len(rows) == 1 else "", actor=person.id, body=body
    )
    for row in rows if len(rows) == 1 else ():
        await feed.append(
            session,
            kind="rota",
            key=row.id,
            value={"id": row.id, "area_path": row.area_path, "post": row.post, "revision": row.revision},
            grid_path=row.area_path,
            exercise=None,
            audience=Audience(roles=("duty_officer", "administrator", "property_manager")),
        )
    await timers.arm(session, WATCH, COVER, now, now=now)


async def lay_out(session: AsyncSession, rota_ids: Collection[str], now: datetime) -> int:
    """Lay rotas out as shifts from now to `AHEAD`; how many shifts changed."""
    if not rota_ids:
        return 0
    found = await loading.book(session, since=now, rota_ids=rota_ids)
    changed = 0
    for rota in found.rotas:
        laid = lay(rota, found.calendar, found.changes, now, now + AHEAD)
        wanted = [
            shifts.Wanted(duty.who, duty.since, duty.until, duty.turn, duty.planned, duty.deputy, duty.why)
            for duty in laid.duties
        ]
        post = cast("people.Post", rota.post)
        changed += await shifts.lay(session, rota.id, rota.area, post, wanted, now=now)
    return changed
