"""预派, 派单, recall: who is kept for an incident, who is asked, and who need not come after all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from cloud.dispatch import roster
from cloud.dispatch.escalation import Step
from cloud.dispatch.keeping import keep, reservations_of
from cloud.dispatch.messages import tell, text_of_offer, text_of_recall
from cloud.dispatch.model import Assignment, Reservation
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import LIVE, TAKEN, AssignmentState, state_of
from cloud.dispatch.proposal import BARRED, SKILLS, Force
from cloud.dispatch.snapshots import assignments_of, say, stamps_of
from cloud.dispatch.tasks import DEFAULT_ROLE, Rule, catalogue, judge, lacks_qualification, own_task, who_may
from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, Actor, Change, Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.states import HANDLED, State
from cloud.incidents.views import instant
from cloud.people.access import Person
from cloud.people.service import new_id
from cloud.problems import Problem, ProblemError, conflict, invalid
from wire.alert import Hazard
from wire.level import Level

LONGEST_RESERVATION = timedelta(hours=2)
RESERVATION = timedelta(minutes=10)
End = Literal["offered", "released", "expired", "taken_over", "over"]


# ---------------------------------------------------------------- what may be asked of whom


def task_for(incident: Incident, force: Force, task: str | None) -> str:
    """The task that somebody is asked for; with none named, the role's own.

    Raises:
        Problem: 422 for a task that nobody knows; 409 for one that the role (or this one) never does, that is not its
            own, or that needs a qualification which is lacking; each tells who may.
    """
    hazard = Hazard(incident.hazard)
    if task is None:
        own = own_task(force.role, hazard)
        if own is None:
            raise Problem(
                409,
                "no-task",
                f"{force.name}：这类事件没有{force.role}的任务。This role has no task at such an incident.",
                errors=[_where("", force, "没有可派的任务", _for_hazard(hazard))],
            )
        return own.task
    if task not in catalogue().tasks:
        raise invalid("task", f"there is no task '{task:.40}'", "take one of GET /tasks")
    judged, words, who = judge(force.role, task), catalogue().tasks[task], who_may(task).roles
    if judged.rule is Rule.NEVER and judged.why is not None:
        raise Problem(
            409,
            "never",
            f"{force.name}：{judged.why.zh}。{judged.why.en}. {_named(who)}",
            errors=[_where(task, force, judged.why.zh, who)],
        )
    if not judged.allowed:
        raise Problem(
            409,
            "not-their-task",
            f"{force.name}：{words.zh}不是{force.role}的任务。'{words.en}' is not a task of this role. {_named(who)}",
            errors=[_where(task, force, "不在任务清单内", who)],
        )
    if task in force.may_not:
        raise Problem(
            409, "never", f"{force.name}：{BARRED[0]}。{BARRED[1]}.", errors=[_where(task, force, BARRED[0], who)]
        )
    if lacking := lacks_qualification(task, force.skills, SKILLS[hazard]):
        needed = ", ".join(sorted(lacking))
        raise Problem(
            409,
            "not-qualified",
            f"{force.name}：{words.zh}须有资质（{needed}）。'{words.en}' needs one of these skills: {needed}.",
            errors=[_where(task, force, f"须有资质：{needed}", who)],
        )
    return task


def _for_hazard(hazard: Hazard) -> tuple[str, ...]:
    """Roles that have a task at such an incident."""
    roles = [role for role in catalogue().roles if role != DEFAULT_ROLE]
    return tuple(role for role in roles if own_task(role, hazard) is not None)


def _named(roles: Sequence[str]) -> str:
    """Who may, in words."""
    if not roles:
        return "无内部岗位可做，请呼叫外部单位 / none of our roles does it: call the service outside."
    return f"可派 / who may: {', '.join(roles)}."


def _where(task: str, force: Force, what: str, who: Sequence[str]) -> ProblemError:
    return ProblemError(
        where="task",
        what=f"{task}: {what}" if task else what,
        fix=_named(who),
        code="never_task",
        params={"task": task, "role": force.role, "who": ",".join(who)},
    )


def _check(incident: Incident, force: Force) -> None:
    if State(incident.state) not in HANDLED:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: nobody need be sent.")
    if incident.exercise is not None and incident.exercise not in force.exercises:
        raise conflict("not-participant", f"{force.name} takes no part in exercise {incident.exercise}.")
    mine = Level(incident.level).rank
    for other in force.engagements:
        if other.incident != incident.id and other.level.rank > mine:
            doing = "kept for" if other.reserved else "on"
            raise conflict(
                "on-a-worse-incident",
                f"{force.name} is {doing} incident {other.number}, which is worse (level {other.level}): "
                "nobody is pulled off a worse incident. Take another, or free them there first.",
            )


# ---------------------------------------------------------------- offers


async def offer(
    docket: Docket,
    policy: Policy,
    incident: Incident,
    force: Force,
    *,
    actor: Actor,
    automatic: bool = False,
    task: str | None = None,
) -> Assignment:
    """Offer an incident to a responder, with a time limit. One who is on it already keeps the assignment he has.

    Raises:
        Problem: 409 when the incident is over, the responder takes no part in its exercise, is on a worse incident, or
            the task is none of the role's; 422 for a task that nobody knows.
    """
    session = docket.session
    _check(incident, force)
    asked_for = task_for(incident, force, task)
    for standing in await assignments_of(session, incident.id):
        if standing.responder_id == force.id and AssignmentState(standing.state) in LIVE:
            if task is not None and standing.task != asked_for:
                await _retask(docket, incident, standing, asked_for, actor)
            return standing
    await _end_reservations(docket, incident, force)
    due = docket.now + policy.limit(Step.ACCEPT, incident)
    assignment = Assignment(
        id=new_id("asg"),
        incident_id=incident.id,
        responder_id=force.id,
        responder={"id": force.id, "name": force.name, "kind": force.kind, "role": force.role},
        state=AssignmentState.OFFERED,
        task=asked_for,
        automatic=automatic,
        offered_at=docket.now,
        due_at=due,
        acknowledged_at=None,
        en_route_at=None,
        on_scene_at=None,
        cleared_at=None,
        declined_at=None,
        expired_at=None,
        cancelled_at=None,
        decline_reason=None,
        taken_by=None,
        exercise=incident.exercise,
    )
    session.add(assignment)
    await session.flush()
    who: dict[str, Any] = {
        "assignment": assignment.id,
        "responder": force.name,
        "responder_id": force.id,
        "due_at": instant(due),
        "task": asked_for,
        "automatic": automatic,
    }
    docket.write(incident, "offer_sent", actor, who)
    align(docket, incident, await assignments_of(session, incident.id))
    text = text_of_offer(incident)
    for person in await roster.member_ids(session, force.id, incident.exercise):
        await tell(docket, incident, person, "offer", f"offer:{assignment.id}", text)
    await say(docket, incident, assignment)
    return assignment


async def _retask(docket: Docket, incident: Incident, row: Assignment, task: str, actor: Actor) -> None:
    """改派任务: whoever is on it already is asked for something else there, and hears of it."""
    words, before = catalogue().tasks[task], row.task
    row.task = task
    who = row.responder["name"]
    params = {"code": "retasked", "assignment": row.id, "responder": who, "from": before, "task": task}
    docket.write(incident, "note", actor, params | {"text": f"{who}改派任务：{words.zh}"})
    text = (f"改派任务：{words.zh}（{incident.number}）", f"Your task now: {words.en} ({incident.number})")
    for person in await roster.member_ids(docket.session, row.responder_id, incident.exercise):
        await tell(docket, incident, person, "offer", f"retask:{row.id}:{docket.now.isoformat()}", text)
    await say(docket, incident, row)


async def send(
    docket: Docket,
    policy: Policy,
    incident: Incident,
    person: Person,
    responder_id: str,
    at: datetime | None,
    *,
    task: str | None = None,
    move: bool = False,
) -> Assignment:
    """派单 by a person: takes the incident (接警) and accepts it (立案) if nobody has yet.

    With `move`, whoever is on something lesser is recalled from there: that incident's clocks start at once.

    Raises:
        Problem: 422 for an unknown responder, 409 as `offer`.
    """
    force = await force_of(docket, incident, responder_id)
    before = {row.id for row in await assignments_of(docket.session, incident.id)}
    _check(incident, force)
    task_for(incident, force, task)
    incidents.acknowledge(docket, incident, by(person), at=at)
    if move:
        await _move(docket, incident, force, by(person))
    assignment = await offer(docket, policy, incident, force, actor=by(person), task=task)
    if assignment.id not in before:
        params = {"responder": force.name, "responder_id": force.id, "assignment": assignment.id}
        docket.write(incident, "dispatched", by(person), params, occurred_at=at)
    await keep(docket, policy, incident)
    return assignment


async def force_of(docket: Docket, incident: Incident, responder_id: str) -> Force:
    """One responder, as the choice knows him.

    Raises:
        Problem: 422 for an unknown one.
    """
    forces = await roster.forces(docket.session, incident.exercise, docket.now)
    force = next((one for one in forces if one.id == responder_id), None)
    if force is None:
        raise invalid("responder_id", f"there is no responder '{responder_id:.80}'", "take one of the proposals")
    return force


async def _move(docket: Docket, incident: Incident, force: Force, actor: Actor) -> None:
    """Recall somebody from lesser incidents, for this one."""
    for other in force.engagements:
        if other.incident == incident.id or other.reserved or other.level.rank >= Level(incident.level).rank:
            continue
        left = await docket.session.get_one(Incident, other.incident)
        for row in await assignments_of(docket.session, left.id):
            if row.responder_id == force.id and AssignmentState(row.state) in LIVE:
                await cancel(docket, left, row)
        rows = await assignments_of(docket.session, left.id)
        align(docket, left, rows)
        params = {"code": "moved_away", "responder": force.name, "to": incident.number}
        docket.write(left, "note", actor, params | {"text": f"{force.name}改派至{incident.number}"})
        docket.changes.append(Change(left, "calmed"))


def align(docket: Docket, incident: Incident, rows: Sequence[Assignment]) -> None:
    """The incident's state as its assignments say: somebody asked, somebody on the way, nobody left."""
    states = {AssignmentState(row.state) for row in rows}
    current = State(incident.state)
    if current not in HANDLED:
        return
    if states & {AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE}:
        if current in (State.RAISED, State.ACCEPTED):
            docket.advance(incident, State.DISPATCHED)
        docket.advance(incident, State.IN_PROGRESS)
    elif states & LIVE:
        if current is not State.IN_PROGRESS:
            docket.advance(incident, State.DISPATCHED)
    elif current is State.DISPATCHED:
        docket.advance(incident, State.ACCEPTED)


