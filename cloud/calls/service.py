"""叫应: a chain of calls for an incident, one call at a time, until somebody is on duty. The only writer of its tables.

Everything that falls due is a timer (`due.py`); handing a call to the gateway is the dialler's (`dialler.py`). Each
act is one transaction on the incident, so a process that dies between two steps leaves a chain that goes on.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.calls import contacts
from cloud.calls.chain import NEEDS_CARE, TIMES_OFF, After, ByHand, Result, Stamps, masked_name, untried
from cloud.calls.contacts import Found
from cloud.calls.model import Call, Chain, ContactFault
from cloud.calls.telling import nobody_answered
from cloud.dispatch import roster
from cloud.incidents.docket import SYSTEM, Actor, Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.states import HANDLED, State
from cloud.notify.vault import Vault
from cloud.people.access import Person
from cloud.people.service import new_id
from cloud.problems import conflict, not_found
from cloud.settings import Settings
from cloud.timers import service as timers

RING, CONFIRM = "call_ring", "call_confirm"
"""Kinds of the timers: nobody has answered; nobody has pressed the key."""
RUNNING = ("calling", "by_hand")


# ---------------------------------------------------------------- beginning


async def begin(
    docket: Docket, settings: Settings, vault: Vault, incident: Incident, *, actor: Actor = SYSTEM, again: bool = False
) -> Chain | None:
    """Begin a chain, unless one runs or somebody was reached already; None: there is nobody to call, or no need.

    Args:
        docket: the transaction.
        settings: whether a gateway is set up; else people dial and press a result button.
        vault: opens the lists.
        incident: of which.
        actor: the alarm, or a person.
        again: a person wants another round whatever became of the last.
    """
    session = docket.session
    before = await chains_of(session, incident.id)
    last = before[-1] if before else None
    if last is not None and last.state in RUNNING:
        return None
    reopened = last is not None and incident.reopened_at is not None and incident.reopened_at > last.began_at
    if last is not None and last.state in ("reached", "stopped") and not (again or reopened):
        return None
    found = await contacts.for_incident(session, vault, incident)
    if incident.exercise is not None:  # nothing of an exercise reaches anyone who takes no part
        part = await roster.participants(session, incident.exercise)
        found = [one for one in found if one.contact.person_id in part]
    if not found:
        return None
    chain = Chain(
        id=new_id("cch"),
        incident_id=incident.id,
        round=len(before) + 1,
        level=incident.level,
        state="calling" if settings.telephone_gateway_url else "by_hand",
        sealed=vault.seal(msgspec.json.encode(found).decode()),
        total=len(found),
        next=0,
        began_at=docket.now,
        ended_at=None,
        ended_by=None,
        exercise=incident.exercise,
    )
    session.add(chain)
    await session.flush()
    params = {"chain": chain.id, "round": chain.round, "total": chain.total, "by_hand": chain.state == "by_hand"}
    docket.write(incident, "calls_began", actor, params)
    await _call_next(docket, settings, vault, incident, chain)
    return chain


async def _call_next(docket: Docket, settings: Settings, vault: Vault, incident: Incident, chain: Chain) -> None:
    """The next contact's turn; when there is none left, the chain is exhausted."""
    if chain.state != "calling":
        return
    if chain.next >= chain.total:
        await _exhausted(docket, vault, incident, chain)
        return
    turn = chain.next
    contact = opened(vault, chain)[turn].contact
    call = _call(chain, turn, contact.id, "gateway", docket.now, attempt=1)
    call.placing = True
    chain.next = turn + 1
    docket.session.add(call)
    await docket.session.flush()
    due = docket.now + timedelta(seconds=settings.call_ring_s)
    await timers.arm(docket.session, RING, call.id, due, now=docket.now, urgency=1)
    params = {"chain": chain.id, "call": call.id, "turn": turn + 1, "total": chain.total}
    docket.write(incident, "call_began", SYSTEM, params | _who(contact))


def _who(contact: contacts.Contact) -> dict[str, Any]:
    """On the timeline, which more people see than those who respond: no number, and a name only in outline."""
    return {"contact": contact.id, "role": contact.role, "name": masked_name(contact.name)}


