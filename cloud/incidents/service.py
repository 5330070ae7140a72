"""What people do with incidents, and reading them. What comes in from outside is in `arrivals.py`."""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Select, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents import levels, timeline
from cloud.incidents.alarms import AlarmView, incident_level
from cloud.incidents.docket import Actor, Change, Docket, assigned_persons
from cloud.incidents.model import Incident, IncidentAlarm, TimelineEntry
from cloud.incidents.states import HANDLED, OVER, Outcome, State, state_on_acknowledging
from cloud.incidents.views import alarms_of, instant, view_of
from cloud.people.access import Person, Role, may_see
from cloud.problems import Problem, ProblemError, conflict, invalid, not_found
from wire.alert import Hazard
from wire.level import Level

LONGEST_PENDING = timedelta(days=180)


def acknowledge(docket: Docket, incident: Incident, actor: Actor, *, at: datetime | None = None) -> bool:
    """接警: names the owner and stops the sound. False when somebody has already.

    Raises:
        Problem: 409 when the incident is over.
    """
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: there is nothing to acknowledge.")
    if incident.acknowledged_at is not None:
        return False
    who = {"id": actor.id, "name": actor.name}
    incident.acknowledged_at, incident.acknowledged_by, incident.owner = docket.now, who, who
    incident.state = state_on_acknowledging(State(incident.state), Level(incident.level))
    if incident.called_level is not None:  # from now on its level follows its alarms
        incident.called_level = None
        docket.unsettled[incident.id] = incident
    params = {"seconds": round((docket.now - incident.clock_from).total_seconds(), 1)}
    docket.write(incident, "acknowledged", actor, params, occurred_at=at)
    docket.changes.append(Change(incident, "acknowledged"))
    return True


def note(docket: Docket, incident: Incident, actor: Actor, text: str, *, at: datetime | None = None) -> None:
    """One line in a person's own words; always possible."""
    docket.write(incident, "note", actor, {"text": text}, occurred_at=at)


def resolve(
    docket: Docket, incident: Incident, actor: Actor, *, text: str | None = None, at: datetime | None = None
) -> bool:
    """处置完毕, by the one who did it or the desk. False when it is already."""
    if not docket.advance(incident, State.RESOLVED):
        return False
    incident.resolved_at = docket.now
    docket.write(incident, "resolved", actor, {"note": text} if text else {}, occurred_at=at)
    docket.changes.append(Change(incident, "over"))
    return True


def verify(docket: Docket, incident: Incident, actor: Actor, *, at: datetime | None = None) -> bool:
    """核查 after the work. False when it is already."""
    if not docket.advance(incident, State.VERIFIED):
        return False
    docket.write(incident, "verified", actor, occurred_at=at)
    return True


def close(
    docket: Docket,
    incident: Incident,
    actor: Actor,
    *,
    outcome: Outcome,
    cause: str | None = None,
    text: str | None = None,
    at: datetime | None = None,
) -> bool:
    """结案 with what it was. An unknown cause keeps the incident open, resolved, to be looked at again."""
    if State(incident.state) in OVER:
        docket.advance(incident, State.CLOSED)
        return False
    if outcome is not Outcome.UNKNOWN:
        holds_open(incident)
    params = {"outcome": outcome.value, "cause": cause, "note": text}
    incident.outcome, incident.cause = outcome, cause
    if outcome is Outcome.UNKNOWN:
        if State(incident.state) in HANDLED:
            resolve(docket, incident, actor, text=text, at=at)
        hint = {"code": "outcome_unknown", "text": "原因不明，须复查后结案"}
        docket.write(incident, "note", actor, params | hint, occurred_at=at)
        return True
    was_handled = State(incident.state) in HANDLED
    docket.advance(incident, State.CLOSED)
    incident.closed_at = docket.now
    docket.write(incident, "closed", actor, params, occurred_at=at)
    if was_handled:
        incident.resolved_at = incident.resolved_at or docket.now
    docket.changes.append(Change(incident, "over"))
    return True


def holds_open(incident: Incident) -> None:
    """Nothing is closed over what is still in force, or over a child that is still handled.

    Raises:
        Problem: 409 that names them, one by one.
    """
    errors = [
        ProblemError(
            where=f"measures.{one['id']}",
            what=f"{one['text_zh']}（{one['place']}）仍在用 / {one['text_en']} ({one['place']}) is still in force",
            fix=f"end it first: POST /measures/{one['id']}/end",
            code="measure_in_force",
            params={"kind": one["kind"], "place": one["place"], "since": one["since"]},
        )
        for one in incident.measures or ()
    ]
    errors += [
        ProblemError(
            where=f"children.{one['id']}",
            what=f"{one['number']} {one['place']} 尚未结案 / is {one['state']}",
            fix="close it first, or take it out of this incident",
            code="child_open",
            params={"number": one["number"], "state": one["state"]},
        )
        for one in incident.children or ()
        if State(one["state"]) not in OVER
    ]
    knock = incident.knock_list or {}
    if knock.get("open"):
        errors.append(
            ProblemError(
                where=f"knock_list.{knock['id']}",
                what=f"逐户敲门还有 {knock['open']} 户没有结果 / {knock['open']} doors have no outcome",
                fix=f"knock, or give an officer's reason: POST /incidents/{incident.id}/knock-list/excuse",
                code="knock_list_open",
                params={"open": knock["open"], "doors": knock["doors"]},
            )
        )
    if errors:
        named = "; ".join(error.what for error in errors)
        open_children = len(errors) > len(incident.measures or ()) + bool(knock.get("open"))
        raise Problem(
            409,
            "measures-in-force" if incident.measures else "children-open" if open_children else "knock-list-open",
            f"{incident.number} 不能结案 / cannot be closed: {named}",
            errors=errors,
        )


