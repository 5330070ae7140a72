"""Calling a department. With answers.py, disputes.py and ratings.py the only writer of these tables.

One department, cause and exercise is one whistle at a time, whoever calls; who calls later joins it, and that is
written down. Everything runs in a docket's transaction: incidents have one writer at a time, so two streets that call
in the same second still make one whistle (and a unique key says so again).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.messages import tell
from cloud.incidents import service as incidents
from cloud.incidents.docket import LOCAL, Actor, Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER
from cloud.incidents.states import State as IncidentState
from cloud.people.access import Person, Role, within
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid, not_found
from cloud.timers import service as timers
from cloud.whistles import clock, departments, record
from cloud.whistles.cause import Cause, area_of_tier, common_area, in_own_words, proposed
from cloud.whistles.clock import State, Step
from cloud.whistles.model import Department, Whistle, WhistleCall, WhistleTurn
from cloud.whistles.words import about, line, to_department
from wire.alert import Hazard
from wire.level import Level

MOST_OPEN_CALLS = 200
"""Of one whistle: beyond that a storm has its own incident for the area, and that one is called for."""


# ---------------------------------------------------------------- causes


async def causes_of(session: AsyncSession, incident: Incident) -> list[Cause]:
    """Causes that an incident may be of, the likeliest first."""
    parent = await session.get(Incident, incident.parent_id) if incident.parent_id else None
    return proposed(Hazard(incident.hazard), incident.place, parent_area=parent.grid_path if parent else None)


async def chosen_cause(session: AsyncSession, incident: Incident, key: str | None, text: str | None) -> Cause:
    """The cause that a person names: one of the proposed, one that an open whistle has, or own words.

    Raises:
        Problem: 422 for a key that is none of these.
    """
    if key is None and text:
        try:
            return in_own_words(text)
        except ValueError as error:
            raise invalid("cause_text", str(error), "say in a few words what it is about") from None
    known = await causes_of(session, incident)
    if key is None:
        return known[0]
    found = next((one for one in known if one.key == key), None)
    if found is not None:
        return Cause(found.key, text or found.zh, text or found.en, found.why)
    standing = await session.scalar(
        select(Whistle.cause_text).where(Whistle.cause == key, Whistle.open_key.is_not(None))
    )
    if standing is not None:
        return Cause(key, text or standing, text or standing, "standing")
    raise invalid("cause", f"'{key:.80}' is neither proposed nor the cause of an open whistle", "or give cause_text")


async def standing(session: AsyncSession, department_id: str, cause: str, exercise: str | None) -> Whistle | None:
    """The open whistle of that department and cause; also one that was moved on from it: its question is answered."""
    query = select(Whistle).where(
        Whistle.open_key.is_not(None),
        Whistle.cause == cause,
        or_(Whistle.holder_id == department_id, Whistle.first_id == department_id),
        Whistle.exercise == exercise if exercise is not None else Whistle.exercise.is_(None),
    )
    return (await session.scalars(query.order_by(Whistle.called_at))).first()


def open_key(department_id: str, cause: str, exercise: str | None) -> str:
    """What is unique while it is open."""
    return f"{department_id}|{cause}|{exercise or ''}"


# ---------------------------------------------------------------- calling


def street_calls(person: Person, street: str) -> bool:
    """Whether a person calls a department on their own word: the street's desk, or one above it."""
    return person.has(Role.DUTY_OFFICER) and within(person.area_path, street)


@dataclass(frozen=True, slots=True)
class Called:
    """What came of a call: a whistle, new or joined, or a proposal that the street must answer."""

    call: WhistleCall
    whistle: Whistle | None
    joined: bool


