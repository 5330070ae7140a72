"""交接班: given by the outgoing, taken by the incoming; ownership moves in one transaction, no clock stops.

Until it is taken everything stays with the outgoing, and whoever should know hears of it: refused, overdue, or
forgotten altogether (a shift has ended and nobody gave it).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.audit.chain import canonical
from cloud.dispatch import owners, roster
from cloud.dispatch.policy import Policy
from cloud.feed import service as feed
from cloud.feed.service import Audience
from cloud.handover.model import Handover
from cloud.handover.sheet import sheet
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER
from cloud.incidents.views import instant
from cloud.notify import service as notify
from cloud.people import service as people
from cloud.people.access import Person, Role, may_see
from cloud.people.model import Account, Area, Shift
from cloud.people.service import Post, new_id
from cloud.problems import Problem, conflict, invalid, not_found
from cloud.rotas import stamps
from cloud.timers import service as timers

DUE, WATCH, DESKS = "handover_due", "handover_watch", "desks"
POSTS: tuple[Post, ...] = ("duty_officer", "duty_leader")
GRACE = timedelta(minutes=15)
"""So long after the end of a shift a hand-over that nobody gave counts as forgotten."""
LOOK_BACK = timedelta(hours=6)
REMIND = timedelta(minutes=30)
MOST_REMINDERS = 48
OPEN = ("given", "forgotten")


@dataclass(frozen=True, slots=True)
class Desk:
    """A post of an area."""

    area: str
    post: Post


def handover_json(row: Handover, *, whole: bool = True) -> dict[str, Any]:
    """As the API and the feed show it; the feed without the sheet."""
    shown = {
        "id": row.id,
        "area_path": row.area_path,
        "post": row.post,
        "state": row.state,
        "from": {"id": row.from_person, "name": row.from_name},
        "to": {"id": row.to_person, "name": row.to_name} if row.to_person else None,
        "created_at": instant(row.created_at),
        "given_at": instant(row.given_at),
        "due_at": instant(row.due_at),
        "overdue_at": instant(row.overdue_at),
        "answered_at": instant(row.answered_at),
        "answered_by": row.answered_by,
        "reason": row.reason,
        "moved": row.moved,
        "left": row.left,
        "countersigned_at": instant(row.countersigned_at),
        "countersigned_by": row.countersigned_by,
    }
    return shown | ({"remarks": row.remarks, "sheet": row.sheet} if whole else {})


# ---------------------------------------------------------------- whose desk


async def desk_of(session: AsyncSession, person: Person, now: datetime) -> Desk:
    """The desk at which somebody stands, or stood last; with none, the officer's of their own area."""
    query = (
        select(Shift)
        .where(Shift.person_id == person.id, Shift.post.in_(POSTS), Shift.starts_at <= now)
        .where(Shift.ends_at > now - LOOK_BACK)
        .order_by(Shift.ends_at.desc(), Shift.post.desc())
        .limit(1)
    )
    row = (await session.scalars(query)).first()
    return Desk(row.area_path, cast("Post", row.post)) if row else Desk(person.area_path, "duty_officer")


async def incoming(session: AsyncSession, desk: Desk, outgoing: str, now: datetime) -> Account | None:
    """Who comes next at a desk, by the rota: somebody else who is on now, else whose shift begins within two hours."""
    query = (
        select(Account)
        .join(Shift, Shift.person_id == Account.id)
        .where(Shift.area_path == desk.area, Shift.post == desk.post, Account.active, Account.id != outgoing)
        .where(Shift.ends_at > now, Shift.starts_at < now + timedelta(hours=2))
        .order_by(Shift.starts_at.desc(), Account.id)
        .limit(1)
    )
    return (await session.scalars(query)).first()


async def find(session: AsyncSession, handover_id: str, person: Person) -> Handover:
    """A hand-over of one's own, or of one's area.

    Raises:
        Problem: 404.
    """
    row = await session.get(Handover, handover_id)
    if row is None or not sees(person, row):
        raise not_found("hand-over", handover_id)
    return row


def sees(person: Person, row: Handover) -> bool:
    """Whether somebody may know of a hand-over."""
    return person.id in (row.from_person, row.to_person) or may_see(person, row.area_path, None)


# ---------------------------------------------------------------- the two taps


