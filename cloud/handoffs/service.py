"""Calls on services outside: called, answered, called again, arrived, handed over, stood down; the gate; the clocks.

A hand-off is not closing: the incident keeps its owner, its level and its clocks. The only writer of these tables.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import roster
from cloud.dispatch.messages import tell
from cloud.dispatch.progress import LIVE
from cloud.dispatch.proposal import Proposal, propose
from cloud.dispatch.snapshots import assignments_of
from cloud.handoffs import card, views
from cloud.handoffs.model import ExternalHandOff, SiteAccess
from cloud.handoffs.progress import NAMES, Service, Stamps, State, Step, clock_of, due, state_of
from cloud.incidents import service as incidents
from cloud.incidents.docket import SYSTEM, Actor, Docket
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER
from cloud.incidents.states import State as IncidentState
from cloud.incidents.views import instant
from cloud.people.access import Person
from cloud.people.service import new_id
from cloud.problems import conflict, invalid, not_found
from cloud.registry.model import Site
from cloud.timers import service as timers
from wire.level import Level

MEET_TASK = "meet_engine"
MOST_PROPOSED = 3


def stamps_of(row: ExternalHandOff) -> Stamps:
    """The stamps of a stored call."""
    down = row.ended_at if row.state == State.STOOD_DOWN else None
    return Stamps(row.answered_at, row.arrived_at, row.handed_over_at, down)


async def of_incident(session: AsyncSession, incident_id: str) -> list[ExternalHandOff]:
    """All calls of an incident in order."""
    query = select(ExternalHandOff).where(ExternalHandOff.incident_id == incident_id)
    return list(await session.scalars(query.order_by(ExternalHandOff.called_at, ExternalHandOff.id)))


def checked_details(service: Service, details: Mapping[str, str]) -> dict[str, str]:
    """What people add, by code.

    Raises:
        Problem: 422 for a code that this service's card does not have.
    """
    if unknown := sorted(set(details) - set(card.ADDABLE[service])):
        raise invalid(f"details.{unknown[0]:.40}", "is not on this card", f"one of: {', '.join(card.ADDABLE[service])}")
    return {code: text.strip()[:200] for code, text in details.items() if text.strip()}


# ---------------------------------------------------------------- the acts


async def call(
    docket: Docket,
    incident: Incident,
    service: Service,
    actor: Actor,
    *,
    details: Mapping[str, str],
    read: tuple[str, ...],
    at: datetime | None = None,
) -> ExternalHandOff:
    """Write down that a service was called. One that is still out for this incident is called again instead.

    Raises:
        Problem: 409 when the incident is over, or this service is out for it.
    """
    if IncidentState(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: reopen it first.")
    for row in await of_incident(docket.session, incident.id):
        if row.service == service and row.ended_at is None:
            fix = f"POST /handoffs/{row.id}/again"
            raise conflict("already-called", f"{NAMES[service][0]} is called for this already ({row.state}): {fix}.")
    moment = min(at, docket.now) if at else docket.now
    row = ExternalHandOff(
        id=new_id("xho"),
        incident_id=incident.id,
        service=service,
        state=State.CALLED,
        calls=[{"at": instant(moment), "by": actor.json(), "answered_by": None}],
        details=dict(details),
        read=list(read),
        step_from=docket.now,
        called_at=moment,
        called_by=actor.json(),
        answered_at=None,
        answered_by=None,
        reference=None,
        expected_at=None,
        arrived_at=None,
        unit=None,
        handed_over_at=None,
        received_by=None,
        unaccounted=None,
        note="",
        ended_at=None,
        reason=None,
        exercise=incident.exercise,
    )
    docket.session.add(row)
    await docket.session.flush()
    _write(docket, incident, row, "called", actor, at=at)
    await keep(docket, incident, row)
    return row


async def answered(
    docket: Docket,
    incident: Incident,
    row: ExternalHandOff,
    actor: Actor,
    *,
    answered_by: str,
    reference: str,
    expected_at: datetime | None,
    details: Mapping[str, str],
    at: datetime | None = None,
) -> None:
    """对方已接: who took the call, their number for it, and when they said that they will come."""
    _still_out(row)
    row.answered_at = row.answered_at or (min(at, docket.now) if at else docket.now)
    row.answered_by, row.reference = answered_by or row.answered_by, reference or row.reference
    row.expected_at = expected_at or row.expected_at
    row.details = row.details | dict(details)
    row.calls = [*row.calls[:-1], row.calls[-1] | {"answered_by": answered_by or None}]
    await _moved(docket, incident, row, "answered", actor, at=at, reference=reference, answered_by=answered_by)


async def again(
    docket: Docket,
    incident: Incident,
    row: ExternalHandOff,
    actor: Actor,
    *,
    answered_by: str,
    note: str,
    at: datetime | None = None,
) -> None:
    """再次呼叫: asked again where they are; the clock starts anew."""
    _still_out(row)
    moment = min(at, docket.now) if at else docket.now
    row.calls = [*row.calls, {"at": instant(moment), "by": actor.json(), "answered_by": answered_by or None}]
    if answered_by and row.answered_at is None:
        row.answered_at, row.answered_by = moment, answered_by
    row.expected_at = None
    extra = {"count": len(row.calls), "answered_by": answered_by, "note": note}
    await _moved(docket, incident, row, "again", actor, at=at, **extra)


async def arrived(
    docket: Docket, incident: Incident, row: ExternalHandOff, actor: Actor, *, unit: str, at: datetime | None = None
) -> None:
    """到场: which unit."""
    _still_out(row)
    moment = min(at, docket.now) if at else docket.now
    row.answered_at = row.answered_at or moment
    row.arrived_at, row.unit = row.arrived_at or moment, unit or row.unit
    await _moved(docket, incident, row, "arrived", actor, at=at, unit=unit)


async def handed_over(
    docket: Docket,
    incident: Incident,
    row: ExternalHandOff,
    actor: Actor,
    *,
    received_by: str,
    unaccounted: int | None,
    note: str,
    at: datetime | None = None,
) -> None:
    """移交: who took command of their part, and how many people are not accounted for. The incident stays owned."""
    _still_out(row)
    moment = min(at, docket.now) if at else docket.now
    row.answered_at, row.arrived_at = row.answered_at or moment, row.arrived_at or moment
    row.handed_over_at, row.received_by = moment, received_by
    row.unaccounted, row.note, row.ended_at = unaccounted, note, docket.now
    await _moved(docket, incident, row, "handed_over", actor, at=at, received_by=received_by, unaccounted=unaccounted)


async def stand_down(
    docket: Docket, incident: Incident, row: ExternalHandOff, actor: Actor, *, reason: str, at: datetime | None = None
) -> None:
    """取消出动: they were told that they need not come, and why."""
    _still_out(row)
    row.ended_at, row.reason, row.state = docket.now, reason, State.STOOD_DOWN
    await _moved(docket, incident, row, "stood_down", actor, at=at, reason=reason)


def _still_out(row: ExternalHandOff) -> None:
    if row.ended_at is not None:
        raise conflict("ended", f"This call on {NAMES[Service(row.service)][0]} has ended: {row.state}.")


_LINES: Mapping[str, tuple[str, str]] = {
    "called": ("已呼叫{zh}", "{en} called"),
    "answered": ("{zh}已接", "{en} answered"),
    "again": ("再次呼叫{zh}", "{en} called again"),
    "arrived": ("{zh}已到场", "{en} has arrived"),
    "handed_over": ("已移交{zh}，街道继续负责外围", "handed over to {en}; the incident stays ours"),
    "stood_down": ("已取消{zh}出动", "{en} stood down"),
    "overdue": ("{zh}超时未{step_zh}，请再次呼叫", "{en} has not {step_en} in time: call again"),
}
_STEPS: Mapping[Step, tuple[str, str]] = {
    Step.ANSWER: ("接", "answered"),
    Step.ARRIVE: ("到场", "arrived"),
    Step.HAND_OVER: ("移交", "taken over"),
}


def words(row: ExternalHandOff, code: str, step: Step | None = None) -> tuple[str, str]:
    """One line in both languages. Pure."""
    zh, en = NAMES[Service(row.service)]
    step_zh, step_en = _STEPS[step] if step else ("", "")
    names = {"zh": zh, "en": en, "step_zh": step_zh, "step_en": step_en}
    return _LINES[code][0].format_map(names), _LINES[code][1].format_map(names)


def _write(
    docket: Docket,
    incident: Incident,
    row: ExternalHandOff,
    code: str,
    actor: Actor,
    *,
    at: datetime | None = None,
    step: Step | None = None,
    **more: Any,
) -> None:
    zh, en = words(row, code, step)
    params = {"code": code, "handoff": row.id, "service": row.service, "text": zh, "text_en": en}
    said = {key: value for key, value in more.items() if value not in ("", None)}
    docket.write(incident, "handoff", actor, params | said, occurred_at=at)


async def _moved(
    docket: Docket,
    incident: Incident,
    row: ExternalHandOff,
    code: str,
    actor: Actor,
    *,
    at: datetime | None,
    **more: Any,
) -> None:
    row.state, row.step_from = state_of(stamps_of(row)), docket.now
    _write(docket, incident, row, code, actor, at=at, **more)
    await keep(docket, incident, row)


# ---------------------------------------------------------------- clocks


async def keep(docket: Docket, incident: Incident, row: ExternalHandOff, *, rounds: int = 0) -> None:
    """Run the one clock that must run, and tell the feed."""
    await docket.session.flush()
    over = IncidentState(incident.state) in OVER
    step = clock_of(State(row.state), incident_over=over)
    for timer in await timers.of_subject(docket.session, row.id):
        await timers.disarm(docket.session, timer.kind, timer.key)
    if step is not None:
        at = due(step, Service(row.service), row.step_from, expected_at=row.expected_at, rounds=rounds)
        await timers.arm(
            docket.session,
            step,
            row.id,
            max(at, docket.now),
            now=docket.now,
            subject=row.id,
            urgency=4 - Level(incident.level).rank,
            data={"round": rounds},
        )
    value = await views.handoff_json(docket.session, row)
    docket.say(kind="handoff", key=row.id, value=value, incident=incident, persons=())


async def overdue(docket: Docket, row: ExternalHandOff, step: Step, *, origin: str, rounds: int) -> None:
    """Not answered, not there, not taken over in time: who called and who owns it ask again; then the tier above."""
    incident = await docket.heir(await docket.session.get_one(Incident, row.incident_id))
    if clock_of(State(row.state), incident_over=IncidentState(incident.state) in OVER) is not step:
        return
    _write(docket, incident, row, "overdue", SYSTEM, step=step, set_off_by=origin, round=rounds)
    owner = incident.owner["id"] if incident.owner else None
    people = [owner, row.called_by["id"]]
    way = [target.desk.person for target in await roster.desks(docket.session, incident, docket.now)]
    if rounds:
        people += way[: rounds + 1]
    elif owner is None:
        people += way[:1]
    zh, en = words(row, "overdue", step)
    for person in dict.fromkeys(one for one in people if one):
        text = (f"{zh}（{incident.number}）", f"{en} ({incident.number})")
        await tell(docket, incident, person, "escalated" if rounds else "urged", f"handoff:{row.id}:{origin}", text)
    await keep(docket, incident, row, rounds=rounds + 1)


# ---------------------------------------------------------------- 接车


async def meet_proposals(
    session: AsyncSession, incident: Incident, access: SiteAccess | None, now: datetime
) -> list[Proposal]:
    """Who could meet the engine at the gate, the nearest fit first; nobody whose role may not."""
    need = roster.need_of(incident, task=MEET_TASK)
    if access is not None and access.gate_lon is not None and access.gate_lat is not None:
        need = replace(need, lon=access.gate_lon, lat=access.gate_lat)
    forces = await roster.forces(session, incident.exercise, now)
    on_it = [row.responder_id for row in await assignments_of(session, incident.id) if row.state in LIVE]
    found = propose(need, forces, asked=on_it)
    return [one for one in found.items if one.recommended][:MOST_PROPOSED]


# ---------------------------------------------------------------- reading


async def get(session: AsyncSession, handoff_id: str, person: Person) -> tuple[ExternalHandOff, Incident]:
    """A call of an incident that a person sees.

    Raises:
        Problem: 404.
    """
    row = await session.get(ExternalHandOff, handoff_id)
    incident = await session.get(Incident, row.incident_id) if row else None
    if row is None or incident is None or not incidents.sees(person, incident):
        raise not_found("hand-off", handoff_id)
    return row, incident


async def put_access(
    session: AsyncSession, site: Site, values: Mapping[str, Any], person: Person, now: datetime
) -> SiteAccess:
    """What a site's card says to those who come; replaced as a whole."""
    row = await session.get(SiteAccess, site.id)
    if row is None:
        row = SiteAccess(site_id=site.id)
        session.add(row)
    for key, value in values.items():
        setattr(row, key, value)
    row.updated_at, row.updated_by = now, person.id
    await session.flush()
    return row
