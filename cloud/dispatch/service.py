"""Offers, taps, time limits: the only writer of assignments and timers.

`follow` is called once in every transaction on incidents, after the change itself and before `Docket.finish`: it
arms and disarms timers, asks who is to be asked, tells edges what people decided, and renews the snapshots
(assignments, deadline) that the incident carries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import plan, roster, timers
from cloud.dispatch.decisions import acknowledge_alarms
from cloud.dispatch.escalation import Step, limit, missed
from cloud.dispatch.messages import tell, text_of_escalation, text_of_offer, text_of_opening, text_of_recall
from cloud.dispatch.model import Assignment, Timer
from cloud.dispatch.progress import LIVE, TAKEN, AssignmentState, Stamps, Tap, state_of, tap
from cloud.dispatch.proposal import Force, propose
from cloud.dispatch.snapshots import assignments_of, renew, say, stamps_of, target_json
from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, Actor, Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.states import HANDLED, OVER, State
from cloud.incidents.views import instant
from cloud.people.access import Person, Role
from cloud.people.service import new_id
from cloud.problems import conflict, invalid, not_found
from cloud.settings import Settings
from wire.alert import Hazard
from wire.level import Level

NOTIFY_ON_OPENING = frozenset({Level.I, Level.II})


@dataclass(frozen=True, slots=True)
class Policy:
    """What an administrator may set of dispatch."""

    acknowledge_scale: float = 1.0
    accept_scale: float = 1.0
    automatic_offers: bool = True

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """The limits of the tables are for a minute's acknowledgement; the settings scale them."""
        return cls(
            acknowledge_scale=settings.acknowledge_within_s / 60.0,
            accept_scale=settings.accept_within_s / 60.0,
            automatic_offers=settings.automatic_offers,
        )

    def limit(self, step: Step, incident: Incident) -> timedelta:
        """The limit of a step of an incident."""
        scale = self.acknowledge_scale if step is Step.ACKNOWLEDGE else self.accept_scale
        return limit(step, Hazard(incident.hazard), Level(incident.level), late=incident.late, scale=scale)


# ---------------------------------------------------------------- following an incident


async def follow(docket: Docket, policy: Policy) -> None:
    """Follow up everything that happened in this transaction, and what follows from that."""
    await docket.settle_all()
    while docket.changes:
        changes, docket.changes = docket.changes, []
        by_id = {change.incident.id: change.incident for change in changes}
        for incident in by_id.values():
            happened = frozenset(change.what for change in changes if change.incident is incident)
            await _follow_one(docket, policy, incident, happened)


async def _follow_one(docket: Docket, policy: Policy, incident: Incident, happened: frozenset[str]) -> None:
    state = State(incident.state)
    if state in HANDLED:
        await _keep_acknowledge_timer(docket, policy, incident)
        if happened & {"opened", "level_raised", "reopened"}:
            await _ask_by_plan(docket, policy, incident)
            await _announce(docket, incident)
    else:
        for timer in await timers.of_incident(docket.session, incident.id):
            if timer.kind != Step.ACKNOWLEDGE or state in OVER:
                await timers.disarm(docket.session, timer.kind, timer.key)
        await _recall(docket, incident, offers_only=state not in OVER)
        if state not in OVER:
            await _keep_acknowledge_timer(docket, policy, incident)
    if "acknowledged" in happened:
        await acknowledge_alarms(docket, incident)
    await renew(docket, incident)


async def _keep_acknowledge_timer(docket: Docket, policy: Policy, incident: Incident) -> None:
    """The acknowledgement clock runs as long as nobody has taken the incident; a rise in level shortens it."""
    session = docket.session
    if incident.acknowledged_at is not None:
        await timers.disarm(session, Step.ACKNOWLEDGE, incident.id)
        return
    due = incident.clock_from + policy.limit(Step.ACKNOWLEDGE, incident)
    standing = await timers.get(session, Step.ACKNOWLEDGE, incident.id)
    if standing is None or (due < standing.due_at and incident.escalation_tier == 0):
        await timers.arm(session, Step.ACKNOWLEDGE, incident.id, incident.id, max(due, docket.now))


async def _announce(docket: Docket, incident: Incident) -> None:
    if Level(incident.level) not in NOTIFY_ON_OPENING or incident.late:
        return
    first = (await roster.desks(docket.session, incident, docket.now))[0]
    if first.desk.person:
        await tell(docket, incident, first.desk.person, "opened", f"opened:{incident.level}", text_of_opening(incident))


async def _ask_by_plan(docket: Docket, policy: Policy, incident: Incident) -> None:
    roles = plan.roles_to_ask(
        Hazard(incident.hazard), Level(incident.level), late=incident.late, state=State(incident.state)
    )
    if not roles or not policy.automatic_offers:
        return
    forces = await roster.forces(docket.session, incident, docket.now)
    for role in roles:
        fitting = [force for force in forces if force.role == role]
        asked = await roster.asked(docket.session, incident.id)
        if any(force.id in asked for force in fitting):
            continue
        best = propose(roster.need_of(incident), fitting).best
        if best is not None:
            chosen = next(force for force in fitting if force.id == best.responder_id)
            await offer(docket, policy, incident, chosen, actor=SYSTEM, automatic=True)


