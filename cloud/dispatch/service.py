"""Following an incident, and the taps of responders. With its neighbours the only writer of dispatch's tables.

`follow` is called once in every transaction on incidents, after the change itself and before `Docket.finish`: it asks
who is to be asked, starts and stops clocks, tells edges what people decided, and renews the snapshots (assignments,
deadline) that the incident carries. Offers are in offers.py, plans for several incidents in planning.py, missed limits
in escalating.py, owners in owners.py.
"""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import plan_limits, roster
from cloud.dispatch.decisions import acknowledge_alarms
from cloud.dispatch.escalating import nobody_left
from cloud.dispatch.keeping import deferral_of, hand_off_of, keep, urgency
from cloud.dispatch.messages import tell, text_of_opening
from cloud.dispatch.model import Assignment
from cloud.dispatch.offers import align, offer, recall, send
from cloud.dispatch.owners import deferral_over, hand_off_over, move_owner
from cloud.dispatch.plan import posts_to_tell
from cloud.dispatch.planning import ask_by_level
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import LIVE, AssignmentState, Stamps, Tap, tap
from cloud.dispatch.snapshots import assignments_of, say, stamps_of
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.plan_ticks import plan_of
from cloud.incidents.states import HANDLED, OVER, State
from cloud.modes import service as modes
from cloud.notify import service as notify
from cloud.people.access import Person, Role
from cloud.problems import not_found
from cloud.timers import service as timers
from wire.alert import Hazard
from wire.level import Level

__all__ = ["Policy", "assignment_for", "follow", "move_owner", "offer", "send", "tapped"]

CALLS = "calls_begin"
"""Kind of the timer by which cloud/calls begins to call people (叫应); dispatch waits for none of it."""
NOTIFY_ON_OPENING = frozenset({Level.I, Level.II})
_FRESH = frozenset({"opened", "level_raised", "reopened"})
_OPENED = frozenset({"opened"})  # and no more: nobody owes a line of a card yet
_WORSE = frozenset({"level_raised", "reopened"})


# ---------------------------------------------------------------- following an incident


async def follow(docket: Docket, policy: Policy) -> None:
    """Follow up everything that happened in this transaction, and what follows from that."""
    await docket.settle_all()
    while docket.changes:
        changes, docket.changes = docket.changes, []
        by_id = {change.incident.id: change.incident for change in changes}
        happened = {one: frozenset(change.what for change in changes if change.incident.id == one) for one in by_id}
        for incident in by_id.values():
            await _follow_one(docket, policy, incident, happened[incident.id])
        fresh = [one for one in by_id.values() if happened[one.id] & _FRESH and State(one.state) in HANDLED]
        await ask_by_level(docket, policy, fresh)
        for incident in by_id.values():
            await _aligned(docket, incident)
            await keep(docket, policy, incident)
            if happened[incident.id] != _OPENED or incident.acknowledged_at is not None:
                await plan_limits.keep(docket, incident)


async def _follow_one(docket: Docket, policy: Policy, incident: Incident, happened: frozenset[str]) -> None:
    state = State(incident.state)
    if state in HANDLED and happened & _FRESH:
        await _announce(docket, incident)
        if Level(incident.level) in policy.call_levels and not incident.late:  # 叫应 begins with the alarm
            await timers.arm(docket.session, CALLS, incident.id, docket.now, now=docket.now, urgency=urgency(incident))
    if state in OVER:
        await timers.disarm(docket.session, CALLS, incident.id)
    if state not in HANDLED:
        await recall(docket, incident, offers_only=state not in OVER)
    if (row := await deferral_of(docket.session, incident.id)) is not None and (happened & _WORSE or state in OVER):
        await deferral_over(docket, incident, row, "over" if state in OVER else "worsened")
    if state in OVER and (asked := await hand_off_of(docket.session, incident.id)) is not None:
        await hand_off_over(docket, incident, asked, "over")
    if "acknowledged" in happened:
        await acknowledge_alarms(docket, incident)


async def _announce(docket: Docket, incident: Incident) -> None:
    """The nearest desk and whom a mode names, at the urgent levels; the plan's posts at whatever level it says."""
    level, session = Level(incident.level), docket.session
    if incident.late:
        return
    told: list[str] = []
    if level in NOTIFY_ON_OPENING:
        first = (await roster.desks(session, incident, docket.now))[0]
        told += [first.desk.person] if first.desk.person else []
        told += await modes.also_told(session, incident.grid_path, incident.exercise)
    plan = (await plan_of(session, incident)).plan
    posts = posts_to_tell(Hazard(incident.hazard), level, late=incident.late, plan=plan)
    told += await roster.on_posts(session, incident, docket.now, *posts)
    for person in dict.fromkeys(told):
        await tell(docket, incident, person, "opened", f"opened:{incident.level}", text_of_opening(incident))


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
    before = AssignmentState(row.state)
    await notify.acted(docket.session, person.id, incident.id, docket.now)
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
    rows = await _aligned(docket, incident)
    nobody = not any(AssignmentState(other.state) in LIVE for other in rows)
    if State(incident.state) in HANDLED and nobody:
        if result.state is AssignmentState.CLEARED:
            incidents.resolve(docket, incident, by(person), text=text, at=at)
        elif result.state is AssignmentState.DECLINED and before in LIVE:
            await nobody_left(docket, policy, incident, origin=f"declined:{row.id}")
    await say(docket, incident, row)
    await keep(docket, policy, incident)
    if what is Tap.ACCEPT:
        await plan_limits.keep(docket, incident)  # from now on the lines of this role are owed
    return True


async def _aligned(docket: Docket, incident: Incident) -> list[Assignment]:
    """The incident's assignments; its state says the same as they do."""
    await docket.session.flush()
    rows = await assignments_of(docket.session, incident.id)
    align(docket, incident, rows)
    return rows
