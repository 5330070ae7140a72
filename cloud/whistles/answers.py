"""The department's word on a whistle, and the street's: reporting in, arriving, done; sent back, withdrawn, ended."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.docket import Actor, Docket, by
from cloud.people.access import Person, Role
from cloud.problems import Problem, conflict, invalid
from cloud.whistles import clock, departments, record
from cloud.whistles.calling import street_calls
from cloud.whistles.clock import State
from cloud.whistles.model import Department, Whistle
from cloud.whistles.words import about, line


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks for a department: one of its own, or the street's desk that has it on the telephone."""

    actor: Actor
    on_behalf: bool
    said_by: str

    def params(self) -> dict[str, Any]:
        """For the history."""
        return {"on_behalf": True, "said_by": self.said_by} if self.on_behalf else {}


async def voice(session: AsyncSession, whistle: Whistle, person: Person, department: Department, said_by: str) -> Voice:
    """Whether a person may speak for a department.

    Raises:
        Problem: 403 when they may not, 422 when the desk does not say whose word it is.
    """
    if person.id in {*department.liaisons, *department.supervisors}:
        return Voice(by(person), on_behalf=False, said_by="")
    if not await at_a_calling_desk(session, whistle, person):
        raise Problem(403, "not-yours", f"{department.name} answers, or the street's desk for it (said_by).")
    if not said_by:
        raise invalid("said_by", f"is needed to answer for {department.name}", "who at the department said so?")
    return Voice(by(person), on_behalf=True, said_by=said_by)


async def at_a_calling_desk(session: AsyncSession, whistle: Whistle, person: Person) -> bool:
    """Whether a person stands at the desk of a street that called, or above it; in an exercise also its trainer."""
    if whistle.exercise is not None and person.has(Role.TRAINER):
        return True
    if whistle.exercise is not None and whistle.exercise not in person.exercises:
        return False
    return any(street_calls(person, row.street_path) for row in await record.calls_of(session, whistle))


async def report_in(docket: Docket, whistle: Whistle, said: Voice, *, at: datetime | None = None) -> bool:
    """报到: the department has it and comes."""
    return await _step(docket, whistle, State.REPORTED_IN, said, at=at)


async def arrive(docket: Docket, whistle: Whistle, said: Voice, *, at: datetime | None = None) -> bool:
    """到场. Who is there has reported in, too."""
    return await _step(docket, whistle, State.ARRIVED, said, at=at)


async def finish(docket: Docket, whistle: Whistle, said: Voice, *, note: str, at: datetime | None = None) -> bool:
    """办结: what was done. The street looks and rates."""
    return await _step(docket, whistle, State.DONE, said, at=at, note=note)


_STAMPS = ((State.REPORTED_IN, "reported_in_at"), (State.ARRIVED, "arrived_at"), (State.DONE, "done_at"))


async def _step(
    docket: Docket, whistle: Whistle, wanted: State, said: Voice, *, at: datetime | None, note: str = ""
) -> bool:
    state = State(whistle.state)
    why_not = clock.may_move(state, wanted)
    if why_not:
        raise conflict("wrong-state", f"Whistle {whistle.number}: {why_not}.")
    if clock.ORDER[state] >= clock.ORDER[wanted]:
        return False
    if await record.open_return(docket.session, whistle) is not None:
        raise conflict("sent-back", f"Whistle {whistle.number} was sent back: take the return back first.")
    turn = await record.turn_of(docket.session, whistle)
    moment = min(max(at, turn.began_at), docket.now) if at else docket.now
    for passed, stamp in _STAMPS:
        if clock.ORDER[passed] <= clock.ORDER[wanted] and getattr(turn, stamp) is None:
            if passed is State.ARRIVED and wanted is State.DONE:
                continue  # done from afar (a switch thrown): nobody need have come
            setattr(turn, stamp, moment)
    turn.step_from, whistle.state = docket.now, wanted
    turn.answered_by = turn.answered_by or said.actor.json()
    department = await docket.session.get_one(Department, whistle.holder_id)
    names = {"department": department.name}
    extra = said.params() | ({"note": note} if note else {})
    text = await record.note(docket, whistle, wanted.value, said.actor, names,
                             {"department": department.name_en or department.name}, at=at, **extra)  # fmt: skip
    desks = record.at_tier(await record.streets_desks(docket, whistle), 0)
    told = about(whistle.number, whistle.cause_text, text)
    await record.message(docket, whistle, desks, "whistle", f"{wanted}:{turn.id}", told)
    await record.keep(docket, whistle)
    return True