def _call(chain: Chain, turn: int, contact: str, way: str, now: datetime, *, attempt: int) -> Call:
    return Call(
        id=new_id("call"),
        chain_id=chain.id,
        incident_id=chain.incident_id,
        turn=turn,
        attempt=attempt,
        contact_id=contact,
        way=way,
        began_at=now,
        placing=False,
        placing_until=None,
        placed_at=None,
        ringing_at=None,
        answered_at=None,
        on_duty_at=None,
        ended_at=None,
        result=None,
        detail="",
        by=None,
    )


# ---------------------------------------------------------------- what becomes of a call


def stamps_of(call: Call) -> Stamps:
    """A row as the pure part takes it."""
    return Stamps(call.answered_at, call.on_duty_at, call.ended_at, Result(call.result) if call.result else None)


async def apply(
    docket: Docket,
    settings: Settings,
    vault: Vault,
    call: Call,
    after: After,
    *,
    actor: Actor = SYSTEM,
    at: datetime | None = None,
    detail: str = "",
) -> None:
    """Write down what became of a call, and what follows: the next contact, or the end of the chain."""
    if not after.changed:
        return
    session = docket.session
    chain = await session.get_one(Chain, call.chain_id)
    incident = await session.get_one(Incident, call.incident_id)
    before = stamps_of(call)
    stamps = after.stamps
    call.answered_at, call.on_duty_at, call.ended_at = stamps.answered_at, stamps.on_duty_at, stamps.ended_at
    call.result = stamps.result.value if stamps.result else None
    call.detail = detail[:300] or call.detail
    found = opened(vault, chain)[call.turn]
    params = {"chain": chain.id, "call": call.id, "turn": call.turn + 1, "by_hand": call.way == "tel"}
    params |= _who(found.contact)
    if stamps.answered_at and not before.answered_at:
        docket.write(incident, "call_answered", actor, params, occurred_at=at)
    if stamps.on_duty_at and not before.on_duty_at:
        docket.write(incident, "call_on_duty", actor, params, occurred_at=at)
    if stamps.ended_at and not before.ended_at:
        call.placing = False
        await timers.disarm(session, RING, call.id)
        await timers.disarm(session, CONFIRM, call.id)
        if stamps.result not in (Result.ON_DUTY, Result.ANSWERED):
            said = {"result": stamps.result.value if stamps.result else None} | ({"detail": detail} if detail else {})
            docket.write(incident, "call_ended", actor, params | said, occurred_at=at)
    elif stamps.answered_at and not before.answered_at:
        await timers.disarm(session, RING, call.id)
        due = docket.now + timedelta(seconds=settings.call_confirm_s)
        await timers.arm(session, CONFIRM, call.id, due, now=docket.now, urgency=1)
    if stamps.result in NEEDS_CARE:
        await _needs_care(session, call, found, incident, docket.now)
    if after.reached and chain.state != "over":
        await _end(docket, incident, chain, "reached", {"call": call.id} | _who(found.contact), actor)
    elif after.move_on and call.turn == chain.next - 1 and State(incident.state) in HANDLED:
        await _call_next(docket, settings, vault, incident, chain)


async def _needs_care(session: AsyncSession, call: Call, found: Found, incident: Incident, now: datetime) -> None:
    """A wrong number at once, one that is off again and again: somebody has to put the list right."""
    query = select(ContactFault).where(
        ContactFault.contact_id == found.contact.id, ContactFault.code == call.result, ContactFault.ended_at.is_(None)
    )
    row = (await session.scalars(query)).first()
    if row is not None:
        row.times += 1
        return
    session.add(
        ContactFault(
            id=new_id("ctf"),
            scope=found.scope,
            place_id=found.place_id,
            contact_id=found.contact.id,
            grid_path=incident.grid_path,
            site_id=incident.site_id,
            code=call.result,
            call_id=call.id,
            incident_id=incident.id,
            since=now,
            times=1,
            ended_at=None,
            ended_by=None,
            end=None,
        )
    )


def counts(fault: ContactFault) -> bool:
    """Whether it is to be looked into by now."""
    return fault.code == Result.WRONG_NUMBER or fault.times >= TIMES_OFF


# ---------------------------------------------------------------- ends