async def give(
    docket: Docket,
    person: Person,
    *,
    to: str | None,
    remarks: str,
    take_over_within: timedelta,
    desk: Desk | None = None,
) -> Handover:
    """交班: the sheet is given to whoever comes next. Everything stays with the outgoing until it is taken.

    Raises:
        Problem: 409 when one waits already; 422 when nobody comes next, or they cannot take the desk.
    """
    session, now = docket.session, docket.now
    await feed.hold(session)
    mine = desk or await desk_of(session, person, now)
    waiting = await _open_of(session, person.id, mine)
    if waiting is not None and waiting.state == "given":
        raise conflict("waits", f"A hand-over to {waiting.to_name} waits already: withdraw it first.")
    area = await session.get_one(Area, mine.area)
    taker = await session.get(Account, to) if to else await incoming(session, mine, person.id, now)
    if taker is None:
        raise invalid("to", "nobody comes next by the rota" if to is None else f"there is no person '{to:.64}'",
                      "name who takes over")  # fmt: skip
    await _judge_taker(session, taker, person, mine)
    row = waiting or _new(mine, person.id, person.name, now)
    session.add(row)
    row.state, row.given_at, row.due_at, row.overdue_at, row.told = "given", now, now + take_over_within, None, 0
    row.to_person, row.to_name, row.remarks = taker.id, taker.name, remarks
    row.sheet = await sheet(session, area, person, now)
    await session.flush()
    await timers.arm(session, DUE, row.id, row.due_at, now=now)
    await _record(session, row, "handover_given", person.id, now, {"sheet": digest(row.sheet)})
    count = sum(1 for one in row.sheet["incidents"] if (one["owner"] or {}).get("id") == person.id)
    zh = f"交班：{person.name}把{area.name}交给您，{count} 起事件由其负责，请接班"
    en = f"{person.name} hands over {area.name_en or area.name} to you, {count} incidents; take it"
    await _tell(session, row, [taker.id], "handover_given", (zh, en), now)
    return row


def digest(content: Mapping[str, Any] | None) -> str:
    """What the audit chain holds of a sheet."""
    return hashlib.sha256(canonical(content)).hexdigest()


def _new(desk: Desk, person: str, name: str, now: datetime) -> Handover:
    empty: dict[str, Any] = dict.fromkeys(
        ("to_person", "to_name", "given_at", "due_at", "overdue_at", "answered_at", "answered_by", "reason", "sheet",
         "moved", "left", "countersigned_at", "countersigned_by", "shift_id")
    )  # fmt: skip
    return Handover(
        id=new_id("hov"), area_path=desk.area, post=desk.post, state="given", from_person=person, from_name=name,
        created_at=now, told=0, remarks="", **empty,
    )  # fmt: skip


async def _open_of(session: AsyncSession, person_id: str, desk: Desk) -> Handover | None:
    query = select(Handover).where(
        Handover.from_person == person_id,
        Handover.area_path == desk.area,
        Handover.post == desk.post,
        Handover.state.in_(OPEN),
    )
    return (await session.scalars(query.order_by(Handover.created_at.desc()))).first()


async def _judge_taker(session: AsyncSession, taker: Account, person: Person, desk: Desk) -> None:
    found = await people.person(session, taker.id)
    if taker.id == person.id:
        raise invalid("to", "is yourself", "name who takes over")
    if not taker.active or found is None or not found.has(Role.DUTY_OFFICER) or not may_see(found, desk.area, None):
        raise invalid("to", f"{taker.name} cannot take this desk", "name a duty officer who sees its area")