def reopen(docket: Docket, incident: Incident, actor: Actor, *, reason: str, at: datetime | None = None) -> bool:
    """退回重办 / 重新立案: what is resolved, verified, closed or void is handled again; somebody must take it anew.

    Raises:
        Problem: 409 for a merged one (undo the merge instead) and for one that is pending or handled.
    """
    state = State(incident.state)
    if state is State.MERGED:
        raise conflict("merged", f"Incident {incident.number} is merged into another: undo the merge.")
    if state in HANDLED:
        raise conflict("still-open", f"Incident {incident.number} is {state}: it is being handled.")
    before = {"from": state.value, "outcome": incident.outcome, "cause": incident.cause, "reason": reason}
    docket.advance(incident, State.ACCEPTED, back=True)
    incident.outcome = incident.cause = None
    incident.resolved_at = incident.closed_at = None
    incident.reopened_at = docket.now
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.clock_from, incident.escalation_tier = docket.now, 0
    incident.happened_to = docket.now
    docket.write(incident, "reopened", actor, before, occurred_at=at)
    docket.changes.append(Change(incident, "reopened"))
    return True


def put_off(docket: Docket, incident: Incident, actor: Actor, *, reason: str, until: datetime) -> bool:
    """挂账: it cannot be solved now. It has a reason and a date, and comes back by itself on it."""
    if until <= docket.now:
        raise invalid("until", "is not in the future", "say when it comes back")
    if until - docket.now > LONGEST_PENDING:
        raise invalid("until", f"is more than {LONGEST_PENDING.days} days away", "choose an earlier date")
    docket.advance(incident, State.PENDING)
    incident.pending = {"reason": reason, "until": instant(until), "by": {"id": actor.id, "name": actor.name}}
    incident.pending_until = until
    docket.write(incident, "put_off", actor, {"reason": reason, "until": instant(until)})
    docket.changes.append(Change(incident, "over"))
    return True


def come_back(docket: Docket, incident: Incident, actor: Actor, *, reason: str) -> bool:
    """A pending incident is handled again; False when it is pending no more."""
    if State(incident.state) is not State.PENDING:
        return False
    docket.advance(incident, State.ACCEPTED)
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.clock_from, incident.escalation_tier = docket.now, 0
    docket.write(incident, "came_back", actor, {"reason": reason})
    docket.changes.append(Change(incident, "reopened"))
    return True


def set_level(
    docket: Docket,
    incident: Incident,
    actor: Actor,
    wanted: Level,
    alarms: Sequence[AlarmView],
    *,
    reason: str,
    checked: levels.Checked | None = None,
    at: datetime | None = None,
) -> None:
    """提级 / 降级 by a person, with the reason; see levels.py for what may be lowered.

    Raises:
        Problem: 409 when it is over, or at that level; 422 when nobody has looked.
    """
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}.")
    hazard, current = Hazard(incident.hazard), Level(incident.level)
    said = incident_level(list(alarms), smoke=hazard is Hazard.SMOKE).level if alarms else None
    judged = levels.change(
        hazard,
        current,
        wanted,
        said=said,
        calling=sum(alarm.muted is None for alarm in alarms),
        checked=checked,
        floor=Level(incident.level_floor) if incident.level_floor else None,
    )
    if not judged.allowed and judged.code == "same-level":
        raise conflict(judged.code, f"Incident {incident.number}: {judged.why}.")
    if not judged.allowed:
        raise invalid("checked", judged.why, "降级须先核实 / look first, then lower")
    incident.level_floor = judged.floor.value if judged.floor else None
    incident.level_cap = judged.cap.json() if judged.cap else None
    incident.called_level = None  # somebody has judged it
    incident.level = wanted.value
    incident.highest_level = max(Level(incident.highest_level), wanted, key=lambda level: level.rank).value
    params = {"from": current.value, "to": wanted.value, "reason": reason, "checked": checked, "raises": judged.raises}
    docket.write(incident, "level_set", actor, params, occurred_at=at)
    docket.changes.append(Change(incident, "level_raised" if judged.raises else "calmed"))


