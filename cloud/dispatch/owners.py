"""Who is responsible: 延期 (the desk's clocks rest for a stated time) and 转交 (another duty officer takes it over)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from cloud.dispatch import roster
from cloud.dispatch.keeping import deferral_of, hand_off_of, keep
from cloud.dispatch.messages import tell, text_of_deferral_over, text_of_hand_off, text_of_hand_off_end
from cloud.dispatch.model import Deferral, HandOff
from cloud.dispatch.policy import Policy
from cloud.dispatch.snapshots import renew
from cloud.incidents.docket import SYSTEM, Actor, Docket, by
from cloud.incidents.families import children_of
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER, State
from cloud.incidents.views import instant
from cloud.people.access import Person, Role
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid
from wire.level import Level

LONGEST_DEFERRAL: Mapping[Level, timedelta] = {
    Level.II: timedelta(minutes=15),
    Level.III: timedelta(hours=4),
    Level.IV: timedelta(days=7),
}
"""Level I is not put off."""
HAND_OFF_LIMIT: Mapping[Level, timedelta] = {
    Level.I: timedelta(seconds=60),
    Level.II: timedelta(minutes=2),
    Level.III: timedelta(minutes=5),
    Level.IV: timedelta(minutes=15),
}
DeferralEnd = Literal["passed", "ended", "worsened", "over"]
HandOffEnd = Literal["accepted", "declined", "expired", "withdrawn", "over"]


# ---------------------------------------------------------------- 延期


async def defer(
    docket: Docket,
    policy: Policy,
    incident: Incident,
    person: Person,
    *,
    until: datetime,
    reason: str,
    at: datetime | None,
) -> Deferral:
    """Let the desk's clocks rest until a time. Anything that gets worse ends it at once.

    Raises:
        Problem: 409 for an incident that is over, not acknowledged, or most urgent; 422 for an end that cannot be.
    """
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: there is nothing to put off.")
    if incident.acknowledged_at is None:
        raise conflict("not-acknowledged", "Acknowledge the incident first: what nobody has taken cannot be put off.")
    longest = LONGEST_DEFERRAL.get(Level(incident.level))
    if longest is None:
        raise conflict("most-urgent", "An incident of level I is not put off.")
    if not docket.now < until <= docket.now + longest:
        minutes = round(longest.total_seconds() / 60)
        raise invalid("until", f"is not within the next {minutes} minutes", "choose an end that this level allows")
    standing = await deferral_of(docket.session, incident.id)
    if standing is not None:
        standing.ended_at, standing.end = docket.now, "ended"
    row = Deferral(
        id=new_id("dfr"),
        incident_id=incident.id,
        by=by(person).json(),
        at=docket.now,
        until=until,
        reason=reason,
        ended_at=None,
        end=None,
    )
    docket.session.add(row)
    params = {"code": "deferred", "until": instant(until), "why": reason, "text": f"延期：{reason}"}
    docket.write(incident, "note", by(person), params, occurred_at=at)
    await keep(docket, policy, incident)
    return row


async def resume(docket: Docket, policy: Policy, incident: Incident, person: Person, at: datetime | None) -> bool:
    """End a deferral before its time; False when there is none."""
    row = await deferral_of(docket.session, incident.id)
    if row is None:
        return False
    row.ended_at, row.end = docket.now, "ended"
    docket.write(incident, "note", by(person), {"code": "resumed", "text": "恢复处置"}, occurred_at=at)
    await keep(docket, policy, incident)
    return True


async def deferral_over(docket: Docket, incident: Incident, row: Deferral, end: DeferralEnd) -> None:
    """It is over without a person's word: its time has passed, things got worse, or the incident is over."""
    row.ended_at, row.end = docket.now, end
    if end == "over":
        return
    words = {"passed": "延期已到", "worsened": "情况变化，延期终止", "ended": "恢复处置"}[end]
    docket.write(incident, "note", SYSTEM, {"code": f"deferral_{end}", "deferral": row.id, "text": words})
    if incident.owner is not None:
        key = f"deferral:{row.id}:{end}"
        await tell(docket, incident, incident.owner["id"], "deferral", key, text_of_deferral_over(incident))