async def _end(
    docket: Docket, incident: Incident, chain: Chain, state: str, params: dict[str, Any], actor: Actor = SYSTEM
) -> None:
    if chain.ended_at is not None and chain.state == state:
        return
    chain.state, chain.ended_at, chain.ended_by = state, docket.now, actor.json()
    for call in await calls_of(docket.session, chain.id):
        await timers.disarm(docket.session, RING, call.id)
        await timers.disarm(docket.session, CONFIRM, call.id)
        if call.ended_at is None:
            call.placing = False
            if call.answered_at is None:
                call.ended_at, call.detail = docket.now, call.detail or f"the chain is {state}"
    docket.write(incident, f"calls_{state}", actor, {"chain": chain.id, "round": chain.round} | params)


async def _exhausted(docket: Docket, vault: Vault, incident: Incident, chain: Chain) -> None:
    """Everybody was called and nobody is on duty: it is on the incident, and the desk above hears of it."""
    calls = await calls_of(docket.session, chain.id)
    answered = sum(call.answered_at is not None for call in calls)
    await _end(docket, incident, chain, "exhausted", {"total": chain.total, "answered": answered})
    del vault
    await nobody_answered(docket, incident, chain.id, answered=answered)


async def stop(docket: Docket, incident: Incident, person: Person, reason: str) -> bool:
    """A person ends the calls; False when none run."""
    chain = await running(docket.session, incident.id)
    if chain is None:
        return False
    await _end(docket, incident, chain, "stopped", {"reason": reason}, by(person))
    return True


async def is_over(docket: Docket, incident: Incident) -> None:
    """The incident is over: nobody need be called any more."""
    chain = await running(docket.session, incident.id)
    if chain is not None:
        await _end(docket, incident, chain, "over", {})


# ---------------------------------------------------------------- by hand


async def dialled(
    docket: Docket,
    settings: Settings,
    vault: Vault,
    incident: Incident,
    person: Person,
    contact_id: str,
    result: ByHand,
    *,
    on_duty: bool = False,
    at: datetime | None = None,
) -> Call:
    """Somebody has dialled a contact (`tel:`) and presses a result button. A chain begins with it if none was.

    Raises:
        Problem: 404 for a contact that is none of the incident's; 409 when there is nobody to call.
    """
    session = docket.session
    rows = await chains_of(session, incident.id)
    chain = rows[-1] if rows else await begin(docket, settings, vault, incident, actor=by(person), again=True)
    if chain is None:
        raise conflict("no-contacts", f"No contacts are kept for the place of incident {incident.number}.")
    turn = next((i for i, one in enumerate(opened(vault, chain)) if one.contact.id == contact_id), None)
    if turn is None:
        raise not_found("contact", contact_id)
    stamp = min(at or docket.now, docket.now)
    count = await session.scalar(select(func.max(Call.attempt)).where(Call.chain_id == chain.id, Call.turn == turn))
    call = _call(chain, turn, contact_id, "tel", stamp, attempt=(count or 0) + 1)
    call.by = {"id": person.id, "name": person.name}
    session.add(call)
    await session.flush()
    answered = stamp if result == "answered" or on_duty else None
    ended = Result.ON_DUTY if on_duty else Result(result)
    after = After(
        Stamps(answered, stamp if on_duty else None, stamp, ended), changed=True, reached=on_duty, move_on=False
    )
    await apply(docket, settings, vault, call, after, actor=by(person), at=at)
    if chain.state == "by_hand" and not on_duty:
        tried = [one.turn for one in await calls_of(session, chain.id)]
        left = untried(chain.total, tried)
        chain.next = chain.total if left is None else left
        if chain.next >= chain.total and result != "answered":
            await _exhausted(docket, vault, incident, chain)
    return call


# ---------------------------------------------------------------- questions


def opened(vault: Vault, chain: Chain) -> list[Found]:
    """The contacts of a chain, as they were when it began."""
    return msgspec.json.decode(vault.open(chain.sealed), type=list[Found])


async def chains_of(session: AsyncSession, incident_id: str) -> list[Chain]:
    """In the order in which they began."""
    query = select(Chain).where(Chain.incident_id == incident_id).order_by(Chain.round)
    return list(await session.scalars(query))


async def running(session: AsyncSession, incident_id: str) -> Chain | None:
    """The chain that runs."""
    query = select(Chain).where(Chain.incident_id == incident_id, Chain.state.in_(RUNNING))
    return (await session.scalars(query)).first()


async def calls_of(session: AsyncSession, chain_id: str) -> Sequence[Call]:
    """In the order in which they were made."""
    query = select(Call).where(Call.chain_id == chain_id).order_by(Call.began_at, Call.turn, Call.attempt)
    return list(await session.scalars(query))