def void(docket: Docket, incident: Incident, actor: Actor, *, reason: str, at: datetime | None = None) -> bool:
    """作废 / 不予立案: a duplicate, a test call, not ours."""
    if State(incident.state) not in OVER:
        holds_open(incident)
    if not docket.advance(incident, State.VOID):
        return False
    incident.closed_at = docket.now
    docket.write(incident, "voided", actor, {"reason": reason}, occurred_at=at)
    docket.changes.append(Change(incident, "over"))
    return True


async def latched_alarm(session: AsyncSession, incident: Incident, alarm_id: str) -> IncidentAlarm:
    """The alarm of an incident that a person may reset: latched, and its condition over.

    Raises:
        Problem: 422 when it is not of this incident, 409 when there is nothing to reset, or the danger is not over.
    """
    row = await alarm_of(session, incident, alarm_id)
    facts = view_of(row).facts
    if facts.active:
        raise conflict("still-active", f"{row.device_name}: the condition still holds; reset when it is over.")
    if not facts.latched:
        raise conflict("not-latched", f"{row.device_name}: nothing to reset, it went back by itself.")
    return row


async def alarm_of(session: AsyncSession, incident: Incident, alarm_id: str) -> IncidentAlarm:
    """The newest episode of an alarm of an incident.

    Raises:
        Problem: 422 when it is not of this incident.
    """
    rows = [row for row in (await alarms_of(session, [incident.id]))[incident.id] if row.alarm_id == alarm_id]
    if not rows:
        raise invalid("alarm_id", f"'{alarm_id:.80}' is not an alarm of this incident", "take one from `alarms`")
    return rows[-1]


# ---------------------------------------------------------------- reading


def sees(person: Person, incident: Incident) -> bool:
    """Whether a person may know of an incident."""
    return may_see(
        person,
        incident.grid_path,
        incident.exercise,
        site=incident.site_id,
        persons=assigned_persons(incident),
    )


async def get(session: AsyncSession, incident_id: str, person: Person | None = None) -> Incident:
    """One incident.

    Raises:
        Problem: 404 when there is none that this person may see.
    """
    incident = await session.get(Incident, incident_id)
    if incident is None or (person is not None and not sees(person, incident)):
        raise not_found("incident", incident_id)
    return incident


def in_sight(query: Select[Any], person: Person) -> Select[Any]:
    """A query on incidents narrowed to what a person may see by area, site and exercise."""
    area = person.area_path.rstrip("/")
    query = query.where(or_(Incident.grid_path == area, Incident.grid_path.startswith(area + "/", autoescape=True)))
    if not person.has(Role.TRAINER):
        takes_part = Incident.exercise.in_(sorted(person.exercises)) if person.exercises else false()
        query = query.where(or_(Incident.exercise.is_(None), takes_part))
    if person.site_ids:
        query = query.where(Incident.site_id.in_(sorted(person.site_ids)))
    return query


async def page(
    session: AsyncSession,
    person: Person,
    *,
    state: Literal["open", "closed", "all"],
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Incident], str | None]:
    """A page of incidents within a person's sight, newest first; and where the next page starts."""
    query = in_sight(select(Incident), person).order_by(Incident.opened_at.desc(), Incident.id.desc())
    if state != "all":
        over = Incident.state.in_(OVER)
        query = query.where(over if state == "closed" else ~over)
    if cursor:
        at, last = _read_cursor(cursor)
        query = query.where(or_(Incident.opened_at < at, and_(Incident.opened_at == at, Incident.id < last)))
    rows: list[Incident] = list(await session.scalars(query.limit(limit + 1)))
    after = _write_cursor(rows[limit - 1]) if len(rows) > limit else None
    return [row for row in rows[:limit] if sees(person, row)], after


def _write_cursor(row: Incident) -> str:
    return base64.urlsafe_b64encode(f"{row.opened_at.isoformat()}|{row.id}".encode()).decode()


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, last = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return datetime.fromisoformat(at).astimezone(UTC), last
    except (ValueError, OverflowError, binascii.Error):
        raise invalid("cursor", "is not one that this service gave", "start without a cursor") from None


async def entries(session: AsyncSession, incident_id: str) -> list[TimelineEntry]:
    """The timeline in order."""
    query = select(TimelineEntry).where(TimelineEntry.incident_id == incident_id).order_by(TimelineEntry.seq)
    return list(await session.scalars(query))


async def first_break(session: AsyncSession, incident: Incident) -> int | None:
    """Where the timeline's hash chain does not hold, counting lines cut off at the end; None when it holds."""
    lines = await entries(session, incident.id)
    broken = timeline.first_break(lines)
    if broken is not None:
        return broken
    whole = len(lines) == incident.entries and (lines[-1].hash if lines else timeline.GENESIS) == incident.chain_head
    return None if whole else len(lines) + 1
