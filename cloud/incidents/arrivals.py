"""What comes in – alerts, calls, a gateway's silence – and the incident that it belongs to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import select

from cloud.incidents.alarms import AlarmView, Applied, apply
from cloud.incidents.docket import SYSTEM, Actor, Change, Docket, Exercise, by, spot_of
from cloud.incidents.folding import Candidate, fold, fold_by_hand, fold_key, keys_to_try, own_key
from cloud.incidents.model import AlertRecord, Incident, IncidentAlarm
from cloud.incidents.places import Placed, PlacedDevice
from cloud.incidents.service import sees
from cloud.incidents.states import HANDLED, OVER, State
from cloud.incidents.views import instant, view_of
from cloud.people.access import Person
from rules.alarm import muted
from wire.alert import Alert, Hazard, Verb
from wire.level import Level

_ALERT_KIND = {
    Verb.RAISED: "alert_raised",
    Verb.ESCALATED: "alert_escalated",
    Verb.DEESCALATED: "alert_deescalated",
    Verb.CLEARED: "alert_cleared",
    Verb.RESET: "alarm_reset",
}
"""Others are notes. ACKNOWLEDGED only echoes the person's own line, SUPERSEDED the raise of the next episode: they
change the alarm and write none."""
_NOTES = {
    Verb.SHELVED: "限时搁置",
    Verb.UNSHELVED: "搁置结束",
    Verb.SUPPRESSED: "联锁抑制",
    Verb.UNSUPPRESSED: "抑制结束",
    Verb.OUT_OF_SERVICE: "停用(检修)",
    Verb.INTO_SERVICE: "恢复使用",
    Verb.STEADY: "不再频繁抖动",
}


CALLING = frozenset({Verb.RAISED, Verb.ESCALATED, Verb.UNSHELVED, Verb.UNSUPPRESSED, Verb.INTO_SERVICE})
"""By these an active alarm calls people and makes history present; a fall, or the echo of a word, does neither."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an alert led to."""

    applied: Applied
    incident: Incident


async def look_up(
    docket: Docket, alerts: Sequence[Alert], devices: Mapping[str, PlacedDevice], issued: Mapping[str, Exercise]
) -> None:
    """Read at once what a batch of alerts is about: their episodes, and the incidents that they might join."""
    await docket.read_alarms({(alert.alarm_id, alert.episode) for alert in alerts})
    await docket.handled(
        list(
            dict.fromkeys(
                key
                for alert in alerts
                if (device := devices.get(alert.device)) is not None
                for key in _keys(alert, device, issued.get(alert.exercise) if alert.exercise else None)
            )
        )
    )


def _keys(alert: Alert, device: PlacedDevice, exercise: Exercise | None) -> tuple[str, ...]:
    drill = exercise.id if exercise else None
    return keys_to_try(alert.hazard, device.at.spot, edge=device.edge_id, exercise=drill)