# ---------------------------------------------------------------- offers


async def offer(
    docket: Docket, policy: Policy, incident: Incident, force: Force, *, actor: Actor, automatic: bool = False
) -> Assignment:
    """Offer an incident to a responder, with a time limit. One who is on it already keeps the assignment he has.

    Raises:
        Problem: 409 when the incident is over, or the responder takes no part in its exercise.
    """
    session = docket.session
    if State(incident.state) not in HANDLED:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: nobody need be sent.")
    if incident.exercise is not None and incident.exercise not in force.exercises:
        raise conflict("not-participant", f"{force.name} takes no part in exercise {incident.exercise}.")
    for standing in await assignments_of(session, incident.id):
        if standing.responder_id == force.id and AssignmentState(standing.state) in LIVE:
            return standing
    due = docket.now + policy.limit(Step.ACCEPT, incident)
    assignment = Assignment(
        id=new_id("asg"),
        incident_id=incident.id,
        responder_id=force.id,
        responder={"id": force.id, "name": force.name, "kind": force.kind, "role": force.role},
        state=AssignmentState.OFFERED,
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
    await timers.arm(session, "offer", assignment.id, incident.id, due)
    await timers.disarm(session, Step.ACCEPT, incident.id)
    who = {"assignment": assignment.id, "responder": force.name, "responder_id": force.id, "due_at": instant(due)}
    docket.write(incident, "offer_sent", actor, who | {"automatic": automatic})
    _align(docket, incident, [*await assignments_of(session, incident.id)])
    text = text_of_offer(incident)
    for person in await roster.member_ids(session, force.id, incident.exercise):
        await tell(docket, incident, person, "offer", f"offer:{assignment.id}", text)
    await say(docket, incident, assignment)
    return assignment


async def send(
    docket: Docket, policy: Policy, incident: Incident, person: Person, responder_id: str, at: datetime | None
) -> Assignment:
    """派单 by a person: takes the incident (接警) and accepts it (立案) if nobody has yet.

    Raises:
        Problem: 422 for an unknown responder, 409 as `offer`.
    """
    forces = await roster.forces(docket.session, incident, docket.now)
    force = next((one for one in forces if one.id == responder_id), None)
    if force is None:
        raise invalid("responder_id", f"there is no responder '{responder_id:.80}'", "take one of the proposals")
    before = {row.id for row in await assignments_of(docket.session, incident.id)}
    incidents.acknowledge(docket, incident, by(person), at=at)
    if State(incident.state) not in HANDLED:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: nobody need be sent.")
    assignment = await offer(docket, policy, incident, force, actor=by(person))
    if assignment.id not in before:
        params = {"responder": force.name, "responder_id": force.id, "assignment": assignment.id}
        docket.write(incident, "dispatched", by(person), params, occurred_at=at)
    await renew(docket, incident)
    return assignment


def _align(docket: Docket, incident: Incident, rows: Sequence[Assignment]) -> None:
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


async def _recall(docket: Docket, incident: Incident, *, offers_only: bool) -> None:
    """Take back offers (and, when the incident is over, people on their way)."""
    for row in await assignments_of(docket.session, incident.id):
        state = AssignmentState(row.state)
        if state is AssignmentState.OFFERED or (state in TAKEN and not offers_only):
            row.cancelled_at = docket.now
            row.state = state_of(stamps_of(row))
            for person in await roster.member_ids(docket.session, row.responder_id, row.exercise):
                await tell(docket, incident, person, "cancelled", f"cancelled:{row.id}", text_of_recall(incident))
            await say(docket, incident, row)


# ---------------------------------------------------------------- taps


_TAP_KIND = {
    Tap.ACCEPT: "accepted",
    Tap.DECLINE: "declined",
    Tap.EN_ROUTE: "en_route",
    Tap.ON_SCENE: "on_scene",
    Tap.CLEAR: "cleared",
}


async def assignment_for(session: AsyncSession, assignment_id: str, person: Person) -> tuple[Assignment, Incident]:
    """An assignment that a person may act on: it is theirs, their team's, or they stand at the desk that sees it.

    Raises:
        Problem: 404.
    """
    row = await session.get(Assignment, assignment_id)
    incident = await session.get(Incident, row.incident_id) if row else None
    if row is None or incident is None:
        raise not_found("assignment", assignment_id)
    takes_part = row.exercise is None or row.exercise in person.exercises
    if not (takes_part and (row.responder_id in person.responder_ids or _at_the_desk(person, incident))):
        raise not_found("assignment", assignment_id)
    return row, incident


def _at_the_desk(person: Person, incident: Incident) -> bool:
    return person.has(Role.DUTY_OFFICER) and incidents.sees(person, incident)


async def tapped(
    docket: Docket,
    policy: Policy,
    row: Assignment,
    incident: Incident,
    person: Person,
    what: Tap,
    *,
    at: datetime | None = None,
    text: str | None = None,
) -> bool:
    """One tap on the phone, at its own time; False when it told nothing new."""
    result = tap(stamps_of(row), what, at, docket.now)
    if not result.recorded:
        return False
    for field in fields(Stamps):
        setattr(row, field.name, getattr(result.stamps, field.name))
    row.state = result.state
    if what is Tap.DECLINE:
        row.decline_reason = text
    elif row.taken_by is None:
        row.taken_by = {"id": person.id, "name": person.name}
    params: dict[str, Any] = {"assignment": row.id, "responder": row.responder["name"]}
    if text:
        params["reason" if what is Tap.DECLINE else "note"] = text
    if row.responder_id not in person.responder_ids:
        params["on_behalf"] = True
    docket.write(incident, _TAP_KIND[what], by(person), params, occurred_at=at)
    await docket.session.flush()
    if result.state is not AssignmentState.OFFERED:
        await timers.disarm(docket.session, "offer", row.id)
    rows = await assignments_of(docket.session, incident.id)
    _align(docket, incident, rows)
    nobody = not any(AssignmentState(other.state) in LIVE for other in rows)
    if State(incident.state) in HANDLED and nobody:
        if result.state is AssignmentState.CLEARED:
            incidents.resolve(docket, incident, by(person), text=text, at=at)
        elif result.state is AssignmentState.DECLINED:
            await _nobody_left(docket, policy, incident)
    await say(docket, incident, row)
    await renew(docket, incident)
    return True


# ---------------------------------------------------------------- time limits


async def due(docket: Docket, policy: Policy, timer: Timer) -> None:
    """Carry out what has fallen due; the timer goes (or is set anew) in the same transaction."""
    session = docket.session
    incident = await session.get(Incident, timer.incident_id)
    assert incident is not None  # a foreign key says so
    kind, key = timer.kind, timer.key
    await session.delete(timer)
    await session.flush()
    if kind == "offer":
        await _offer_expired(docket, policy, incident, key)
    elif kind == Step.ACKNOWLEDGE and incident.acknowledged_at is None and State(incident.state) not in OVER:
        await _escalate(docket, policy, incident, Step.ACKNOWLEDGE)
    elif kind == Step.ACCEPT and State(incident.state) in HANDLED:
        rows = await assignments_of(session, incident.id)
        if not any(AssignmentState(row.state) in LIVE for row in rows):
            await _nobody_left(docket, policy, incident)
    await renew(docket, incident)


async def _offer_expired(docket: Docket, policy: Policy, incident: Incident, assignment_id: str) -> None:
    row = await docket.session.get(Assignment, assignment_id)
    if row is None or AssignmentState(row.state) is not AssignmentState.OFFERED:
        return
    row.expired_at = docket.now
    row.state = state_of(stamps_of(row))
    params = {"assignment": row.id, "responder": row.responder["name"], "responder_id": row.responder_id}
    docket.write(incident, "expired", SYSTEM, params)
    await docket.session.flush()
    rows = await assignments_of(docket.session, incident.id)
    _align(docket, incident, rows)
    await say(docket, incident, row)
    if State(incident.state) in HANDLED and not any(AssignmentState(other.state) in LIVE for other in rows):
        await _nobody_left(docket, policy, incident)


async def _nobody_left(docket: Docket, policy: Policy, incident: Incident) -> None:
    """Everybody who was asked declined or let it pass: one desk up; at the urgent levels the next best is asked too."""
    await _escalate(docket, policy, incident, Step.ACCEPT)
    if policy.automatic_offers and Level(incident.level) in NOTIFY_ON_OPENING and not incident.late:
        forces = await roster.forces(docket.session, incident, docket.now)
        asked = await roster.asked(docket.session, incident.id)
        best = propose(roster.need_of(incident), forces, asked=asked).best
        if best is not None:
            chosen = next(force for force in forces if force.id == best.responder_id)
            await offer(docket, policy, incident, chosen, actor=SYSTEM, automatic=True)


async def _escalate(docket: Docket, policy: Policy, incident: Incident, step: Step) -> None:
    session = docket.session
    way = await roster.desks(session, incident, docket.now)
    outcome = missed(
        step,
        Hazard(incident.hazard),
        Level(incident.level),
        way=way,
        tier=incident.escalation_tier,
        clock_from=incident.clock_from,
        now=docket.now,
        late=incident.late,
        scale=policy.acknowledge_scale if step is Step.ACKNOWLEDGE else policy.accept_scale,
    )
    incident.escalation_tier = outcome.target.tier
    params = await target_json(session, outcome.target) | {
        "step": step.value,
        "reason": outcome.reason,
        "repeats": outcome.repeats,
    }
    docket.write(incident, "escalated", SYSTEM, params)
    if outcome.level is not None:
        incident.level_floor = outcome.level
        await docket.settle(incident)
    person = outcome.target.desk.person
    if person:
        key = f"escalated:{step}:{outcome.target.tier}" + (f":{instant(docket.now)}" if outcome.repeats else "")
        await tell(docket, incident, person, "escalated", key, text_of_escalation(incident, step))
    key = incident.id
    await timers.arm(session, step, key, incident.id, outcome.next_due)
