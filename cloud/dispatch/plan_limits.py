"""Limits of a plan's card lines: a line that is not ticked in time is told to the owner, then to the tier above.

One timer an incident, for whichever line is next; it is set again after each. Lines of the desk count once somebody has
taken the incident, those of a responder's role while somebody of that role has accepted: nobody is told late for what
nobody was there to do (that nobody is there has clocks of its own). On the card a line is overdue by its own limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from cloud.dispatch import roster
from cloud.dispatch.escalation import above
from cloud.dispatch.messages import tell
from cloud.dispatch.model import PlanOverdue
from cloud.dispatch.progress import LIVE
from cloud.dispatch.snapshots import assignments_of
from cloud.incidents import plan_ticks
from cloud.incidents.docket import SYSTEM, Docket
from cloud.incidents.model import Incident
from cloud.incidents.states import HANDLED, State
from cloud.plans.plan import Step
from cloud.timers import service as timers
from cloud.timers.service import Due
from wire.level import Level

KIND = "plan_line"
DESK = frozenset({"duty_officer", "duty_leader"})
LEAST, MOST = timedelta(minutes=2), timedelta(minutes=30)
"""Between telling the owner and telling the tier above: as long as the line had, within these."""
AT_THE_DESK = timedelta(minutes=1)
"""Whoever takes an incident of which lines are overdue already has so long before being told."""
ABOVE = 2


@dataclass(frozen=True, slots=True)
class Owed:
    """A line that somebody owes, and when somebody must hear of it next."""

    step: Step
    limit: timedelta
    at: datetime
    told: int


def owed(
    found: Sequence[Step],
    level: Level,
    *,
    there_since: Mapping[str, datetime],
    told: Mapping[tuple[str, str], tuple[datetime, int, datetime]],
) -> list[Owed]:
    """Lines that are not done and of which somebody must still hear. Pure.

    Args:
        found: every line of the plan at the incident's level.
        level: of the incident.
        there_since: by role, when its first accepted; for the desk, when somebody took the incident.
        told: by role and line: the limit that it was told for, how far up, when last.
    """
    lines = []
    for step in found:
        limit = step.line.limit(level)
        if step.done is not None or step.due_at is None or limit is None:
            continue
        if step.role not in there_since:
            continue
        at = max(step.due_at, there_since[step.role] + (min(limit, AT_THE_DESK) if step.role in DESK else limit))
        due_at, rounds, last = told.get((step.role, step.line.code), (None, 0, at))
        if due_at != step.due_at:
            rounds = 0
        if rounds < ABOVE:
            lines.append(Owed(step, limit, last + min(max(limit, LEAST), MOST) if rounds else at, rounds))
    return sorted(lines, key=lambda one: one.at)


async def _owed(docket: Docket, incident: Incident) -> list[Owed]:
    session, level = docket.session, Level(incident.level)
    plan, found = await plan_ticks.standing(session, incident, docket.now)
    there: dict[str, datetime] = dict.fromkeys(DESK, incident.acknowledged_at) if incident.acknowledged_at else {}
    for row in await assignments_of(session, incident.id):
        if row.state in LIVE and row.acknowledged_at is not None:
            role = row.responder["role"] if row.responder["role"] in plan.plan.cards else "default"
            there[role] = min(row.acknowledged_at, there.get(role, row.acknowledged_at))
    rows = await session.scalars(select(PlanOverdue).where(PlanOverdue.incident_id == incident.id))
    told = {(row.role, row.code): (row.due_at, row.told, row.told_at) for row in rows}
    return owed(found, level, there_since=there, told=told)


async def keep(docket: Docket, incident: Incident) -> None:
    """Set the timer for the line that is due next, or none: after a change of level, and when somebody accepts."""
    await docket.session.flush()
    lines = await _owed(docket, incident) if State(incident.state) in HANDLED and not incident.late else []
    if not lines:
        await timers.disarm(docket.session, KIND, incident.id)
        return
    await timers.arm(
        docket.session,
        KIND,
        incident.id,
        max(lines[0].at, docket.now),
        now=docket.now,
        subject=f"plan:{incident.id}",
        urgency=4 - Level(incident.level).rank,
    )


async def fired(docket: Docket, due: Due) -> None:
    """Tell of every line that is overdue by now, in one message a person."""
    incident = await docket.session.get(Incident, due.key)
    if incident is None or State(incident.state) not in HANDLED:
        return
    late = [one for one in await _owed(docket, incident) if one.at <= docket.now]
    for told in (0, 1):
        if lines := [one for one in late if one.told == told]:
            await _tell(docket, incident, lines, due, higher=bool(told))
    await keep(docket, incident)


async def _tell(docket: Docket, incident: Incident, lines: Sequence[Owed], due: Due, *, higher: bool) -> None:
    session = docket.session
    for one in lines:
        row = await session.get(PlanOverdue, (incident.id, one.step.role, one.step.line.code))
        if row is None:
            row = PlanOverdue(incident_id=incident.id, role=one.step.role, code=one.step.line.code)
            session.add(row)
        assert one.step.due_at is not None  # or it would not be owed
        row.due_at, row.told, row.told_at = one.step.due_at, one.told + 1, docket.now
    first = lines[0].step.line
    more, more_en = (f" 等 {len(lines)} 项", f" and {len(lines) - 1} more") if len(lines) > 1 else ("", "")
    text = (
        f"处置卡超时：{first.zh}{more}（{incident.number}）",
        f"Card overdue: {first.en}{more_en} ({incident.number})",
    )
    way = await roster.desks(session, incident, docket.now)
    owner = incident.owner["id"] if incident.owner else None
    tier = next((target.tier for target in way if target.desk.person == owner), 0)
    target = above(way, tier) if higher else None
    person = target.desk.person if target else owner or way[0].desk.person
    params = {
        "code": "card_overdue",
        "text": text[0],
        "lines": [{"role": one.step.role, "code": one.step.line.code, "text_zh": one.step.line.zh} for one in lines],
        "told": person,
        "set_off_by": f"{due.id}:{int(higher)}",
    }
    docket.write(incident, "note", SYSTEM, params)
    if person is not None:
        kind = "escalated" if higher else "urged"
        await tell(docket, incident, person, kind, f"plan:{due.id}:{int(higher)}", text)
