"""What happens when a limit passes: who is urged, who above is told, who is asked next, and when it is due again.

Each act is keyed by the timer that set it off, so that its messages exist once, however often a worker has to try.
"""

from datetime import timedelta

from cloud.dispatch import roster
from cloud.dispatch.clocks import DEFERRAL, HAND_OFF, RESERVATION, Clock, wanted
from cloud.dispatch.escalation import STEPS, URGED_FIRST, Missed, Step, Target, missed
from cloud.dispatch.keeping import arm, facts_of, keep
from cloud.dispatch.messages import tell, text_of_escalation, text_of_urging
from cloud.dispatch.model import Assignment, Deferral, HandOff, Reservation
from cloud.dispatch.offers import align, end_reservation
from cloud.dispatch.owners import deferral_over, hand_off_over
from cloud.dispatch.planning import ask_by_level
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import LIVE, AssignmentState, state_of
from cloud.dispatch.snapshots import assignments_of, say, stamps_of, target_json
from cloud.incidents.docket import SYSTEM, Docket
from cloud.incidents.model import Incident
from cloud.incidents.service import entries
from cloud.incidents.states import HANDLED, State
from cloud.timers.service import Due
from wire.alert import Hazard
from wire.level import Level


async def fired(docket: Docket, policy: Policy, due: Due) -> None:
    """Carry out what has fallen due for an incident; its timer is taken already, in this transaction."""
    incident = await docket.session.get(Incident, due.subject)
    if incident is None or Clock(due.kind, due.key) not in wanted(await facts_of(docket.session, incident)):
        return  # nothing is owed any more
    if due.kind == Step.ACCEPT:
        await _offer_expired(docket, policy, incident, due)
    elif due.kind in STEPS:
        await _step_missed(docket, policy, incident, Step(due.kind), due)
    elif due.kind == DEFERRAL:
        await deferral_over(docket, incident, await docket.session.get_one(Deferral, due.key), "passed")
    elif due.kind == HAND_OFF:
        await hand_off_over(docket, incident, await docket.session.get_one(HandOff, due.key), "expired")
    elif due.kind == RESERVATION:
        end_reservation(docket, incident, await docket.session.get_one(Reservation, due.key), "expired")
    await keep(docket, policy, incident)


async def _step_missed(docket: Docket, policy: Policy, incident: Incident, step: Step, due: Due) -> None:
    rounds = int(due.data.get("round", 0))
    if step is Step.REPORT and (word := await _last_word(docket, incident)) is not None:
        again = word + policy.limit(step, incident).total_seconds()
        if again > docket.now.timestamp():  # there was a word since: the clock counts from it
            await arm(docket, incident, step, due.key, docket.now + timedelta(seconds=again - docket.now.timestamp()))
            return
    if rounds < URGED_FIRST.get(step, 0):
        await _urge(docket, policy, incident, step, due, rounds)
        return
    tier = incident.escalation_tier if step is Step.ACKNOWLEDGE else due.data.get("tier")
    outcome = await escalate(docket, policy, incident, step, origin=due.id, tier=tier)
    data = {"round": rounds + 1, "tier": outcome.target.tier}
    await arm(docket, incident, step, due.key, outcome.next_due, data)
    if step is Step.DISPATCH or (step in (Step.SET_OUT, Step.ARRIVE) and rounds == URGED_FIRST[step]):
        await ask_by_level(docket, policy, [incident], [incident.id])


async def _last_word(docket: Docket, incident: Incident) -> float | None:
    """When a person last wrote anything on the timeline."""
    said = [
        line.at.timestamp() for line in await entries(docket.session, incident.id) if line.actor["kind"] == "person"
    ]
    return max(said, default=None)


