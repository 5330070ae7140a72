"""Brings the timers of an incident in line with the clocks that must run (`clocks.py`), and renews its snapshots."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.clocks import DEFERRAL, HAND_OFF, PENDING, RESERVATION, Clock, Facts, wanted
from cloud.dispatch.escalation import Step
from cloud.dispatch.model import Assignment, Deferral, HandOff, Reservation
from cloud.dispatch.policy import Policy
from cloud.dispatch.progress import AssignmentState
from cloud.dispatch.snapshots import assignments_of, renew
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER, State
from cloud.timers import service as timers
from cloud.timers.model import Timer
from wire.level import Level

_FROM_ASSIGNMENT = {Step.SET_OUT: "acknowledged_at", Step.ARRIVE: "en_route_at"}
_FIXED = frozenset({DEFERRAL, HAND_OFF, RESERVATION, PENDING, Step.ACCEPT.value})
"""They end when it was said that they end, whatever the level becomes."""


async def facts_of(session: AsyncSession, incident: Incident) -> Facts:
    """What decides which clocks run."""
    await session.flush()
    rows = await assignments_of(session, incident.id)
    deferral, hand_off = await deferral_of(session, incident.id), await hand_off_of(session, incident.id)
    kept = [row.id for row in await reservations_of(session, incident.id)]
    parent = await session.get(Incident, incident.parent_id) if incident.parent_id else None
    return Facts(
        incident=incident.id,
        state=State(incident.state),
        acknowledged=incident.acknowledged_at is not None,
        assignments=[(row.id, AssignmentState(row.state)) for row in rows],
        deferral=deferral.id if deferral else None,
        hand_off=hand_off.id if hand_off else None,
        reservations=kept,
        part_of_open=parent is not None and State(parent.state) not in OVER,
    )


async def deferral_of(session: AsyncSession, incident_id: str) -> Deferral | None:
    """The deferral that runs, if there is one."""
    query = select(Deferral).where(Deferral.incident_id == incident_id, Deferral.ended_at.is_(None))
    return (await session.scalars(query)).first()


async def hand_off_of(session: AsyncSession, incident_id: str) -> HandOff | None:
    """The hand-off that waits for an answer, if there is one."""
    query = select(HandOff).where(HandOff.incident_id == incident_id, HandOff.ended_at.is_(None))
    return (await session.scalars(query)).first()


async def reservations_of(session: AsyncSession, incident_id: str) -> list[Reservation]:
    """Who is kept for an incident."""
    query = select(Reservation).where(Reservation.incident_id == incident_id, Reservation.ended_at.is_(None))
    return list(await session.scalars(query.order_by(Reservation.at, Reservation.id)))


def urgency(incident: Incident) -> int:
    """Of several timers that are due, those of the most urgent incident go first."""
    return 4 - Level(incident.level).rank


async def keep(docket: Docket, policy: Policy, incident: Incident) -> None:
    """Start the clocks that must run and don't, stop those that must not; then renew what the incident carries."""
    session = docket.session
    must = wanted(await facts_of(session, incident))
    running = {Clock(timer.kind, timer.key): timer for timer in await timers.of_subject(session, incident.id)}
    for clock in sorted(running.keys() - must):
        await timers.disarm(session, clock.kind, clock.key)
    for clock in sorted(must):
        await _keep_one(docket, policy, incident, clock, running.get(clock))
    await renew(docket, incident)


async def _keep_one(docket: Docket, policy: Policy, incident: Incident, clock: Clock, timer: Timer | None) -> None:
    if timer is None:
        at = await _first_due(docket.session, policy, incident, clock, docket.now)
        await arm(docket, incident, clock.kind, clock.key, at)
    elif clock.kind not in _FIXED and not timer.data.get("round"):  # a rise in level shortens what runs
        since = incident.clock_from if clock.kind == Step.ACKNOWLEDGE else timer.armed_at
        due = max(since + policy.limit(Step(clock.kind), incident), docket.now)
        if due < timer.due_at:
            await arm(docket, incident, clock.kind, clock.key, due)


async def arm(
    docket: Docket, incident: Incident, kind: str, key: str, due_at: datetime, data: dict[str, int] | None = None
) -> None:
    """Set a timer of an incident."""
    await timers.arm(
        docket.session, kind, key, due_at, now=docket.now, subject=incident.id, urgency=urgency(incident), data=data
    )


async def _first_due(
    session: AsyncSession, policy: Policy, incident: Incident, clock: Clock, now: datetime
) -> datetime:
    at: datetime | None
    if clock.kind == DEFERRAL:
        at = (await session.get_one(Deferral, clock.key)).until
    elif clock.kind == HAND_OFF:
        at = (await session.get_one(HandOff, clock.key)).due_at
    elif clock.kind == RESERVATION:
        at = (await session.get_one(Reservation, clock.key)).until
    elif clock.kind == PENDING:
        at = incident.pending_until or now + policy.limit(Step.CLOSE, incident)
    else:
        at = await _step_due(session, policy, incident, Step(clock.kind), clock.key, now)
    return max(at, now)


async def _step_due(
    session: AsyncSession, policy: Policy, incident: Incident, step: Step, key: str, now: datetime
) -> datetime:
    span = policy.limit(step, incident)
    if step is Step.ACKNOWLEDGE:
        return incident.clock_from + span
    if step in (Step.ACCEPT, Step.SET_OUT, Step.ARRIVE):
        row = await session.get_one(Assignment, key)
        if step is Step.ACCEPT:
            return row.due_at or now + span
        since: datetime | None = getattr(row, _FROM_ASSIGNMENT[step])
        return (since or now) + span
    return now + span