async def take(docket: Docket, policy: Policy, row: Handover, person: Person, *, at: datetime | None) -> bool:
    """接班: every open incident of the outgoing is the incoming's from now on, in this one transaction.

    By whom it was given to, or whoever else stands at the desk by the rota. False when it was taken by them already.
    Incidents that they may not have (out of their sight, an exercise without them) stay, and are named in `left`.

    Raises:
        Problem: 403 for somebody else, 409 when it has ended.
    """
    session, now = docket.session, docket.now
    await feed.hold(session)
    await session.refresh(row)
    if row.state == "taken" and (row.answered_by or {}).get("id") == person.id:
        return False
    if row.state not in OPEN:
        raise conflict("ended", f"This hand-over was {row.state}.")
    on = await people.on_duty(session, row.area_path, now, cast("Post", row.post))
    stands = person.id in {one.id for one in on}
    if person.id == row.from_person or not (person.id == row.to_person or stands):
        raise Problem(403, "not-yours", "It is taken by whom it was given to, or by who stands at this desk.")
    moved, left = [], []
    for incident in await owned_by(session, row.from_person):
        if await roster.may_own(session, incident, person.id) is None:
            left.append({"id": incident.id, "number": incident.number, "why": "not_in_sight"})
        elif await owners.pass_on(docket, policy, incident, person, at=at):
            moved.append({"id": incident.id, "number": incident.number})
    row.state, row.answered_at, row.answered_by = "taken", now, {"id": person.id, "name": person.name}
    row.to_person, row.to_name, row.moved, row.left = person.id, person.name, moved, left
    await timers.disarm(session, DUE, row.id)
    await stamps.tap(session, row.from_person, on=False, at=now, now=now, origin="handover")
    await stamps.tap(session, person.id, on=True, at=now, now=now, origin="handover")
    body = {
        "moved": [one["id"] for one in moved],
        "left": [one["id"] for one in left],
        "given": row.given_at is not None,
    }
    await _record(session, row, "handover_taken", person.id, now, body)
    words = f"{person.name}已接班，{len(moved)} 起事件移交" + (f"，{len(left)} 起仍由您负责" if left else "")
    en = f"{person.name} has taken over {len(moved)} incidents" + (f"; {len(left)} stay yours" if left else "")
    await _tell(session, row, [row.from_person], "handover_taken", (words, en), now)
    return True


async def owned_by(session: AsyncSession, person_id: str) -> list[Incident]:
    """Open incidents that somebody is responsible for, children of area incidents among them; the worst first."""
    owner = Incident.owner["id"].as_string()
    query = select(Incident).where(Incident.state.not_in(OVER), owner == person_id)
    return list(await session.scalars(query.order_by(Incident.level, Incident.opened_at, Incident.id)))


async def end(
    docket: Docket, row: Handover, person: Person, word: Literal["refused", "withdrawn"], *, reason: str
) -> bool:
    """拒接 by the incoming, or taken back by the outgoing. Everything stays with the outgoing; the leader hears.

    Raises:
        Problem: 403 for somebody else, 409 when it has ended otherwise.
    """
    session, now = docket.session, docket.now
    await feed.hold(session)
    await session.refresh(row)
    allowed = row.to_person if word == "refused" else row.from_person
    if person.id != allowed:
        raise Problem(403, "not-yours", "This is for the incoming." if word == "refused" else "This is the outgoing's.")
    if row.state == word:
        return False
    if row.state != "given":
        raise conflict("ended", f"This hand-over was {row.state}.")
    row.state, row.reason = word, reason
    row.answered_at, row.answered_by = now, {"id": person.id, "name": person.name}
    await timers.disarm(session, DUE, row.id)
    await _record(session, row, f"handover_{word}", person.id, now, {"reason": reason})
    if word == "refused":
        zh = f"{person.name}拒绝接班：{reason}。事件仍由{row.from_name}负责"
        en = f"{person.name} does not take over: {reason}. Everything stays with {row.from_name}"
        await _tell(
            session, row, [row.from_person, *await _leaders(session, row, now)], "handover_refused", (zh, en), now
        )
    return True


async def countersign(session: AsyncSession, row: Handover, person: Person, now: datetime) -> bool:
    """带班领导签字, of one that was taken. False when it was signed already.

    Raises:
        Problem: 403 for somebody who does not lead there, 409 when it was not taken.
    """
    await feed.hold(session)
    if row.state != "taken":
        raise conflict("not-taken", f"This hand-over was {row.state}: nothing to sign.")
    leads = {
        one.id
        for area in people.chain(row.area_path)
        for one in await people.on_duty(session, area, now, "duty_leader")
    }
    if person.id not in leads or person.id in (row.from_person, row.to_person):
        raise Problem(403, "not-yours", "The duty leader on shift signs, and nobody for themselves.")
    if row.countersigned_at is not None:
        return False
    row.countersigned_at, row.countersigned_by = now, {"id": person.id, "name": person.name}
    await _record(session, row, "handover_countersigned", person.id, now, {})
    return True


# ---------------------------------------------------------------- refused, overdue, forgotten


