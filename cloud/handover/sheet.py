"""The hand-over sheet 交接班单: everything that the next shift must know, from what the system knows. Reads only."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.model import Unattended
from cloud.drills import service as drills
from cloud.handover.model import DeskNote
from cloud.incidents import measures
from cloud.incidents.model import Incident, IncidentAlarm, Measure
from cloud.incidents.states import OVER
from cloud.incidents.views import instant
from cloud.modes import service as modes
from cloud.notify.model import NotifyFault
from cloud.people.access import Person, within
from cloud.people.model import Area
from cloud.registry.model import Device, Edge, Site
from cloud.rotas.model import CoverGap
from cloud.timers.model import Timer

MOST = 500
"""Of each kind; a sheet that is longer says so."""
SOON = timedelta(hours=24)


async def sheet(session: AsyncSession, area: Area, person: Person, now: datetime) -> dict[str, Any]:
    """What stands in an area at an instant, as a person may see it.

    Args:
        session: any.
        area: of the desk.
        person: incidents of exercises are shown to participants only.
        now: wall time.
    """
    found = await _incidents(session, area.path, person)
    ids = [row.id for row in found]
    notes = await _notes(session, area.path)
    in_force = await _measures(session, ids)
    content: dict[str, Any] = {
        "area_path": area.path,
        "area": area.name,
        "at": instant(now),
        "incidents": await _incident_lines(session, found, in_force),
        "measures": [_measure_line(row, incident) for row, incident in in_force],
        "promises": _promises(found, in_force, notes, now),
        "alarms": await _quiet_alarms(session, area.path, now),
        "devices": await _devices(session, area.path, now),
        "gateways": await _gateways(session, area.path),
        "modes": await _modes(session, area.path),
        "faults": await _faults(session),
        "gaps": await _gaps(session, area.path, now),
        "drills": await _drills(session, area.path),
        "notes": [note_json(row) for row in notes],
    }
    content["cut"] = sorted(key for key, rows in content.items() if isinstance(rows, list) and len(rows) >= MOST)
    return content


def _within(column: Any, path: str) -> Any:
    return or_(column == path, column.startswith(path + "/", autoescape=True))


async def _incidents(session: AsyncSession, path: str, person: Person) -> list[Incident]:
    query = select(Incident).where(Incident.state.not_in(OVER), _within(Incident.grid_path, path))
    rows = await session.scalars(query.order_by(Incident.level, Incident.opened_at, Incident.id).limit(MOST))
    return [row for row in rows if row.exercise is None or row.exercise in person.exercises]


async def _incident_lines(
    session: AsyncSession, rows: Sequence[Incident], in_force: Sequence[tuple[Measure, Incident]]
) -> list[dict[str, Any]]:
    ids = [row.id for row in rows]
    clocks: dict[str, list[Timer]] = defaultdict(list)
    for timer in await session.scalars(select(Timer).where(Timer.subject.in_(ids)).order_by(Timer.due_at, Timer.id)):
        clocks[timer.subject or ""].append(timer)
    codes: dict[str, list[str]] = defaultdict(list)
    query = select(Unattended.incident_id, Unattended.code).where(Unattended.ended_at.is_(None))
    for incident, code in await session.execute(query.where(Unattended.incident_id.in_(ids))):
        codes[incident].append(code)
    standing: dict[str, int] = defaultdict(int)
    for _, incident_row in in_force:
        standing[incident_row.id] += 1
    return [
        {
            "id": row.id,
            "number": row.number,
            "level": row.level,
            "hazard": row.hazard,
            "state": row.state,
            "place": row.place["text"],
            "grid_path": row.grid_path,
            "opened_at": instant(row.opened_at),
            "acknowledged_at": instant(row.acknowledged_at),
            "owner": row.owner,
            "parent_id": row.parent_id,
            "children": len(row.children or ()),
            "exercise": row.exercise,
            "clocks": [{"kind": one.kind, "due_at": instant(one.due_at)} for one in clocks[row.id]],
            "assignments": [
                {"name": one["responder"]["name"], "state": one["state"]}
                for one in row.assignments
                if one["state"] in ("offered", "acknowledged", "en_route", "on_scene")
            ],
            "measures": standing[row.id],
            "unattended": sorted(codes[row.id]),
        }
        for row in rows
    ]


async def _measures(session: AsyncSession, ids: Sequence[str]) -> list[tuple[Measure, Incident]]:
    query = select(Measure, Incident).join(Incident, Incident.id == Measure.incident_id)
    query = query.where(Measure.incident_id.in_(ids), Measure.ended_at.is_(None)).order_by(Measure.since, Measure.id)
    return [(row, incident) for row, incident in await session.execute(query.limit(MOST))]


def _measure_line(row: Measure, incident: Incident) -> dict[str, Any]:
    return measures.measure_json(row) | {"number": incident.number, "incident_place": incident.place["text"]}


def _promises(
    rows: Sequence[Incident], in_force: Sequence[tuple[Measure, Incident]], notes: Sequence[DeskNote], now: datetime
) -> list[dict[str, Any]]:
    """What was promised for a time: call-backs, measures to look at again, what comes back on its date."""
    found: list[tuple[datetime, dict[str, Any]]] = [
        (row.due_at, {"kind": "note", "text": row.text, "number": None, "id": row.id})
        for row in notes
        if row.due_at is not None
    ]
    found += [
        (row.review_at, {"kind": "measure", "text": row.place, "number": incident.number, "id": row.id})
        for row, incident in in_force
        if row.review_at is not None
    ]
    found += [
        (row.pending_until, {"kind": "pending", "text": row.place["text"], "number": row.number, "id": row.id})
        for row in rows
        if row.pending_until is not None
    ]
    found.sort(key=lambda one: (one[0], one[1]["id"]))
    return [{**what, "due_at": instant(at), "overdue": at <= now} for at, what in found]


async def _quiet_alarms(session: AsyncSession, path: str, now: datetime) -> list[dict[str, Any]]:
    """Alarms that make no sound because somebody or a rule said so: who comes next must know that they are quiet."""
    facts = IncidentAlarm.facts
    query = (
        select(IncidentAlarm, Incident.number)
        .join(Incident, Incident.id == IncidentAlarm.incident_id)
        .where(_within(Incident.grid_path, path), IncidentAlarm.exercise.is_(None))
        .where(
            or_(
                facts["shelved_until"].as_string().is_not(None),
                facts["suppressed_by"].as_string().is_not(None),
                facts["out_of_service_until"].as_string().is_not(None),
            )
        )
        .order_by(IncidentAlarm.alarm_id, IncidentAlarm.episode)
    )
    newest = {row.alarm_id: (row, number) for row, number in await session.execute(query)}
    found = []
    for row, number in newest.values():
        for why, until in _muted(row.facts, now):
            found.append(
                {
                    "alarm_id": row.alarm_id,
                    "device": row.device,
                    "device_name": row.device_name,
                    "rule": row.rule,
                    "why": why,
                    "until": until,
                    "number": number,
                }
            )
    return found[:MOST]


def _muted(facts: dict[str, Any], now: datetime) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    for key, why in (("shelved_until", "shelved"), ("out_of_service_until", "out_of_service")):
        until = facts.get(key)
        if until and datetime.fromisoformat(until) > now:
            found.append((why, until))
    if facts.get("suppressed_by"):
        found.append(("suppressed", None))
    return found


async def _devices(session: AsyncSession, path: str, now: datetime) -> list[dict[str, Any]]:
    query = (
        select(Device, Site.name)
        .join(Site, Site.id == Device.site_id)
        .where(_within(Site.grid_path, path), or_(Device.maintenance_until > now, Device.enabled.is_(False)))
        .order_by(Device.id)
    )
    return [
        {
            "id": row.id,
            "name": row.name,
            "site": site,
            "why": "maintenance" if row.enabled else "disabled",
            "until": instant(row.maintenance_until) if row.enabled else None,
            "reason": row.maintenance_why,
        }
        for row, site in await session.execute(query.limit(MOST))
    ]


async def _gateways(session: AsyncSession, path: str) -> list[dict[str, Any]]:
    rows = await session.scalars(select(Edge).where(Edge.online.is_(False)).order_by(Edge.id))
    return [
        {"id": row.id, "name": row.name, "heard_at": instant(row.reported_at)}
        for row in rows
        if within(path, row.area_path) or within(row.area_path, path)
    ]


async def _modes(session: AsyncSession, path: str) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "name": row.name,
            "kind": row.kind,
            "response": row.response,
            "area_path": row.area_path,
            "began_at": instant(row.began_at),
            "ends_at": instant(row.ends_at),
        }
        for row in await modes.active(session)
        if row.exercise is None and (within(path, row.area_path) or within(row.area_path, path))
    ]


async def _faults(session: AsyncSession) -> list[dict[str, Any]]:
    query = select(NotifyFault).where(NotifyFault.ended_at.is_(None)).order_by(NotifyFault.since, NotifyFault.id)
    return [
        {"code": row.code, "subject": row.subject, "detail": row.detail, "since": instant(row.since)}
        for row in await session.scalars(query.limit(MOST))
    ]


async def _gaps(session: AsyncSession, path: str, now: datetime) -> list[dict[str, Any]]:
    query = select(CoverGap).where(
        CoverGap.ended_at.is_(None),
        CoverGap.until > now,
        CoverGap.since < now + SOON,
        _within(CoverGap.area_path, path),
    )
    return [row.gap for row in await session.scalars(query.order_by(CoverGap.since, CoverGap.id).limit(MOST))]


async def _drills(session: AsyncSession, path: str) -> list[dict[str, Any]]:
    rows = await drills.drills(session, "draft", "running", "paused")
    return [
        {"id": row.id, "name": row.name, "state": row.state}
        for row in rows
        if within(path, row.grid_path) or within(row.grid_path, path)
    ]


async def _notes(session: AsyncSession, path: str) -> list[DeskNote]:
    query = select(DeskNote).where(DeskNote.done_at.is_(None), DeskNote.area_path == path)
    return list(await session.scalars(query.order_by(DeskNote.at, DeskNote.id).limit(MOST)))


def note_json(row: DeskNote) -> dict[str, Any]:
    """A note of the desk as the API shows it."""
    return {
        "id": row.id,
        "area_path": row.area_path,
        "text": row.text,
        "due_at": instant(row.due_at),
        "incident_id": row.incident_id,
        "at": instant(row.at),
        "by": row.by,
        "done_at": instant(row.done_at),
        "done_by": row.done_by,
    }