async def take_alert(
    docket: Docket,
    alert: Alert,
    *,
    event_id: str,
    edge_id: str,
    device: PlacedDevice,
    exercise: Exercise | None,
    late: bool,
) -> Taken:
    """Apply one alert: to its alarm by revision, to the incident that the alarm belongs to.

    Args:
        docket: the transaction, which has read the alarm (`look_up`) if it exists.
        alert: as it came; its `exercise` is what it claims, `exercise` what the cloud knows of it.
        event_id: id of its envelope.
        edge_id: who sent it.
        device: the registered device.
        exercise: the issued exercise it comes of; None for a real alert or one with an id never issued.
        late: history: opens an incident if need be, but nothing is sent out for it.
    """
    session = docket.session
    row = docket.alarms.get((alert.alarm_id, alert.episode))
    before = view_of(row) if row else None
    view, applied = apply(before, alert)
    if applied is Applied.REPEAT and row is not None:
        incident = await session.get(Incident, row.incident_id)
        assert incident is not None
        return Taken(applied, incident)
    quiet = late or view.muted is not None  # nobody is sent for what is history, or shelved, or out of service
    incident, joined = await _incident_for(docket, alert, row, before, device=device, exercise=exercise, late=quiet)
    opened = joined == OPENED
    if row is None:
        row = _new_alarm(alert, edge_id, device, exercise, incident)
        session.add(row)
        docket.alarms[alert.alarm_id, alert.episode] = row
    _store(row, view, incident)
    session.add(
        AlertRecord(
            alarm_id=alert.alarm_id,
            episode=alert.episode,
            revision=alert.revision,
            edge_id=edge_id,
            event_id=event_id,
            verb=alert.verb,
            body=msgspec.to_builtins(alert),
            late=late,
            recorded_at=alert.recorded_at,
            received_at=docket.now,
        )
    )
    if not opened and before is None:
        incident.alert_count += 1
    elif opened:
        incident.alert_count = 1
    if not quiet and incident.late and view.standing and alert.verb in CALLING:
        incident.late = False
        docket.changes.append(Change(incident, "reopened"))
    _write_alert(docket, incident, alert, device, applied, late=late, joined=joined if before is None else None)
    if row.claimed_exercise and before is None:
        text = f"报警信息带有未签发的演练编号 {row.claimed_exercise}，按真实警情处理"
        params = {"code": "unknown_exercise", "exercise": row.claimed_exercise, "text": text}
        docket.write(incident, "note", SYSTEM, params)
    docket.unsettled[incident.id] = incident  # once a batch, however many alerts of it there are
    if not quiet and alert.facts.level is not None and alert.verb in CALLING:
        docket.call(incident, alert.facts.level)  # as the alert says it: what has come after it may be milder
    return Taken(applied, incident)


def _new_alarm(
    alert: Alert, edge_id: str, device: PlacedDevice, exercise: Exercise | None, incident: Incident
) -> IncidentAlarm:
    return IncidentAlarm(
        alarm_id=alert.alarm_id,
        episode=alert.episode,
        incident_id=incident.id,
        edge_id=edge_id,
        device=alert.device,
        device_name=device.name,
        rule=alert.rule,
        hazard=alert.hazard,
        opened_at=alert.opened_at,
        timeline=alert.timeline,
        exercise=exercise.id if exercise else None,
        claimed_exercise=alert.exercise if exercise is None else None,
    )


def _store(row: IncidentAlarm, view: AlarmView, incident: Incident) -> None:
    row.incident_id = incident.id
    row.revision = view.revision
    row.missing = list(view.missing)
    row.facts = msgspec.to_builtins(view.facts)
    row.evidence = {"revision": view.evidence_revision, "values": view.evidence}
    row.changed_at = view.changed_at
    row.cleared_at = view.cleared_at
    row.recorded_at = view.recorded_at


OPENED = "opened"
BACK_AT = "back_at"
"""In the headline of a gateway's incident: since when it speaks again."""


async def _incident_for(
    docket: Docket,
    alert: Alert,
    row: IncidentAlarm | None,
    before: AlarmView | None,
    *,
    device: PlacedDevice,
    exercise: Exercise | None,
    late: bool,
) -> tuple[Incident, str]:
    """The incident that an alert belongs to, and why: `OPENED` for it, or the reason of folding."""
    if row is not None and before is not None:
        current = await docket.session.get(Incident, row.incident_id)
        assert current is not None
        if alert.revision < before.revision or not _rings_again(before, alert):
            return current, "same_alarm"
        if State(current.state) in HANDLED:
            if before.muted is not None and not late and current.acknowledged_at is not None:
                _ask_again(docket, current)  # what was acknowledged was not this
            return current, "same_alarm"
        if State(current.state) not in OVER:  # said to be done (or put off), and worse again: back to the desk
            docket.advance(current, State.RAISED)
            _ask_again(docket, current)
            return current, "same_alarm"
        docket.write(current, "note", SYSTEM, {"code": "rings_again", "text": "结案后再次报警，另立新事件"})
    at = happened_at(alert, docket.now, late=late)
    drill = exercise.id if exercise else None
    own = own_key(alert.hazard, device.at.spot, edge=device.edge_id, exercise=drill)
    found = await docket.handled(_keys(alert, device, exercise))
    candidates = [candidate(incident, key) for key, incident in found]
    folded = fold(dict.fromkeys(c.fold_key for c in candidates), candidates, spot=device.at.spot, own=own, at=at)
    if folded.incident is not None:
        incident = next(one for _, one in found if one.id == folded.incident)
        incident.happened_from = min(incident.happened_from or at, at)
        incident.happened_to = max(incident.happened_to or at, at)
        return incident, folded.reason
    incident = await docket.open(
        hazard=alert.hazard,
        level=alert.facts.level or alert.facts.highest,
        fold_key=own,
        placed=device.at,
        origin="sensor",
        actor=_rule(alert, device),
        exercise=exercise,
        timeline_name=alert.timeline,
        late=late,
        occurred_at=alert.recorded_at,
        said={"fold": folded.reason},
        happened_at=at,
    )
    return incident, OPENED


