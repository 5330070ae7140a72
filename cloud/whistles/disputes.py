"""退单 and 裁定: a return keeps the first receiver responsible until another accepts, or somebody rules in time."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from cloud.audit import service as audit
from cloud.incidents.docket import Docket, by
from cloud.people.access import Person, Role
from cloud.people.model import Account
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid
from cloud.whistles import calling, clock, departments, record
from cloud.whistles.answers import Voice
from cloud.whistles.clock import Clock, State, Step
from cloud.whistles.model import Department, Whistle, WhistleCall, WhistleReturn
from cloud.whistles.words import about
from wire.level import Level


class Code(StrEnum):
    """Why it is sent back."""

    NOT_OUR_DUTY = "not_our_duty"  # 非本职责
    NOT_OUR_AREA = "not_our_area"  # 非本辖区
    NO_MEANS = "no_means"  # 无力处置
    OTHER = "other"


async def send_back(
    docket: Docket,
    whistle: Whistle,
    said: Voice,
    *,
    code: Code,
    reason: str,
    suggests: str | None,
    at: datetime | None = None,
) -> WhistleReturn:
    """退单: it stays theirs and no clock stops; whom they name is asked, and the arbiter's clock starts.

    Raises:
        Problem: 409 when it was ruled (the ruling is binding), is done, or waits for an answer already.
    """
    if whistle.bound:
        raise conflict("ruled", f"Whistle {whistle.number} was ruled on: the ruling is binding.")
    if State(whistle.state) in (State.DONE, State.ENDED):
        raise conflict("wrong-state", f"Whistle {whistle.number} is {whistle.state}.")
    if await record.open_return(docket.session, whistle) is not None:
        raise conflict("already", f"Whistle {whistle.number} was sent back already; wait for the answer.")
    if suggests == whistle.holder_id:
        raise invalid("suggests", "is the department that sends it back", "name another, or none")
    other = await departments.get(docket.session, suggests) if suggests else None
    holder = await docket.session.get_one(Department, whistle.holder_id)
    way = await record.arbiters_way(docket, whistle, holder)
    row = WhistleReturn(
        id=new_id("wrt"),
        whistle_id=whistle.id,
        turn_id=whistle.turn_id,
        department_id=holder.id,
        code=code,
        reason=reason,
        suggests=other.id if other else None,
        at=docket.now,
        by=said.actor.json() | said.params(),
        declined=[],
        tier=0,
        arbiter=way[0] if way else None,
        due_at=clock.due(Step.RULE, Level(whistle.level), docket.now, 0),
        ended_at=None,
        end=None,
        ruled_by=None,
        ruled_to=None,
        ruling=None,
    )
    docket.session.add(row)
    await docket.session.flush()
    names = {"department": holder.name, "reason": reason}
    text = await record.note(docket, whistle, "returned", said.actor, names, at=at, reason=reason, why=code.value,
                             suggests=other.name if other else None, **said.params())  # fmt: skip
    told = about(whistle.number, whistle.cause_text, text)
    asked = await departments.present(docket.session, list(other.liaisons), whistle.exercise) if other else []
    desks = record.at_tier(await record.streets_desks(docket, whistle), 0)
    arbiter = [row.arbiter] if row.arbiter else []
    await record.message(docket, whistle, [*arbiter, *asked, *desks], "whistle", f"returned:{row.id}", told)
    await audit.append(
        docket.session,
        kind="whistle_returned",
        now=docket.now,
        subject=whistle.id,
        actor=said.actor.id,
        body={"department": holder.id, "code": code.value, "suggests": row.suggests, "arbiter": row.arbiter},
    )
    await record.keep(docket, whistle)
    return row


async def waiting(docket: Docket, whistle: Whistle) -> WhistleReturn:
    """The return that waits for an answer.

    Raises:
        Problem: 409 when none does.
    """
    row = await record.open_return(docket.session, whistle)
    if row is None:
        raise conflict("not-returned", f"Whistle {whistle.number} was not sent back, or that is settled.")
    return row


async def take_back(docket: Docket, whistle: Whistle, said: Voice, *, at: datetime | None = None) -> None:
    """The holder takes it after all."""
    row = await waiting(docket, whistle)
    row.ended_at, row.end = docket.now, "taken_back"
    holder = await docket.session.get_one(Department, whistle.holder_id)
    await record.note(docket, whistle, "taken_back", said.actor, {"department": holder.name}, at=at, **said.params())
    await record.keep(docket, whistle)


async def accept(
    docket: Docket, whistle: Whistle, department: Department, said: Voice, *, at: datetime | None = None
) -> Whistle:
    """Another department takes it: from now on it is theirs, with a clock of its own. The whistle that it is now."""
    row = await waiting(docket, whistle)
    if department.id == whistle.holder_id:
        raise invalid("department_id", "has it already", "use take-back to keep it")
    row.ended_at, row.end, row.suggests = docket.now, "accepted", department.id
    former = await docket.session.get_one(Department, whistle.holder_id)
    names = {"department": department.name, "former": former.name}
    await record.note(docket, whistle, "accepted", said.actor, names, at=at, **said.params())
    return await _move(docket, whistle, department, "accepted")


async def decline(
    docket: Docket, whistle: Whistle, department: Department, said: Voice, *, reason: str, at: datetime | None = None
) -> None:
    """Who was named says that it is not theirs either; the question stays with the arbiter."""
    row = await waiting(docket, whistle)
    if row.suggests != department.id:
        raise conflict("not-asked", f"{department.name} was not named for whistle {whistle.number}.")
    row.declined = [*row.declined, {"department": department.id, "reason": reason, "by": said.actor.json()}]
    names = {"department": department.name, "reason": reason}
    await record.note(docket, whistle, "suggestion_declined", said.actor, names, at=at, reason=reason)
    await record.keep(docket, whistle)


async def rule(
    docket: Docket, whistle: Whistle, person: Person, *, to: str, reason: str, at: datetime | None = None
) -> Whistle:
    """裁定: binding, and recorded in the audit chain. The whistle that it is now.

    Raises:
        Problem: 403 for anybody but those whom the question has reached, 409 when nothing waits for a ruling.
    """
    row = await waiting(docket, whistle)
    holder = await docket.session.get_one(Department, whistle.holder_id)
    asked = (await record.arbiters_way(docket, whistle, holder))[: row.tier + 1]
    trainer = whistle.exercise is not None and person.has(Role.TRAINER)
    if person.id not in {*asked, row.arbiter} and not trainer:
        accounts = [await docket.session.get(Account, one) for one in asked]
        names = "、".join(one.name for one in accounts if one is not None) or "nobody yet"
        raise Problem(403, "not-the-arbiter", f"裁定人 / the arbiter: {names}.")
    department = await departments.get(docket.session, to)
    row.ended_at, row.end = docket.now, "ruled"
    row.ruled_by, row.ruled_to, row.ruling = by(person).json(), department.id, reason
    whistle.bound = True
    names_of = {"department": department.name, "reason": reason}
    english = {"department": department.name_en or department.name, "reason": reason}
    text = await record.note(docket, whistle, "ruled", by(person), names_of, english, at=at, reason=reason,
                             to=department.id, of=holder.id)  # fmt: skip
    await audit.append(
        docket.session,
        kind="whistle_ruled",
        now=docket.now,
        subject=whistle.id,
        actor=person.id,
        body={"return": row.id, "of": holder.id, "to": department.id},
    )
    liaisons = await departments.present(docket.session, [*holder.liaisons, *department.liaisons], whistle.exercise)
    desks = record.at_tier(await record.streets_desks(docket, whistle), 0)
    told = about(whistle.number, whistle.cause_text, text)
    await record.message(docket, whistle, [*liaisons, *desks], "whistle", f"ruled:{row.id}", told)
    if department.id == holder.id:
        await record.keep(docket, whistle)
        return whistle
    return await _move(docket, whistle, department, "ruled")


async def _move(docket: Docket, whistle: Whistle, department: Department, how: str) -> Whistle:
    """The department is responsible from now on; where it has a whistle of that cause, this one joins that."""
    turn = await record.turn_of(docket.session, whistle)
    turn.ended_at, turn.end = docket.now, "moved"
    there = await docket.session.scalar(
        select(Whistle).where(
            Whistle.open_key == calling.open_key(department.id, whistle.cause, whistle.exercise),
            Whistle.id != whistle.id,
        )
    )
    if there is None:
        await calling.new_turn(docket, whistle, department, how)
        liaisons = await departments.present(docket.session, list(department.liaisons), whistle.exercise)
        text = (f"由{department.name}负责，请报到", f"it is {department.name_en or department.name}'s: report in")
        told = about(whistle.number, whistle.cause_text, text)
        await record.message(docket, whistle, liaisons, "whistle", f"turn:{whistle.turn_id}", told)
        await record.keep(docket, whistle)
        return whistle
    await record.note(docket, whistle, "moved_into", record.SYSTEM, {"number": there.number}, into=there.id)
    whistle.state, whistle.ended_at, whistle.end = State.ENDED, docket.now, "joined"
    whistle.open_key, whistle.joined_into = None, there.id
    await record.keep(docket, whistle)  # its clocks stop, and the feed hears while it still has its incidents
    for row in await record.calls_of(docket.session, whistle):
        row.whistle_id = there.id
    there.bound = there.bound or whistle.bound
    if Level(whistle.level).rank > Level(there.level).rank:
        there.level = whistle.level
    await docket.session.flush()
    await record.keep(docket, there)
    return there


async def ruling_missed(docket: Docket, whistle: Whistle, row: WhistleReturn) -> None:
    """Nobody has ruled in time: the question goes up one, at the top it is asked again and again."""
    holder = await docket.session.get_one(Department, whistle.holder_id)
    way = await record.arbiters_way(docket, whistle, holder)
    row.tier += 1
    row.arbiter = record.at_tier([[one] for one in way], row.tier)[0] if way else None
    row.due_at = clock.due(Step.RULE, Level(whistle.level), docket.now, min(row.tier, 4) - 1)
    text = await record.note(docket, whistle, "ruling_missed", record.SYSTEM, {}, arbiter=row.arbiter, tier=row.tier)
    told = about(whistle.number, whistle.cause_text, text)
    people = way[: row.tier + 1]
    await record.message(docket, whistle, people, "escalated", f"ruling:{row.id}:{row.tier}", told)
    await record.arm(docket, whistle, Clock(Step.RULE, row.id), row.due_at, row.at, row.tier)
    await record.keep(docket, whistle)


__all__ = ["Code", "WhistleCall", "accept", "decline", "rule", "ruling_missed", "send_back", "take_back", "waiting"]
