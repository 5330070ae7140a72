"""The plan of an incident as it stands: its level's cards by role, what is done, what is overdue."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.docket import Actor, Docket
from cloud.incidents.model import Incident, PlanTick, TimelineEntry
from cloud.incidents.states import OVER, State
from cloud.incidents.views import instant
from cloud.plans import service as plans
from cloud.plans.plan import Line, Step, Tick, lines_for, steps
from cloud.plans.service import Effective
from cloud.problems import invalid
from wire.alert import Hazard
from wire.level import Level

_LEVEL_BEGAN = ("opened", "level_raised", "level_set", "reopened", "came_back")


async def plan_of(session: AsyncSession, incident: Incident) -> Effective:
    """The plan that holds for an incident: of its site, else as shipped."""
    return await plans.effective(session, incident.site_id, Hazard(incident.hazard))


async def level_since(session: AsyncSession, incident: Incident) -> datetime:
    """When it came to its level: limits of its plan count from here."""
    query = select(TimelineEntry.at).where(
        TimelineEntry.incident_id == incident.id, TimelineEntry.kind.in_(_LEVEL_BEGAN)
    )
    found = await session.scalar(query.order_by(TimelineEntry.seq.desc()).limit(1))
    return found or incident.opened_at


async def ticks_of(session: AsyncSession, incident_id: str) -> list[Tick]:
    """What is done of its plan."""
    query = select(PlanTick).where(PlanTick.incident_id == incident_id).order_by(PlanTick.at)
    return [Tick(row.role, row.code, row.occurred_at or row.at, row.by) for row in await session.scalars(query)]


async def standing(session: AsyncSession, incident: Incident, now: datetime) -> tuple[Effective, list[Step]]:
    """The plan and every line of it for an incident."""
    plan = await plan_of(session, incident)
    found = steps(
        plan.plan,
        Level(incident.level),
        since=await level_since(session, incident),
        now=now,
        ticks=await ticks_of(session, incident.id),
        over=State(incident.state) in OVER,
    )
    return plan, found


def line_json(line: Line) -> dict[str, Any]:
    """A line of a card as phones get it."""
    return {"code": line.code, "text_zh": line.zh, "text_en": line.en, "tick": line.tick}


def step_json(step: Step) -> dict[str, Any]:
    """A line with what became of it."""
    return line_json(step.line) | {
        "due_at": instant(step.due_at),
        "done_at": instant(step.done.at) if step.done else None,
        "done_by": step.done.by if step.done else None,
        "overdue": step.overdue,
    }


async def card_of(session: AsyncSession, incident: Incident, role: str, now: datetime) -> dict[str, Any]:
    """The 应急处置卡 of one responder on an incident, as the phone gets it."""
    plan, found = await standing(session, incident, now)
    used = role if role in plan.plan.cards else "default"
    return {"role": used, "lines": [step_json(step) for step in found if step.role == used]}


def plan_json(incident: Incident, plan: Effective, found: list[Step]) -> dict[str, Any]:
    """Everything for the desk."""
    at = plan.plan.levels[Level(incident.level)]
    roles = dict.fromkeys(step.role for step in found)
    return {
        "hazard": incident.hazard,
        "level": incident.level,
        "name_zh": plan.plan.name_zh,
        "name_en": plan.plan.name_en,
        "own": plan.own,
        "revision": plan.revision,
        "text_zh": at.zh,
        "text_en": at.en,
        "ask": list(at.ask),
        "tell": list(at.tell),
        "measures": list(at.measures),
        "arrive_s": at.arrive_s,
        "cards": [{"role": role, "lines": [step_json(step) for step in found if step.role == role]} for role in roles],
        "overdue": sum(step.overdue and step.done is None for step in found),
    }


async def tick(
    docket: Docket, incident: Incident, actor: Actor, *, role: str, code: str, at: datetime | None = None
) -> bool:
    """A line is done; the first who says so stands. False when somebody has said so.

    Raises:
        Problem: 422 for a line that the card of this role does not have at this level, or that is only read.
    """
    plan = (await plan_of(docket.session, incident)).plan
    used = role if role in plan.cards else "default"
    line = next((one for one in lines_for(plan, Level(incident.level), used) if one.code == code), None)
    if line is None:
        raise invalid("code", f"the card of '{role:.40}' has no line '{code:.64}' at level {incident.level}")
    if not line.tick:
        raise invalid("code", f"'{code:.64}' is read, not ticked", "tick a line that has `tick`")
    if await docket.session.get(PlanTick, (incident.id, used, code)) is not None:
        return False
    moment = min(at, docket.now) if at else None
    docket.session.add(
        PlanTick(
            incident_id=incident.id,
            role=used,
            code=code,
            at=docket.now,
            occurred_at=moment,
            by={"id": actor.id, "name": actor.name},
        )
    )
    params = {"role": used, "code": code, "text_zh": line.zh, "text_en": line.en, "level": incident.level}
    docket.write(incident, "card_ticked", actor, params, occurred_at=at)
    await docket.session.flush()
    return True
