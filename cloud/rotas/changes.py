"""Leave, swaps, stand-ins and extra turns: asked for, agreed, withdrawn. A swap needs the word of both.

An act here is recorded with who and when and never erased; only what is agreed changes who stands where.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.people import service as people
from cloud.people.access import Person, Role, within
from cloud.people.model import Account, Responder, Shift
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid, not_found
from cloud.rotas import loading, service
from cloud.rotas.changes_said import local, tell, tell_leaders
from cloud.rotas.duties import lay
from cloud.rotas.model import RotaChange, RotaRow

LONGEST_LEAVE = timedelta(days=200)
LONGEST_STAND_IN = timedelta(days=31)
Answer = Literal["agreed", "refused", "withdrawn"]


def _judge_span(since: datetime, until: datetime, longest: timedelta, now: datetime) -> None:
    if until <= since:
        raise invalid("to", "is not after from", "say when it ends")
    if until <= now:
        raise invalid("to", "has passed", "what has passed stands")
    if until - since > longest:
        raise invalid("to", f"is more than {longest.days} days after from", "choose an earlier end")


async def _new(session: AsyncSession, person: Person, now: datetime, **values: Any) -> RotaChange:
    await feed.hold(session)
    last = await session.scalar(select(func.max(RotaChange.order))) or 0
    empty: dict[str, Any] = dict.fromkeys(
        ("rota_id", "by", "back_since", "back_until", "with_person", "answered_at", "answered_by", "answer")
    )
    row = RotaChange(
        id=new_id("rch"),
        order=last + 1,
        asked_at=now,
        asked_by={"id": person.id, "name": person.name},
        **(empty | values),
    )
    session.add(row)
    await session.flush()
    return row


# ---------------------------------------------------------------- leave


async def ask_leave(
    session: AsyncSession,
    person: Person,
    of: Account,
    *,
    since: datetime,
    until: datetime,
    reason: str,
    now: datetime,
) -> RotaChange:
    """请假: for oneself it waits for whoever leads; entered by one who leads, it is granted.

    Raises:
        Problem: 422 for a span that cannot be, 403 for somebody else's without leading there.
    """
    _judge_span(since, until, LONGEST_LEAVE, now)
    leads = leads_over(person, of.area_path) and of.id != person.id
    if of.id != person.id and not leads:
        raise Problem(403, "not-yours", "Leave is asked for by oneself, or entered by one who leads there.")
    state = "agreed" if leads else "asked"
    row = await _new(
        session, person, now, kind="leave", state=state, who=of.id, since=max(since, now), until=until, reason=reason
    )
    if leads:
        row.answered_at, row.answered_by = now, row.asked_by
        await _follow(session, row, person, now)
    else:
        await tell_leaders(session, row, of, now)
    return row


def leads_over(person: Person, area_path: str) -> bool:
    """Whether somebody grants leave and enters stand-ins for people of an area. Pure."""
    return person.has(Role.DUTY_OFFICER, Role.ADMINISTRATOR) and within(person.area_path, area_path)


# ---------------------------------------------------------------- swaps


async def ask_swap(
    session: AsyncSession,
    person: Person,
    rota: RotaRow,
    *,
    mine: datetime,
    other: str,
    theirs: datetime | None,
    reason: str,
    now: datetime,
) -> RotaChange:
    """换班: my turn that runs at an instant for theirs (or only mine, taken over). It counts when the other agrees.

    Raises:
        Problem: 422 when there is no such turn of mine or theirs, 409 when it has begun.
    """
    me = await stands_as(session, rota, person)
    if other in me:
        raise invalid("with", "is yourself", "name the other")
    who = await _turn_of(session, rota, me, mine, "mine", now)
    back = await _turn_of(session, rota, {other}, theirs, "theirs", now) if theirs is not None else None
    if (why := await service.unfit(session, rota.post, rota.area_path, other)) is not None:
        raise invalid("with", why, "name somebody who may stand there")
    with_person = other if rota.post != "responder" else await _speaks_for(session, other)
    row = await _new(
        session,
        person,
        now,
        kind="swap",
        state="asked",
        rota_id=rota.id,
        who=who.who,
        by=other,
        since=who.since,
        until=who.until,
        back_since=back.since if back else None,
        back_until=back.until if back else None,
        with_person=with_person,
        reason=reason,
    )
    zh = f"{person.name}请求换班：{local(who.since)}—{local(who.until)}，请答复"
    await tell(session, row, with_person, "swap_asked", (zh, f"{person.name} asks to swap a turn with you"), now, rota)
    return row


async def stands_as(session: AsyncSession, rota: RotaRow, person: Person) -> set[str]:
    """Ids as which somebody stands on a rota: themselves, or the responders that are them."""
    if rota.post != "responder":
        return {person.id}
    found = set()
    for one in person.responder_ids:
        responder = await session.get(Responder, one)
        if responder is not None and responder.kind == "person":
            found.add(one)
    return found


async def _speaks_for(session: AsyncSession, responder_id: str) -> str:
    members = await people.members(session, responder_id)
    if len(members) != 1:
        raise invalid("with", "is a team", "teams have rotas of their own; swap with a person")
    return members[0]


async def _turn_of(session: AsyncSession, rota: RotaRow, who: set[str], at: datetime, where: str, now: datetime) -> Any:
    book = await loading.book(session, since=now, rota_ids=[rota.id])
    [found] = book.rotas
    laid = lay(found, book.calendar, book.changes, at, at + timedelta(seconds=1))
    turn = next((duty for duty in laid.duties if duty.who in who and duty.since <= at < duty.until), None)
    if turn is None:
        raise invalid(where, "is no turn of that person", "take an instant within it, from GET /on-call")
    if turn.since <= now:
        raise conflict("has-begun", "That turn has begun: ask for a stand-in.")
    return turn


# ---------------------------------------------------------------- stand-ins, extra turns


async def stand_in(
    session: AsyncSession,
    person: Person,
    rota: RotaRow,
    *,
    who: str,
    by: str,
    since: datetime,
    until: datetime,
    reason: str,
    now: datetime,
) -> RotaChange:
    """顶班: somebody (the B 角, or another) stands in the place of somebody, from now or later.

    By the one whose turn it is, by the B 角 who takes it, or by one who leads there. It counts at once.

    Raises:
        Problem: 403 for others; 422 for a span or a person that cannot be.
    """
    since = max(since, now)
    _judge_span(since, until, LONGEST_STAND_IN, now)
    if who == by:
        raise invalid("by", "is the same", "name who stands in")
    if (why := await service.unfit(session, rota.post, rota.area_path, by)) is not None:
        raise invalid("by", why, "name somebody who may stand there")
    me = await stands_as(session, rota, person)
    deputies = await _deputies(session, rota, who, since, until)
    steps_in = by in me and by in deputies
    if not (who in me or steps_in or service.may_keep(person, rota.area_path, rota.post)):
        raise Problem(403, "not-yours", "Whose turn it is says so, the B 角 who takes it, or one who keeps the rota.")
    row = await _new(
        session, person, now, kind="stand_in", state="agreed", rota_id=rota.id, who=who, by=by, since=since,
        until=until, reason=reason,
    )  # fmt: skip
    row.answered_at, row.answered_by = now, row.asked_by
    await _follow(session, row, person, now)
    return row


async def _deputies(session: AsyncSession, rota: RotaRow, who: str, since: datetime, until: datetime) -> set[str]:
    query = select(Shift.deputy_id).where(
        Shift.rota_id == rota.id, Shift.planned_id == who, Shift.starts_at < until, Shift.ends_at > since
    )
    return {one for one in await session.scalars(query) if one is not None}


async def extra_turn(
    session: AsyncSession,
    person: Person,
    rota: RotaRow,
    *,
    who: str,
    since: datetime,
    until: datetime,
    reason: str,
    now: datetime,
) -> RotaChange:
    """加班: one turn more.

    Raises:
        Problem: 403, or 422 for a span or a person that cannot be.
    """
    service.refuse_unless_keeper(person, rota.area_path, rota.post)
    since = max(since, now)
    _judge_span(since, until, timedelta(days=2), now)
    if (why := await service.unfit(session, rota.post, rota.area_path, who)) is not None:
        raise invalid("who", why, "name somebody who may stand there")
    row = await _new(
        session, person, now, kind="extra", state="agreed", rota_id=rota.id, who=who, since=since, until=until,
        reason=reason,
    )  # fmt: skip
    row.answered_at, row.answered_by = now, row.asked_by
    await _follow(session, row, person, now)
    return row


# ---------------------------------------------------------------- answers


async def answer(
    session: AsyncSession, row: RotaChange, person: Person, word: Answer, *, note: str, now: datetime
) -> bool:
    """The other's yes or no to a swap, the leader's to leave; or taking it back. False when that was said already.

    Raises:
        Problem: 403 for somebody whose word it is not, 409 when it was answered otherwise or its time has come.
    """
    await feed.hold(session)
    await session.refresh(row)
    if row.state == word:
        return False
    if not await _may_answer(session, row, person, word):
        raise Problem(403, "not-yours", "This waits for somebody else's word.")
    if word == "withdrawn":
        if row.state not in ("asked", "agreed"):
            raise conflict("answered", f"This was {row.state}.")
        if row.until <= now:
            raise conflict("has-passed", "What has passed stands.")
    elif row.state != "asked":
        raise conflict("answered", f"This was {row.state}.")
    elif word == "agreed" and row.kind == "swap" and row.since <= now:
        raise conflict("has-begun", "That turn has begun: ask for a stand-in.")
    before = row.state
    row.state, row.answer = word, note or None
    row.answered_at, row.answered_by = now, {"id": person.id, "name": person.name}
    if word == "withdrawn" and before == "agreed" and row.since < now:
        row.state, row.until = "agreed", now  # the part that has passed stands
    if "agreed" in (word, before):
        await _follow(session, row, person, now)
    asker = str(row.asked_by["id"])
    if asker != person.id:
        words = {"agreed": ("同意", "agreed to"), "refused": ("不同意", "refused"), "withdrawn": ("撤销", "withdrew")}
        kind_zh, kind_en = {"leave": ("请假", "leave"), "swap": ("换班", "swap")}.get(row.kind, ("顶班", "stand-in"))
        zh = f"{person.name}{words[word][0]}您的{kind_zh}：{local(row.since)}—{local(row.until)}"
        await tell(
            session, row, asker, f"{row.kind}_{word}", (zh, f"{person.name} {words[word][1]} your {kind_en}"), now
        )
    return True


async def _may_answer(session: AsyncSession, row: RotaChange, person: Person, word: Answer) -> bool:
    rota = await session.get(RotaRow, row.rota_id) if row.rota_id else None
    keeps = rota is not None and service.may_keep(person, rota.area_path, rota.post)
    if word == "withdrawn":
        mine = person.id in (row.asked_by["id"], row.with_person if row.state == "agreed" else None)
        return mine or keeps or (row.kind == "leave" and await _leads(session, row, person))
    if row.kind == "swap":
        return person.id == row.with_person
    return row.kind == "leave" and await _leads(session, row, person) and person.id != row.who


async def _leads(session: AsyncSession, row: RotaChange, person: Person) -> bool:
    account = await session.get(Account, row.who)
    return account is not None and leads_over(person, account.area_path)


async def _follow(session: AsyncSession, row: RotaChange, person: Person, now: datetime) -> None:
    """What is agreed (or is not any more) changes the rotas it is about."""
    await session.flush()
    query = select(RotaRow).order_by(RotaRow.id)
    rows = list(await session.scalars(query.where(RotaRow.id == row.rota_id) if row.rota_id else query))
    if row.rota_id is None:
        rows = await _of_person(session, rows, row)
    body = {"change": row.id, "kind": row.kind, "state": row.state, "who": row.who, "by": row.by}
    if rows:
        await service.touched(session, rows, person, f"rota_{row.kind}", now, body)


async def _of_person(session: AsyncSession, rows: Sequence[RotaRow], row: RotaChange) -> list[RotaRow]:
    """Rotas that somebody's leave is about: those that name them, as A or as B."""
    mine = {row.who, *(await _responders_of(session, row.who))}
    query = select(Shift.rota_id).where(
        Shift.ends_at > row.since,
        or_(
            Shift.person_id.in_(mine),
            Shift.responder_id.in_(mine),
            Shift.planned_id.in_(mine),
            Shift.deputy_id.in_(mine),
        ),
    )
    named = {one for one in await session.scalars(query) if one is not None}
    return [one for one in rows if one.id in named]


async def _responders_of(session: AsyncSession, person_id: str) -> list[str]:
    found = await people.person(session, person_id)
    return sorted(found.responder_ids) if found else []


async def waits_for(session: AsyncSession, row: RotaChange, person: Person) -> bool:
    """Whether a change waits for somebody's yes or no."""
    return row.state == "asked" and await _may_answer(session, row, person, "agreed")


async def find(session: AsyncSession, change_id: str, person: Person) -> RotaChange:
    """A change that somebody may know of: their own, one that waits for their word, or of those they lead.

    Raises:
        Problem: 404.
    """
    row = await session.get(RotaChange, change_id)
    if row is None or not await sees(session, row, person):
        raise not_found("change", change_id)
    return row


async def sees(session: AsyncSession, row: RotaChange, person: Person) -> bool:
    """See `find`."""
    if person.id in (row.who, row.with_person, row.asked_by["id"]) or {row.who, row.by} & person.responder_ids:
        return True
    rota = await session.get(RotaRow, row.rota_id) if row.rota_id else None
    return service.may_keep(person, rota.area_path, rota.post) if rota else await _leads(session, row, person)
