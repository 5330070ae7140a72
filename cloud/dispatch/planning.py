"""Who goes where when several incidents compete: what the levels set off by themselves, and the plan for the desk."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import plan, roster
from cloud.dispatch.joint import MOST_NEEDS, Joint, assign
from cloud.dispatch.keeping import reservations_of
from cloud.dispatch.model import Assignment
from cloud.dispatch.offers import offer, reserve
from cloud.dispatch.policy import Auto, Policy
from cloud.dispatch.progress import LIVE
from cloud.dispatch.proposal import Need, propose
from cloud.incidents.docket import SYSTEM, Docket
from cloud.incidents.model import Incident
from cloud.incidents.plan_ticks import plan_of
from cloud.incidents.states import HANDLED, State
from wire.alert import Hazard
from wire.level import Level


async def waiting(session: AsyncSession, exercise: str | None, *levels: Level) -> list[Incident]:
    """Incidents being handled to which nobody has been sent (or nobody is left), the worst and oldest first."""
    live = exists().where(Assignment.incident_id == Incident.id, Assignment.state.in_(LIVE))
    query = select(Incident).where(
        Incident.state.in_(HANDLED),
        Incident.late.is_(False),
        Incident.level.in_(levels or list(Level)),
        Incident.exercise == exercise if exercise else Incident.exercise.is_(None),
        ~live,
    )
    return list(
        await session.scalars(query.order_by(Incident.level, Incident.opened_at, Incident.id).limit(MOST_NEEDS))
    )


async def plan_for(
    session: AsyncSession, incidents: Sequence[Incident], now: datetime, policy: Policy | None = None
) -> Joint:
    """The joint optimum for incidents of one exercise (or all real), each wanting one responder."""
    if not incidents:
        return Joint((), ())
    long_on_h = (policy or Policy()).long_on_h
    needs = [roster.need_of(incident, long_on_h=long_on_h) for incident in incidents]
    asked = await roster.asked(session, *(incident.id for incident in incidents))
    return assign(needs, await roster.forces(session, incidents[0].exercise, now), asked)


async def ask_by_level(docket: Docket, policy: Policy, fresh: Sequence[Incident], left: Collection[str] = ()) -> None:
    """Offer (or reserve) what the levels set off by themselves, jointly with whatever else waits for somebody.

    Args:
        docket: the transaction.
        policy: what the levels set off.
        fresh: incidents that were opened, reopened or rose just now, or whose people have all declined or let it pass.
        left: ids of the latter: the next best is asked for them, whatever the plan's roles.
    """
    for incident in fresh:
        if policy.automatic(incident) is Auto.RESERVE and State(incident.state) in HANDLED:
            await _reserve_best(docket, policy, incident)
    offering = [one for one in fresh if policy.automatic(one) is Auto.OFFER and State(one.state) in HANDLED]
    for exercise in sorted({incident.exercise or "" for incident in offering}):
        await _offer_jointly(docket, policy, [one for one in offering if (one.exercise or "") == exercise], left)


async def _offer_jointly(docket: Docket, policy: Policy, incidents: Sequence[Incident], left: Collection[str]) -> None:
    session = docket.session
    await session.flush()
    by_id = {incident.id: incident for incident in incidents}
    exercise = incidents[0].exercise
    levels = [level for level, auto in policy.auto.items() if auto is Auto.OFFER]
    others = [one for one in await waiting(session, exercise, *levels) if one.id not in by_id]
    asked = await roster.asked(session, *by_id, *(one.id for one in others))
    forces = await roster.forces(session, exercise, docket.now)
    needs: list[Need] = []
    for incident in incidents:
        if incident.id in left:
            needs.append(roster.need_of(incident, long_on_h=policy.long_on_h))
            continue
        roles = plan.roles_to_ask(
            Hazard(incident.hazard),
            Level(incident.level),
            late=incident.late,
            state=State(incident.state),
            plan=(await plan_of(session, incident)).plan,
        )
        before = {force.role for force in forces if force.id in asked[incident.id]}
        wanted = [role for role in roles if role not in before]
        needs += [roster.need_of(incident, roles=[role], long_on_h=policy.long_on_h) for role in wanted]
    if not needs:
        return
    left_over = [one for one in others if asked[one.id]]
    needs += [
        roster.need_of(one, long_on_h=policy.long_on_h) for one in left_over
    ]  # whom nobody took; the desk's own wait for it
    by_id |= {one.id: one for one in others}
    for pair in assign(needs, forces, asked).pairs:
        chosen = next(force for force in forces if force.id == pair.proposal.responder_id)
        await offer(docket, policy, by_id[pair.need.incident], chosen, actor=SYSTEM, automatic=True)


async def _reserve_best(docket: Docket, policy: Policy, incident: Incident) -> None:
    session = docket.session
    asked = (await roster.asked(session, incident.id))[incident.id]
    if asked or await reservations_of(session, incident.id):
        return
    forces = await roster.forces(session, incident.exercise, docket.now)
    free = [force for force in forces if not any(one.reserved for one in force.engagements)]
    best = propose(roster.need_of(incident, long_on_h=policy.long_on_h), free).best
    if best is not None:
        await reserve(docket, policy, incident, best.responder_id, actor=SYSTEM)