async def overdue(session: AsyncSession, row: Handover, now: datetime) -> None:
    """Nobody has taken it: both and the leader hear, now and again, until somebody does."""
    row.overdue_at = row.overdue_at or now
    row.told += 1
    if row.told < MOST_REMINDERS:
        await timers.arm(session, DUE, row.id, now + REMIND, now=now)
    if row.told == 1:
        await _record(session, row, "handover_overdue", "", now, {})
    zh = f"交接班超时：{row.to_name or '接班人'}尚未接班，仍由{row.from_name}负责"
    en = f"The hand-over to {row.to_name or 'the next shift'} is overdue; everything stays with {row.from_name}"
    told = [row.from_person, *([row.to_person] if row.to_person else []), *await _leaders(session, row, now)]
    await _tell(session, row, told, f"handover_overdue:{row.told}", (zh, en), now)


async def forgotten(session: AsyncSession, now: datetime) -> int:
    """Find shifts that have ended without a hand-over while somebody else stands there; how many."""
    query = select(Shift).where(
        Shift.post.in_(POSTS),
        Shift.ends_at > now - LOOK_BACK,
        Shift.ends_at <= now - GRACE,
        Shift.person_id.is_not(None),
    )
    found = 0
    for shift in list(await session.scalars(query.order_by(Shift.ends_at, Shift.id))):
        desk = Desk(shift.area_path, cast("Post", shift.post))
        on = [one.id for one in await people.on_duty(session, desk.area, now, desk.post)]
        if not on or shift.person_id in on or await _seen_to(session, shift):
            continue
        assert shift.person_id is not None
        account = await session.get_one(Account, shift.person_id)
        row = _new(desk, account.id, account.name, now)
        taker = await session.get_one(Account, on[0])
        row.state, row.shift_id, row.to_person, row.to_name = "forgotten", shift.id, taker.id, taker.name
        session.add(row)
        await session.flush()
        await _record(session, row, "handover_forgotten", "", now, {"shift_ended": instant(shift.ends_at)})
        await overdue(session, row, now)
        found += 1
    return found


async def _seen_to(session: AsyncSession, shift: Shift) -> bool:
    """Whether there is a hand-over of this shift, whatever came of it: that one is followed up by itself."""
    query = select(Handover.id).where(
        Handover.from_person == shift.person_id,
        Handover.area_path == shift.area_path,
        Handover.post == shift.post,
        Handover.created_at >= shift.starts_at,
    )
    return await session.scalar(query.limit(1)) is not None


async def next_look(session: AsyncSession, now: datetime) -> datetime:
    """When a shift at a desk has ended long enough to ask for its hand-over; at the latest in an hour."""
    query = select(Shift.ends_at).where(Shift.post.in_(POSTS), Shift.ends_at > now - GRACE)
    first = await session.scalar(query.order_by(Shift.ends_at).limit(1))
    latest = now + timedelta(hours=1)
    return min(max(first + GRACE, now + timedelta(seconds=1)), latest) if first else latest


async def _leaders(session: AsyncSession, row: Handover, now: datetime) -> list[str]:
    for area in people.chain(row.area_path):
        if found := await people.on_duty(session, area, now, "duty_leader"):
            return [one.id for one in found]
    return []


# ---------------------------------------------------------------- writing down


async def _record(
    session: AsyncSession, row: Handover, kind: str, actor: str, now: datetime, more: Mapping[str, Any]
) -> None:
    await session.flush()
    body = {"area": row.area_path, "post": row.post, "from": row.from_person, "to": row.to_person, **more}
    await audit.append(session, kind=kind, now=now, subject=row.id, actor=actor, body=body)
    persons = tuple(one for one in (row.from_person, row.to_person) if one)
    await feed.append(
        session,
        kind="handover",
        key=row.id,
        value=handover_json(row, whole=False),
        grid_path=row.area_path,
        exercise=None,
        audience=Audience(persons=persons, roles=("duty_officer", "administrator")),
    )


async def _tell(
    session: AsyncSession, row: Handover, persons: Sequence[str], key: str, words: tuple[str, str], now: datetime
) -> None:
    for person in dict.fromkeys(persons):
        await notify.queue(
            session,
            key=f"{row.id}:{key}",
            person_id=person,
            kind=key.partition(":")[0],
            text_zh=words[0],
            text_en=words[1],
            grid_path=row.area_path,
            now=now,
            params={"handover": row.id},
        )
