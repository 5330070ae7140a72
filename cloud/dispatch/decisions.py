"""What people decide on alarms goes down to the edge that has them, with an author and an expiry."""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.views import alarms_of, view_of
from cloud.people.access import Person
from cloud.people.service import new_id
from cloud.registry import service as registry
from cloud.registry.model import DecisionRow
from wire.configuration import Decision

DECISION_LIFE = timedelta(minutes=15)
"""An acknowledgement or reset that an edge has not carried out by then is never carried out."""


async def acknowledge_alarms(docket: Docket, incident: Incident) -> None:
    """Tell each edge that a person has taken the alarms of an incident."""
    owner = (incident.acknowledged_by or {}).get("id", SYSTEM.id)
    for row in (await alarms_of(docket.session, [incident.id]))[incident.id]:
        view = view_of(row)
        asked = await _pending(docket.session, row.alarm_id, "acknowledge", docket.now)
        if view.standing and not view.facts.acknowledged and not asked:
            await _decide(docket, row.edge_id, "acknowledge", row.alarm_id, row.episode, owner, row.exercise)


async def _pending(session: AsyncSession, alarm_id: str, verb: str, now: datetime) -> bool:
    """Whether such a decision is on its way to the edge already."""
    query = select(DecisionRow).where(
        DecisionRow.alarm_id == alarm_id, DecisionRow.result.is_(None), DecisionRow.expires_at > now
    )
    return any(row.decision["verb"] == verb for row in await session.scalars(query))


async def reset_alarm(docket: Docket, incident: Incident, person: Person, alarm_id: str, at: datetime | None) -> None:
    """复位 one latched alarm, by way of its edge; the alarm changes when the edge reports it done."""
    row = await incidents.latched_alarm(docket.session, incident, alarm_id)
    decision = await _decide(docket, row.edge_id, "reset", alarm_id, row.episode, person.id, row.exercise)
    params = {"alarm_id": alarm_id, "device": row.device, "device_name": row.device_name, "decision": decision}
    docket.write(incident, "alarm_reset", by(person), params | {"asked": True}, occurred_at=at)


async def _decide(
    docket: Docket,
    edge_id: str,
    verb: Literal["acknowledge", "reset"],
    alarm_id: str,
    episode: int,
    author: str,
    exercise: str | None,
) -> str:
    decision = Decision(
        id=new_id("dec"),
        verb=verb,
        alarm_id=alarm_id,
        episode=episode,
        author=author,
        issued_at=docket.now,
        expires_at=docket.now + DECISION_LIFE,
    )
    await registry.send_decision(docket.session, edge_id, decision, exercise=exercise)
    return decision.id