# ---------------------------------------------------------------- the street again


async def send_back(
    docket: Docket, whistle: Whistle, person: Person, *, reason: str, at: datetime | None = None
) -> bool:
    """退回重办: the street finds that it is not done. The department's clock to finish starts again."""
    if State(whistle.state) is not State.DONE:
        raise conflict("wrong-state", f"Whistle {whistle.number} is {whistle.state}: only what is done is sent back.")
    turn = await record.turn_of(docket.session, whistle)
    turn.done_at, turn.step_from = None, docket.now
    whistle.state = State.ARRIVED if turn.arrived_at else State.REPORTED_IN
    department = await docket.session.get_one(Department, whistle.holder_id)
    names = {"department": department.name, "reason": reason}
    text = await record.note(docket, whistle, "sent_back", by(person), names, at=at, reason=reason)
    told = about(whistle.number, whistle.cause_text, text)
    liaisons = await departments.present(docket.session, list(department.liaisons), whistle.exercise)
    key = f"sent-back:{docket.now.isoformat()}"
    await record.message(docket, whistle, liaisons, "whistle", key, told)
    await record.keep(docket, whistle)
    return True


async def withdraw(
    docket: Docket, whistle: Whistle, person: Person, *, reason: str, incident_id: str | None = None
) -> int:
    """撤哨: the calls of a person's own streets (or one of them) go; with none left the whistle ends.

    Raises:
        Problem: 409 when it has ended or is done, 403 when none of the calls is theirs.
    """
    if State(whistle.state) in (State.DONE, State.ENDED):
        raise conflict("wrong-state", f"Whistle {whistle.number} is {whistle.state}: rate it.")
    mine = [
        row
        for row in await record.calls_of(docket.session, whistle)
        if street_calls(person, row.street_path) and incident_id in (None, row.incident_id)
    ]
    if not mine:
        raise Problem(403, "not-yours", "The street that called withdraws its own call.")
    await record.note(docket, whistle, "withdrawn", by(person), {"reason": reason}, reason=reason, calls=len(mine))
    left = len(await record.calls_of(docket.session, whistle)) - len(mine)
    if left == 0:
        await end(docket, whistle, "withdrawn", reason=reason)  # said while its calls still name its incidents
    for row in mine:
        row.state, row.reason = "withdrawn", reason
    await docket.session.flush()
    if left:
        await record.keep(docket, whistle)
    return len(mine)


async def end(docket: Docket, whistle: Whistle, how: str, *, reason: str | None = None) -> None:
    """It is over: its clocks stop, and a new call of that cause begins a new whistle."""
    turn = await record.turn_of(docket.session, whistle)
    turn.ended_at, turn.end = docket.now, "withdrawn" if how == "withdrawn" else "ended"
    waiting = await record.open_return(docket.session, whistle)
    if waiting is not None:
        waiting.ended_at, waiting.end = docket.now, "over"
    whistle.state, whistle.ended_at, whistle.end, whistle.end_reason = State.ENDED, docket.now, how, reason
    whistle.open_key = None
    department = await docket.session.get_one(Department, whistle.holder_id)
    if how == "withdrawn":
        liaisons = await departments.present(docket.session, list(department.liaisons), whistle.exercise)
        told = about(whistle.number, whistle.cause_text, line("withdrawn", {"reason": reason or ""}))
        await record.message(docket, whistle, liaisons, "whistle", "withdrawn", told)
    await record.keep(docket, whistle)