async def _urge(docket: Docket, policy: Policy, incident: Incident, step: Step, due: Due, rounds: int) -> None:
    """催办: those who are on it hear first."""
    row = await docket.session.get(Assignment, due.key)
    people = set()
    if row is not None:
        people |= set(await roster.member_ids(docket.session, row.responder_id, row.exercise))
    elif step is Step.REPORT:
        for one in await assignments_of(docket.session, incident.id):
            if AssignmentState(one.state) is AssignmentState.ON_SCENE:
                people |= set(await roster.member_ids(docket.session, one.responder_id, one.exercise))
    if incident.owner is not None:
        people.add(incident.owner["id"])
    params = {"code": "urged", "step": step.value, "text": text_of_urging(incident, step)[0], "set_off_by": due.id}
    if row is not None:
        params |= {"assignment": row.id, "responder": row.responder["name"]}
    docket.write(incident, "note", SYSTEM, params)
    for person in sorted(people):
        await tell(docket, incident, person, "urged", f"urged:{due.id}", text_of_urging(incident, step))
    following = docket.now + policy.limit(step, incident)
    await arm(docket, incident, step, due.key, following, {"round": rounds + 1} | _tier(due))


def _tier(due: Due) -> dict[str, int]:
    return {"tier": int(due.data["tier"])} if "tier" in due.data else {}


async def escalate(
    docket: Docket, policy: Policy, incident: Incident, step: Step, *, origin: str, tier: int | None = None
) -> Missed:
    """逐级上报: tell the next desk up; at the top that one again, and the duty leader.

    Args:
        docket: the transaction.
        policy: the limits.
        incident: of which a limit has passed.
        step: which.
        origin: what set it off (a timer, an assignment): its messages are keyed by it.
        tier: the desk that was told last; None: the owner's.
    """
    session = docket.session
    way = await roster.desks(session, incident, docket.now)
    outcome = missed(
        step,
        Hazard(incident.hazard),
        Level(incident.level),
        way=way,
        tier=_owners_tier(incident, way) if tier is None else tier,
        clock_from=incident.clock_from,
        now=docket.now,
        late=incident.late,
        scale=policy.scale(step),
    )
    incident.escalation_tier = max(incident.escalation_tier, outcome.target.tier)
    params = await target_json(session, outcome.target) | {
        "step": step.value,
        "reason": outcome.reason,
        "repeats": outcome.repeats,
        "set_off_by": origin,
    }
    docket.write(incident, "escalated", SYSTEM, params)
    if outcome.level is not None:
        incident.level_floor = outcome.level
        docket.unsettled[incident.id] = incident
        await docket.settle_all()
    told = {outcome.target.desk.person} - {None}
    if outcome.repeats:
        told |= set(await roster.leaders(session, incident, docket.now))
    for person in sorted(one for one in told if one is not None):
        await tell(docket, incident, person, "escalated", f"escalated:{origin}", text_of_escalation(incident, step))
    return outcome


def _owners_tier(incident: Incident, way: tuple[Target, ...]) -> int:
    owner = incident.owner["id"] if incident.owner else None
    return next((target.tier for target in way if target.desk.person == owner), 0)


async def _offer_expired(docket: Docket, policy: Policy, incident: Incident, due: Due) -> None:
    row = await docket.session.get_one(Assignment, due.key)
    row.expired_at = docket.now
    row.state = state_of(stamps_of(row))
    params = {"assignment": row.id, "responder": row.responder["name"], "responder_id": row.responder_id}
    docket.write(incident, "expired", SYSTEM, params)
    rows = await assignments_of(docket.session, incident.id)
    align(docket, incident, rows)
    await say(docket, incident, row)
    if State(incident.state) in HANDLED and not any(AssignmentState(other.state) in LIVE for other in rows):
        await nobody_left(docket, policy, incident, origin=due.id)


async def nobody_left(docket: Docket, policy: Policy, incident: Incident, *, origin: str) -> None:
    """Everybody who was asked declined or let it pass: one desk up; at the urgent levels the next best is asked too."""
    tier = incident.escalation_tier if incident.acknowledged_at is None or incident.escalation_tier else None
    await escalate(docket, policy, incident, Step.ACCEPT, origin=origin, tier=tier)
    await ask_by_level(docket, policy, [incident], [incident.id])
