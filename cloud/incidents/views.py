"""Incidents as the API and the feed show them."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.alarms import AlarmView
from cloud.incidents.model import Incident, IncidentAlarm, TimelineEntry
from cloud.incidents.timeline import forgotten, lag_s
from rules.alarm import state as isa_of
from wire.alert import AlarmFacts


def instant(value: datetime | None) -> str | None:
    """RFC 3339, UTC, milliseconds."""
    if value is None:
        return None
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def view_of(row: IncidentAlarm) -> AlarmView:
    """A stored alarm as the value that decisions take."""
    return AlarmView(
        alarm_id=row.alarm_id,
        episode=row.episode,
        device=row.device,
        rule=row.rule,
        revision=row.revision,
        missing=tuple(row.missing),
        facts=msgspec.convert(row.facts, AlarmFacts),
        evidence=dict(row.evidence.get("values", {})),
        evidence_revision=int(row.evidence.get("revision", 0)),
        opened_at=row.opened_at,
        changed_at=row.changed_at,
        recorded_at=row.recorded_at,
    )


def alarm_json(row: IncidentAlarm) -> dict[str, Any]:
    """One alarm of an incident."""
    facts = msgspec.convert(row.facts, AlarmFacts)
    return {
        "alarm_id": row.alarm_id,
        "episode": row.episode,
        "revision": row.revision,
        "missing_revisions": list(row.missing),
        "device": row.device,
        "device_name": row.device_name,
        "rule": row.rule,
        "level": facts.level or facts.highest,
        "isa": str(isa_of(facts)),
        "active": facts.active,
        "acknowledged": facts.acknowledged,
        "latched": facts.latched,
        "suspect": facts.suspect,
        "shelved_until": instant(facts.shelved_until),
        "suppressed_by": facts.suppressed_by,
        "out_of_service_until": instant(facts.out_of_service_until),
        "unsteady": facts.unsteady,
        "repeats": facts.repeats,
        "opened_at": instant(row.opened_at),
        "cleared_at": instant(row.cleared_at),
        "unknown_exercise": row.claimed_exercise,
    }


MOST_ALARMS = 100
"""Alarms that an incident shows; of a storm the standing ones first. `alert_count` says how many there are."""


def _shown(alarms: Sequence[IncidentAlarm]) -> Sequence[IncidentAlarm]:
    if len(alarms) <= MOST_ALARMS:
        return alarms
    calm_last = sorted(alarms, key=lambda row: not (row.facts.get("active") or row.facts.get("latched")))
    return calm_last[:MOST_ALARMS]


def incident_json(row: Incident, alarms: Sequence[IncidentAlarm]) -> dict[str, Any]:
    """One incident in full (of a storm's alarms, the first `MOST_ALARMS`)."""
    return {
        "id": row.id,
        "number": row.number,
        "state": row.state,
        "hazard": row.hazard,
        "level": row.level,
        "highest_level": row.highest_level,
        "headline": row.headline,
        "place": row.place,
        "origin": row.origin,
        "opened_at": instant(row.opened_at),
        "updated_at": instant(row.updated_at),
        "acknowledged_at": instant(row.acknowledged_at),
        "acknowledged_by": row.acknowledged_by,
        "owner": row.owner,
        "alert_count": row.alert_count,
        "alarms": [alarm_json(alarm) for alarm in _shown(alarms)],
        "assignments": [{k: v for k, v in entry.items() if k != "persons"} for entry in row.assignments],
        "deadline": row.deadline,
        "escalation_tier": row.escalation_tier,
        "exercise": {"id": row.exercise, "name": row.exercise_name or row.exercise} if row.exercise else None,
        "timeline": row.timeline,
        "late": row.late,
        "outcome": row.outcome,
        "cause": row.cause,
        "closed_at": instant(row.closed_at),
        "parent_id": row.parent_id,
        "children": row.children,
        "merged_into": row.merged_into,
        "measures": row.measures or [],
        "knock_list": row.knock_list,
        "level_cap": row.level_cap,
        "reopened_at": instant(row.reopened_at),
        "pending": row.pending,
        "position": row.position,
    }


def entry_json(row: TimelineEntry) -> dict[str, Any]:
    """One line of the timeline."""
    return {
        "incident_id": row.incident_id,
        "seq": row.seq,
        "kind": row.kind,
        "at": instant(row.at),
        "occurred_at": instant(row.occurred_at),
        "lag_s": lag_s(row.at, row.occurred_at),
        "actor": row.actor,
        "params": row.params,
        "exercise": row.exercise,
        "forgotten": forgotten(row.sealed),
    }


async def alarms_of(session: AsyncSession, incidents: Collection[str]) -> dict[str, list[IncidentAlarm]]:
    """Alarms by incident, in the order in which they opened."""
    found: dict[str, list[IncidentAlarm]] = {incident: [] for incident in incidents}
    if incidents:
        query = select(IncidentAlarm).where(IncidentAlarm.incident_id.in_(incidents))
        for row in await session.scalars(query.order_by(IncidentAlarm.opened_at, IncidentAlarm.alarm_id)):
            found[row.incident_id].append(row)
    return found


async def incidents_json(session: AsyncSession, rows: Sequence[Incident]) -> list[dict[str, Any]]:
    """A page of incidents in two queries."""
    alarms = await alarms_of(session, [row.id for row in rows])
    return [incident_json(row, alarms[row.id]) for row in rows]
