"""Assignments as the API and the feed show them, and what an incident carries of dispatch."""

from dataclasses import fields
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import roster
from cloud.dispatch.clocks import DEFERRAL, PENDING
from cloud.dispatch.escalation import STEPS, URGED_FIRST, Step, Target, above
from cloud.dispatch.model import Assignment
from cloud.dispatch.progress import Stamps
from cloud.incidents.docket import Docket
from cloud.incidents.model import Incident
from cloud.incidents.views import instant
from cloud.people.model import Account, Area
from cloud.timers import service as timers


async def assignments_of(session: AsyncSession, incident_id: str) -> list[Assignment]:
    """All assignments of an incident, in the order of the offers."""
    query = select(Assignment).where(Assignment.incident_id == incident_id)
    return list(await session.scalars(query.order_by(Assignment.offered_at, Assignment.id)))


def stamps_of(row: Assignment) -> Stamps:
    """The stamps of a stored assignment."""
    return Stamps(**{field.name: getattr(row, field.name) for field in fields(Stamps)})


def assignment_json(row: Assignment) -> dict[str, Any]:
    """An assignment as the API shows it."""
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "responder": {key: row.responder[key] for key in ("id", "name", "kind")},
        "state": row.state,
        "task": row.task,
        "automatic": row.automatic,
        "offered_at": instant(row.offered_at),
        "due_at": instant(row.due_at),
        "acknowledged_at": instant(row.acknowledged_at),
        "en_route_at": instant(row.en_route_at),
        "on_scene_at": instant(row.on_scene_at),
        "cleared_at": instant(row.cleared_at),
        "decline_reason": row.decline_reason,
        "taken_by": row.taken_by,
        "exercise": row.exercise,
    }


async def say(docket: Docket, incident: Incident, row: Assignment) -> None:
    """Put an assignment into the feed, for its people and whoever sees the incident."""
    persons = await roster.member_ids(docket.session, row.responder_id, row.exercise)
    docket.say(kind="assignment", key=row.id, value=assignment_json(row), incident=incident, persons=persons)


async def renew(docket: Docket, incident: Incident) -> None:
    """Renew what the incident carries of dispatch: its assignments and the limit that runs."""
    session = docket.session
    await session.flush()
    rows = await assignments_of(session, incident.id)
    incident.assignments = [
        assignment_json(row) | {"persons": await roster.member_ids(session, row.responder_id, row.exercise)}
        for row in rows
    ]
    incident.deadline = await _deadline(docket, incident)
    docket.touch(incident)


async def _deadline(docket: Docket, incident: Incident) -> dict[str, Any] | None:
    """The clock of somebody's duty that runs out first; while the desk's clocks rest, the end of that."""
    session = docket.session
    running = [timer for timer in await timers.of_subject(session, incident.id) if timer.kind in _SHOWN]
    if not running:
        return None
    first = running[0]
    way = await roster.desks(session, incident, docket.now)
    target = above(way, first.data.get("tier", incident.escalation_tier))
    return {
        "step": first.kind,
        "due_at": instant(first.due_at),
        "escalates_to": await target_json(session, target),
        "urges_first": first.data.get("round", 0) < URGED_FIRST.get(Step(first.kind), 0)
        if first.kind in STEPS
        else False,
    }


_SHOWN = STEPS | {DEFERRAL, PENDING}


async def target_json(session: AsyncSession, target: Target) -> dict[str, Any]:
    """A desk on the way up, in words."""
    area = await session.get(Area, target.desk.area)
    person = await session.get(Account, target.desk.person) if target.desk.person else None
    return {
        "tier": target.tier,
        "area": area.name if area else target.desk.area,
        "area_path": target.desk.area,
        "post": target.desk.post,
        "person": person.name if person else None,
        "person_id": target.desk.person,
    }
