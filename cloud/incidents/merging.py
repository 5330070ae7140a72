"""并案, 拆分 and undoing: which alarms, measures and children belong to which incident, changed by a person.

A merge moves everything that lives – alarms, measures in force, children, and by dispatch the people – to the target;
what was written stays where it was written. What moved is kept, so that the merge can be undone. An incident merged
is over, and whatever still asks for it finds the target (`Docket.heir`).
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents import families, measures
from cloud.incidents.docket import Actor, Change, Docket, exercise_of
from cloud.incidents.folding import fold_key
from cloud.incidents.model import Incident, Merge
from cloud.incidents.places import PlacedDevice
from cloud.incidents.states import HANDLED, OVER, State
from cloud.incidents.views import alarms_of, view_of
from cloud.people.service import new_id
from cloud.problems import conflict, invalid
from wire.alert import Hazard
from wire.level import Level, worst


def _over(incident: Incident) -> None:
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state} already.")


async def merge(docket: Docket, source: Incident, target: Incident, actor: Actor, *, reason: str) -> Merge:
    """并案: from now on everything of `source` is handled under `target`.

    The caller moves the people on it (dispatch) and names them in the `moved` of what this gives back.

    Raises:
        Problem: 409 when one of them is over, or one is a drill's and the other is not.
    """
    if source.id == target.id:
        raise invalid("into", "is the same incident", "name another one")
    _over(source)
    if State(target.state) not in HANDLED:
        raise conflict("over", f"Incident {target.number} is {target.state}: nobody handles it; reopen it first.")
    if source.exercise != target.exercise:
        raise conflict("other-exercise", "A real incident and an exercise's, or two exercises', never become one.")
    session = docket.session
    alarms = (await alarms_of(session, [source.id]))[source.id]
    in_force = await measures.in_force(session, source.id)
    children = await families.children_of(session, source.id)
    moved = {
        "alarms": [[row.alarm_id, row.episode] for row in alarms],
        "measures": [row.id for row in in_force],
        "children": [row.id for row in children],
        "parent": source.parent_id,
        "assignments": [],
    }
    merged = Merge(
        id=new_id("mrg"),
        source_id=source.id,
        target_id=target.id,
        at=docket.now,
        by=actor.id,
        state_before=source.state,
        moved=moved,
        undone_at=None,
        undone_by=None,
    )
    session.add(merged)
    for row in alarms:
        row.incident_id = target.id
    target.alert_count += source.alert_count
    _widen(target, source)
    target.late = target.late and source.late
    for measure in in_force:
        measure.incident_id = target.id
    for child in children:
        if child.id != target.id:
            await families.attach(docket, child, target)
    await families.detach(docket, source)
    if target.parent_id == source.id:
        await families.detach(docket, target)
    floor = worst([Level(one) for one in (source.level_floor, target.level_floor) if one])
    target.level_floor = floor.value if floor else None
    docket.advance(source, State.MERGED)
    source.merged_into, source.closed_at = target.id, docket.now
    await session.flush()
    await measures.renew(docket, source)
    await measures.renew(docket, target)
    numbers = {"reason": reason, "alarms": len(alarms), "measures": len(in_force)}
    docket.write(source, "merged", actor, numbers | {"into": target.id, "number": target.number})
    docket.write(target, "merged_in", actor, numbers | {"from": source.id, "number": source.number})
    docket.unsettled[target.id] = target
    docket.changes += [Change(source, "over"), Change(target, "joined")]
    return merged


def _widen(target: Incident, source: Incident) -> None:
    if source.happened_from and target.happened_from:
        target.happened_from = min(source.happened_from, target.happened_from)
    if source.happened_to and target.happened_to:
        target.happened_to = max(source.happened_to, target.happened_to)


async def last_merge(session: AsyncSession, source: Incident) -> Merge:
    """The merge that took an incident away.

    Raises:
        Problem: 409 when it is not merged.
    """
    query = select(Merge).where(Merge.source_id == source.id, Merge.undone_at.is_(None)).order_by(Merge.at.desc())
    merged = await session.scalar(query.limit(1))
    if merged is None or State(source.state) is not State.MERGED:
        raise conflict("not-merged", f"Incident {source.number} is not merged into another.")
    return merged


async def unmerge(docket: Docket, source: Incident, actor: Actor, *, reason: str) -> tuple[Merge, Incident]:
    """Undo a merge: what moved and still stands goes back; who was asked meanwhile stays with the target.

    Returns:
        The merge, and the incident that it had gone into.
    """
    session = docket.session
    merged = await last_merge(session, source)
    target = await session.get(Incident, merged.target_id)
    assert target is not None  # a foreign key says so
    holder = await docket.heir(target)  # the target may have been merged further on
    moved = merged.moved
    back = [tuple(one) for one in moved["alarms"]]
    alarms = [row for row in (await alarms_of(session, [holder.id]))[holder.id] if (row.alarm_id, row.episode) in back]
    for row in alarms:
        row.incident_id = source.id
    returned = [row for row in await measures.in_force(session, holder.id) if row.id in moved["measures"]]
    for measure in returned:
        measure.incident_id = source.id
    source.merged_into = source.closed_at = None
    former = State(merged.state_before)
    # who was sent is looked at anew: dispatch advances it again if they are on it
    docket.advance(source, State.ACCEPTED if former in (State.DISPATCHED, State.IN_PROGRESS) else former, back=True)
    for child in await families.children_of(session, holder.id):
        if child.id in moved["children"]:
            await families.attach(docket, child, source)
    merged.undone_at, merged.undone_by = docket.now, actor.id
    holder.alert_count = max(0, holder.alert_count - len(alarms))
    await session.flush()
    await measures.renew(docket, source)
    await measures.renew(docket, holder)
    said = {"reason": reason, "alarms": len(alarms), "measures": len(returned)}
    docket.write(source, "unmerged", actor, said | {"from": holder.id, "number": holder.number})
    docket.write(holder, "unmerged_out", actor, said | {"out": source.id, "number": source.number})
    docket.unsettled |= {source.id: source, holder.id: holder}
    docket.changes += [Change(source, "joined"), Change(holder, "joined")]
    return merged, holder


async def split(
    docket: Docket,
    incident: Incident,
    alarm_ids: Sequence[str],
    devices: dict[str, PlacedDevice],
    actor: Actor,
    *,
    reason: str,
) -> Incident:
    """拆分: some alarms of an incident become one of their own; somebody must take it anew.

    Raises:
        Problem: 422 for an alarm that is not of it, 409 when none would stay.
    """
    _over(incident)
    rows = (await alarms_of(docket.session, [incident.id]))[incident.id]
    chosen = [row for row in rows if row.alarm_id in set(alarm_ids)]
    unknown = sorted(set(alarm_ids) - {row.alarm_id for row in chosen})
    if unknown:
        raise invalid("alarm_ids", f"'{unknown[0]:.80}' is not an alarm of this incident", "take them from `alarms`")
    if len(chosen) == len(rows) and incident.origin == "sensor":
        raise conflict("nothing-left", "All its alarms would go: there is nothing to split.")
    lead = min(chosen, key=lambda row: (row.opened_at, row.alarm_id))
    device = devices.get(lead.device)
    if device is None:
        raise conflict("no-place", f"{lead.device_name} is not registered any more: the new incident has no place.")
    hazard = Hazard(lead.hazard)
    own = fold_key(hazard, device.at.spot, edge=device.edge_id, exercise=incident.exercise)
    other = await docket.open(
        hazard=hazard,
        level=worst([view_of(row).facts.highest for row in chosen]) or Level.IV,
        # alarms to come still fold where they did; a place of its own it has only where the old one is elsewhere
        fold_key=own if own != incident.fold_key else f"{own}#{new_id('split')}",
        placed=device.at,
        origin="sensor",
        actor=actor,
        exercise=exercise_of(incident),
        timeline_name=incident.timeline,
        late=incident.late,
        said={"split_from": incident.id, "number": incident.number, "reason": reason},
        happened_at=min(row.recorded_at for row in chosen),
    )
    other.happened_to = max(row.recorded_at for row in chosen)
    for row in chosen:
        row.incident_id = other.id
    other.alert_count = len(chosen)
    incident.alert_count = max(0, incident.alert_count - len(chosen))
    await docket.session.flush()
    said = {"out": other.id, "number": other.number, "alarms": len(chosen), "reason": reason}
    docket.write(incident, "split", actor, said)
    docket.unsettled |= {incident.id: incident, other.id: other}
    docket.changes.append(Change(incident, "joined"))
    return other