async def call(
    docket: Docket,
    incident: Incident,
    department_id: str,
    person: Person,
    *,
    cause: Cause,
    note: str = "",
    at: datetime | None = None,
) -> Called:
    """Call a department; from below the street, ask the street to.

    Raises:
        Problem: 409 when the incident is over, or this department is called for it already; 422 when the department
            does not serve the place.
    """
    if IncidentState(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: reopen it first.")
    department = await departments.get(docket.session, department_id)
    if not within(department.area_path, incident.grid_path):
        serves = await departments.serving(docket.session, incident.grid_path)
        names = "; ".join(f"{row.id} ({row.name})" for row in serves) or "none"
        raise invalid("department_id", f"{department.name} does not serve this place", f"these do: {names}")
    street = area_of_tier(incident.grid_path, "street")
    actor = by(person)
    row = WhistleCall(
        id=new_id("wcl"),
        whistle_id=None,
        incident_id=incident.id,
        department_id=department.id,
        cause=cause.key,
        cause_text=cause.text,
        street_path=street,
        state="proposed",
        note=note,
        proposed_at=None,
        proposed_by=None,
        at=None,
        by=None,
        reason=None,
        exercise=incident.exercise,
    )
    before = await docket.session.scalars(
        select(WhistleCall).where(
            WhistleCall.incident_id == incident.id,
            WhistleCall.cause == cause.key,
            WhistleCall.department_id == department.id,
            WhistleCall.state.in_(("proposed", "called")),
        )
    )
    for other in before:
        whistle = await docket.session.get(Whistle, other.whistle_id) if other.whistle_id else None
        if other.state == "proposed" and street_calls(person, street):
            return await confirm(docket, other, incident, person, at=at)
        if other.state == "proposed":
            raise conflict("already-proposed", f"{department.name} is proposed for this already; the street answers.")
        if whistle is not None and whistle.open_key is not None:
            return Called(other, whistle, joined=True)
    docket.session.add(row)
    if not street_calls(person, street):
        row.proposed_at, row.proposed_by = docket.now, actor.json()
        await docket.session.flush()
        await _ask_the_street(docket, row, incident, department, actor, at)
        return Called(row, None, joined=False)
    return await _called(docket, row, incident, department, actor, at)


async def _ask_the_street(
    docket: Docket, row: WhistleCall, incident: Incident, department: Department, actor: Actor, at: datetime | None
) -> None:
    text = line("proposed", {"department": department.name}, {"department": department.name_en or department.name})
    params = {"code": "proposed", "call": row.id, "cause": row.cause_text, "text": text[0], "text_en": text[1]}
    docket.write(incident, "whistle", actor, params, occurred_at=at)
    await arm_confirm(docket, row, incident, 0)
    for one in record.at_tier(await record.street_way(docket, incident), 0):
        told = about(incident.number, row.cause_text, text)
        await tell(docket, incident, one, "whistle", f"whistle-proposed:{row.id}", told)
    docket.touch(incident)


async def arm_confirm(docket: Docket, row: WhistleCall, incident: Incident, rounds: int) -> None:
    """The street's clock on a proposal."""
    level = Level(incident.level)
    since = row.proposed_at or docket.now
    due = max(clock.due(Step.CONFIRM, level, since, rounds), docket.now)
    await timers.arm(
        docket.session,
        Step.CONFIRM,
        row.id,
        due,
        now=docket.now,
        subject=row.id,
        urgency=4 - level.rank,
        data={"round": rounds},
    )


async def _called(
    docket: Docket, row: WhistleCall, incident: Incident, department: Department, actor: Actor, at: datetime | None
) -> Called:
    row.state, row.at, row.by = "called", docket.now, actor.json()
    there = await standing(docket.session, department.id, row.cause, incident.exercise)
    whistle = there or await _new(docket, row, incident, department)
    row.whistle_id = whistle.id
    await docket.session.flush()
    calls = await record.calls_of(docket.session, whistle)
    if len(calls) > MOST_OPEN_CALLS:
        raise conflict("too-many", f"Whistle {whistle.number} has {MOST_OPEN_CALLS} calls: call for the area instead.")
    paths = [(await docket.session.get_one(Incident, one.incident_id)).grid_path for one in calls]
    whistle.area_path = common_area(paths)
    if Level(incident.level).rank > Level(whistle.level).rank:
        whistle.level = incident.level
    names = {"department": department.name, "number": whistle.number}
    english = names | {"department": department.name_en or department.name}
    code = "joined" if there else "called"
    text = await record.note(docket, whistle, code, actor, names, english, at=at, note=row.note, call=row.id,
                             incident=incident.number, street=row.street_path)  # fmt: skip
    holder = await docket.session.get_one(Department, whistle.holder_id)
    liaisons = await departments.present(docket.session, list(holder.liaisons), whistle.exercise)
    said = to_department(whistle.cause_text, whistle.number, incident.place["text"], row.note)
    if there is not None:
        said = about(whistle.number, whistle.cause_text, (f"{text[0]}，{incident.place['text']}", text[1]))
    await record.message(docket, whistle, liaisons, "whistle", f"called:{row.id}", said)
    await record.keep(docket, whistle)
    return Called(row, whistle, joined=there is not None)


async def _new(docket: Docket, row: WhistleCall, incident: Incident, department: Department) -> Whistle:
    day = f"{docket.now.astimezone(LOCAL):%m%d}"
    count = await docket.session.scalar(
        select(func.count()).select_from(Whistle).where(Whistle.number.startswith(f"{day}-W"))
    )
    whistle = Whistle(
        id=new_id("whi"),
        number=f"{day}-W{(count or 0) + 1:03d}",
        first_id=department.id,
        holder_id=department.id,
        turn_id="",
        cause=row.cause,
        cause_text=row.cause_text,
        level=incident.level,
        state=State.CALLED,
        area_path=incident.grid_path,
        called_at=docket.now,
        open_key=open_key(department.id, row.cause, incident.exercise),
        bound=False,
        ended_at=None,
        end=None,
        end_reason=None,
        joined_into=None,
        exercise=incident.exercise,
    )
    docket.session.add(whistle)
    await docket.session.flush()
    await new_turn(docket, whistle, department, "called")
    return whistle


async def new_turn(docket: Docket, whistle: Whistle, department: Department, how: str) -> WhistleTurn:
    """A department becomes responsible; its clock to report in starts."""
    turn = WhistleTurn(
        id=new_id("wtn"),
        whistle_id=whistle.id,
        department_id=department.id,
        how=how,
        began_at=docket.now,
        step_from=docket.now,
        report_due_at=docket.now + clock.limit(Step.REPORT_IN, Level(whistle.level)),
        reported_in_at=None,
        arrived_at=None,
        done_at=None,
        answered_by=None,
        missed=[],
        ended_at=None,
        end=None,
    )
    docket.session.add(turn)
    whistle.holder_id, whistle.turn_id, whistle.state = department.id, turn.id, State.CALLED
    whistle.open_key = open_key(department.id, whistle.cause, whistle.exercise)
    await docket.session.flush()
    return turn


# ---------------------------------------------------------------- the street's answer to a proposal


async def proposal(session: AsyncSession, call_id: str, person: Person) -> tuple[WhistleCall, Incident]:
    """A proposal that a person's desk answers.

    Raises:
        Problem: 404 when there is none in sight, 403 for somebody below the street, 409 when it was answered.
    """
    row = await session.get(WhistleCall, call_id)
    incident = await session.get(Incident, row.incident_id) if row else None
    if row is None or incident is None or not incidents.sees(person, incident):
        raise not_found("proposal", call_id)
    if not street_calls(person, row.street_path):
        raise Problem(403, "not-yours", "The street's duty officer answers a neighbourhood's proposal.")
    return row, incident


async def confirm(
    docket: Docket, row: WhistleCall, incident: Incident, person: Person, *, at: datetime | None = None
) -> Called:
    """The street agrees: the department is called. Again, it changes nothing."""
    if row.state == "called":
        return Called(row, await docket.session.get(Whistle, row.whistle_id), joined=False)
    _still_asked(row)
    await timers.disarm(docket.session, Step.CONFIRM, row.id)
    department = await departments.get(docket.session, row.department_id)
    return await _called(docket, row, incident, department, by(person), at)


async def refuse(
    docket: Docket, row: WhistleCall, incident: Incident, person: Person, *, reason: str, at: datetime | None = None
) -> None:
    """The street does not call, and says why."""
    if row.state == "refused":
        return
    _still_asked(row)
    await timers.disarm(docket.session, Step.CONFIRM, row.id)
    row.state, row.at, row.by, row.reason = "refused", docket.now, by(person).json(), reason
    department = await docket.session.get_one(Department, row.department_id)
    text = line("refused", {"department": department.name, "reason": reason})
    params = {"code": "refused", "call": row.id, "reason": reason, "text": text[0], "text_en": text[1]}
    docket.write(incident, "whistle", by(person), params, occurred_at=at)
    if row.proposed_by is not None:
        told = about(incident.number, row.cause_text, text)
        await tell(docket, incident, row.proposed_by["id"], "whistle", f"whistle-refused:{row.id}", told)


def _still_asked(row: WhistleCall) -> None:
    if row.state != "proposed":
        raise conflict("answered", f"This proposal was answered already: {row.state}.")