async def recall(docket: Docket, incident: Incident, *, offers_only: bool) -> None:
    """Take back offers (and, when the incident is over, people on their way)."""
    for row in await assignments_of(docket.session, incident.id):
        state = AssignmentState(row.state)
        if state is AssignmentState.OFFERED or (state in TAKEN and not offers_only):
            await cancel(docket, incident, row)
    for kept in await reservations_of(docket.session, incident.id):
        end_reservation(docket, incident, kept, "over")


async def cancel(docket: Docket, incident: Incident, row: Assignment) -> None:
    """Somebody need not come after all, and hears of it."""
    row.cancelled_at = docket.now
    row.state = state_of(stamps_of(row))
    for person in await roster.member_ids(docket.session, row.responder_id, row.exercise):
        await tell(docket, incident, person, "cancelled", f"cancelled:{row.id}", text_of_recall(incident))
    await say(docket, incident, row)


# ---------------------------------------------------------------- reservations


async def reserve(
    docket: Docket,
    policy: Policy,
    incident: Incident,
    responder_id: str,
    *,
    actor: Actor,
    until: datetime | None = None,
    task: str | None = None,
) -> Reservation:
    """预派: keep a responder for an incident, for a time. A worse incident may take him over; a lesser may not.

    Raises:
        Problem: 422 for an unknown responder or an end that cannot be, 409 as `offer`, or when he is kept or on his way
            already.
    """
    ends = until or docket.now + RESERVATION
    if not docket.now < ends <= docket.now + LONGEST_RESERVATION:
        raise invalid("until", "is not within the next two hours", "choose an earlier end, or dispatch")
    force = await force_of(docket, incident, responder_id)
    _check(incident, force)
    busy = [one for one in force.engagements if one.incident != incident.id and not one.reserved]
    if busy:
        raise conflict("busy", f"{force.name} is on incident {busy[0].number}: who is busy cannot be kept.")
    if any(one.incident == incident.id for one in force.engagements):
        raise conflict("already", f"{force.name} is on this incident, or kept for it, already.")
    asked_for = task_for(incident, force, task)
    await _end_reservations(docket, incident, force)
    row = Reservation(
        id=new_id("rsv"),
        incident_id=incident.id,
        responder_id=force.id,
        responder={"id": force.id, "name": force.name, "kind": force.kind, "role": force.role},
        task=asked_for,
        by=actor.json(),
        at=docket.now,
        until=ends,
        ended_at=None,
        end=None,
        exercise=incident.exercise,
    )
    docket.session.add(row)
    params = {"code": "reserved", "responder": force.name, "until": instant(ends), "reservation": row.id}
    docket.write(incident, "note", actor, params | {"text": f"预派：{force.name}"})
    await keep(docket, policy, incident)
    return row