# ---------------------------------------------------------------- 转交


async def hand_off(
    docket: Docket, policy: Policy, incident: Incident, person: Person, *, to: str, note: str, at: datetime | None
) -> HandOff:
    """Ask another duty officer to take an incident over. Until they do it stays where it is, and no clock stops.

    Raises:
        Problem: 409 when it is over, nobody has acknowledged it, or it waits for an answer already; 422 for somebody
            who cannot take it; 403 for somebody else's incident, unless the leader's.
    """
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: there is nothing to hand off.")
    if incident.owner is None or incident.acknowledged_at is None:
        raise conflict("not-acknowledged", "Nobody has taken this incident: let the other acknowledge it.")
    if await hand_off_of(docket.session, incident.id) is not None:
        raise conflict("waits", "A hand-off of this incident waits for an answer: withdraw it first.")
    if incident.owner["id"] != person.id and not await _leads(docket, incident, person):
        raise Problem(403, "not-yours", f"{incident.owner['name']} has this incident: they hand it off, or the leader.")
    taker = await roster.may_own(docket.session, incident, to)
    if taker is None or to == incident.owner["id"]:
        raise invalid("to", "is nobody who could take it", "name another duty officer who sees this incident")
    row = HandOff(
        id=new_id("hnd"),
        incident_id=incident.id,
        from_person=incident.owner["id"],
        from_name=incident.owner["name"],
        to_person=taker.id,
        to_name=taker.name,
        note=note,
        at=docket.now,
        due_at=docket.now + HAND_OFF_LIMIT[Level(incident.level)] * policy.acknowledge_scale,
        ended_at=None,
        end=None,
        reason=None,
    )
    docket.session.add(row)
    params = {"code": "hand_off", "to": taker.name, "to_id": taker.id, "hand_off": row.id, "note": note}
    docket.write(incident, "note", by(person), params | {"text": f"转交{taker.name}：{note}"}, occurred_at=at)
    await tell(docket, incident, taker.id, "hand_off", f"hand_off:{row.id}", text_of_hand_off(incident, row.from_name))
    await keep(docket, policy, incident)
    return row


async def _leads(docket: Docket, incident: Incident, person: Person) -> bool:
    way = await roster.desks(docket.session, incident, docket.now)
    mine = next((target.tier for target in way if target.desk.person == person.id), None)
    owners = next((target.tier for target in way if target.desk.person == (incident.owner or {}).get("id")), None)
    return mine is not None and (owners is None or mine > owners) and person.has(Role.DUTY_OFFICER)


async def answer(
    docket: Docket,
    policy: Policy,
    incident: Incident,
    row: HandOff,
    person: Person,
    end: Literal["accepted", "declined", "withdrawn"],
    *,
    reason: str | None = None,
    at: datetime | None = None,
) -> bool:
    """The other's yes or no, or the first one's taking it back; False when it has ended that way already.

    Raises:
        Problem: 403 for somebody else, 409 when it has ended otherwise.
    """
    allowed = row.from_person if end == "withdrawn" else row.to_person
    if person.id != allowed:
        raise Problem(403, "not-yours", "This hand-off is between two others.")
    if row.ended_at is not None:
        if row.end == end:
            return False
        raise conflict("ended", f"This hand-off has ended: {row.end}.")
    row.ended_at, row.end, row.reason = docket.now, end, reason
    if end == "accepted":
        former = (incident.owner or {}).get("id")
        move_owner(docket, incident, by(person), person.id, person.name, code="handed_off", at=at)
        await _children_too(docket, policy, incident, former, person, code="handed_off", at=at)
    else:
        words = {"declined": "不接手转交", "withdrawn": "撤回转交"}[end]
        params: dict[str, Any] = {"code": f"hand_off_{end}", "hand_off": row.id, "text": words}
        docket.write(incident, "note", by(person), params | ({"why": reason} if reason else {}), occurred_at=at)
    if end != "withdrawn":
        text = text_of_hand_off_end(incident, person.name, end)
        await tell(docket, incident, row.from_person, "hand_off", f"hand_off:{row.id}:{end}", text)
    await keep(docket, policy, incident)
    return True