def happened_at(alert: Alert, now: datetime, *, late: bool) -> datetime:
    """The real time that folding goes by: history has its own, what comes now is now (an edge's clock may be wrong)."""
    return min(alert.recorded_at, now) if late else now


def _ask_again(docket: Docket, incident: Incident) -> None:
    """Somebody must acknowledge anew; the clock runs from now."""
    incident.acknowledged_at = incident.acknowledged_by = None
    incident.clock_from, incident.escalation_tier = docket.now, 0
    docket.changes.append(Change(incident, "reopened"))


def _rings_again(before: AlarmView, alert: Alert) -> bool:
    """Whether a newer revision is a new reason to run: active or announced again, or worse than it has been."""
    if not alert.facts.active or muted(alert.facts) is not None:
        return False
    worse = alert.facts.highest.rank > before.facts.highest.rank
    return not before.facts.active or worse or before.muted is not None


def candidate(incident: Incident, key: str | None = None) -> Candidate:
    """An incident as folding sees it, found by a key that may be that of one merged into it."""
    first, last = incident.happened_from, incident.happened_to
    if last is not None:
        last = max(last, incident.updated_at)  # while anybody does anything about it, it goes on
    return Candidate(
        id=incident.id,
        fold_key=key or incident.fold_key,
        hazard=Hazard(incident.hazard),
        state=State(incident.state),
        opened_at=incident.opened_at,
        exercise=incident.exercise,
        spot=spot_of(incident),
        text=str(incident.place.get("text") or ""),
        by_hand=incident.origin not in ("sensor", "rule"),
        span=(first, last) if first and last else None,
    )


def _rule(alert: Alert, device: PlacedDevice) -> Actor:
    return Actor("rule", f"{alert.device}:{alert.rule}", device.name)


def _write_alert(
    docket: Docket,
    incident: Incident,
    alert: Alert,
    device: PlacedDevice,
    applied: Applied,
    *,
    late: bool,
    joined: str | None,
) -> None:
    kind = _ALERT_KIND.get(alert.verb) or ("note" if alert.verb in _NOTES else None)
    if kind is None:
        docket.touch(incident)
        return
    if kind == "alert_raised" and alert.facts.suspect:
        kind = "alert_suspect"
    params: dict[str, Any] = {
        "alarm_id": alert.alarm_id,
        "episode": alert.episode,
        "revision": alert.revision,
        "device": alert.device,
        "device_name": device.name,
        "rule": alert.rule,
        "level": alert.facts.level or alert.facts.highest,
        "changed_at": instant(alert.changed_at),
        "recorded_at": instant(alert.recorded_at),
        "reading_at": instant(alert.reading_at),
        "evidence": dict(alert.evidence),
    }
    if kind == "note":
        params |= {"code": str(alert.verb), "text": _NOTES[alert.verb]}
    if alert.because:
        params["because"] = dict(alert.because)
    if (why := muted(alert.facts)) is not None:
        params["muted"] = why.value
    if alert.facts.unsteady is not None:
        params |= {"unsteady": alert.facts.unsteady.value, "repeats": alert.facts.repeats}
    if joined is not None and joined != OPENED:
        params["fold"] = joined  # why it belongs here
    if late:
        params["late"] = True
    if applied is Applied.HISTORY:
        params["out_of_order"] = True
    docket.write(incident, kind, _rule(alert, device), params, occurred_at=alert.recorded_at)


# ---------------------------------------------------------------- by hand, and the gateway


