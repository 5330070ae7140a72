"""What people decide on alarms goes down to the edge that has them, with an author and an expiry."""

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, Docket, by
from cloud.incidents.model import Incident
from cloud.incidents.views import alarms_of, instant, view_of
from cloud.people.access import Person
from cloud.people.service import new_id
from cloud.problems import conflict, invalid
from cloud.registry import service as registry
from cloud.registry.model import DecisionRow
from wire.configuration import Decision
from wire.level import Level

DECISION_LIFE = timedelta(minutes=15)
"""A decision that an edge has not carried out by then is never carried out."""

LONGEST = {"shelve": timedelta(days=1), "out_of_service": timedelta(days=30)}
"""No edge mutes an alarm longer, whatever its rule says (docs/alarms.md)."""
Mute = Literal["shelve", "unshelve", "out_of_service", "into_service"]


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


async def mute_alarm(
    docket: Docket,
    incident: Incident,
    person: Person,
    alarm_id: str,
    verb: Mute,
    *,
    whole_device: bool = False,
    until: datetime | None = None,
    why: str = "",
    at: datetime | None = None,
) -> None:
    """限时搁置 and 停用, and their ends, by way of the edge; the alarm changes when the edge has done it.

    Raises:
        Problem: 422 for an alarm of another incident or an end that cannot be; 409 where there is nothing to do.
    """
    row = await incidents.alarm_of(docket.session, incident, alarm_id)
    facts = view_of(row).facts
    if verb == "unshelve" and facts.shelved_until is None:
        raise conflict("not-shelved", f"{row.device_name}: is not shelved.")
    if verb == "shelve" and facts.active and facts.level is Level.I:
        raise conflict("most-urgent", f"{row.device_name}: an active alarm of level I is not shelved.")
    if verb in LONGEST:
        longest = LONGEST[verb]
        if until is None or until <= docket.now:
            raise invalid("until", "is not in the future", "say when it ends")
        if until - docket.now > longest:
            hours = round(longest.total_seconds() / 3600)
            raise invalid("until", f"is more than {hours} hours away", "choose an earlier end")
    named = alarm_id.rpartition(":")[0] + ":*" if whole_device else alarm_id
    decision = await _decide(
        docket, row.edge_id, verb, named, row.episode, person.id, row.exercise, until=until, why=why
    )
    params = {
        "code": f"{verb}_asked",
        "alarm_id": named,
        "device": row.device,
        "device_name": row.device_name,
        "decision": decision,
        "until": instant(until),
        "why": why,
        "text": f"{row.device_name}：{_WORDS[verb]}",
    }
    docket.write(incident, "note", by(person), params, occurred_at=at)


_WORDS = {"shelve": "限时搁置", "unshelve": "解除搁置", "out_of_service": "停用", "into_service": "恢复使用"}


async def _decide(
    docket: Docket,
    edge_id: str,
    verb: Literal["acknowledge", "reset"] | Mute,
    alarm_id: str,
    episode: int,
    author: str,
    exercise: str | None,
    *,
    until: datetime | None = None,
    why: str = "",
) -> str:
    decision = Decision(
        id=new_id("dec"),
        verb=verb,
        alarm_id=alarm_id,
        episode=episode,
        author=author,
        issued_at=docket.now,
        expires_at=docket.now + DECISION_LIFE,
        until=until,
        note=why,
    )
    await registry.send_decision(docket.session, edge_id, decision, exercise=exercise)
    return decision.id