async def take_over(
    docket: Docket, policy: Policy, incident: Incident, person: Person, *, reason: str, at: datetime | None
) -> bool:
    """接手 without being asked: an incident whose owner is not there, or by the leader. False when it is theirs.

    Raises:
        Problem: 409 when it is over or nobody has acknowledged it, or its owner is on duty: they hand it off.
    """
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: there is nothing to take over.")
    if incident.acknowledged_at is None:
        raise conflict("not-acknowledged", "Nobody has taken this incident: acknowledge it.")
    owner = incident.owner["id"] if incident.owner else None
    if owner == person.id:
        return False
    there = owner is not None and await roster.on_shift_now(docket.session, owner, docket.now)
    if there and not await _leads(docket, incident, person):
        named = (incident.owner or {}).get("name")
        raise conflict("owner-on-duty", f"{named} is on duty and has this incident: ask for a hand-off.")
    if (asked := await hand_off_of(docket.session, incident.id)) is not None:
        asked.ended_at, asked.end = docket.now, "withdrawn"
    move_owner(docket, incident, by(person), person.id, person.name, code="taken_over", at=at)
    await _children_too(docket, policy, incident, owner, person, code="taken_over", at=at)
    docket.write(incident, "note", by(person), {"code": "take_over_reason", "text": reason}, occurred_at=at)
    await keep(docket, policy, incident)
    return True


async def _children_too(
    docket: Docket,
    policy: Policy,
    parent: Incident,
    former: str | None,
    person: Person,
    *,
    code: str,
    at: datetime | None,
) -> None:
    """Children of an area's incident have no clocks of the desk's own: who takes the whole takes those with it.

    Those that were the same person's, that is; one that somebody else has stays theirs.
    """
    for child in await children_of(docket.session, parent.id) if parent.children else ():
        mine = child.owner is not None and child.owner["id"] == former
        if mine and State(child.state) not in OVER and await roster.may_own(docket.session, child, person.id):
            await pass_on(docket, policy, child, person, code=code, at=at)


async def pass_on(
    docket: Docket,
    policy: Policy,
    incident: Incident,
    person: Person,
    *,
    code: str = "handed_over",
    at: datetime | None = None,
) -> bool:
    """An incident goes over to somebody who takes it; no clock stops or begins anew. False when it is theirs already.

    A hand-off of it that waits for them is answered with that; one that waits for somebody else goes on in their name.
    """
    waiting = await hand_off_of(docket.session, incident.id)
    if not move_owner(docket, incident, by(person), person.id, person.name, code=code, at=at):
        return False
    if waiting is not None and waiting.to_person == person.id:
        waiting.ended_at, waiting.end = docket.now, "accepted"
        await keep(docket, policy, incident)
        return True
    if waiting is not None:
        waiting.from_person, waiting.from_name = person.id, person.name
    await renew(docket, incident)
    return True


async def hand_off_over(docket: Docket, incident: Incident, row: HandOff, end: Literal["expired", "over"]) -> None:
    """Nobody answered, or the incident was over first. Whoever had it has it."""
    row.ended_at, row.end = docket.now, end
    if end == "over":
        return
    params = {"code": "hand_off_expired", "hand_off": row.id, "text": f"转交未答复，仍由{row.from_name}负责"}
    docket.write(incident, "note", SYSTEM, params)
    text = text_of_hand_off_end(incident, row.to_name, end)
    await tell(docket, incident, row.from_person, "hand_off", f"hand_off:{row.id}:expired", text)


def move_owner(
    docket: Docket,
    incident: Incident,
    actor: Actor,
    person_id: str,
    name: str,
    *,
    code: str = "handed_over",
    at: datetime | None = None,
) -> bool:
    """The incident is somebody else's from now on; no clock stops. What a hand-over of the shift calls for each.

    False when it is theirs already.
    """
    before = incident.owner or {}
    if before.get("id") == person_id:
        return False
    incident.owner = {"id": person_id, "name": name}
    params = {"code": code, "from": before.get("name"), "from_id": before.get("id"), "to": name, "to_id": person_id}
    docket.write(
        incident, "note", actor, params | {"text": f"责任人：{before.get('name') or '无'} → {name}"}, occurred_at=at
    )
    return True