async def open_by_hand(
    docket: Docket,
    *,
    person: Person,
    hazard: Hazard,
    placed: Placed,
    what: str,
    caller: str,
    origin: str,
    level: Level,
    exercise: Exercise | None,
    occurred_at: datetime | None,
) -> tuple[Incident, bool]:
    """A call, a walk-in, a patrol: joins the open incident of the place, or opens one. True = joined."""
    exercise_id = exercise.id if exercise else None
    query = select(Incident).where(Incident.state.in_(HANDLED), Incident.hazard == hazard)
    same = Incident.exercise == exercise_id if exercise_id else Incident.exercise.is_(None)
    rows = {incident.id: incident for incident in await docket.session.scalars(query.where(same))}
    folded = fold_by_hand(
        hazard,
        placed.spot,
        str(placed.place["text"]),
        [candidate(row) for row in rows.values() if sees(person, row)],
        exercise_id,
    )
    said = {"what": what, "caller": caller, "place": placed.place["text"], "origin": origin}
    if folded.incident is not None:
        incident = rows[folded.incident]
        docket.write(incident, "joined", by(person), said | {"reason": folded.reason}, occurred_at=occurred_at)
        return incident, True
    incident = await docket.open(
        hazard=hazard,
        level=level,
        fold_key=fold_key(hazard, placed.spot, exercise=exercise_id)
        if placed.spot.site
        else f"{exercise_id or 'real'}|{hazard.value}|words={placed.place['text'][:200]}",
        placed=placed,
        origin=origin,
        actor=by(person),
        exercise=exercise,
        occurred_at=occurred_at,
        said=said,
    )
    incident.level_floor = level  # what a person says stands until a person says otherwise
    return incident, False


async def gateway_lost(docket: Docket, edge_id: str, placed: Placed, *, silent_s: float, last: datetime | None) -> bool:
    """One incident for a gateway that fell silent; False when one is being handled and nobody was told that it is back.

    One that falls silent again while its incident is still handled is written there, and somebody is asked anew.
    """
    key = fold_key(Hazard.GATEWAY, placed.spot, edge=edge_id)
    query = select(Incident).where(Incident.fold_key == key, Incident.state.in_(HANDLED)).order_by(Incident.opened_at)
    standing = await docket.session.scalar(query.limit(1))
    actor = Actor("edge", edge_id, placed.place["text"])
    if standing is not None:
        params = dict(standing.headline["params"])
        if params.pop(BACK_AT, None) is None:
            return False
        standing.headline = standing.headline | {"params": params}
        said = {"code": "gateway_lost_again", "edge": edge_id, "silent_s": round(silent_s), "text": "网关再次失联"}
        docket.write(standing, "note", actor, said, occurred_at=last)
        _ask_again(docket, standing)
        return True
    incident = await docket.open(
        hazard=Hazard.GATEWAY,
        level=Level.III,
        fold_key=key,
        placed=placed,
        origin="sensor",
        actor=actor,
        exercise=None,
        occurred_at=last,
        said={"edge": edge_id, "silent_s": round(silent_s)},
    )
    incident.level_floor = incident.level  # the silences of its devices, folded in, do not calm it
    incident.headline = {"code": "gateway_lost", "params": {"edge": edge_id, "name": placed.place["text"]}}
    return True


async def gateway_back(docket: Docket, edge_id: str, placed: Placed) -> bool:
    """Note that a gateway speaks again; a person closes the incident. False when there is none."""
    key = fold_key(Hazard.GATEWAY, placed.spot, edge=edge_id)
    query = select(Incident).where(Incident.fold_key == key, Incident.state.not_in(OVER)).order_by(Incident.opened_at)
    incident = await docket.session.scalar(query.limit(1))
    if incident is None:
        return False
    silent_s = round((docket.now - incident.clock_from).total_seconds())
    params = {"code": "gateway_back", "edge": edge_id, "after_s": silent_s, "text": "网关恢复通信"}
    docket.write(incident, "note", Actor("edge", edge_id, placed.place["text"]), params)
    incident.headline = incident.headline | {"params": incident.headline["params"] | {BACK_AT: instant(docket.now)}}
    return True