async def release(docket: Docket, policy: Policy, incident: Incident, row: Reservation, *, actor: Actor) -> bool:
    """Let a reservation go. False when it has ended already."""
    if row.ended_at is not None:
        return False
    end_reservation(docket, incident, row, "released", actor)
    await keep(docket, policy, incident)
    return True


def end_reservation(docket: Docket, incident: Incident, row: Reservation, end: End, actor: Actor = SYSTEM) -> None:
    """It is over, and why."""
    row.ended_at, row.end = docket.now, end
    if end == "offered":
        return
    words = {"released": "解除预派", "expired": "预派到期", "taken_over": "预派人员改派", "over": "预派结束"}[end]
    params = {"code": f"reservation_{end}", "responder": row.responder["name"], "reservation": row.id}
    docket.write(incident, "note", actor, params | {"text": f"{words}：{row.responder['name']}"})


async def _end_reservations(docket: Docket, incident: Incident, force: Force) -> None:
    """Whoever is asked for an incident is kept no longer: not for it, and not for one that is no worse."""
    for engagement in force.engagements:
        if not engagement.reserved:
            continue
        other = await docket.session.get_one(Incident, engagement.incident)
        for row in await reservations_of(docket.session, other.id):
            if row.responder_id == force.id and row.exercise == incident.exercise:  # no drill ends a real one
                end_reservation(docket, other, row, "offered" if other.id == incident.id else "taken_over")
        if other.id != incident.id:
            docket.changes.append(Change(other, "calmed"))
