"""管控措施: what was put in force for an incident, and who may end it.

None ends by a reading, by a timer or by closing: only a person who may ends it, by name and with a reason; and no
incident is closed over one in force.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.docket import Actor, Change, Docket
from cloud.incidents.model import Incident, Measure
from cloud.incidents.service import in_sight
from cloud.incidents.states import OVER, State
from cloud.incidents.views import instant
from cloud.people.access import Person, Role
from cloud.people.service import new_id
from cloud.problems import Problem, conflict, invalid

MOST_IN_FORCE = 50
"""Of one incident."""


class Kind(StrEnum):
    """What it is."""

    ROAD_CLOSED = "road_closed"  # 封交
    CORDON = "cordon"  # 警戒
    POWER_CUT = "power_cut"  # 断电
    GAS_CUT = "gas_cut"  # 断气
    WATER_CUT = "water_cut"  # 断水
    EVACUATION = "evacuation"  # 人员转移
    LIFT_STOPPED = "lift_stopped"  # 电梯停用
    ENTRANCE_CLOSED = "entrance_closed"  # 封闭出入口
    BUSINESS_CLOSED = "business_closed"  # 停业
    ZONE_ISOLATED = "zone_isolated"  # 部位屏蔽
    PATROL = "patrol"  # 补偿巡查
    OTHER = "other"


class MayEnd(StrEnum):
    """Who may end it."""

    DUTY_OFFICER = "duty_officer"  # anybody at the desk that sees the incident
    DUTY_LEADER = "duty_leader"  # who is duty leader on shift
    WHO_PUT_IT = "who_put_it"  # the same person, or the leader
    OUTSIDE = "outside"  # police, power or gas company, a firm's signature: the desk enters whose word it was


WORDS: Mapping[Kind, tuple[str, str]] = {
    Kind.ROAD_CLOSED: ("封交", "road closed"),
    Kind.CORDON: ("警戒区", "cordon"),
    Kind.POWER_CUT: ("断电", "power cut"),
    Kind.GAS_CUT: ("断气", "gas cut"),
    Kind.WATER_CUT: ("断水", "water cut"),
    Kind.EVACUATION: ("人员转移", "people moved"),
    Kind.LIFT_STOPPED: ("电梯停用", "lift stopped"),
    Kind.ENTRANCE_CLOSED: ("封闭出入口", "entrance closed"),
    Kind.BUSINESS_CLOSED: ("停业", "business closed"),
    Kind.ZONE_ISOLATED: ("部位屏蔽", "zone isolated"),
    Kind.PATROL: ("补偿巡查", "patrol in place of sensors"),
    Kind.OTHER: ("其他管控", "other measure"),
}
MAY_END: Mapping[Kind, MayEnd] = {
    Kind.ROAD_CLOSED: MayEnd.OUTSIDE,  # traffic police and drainage both say so (SCENARIOS 3)
    Kind.CORDON: MayEnd.OUTSIDE,  # under a façade a qualified firm signs (SCENARIOS 5)
    Kind.POWER_CUT: MayEnd.OUTSIDE,
    Kind.GAS_CUT: MayEnd.OUTSIDE,
    Kind.EVACUATION: MayEnd.DUTY_LEADER,  # who ordered it orders the return (SCENARIOS 4)
}
"""Unless whoever puts it in force says otherwise; of the rest, the desk."""


@dataclass(frozen=True, slots=True)
class Word:
    """Whether a person may end a measure, and why not."""

    allowed: bool
    code: str = ""
    why: str = ""


def may_end(rule: MayEnd, person: str, *, at_desk: bool, leads: bool, put_by: str, authority: str) -> Word:
    """Judge a person's wish to end a measure. Pure.

    Args:
        rule: who may.
        person: who asks.
        at_desk: is a duty officer.
        leads: is duty leader on shift, for the incident's area or one above it.
        put_by: who entered the measure.
        authority: whose word it is, where somebody outside decides.
    """
    if not at_desk and not (rule is MayEnd.WHO_PUT_IT and person == put_by):
        return Word(False, "not-yours", "the duty desk ends it")
    if rule is MayEnd.DUTY_LEADER and not leads:
        return Word(False, "not-yours", "the duty leader on shift ends it")
    if rule is MayEnd.WHO_PUT_IT and person != put_by and not leads:
        return Word(False, "not-yours", "who put it in force ends it, or the duty leader")
    if rule is MayEnd.OUTSIDE and not authority:
        return Word(False, "no-authority", "name who outside said so, in `authority`")
    return Word(True)


def measure_json(row: Measure) -> dict[str, Any]:
    """As the API shows it."""
    zh, en = WORDS[Kind(row.kind)]
    return {
        "id": row.id,
        "incident_id": row.incident_id,
        "kind": row.kind,
        "text_zh": zh,
        "text_en": en,
        "place": row.place,
        "note": row.note,
        "since": instant(row.since),
        "put_by": row.put_by,
        "in_charge": row.in_charge,
        "may_end": row.may_end,
        "review_at": instant(row.review_at),
        "ended_at": instant(row.ended_at),
        "ended_by": row.ended_by,
        "end_reason": row.end_reason,
        "end_authority": row.end_authority,
        "exercise": row.exercise,
    }


async def of_incident(session: AsyncSession, incident_id: str) -> list[Measure]:
    """All of an incident, ended ones too."""
    query = select(Measure).where(Measure.incident_id == incident_id).order_by(Measure.since, Measure.id)
    return list(await session.scalars(query))


async def in_force(session: AsyncSession, incident_id: str) -> list[Measure]:
    """Those of an incident that nobody has ended."""
    return [row for row in await of_incident(session, incident_id) if row.ended_at is None]


async def renew(docket: Docket, incident: Incident) -> None:
    """Renew what the incident carries of its measures."""
    incident.measures = [measure_json(row) for row in await in_force(docket.session, incident.id)]
    docket.touch(incident)


async def put(
    docket: Docket,
    incident: Incident,
    actor: Actor,
    *,
    kind: Kind,
    place: str,
    note: str = "",
    in_charge: str = "",
    ends_by: MayEnd | None = None,
    review_at: datetime | None = None,
    since: datetime | None = None,
) -> Measure:
    """Put something in force.

    Raises:
        Problem: 409 when the incident is over.
    """
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: reopen it first.")
    if len(incident.measures or []) >= MOST_IN_FORCE:
        raise conflict("too-many", f"{MOST_IN_FORCE} measures are in force for this incident already.")
    row = Measure(
        id=new_id("mea"),
        incident_id=incident.id,
        kind=kind,
        place=place or incident.place["text"],
        note=note,
        since=min(since, docket.now) if since else docket.now,
        put_by={"id": actor.id, "name": actor.name},
        in_charge=in_charge,
        may_end=ends_by or MAY_END.get(kind, MayEnd.DUTY_OFFICER),
        review_at=review_at,
        ended_at=None,
        ended_by=None,
        end_reason=None,
        end_authority=None,
        exercise=incident.exercise,
    )
    docket.session.add(row)
    await docket.session.flush()
    params = {"measure": row.id, "kind": row.kind, "place": row.place, "note": note, "in_charge": in_charge}
    docket.write(incident, "measure_put", actor, params | {"may_end": row.may_end}, occurred_at=since)
    await renew(docket, incident)
    docket.changes.append(Change(incident, "joined"))
    return row


async def end(
    docket: Docket,
    incident: Incident,
    row: Measure,
    person: Person,
    actor: Actor,
    *,
    leads: bool,
    reason: str,
    authority: str = "",
    at: datetime | None = None,
) -> bool:
    """End a measure, by name. False when somebody has already.

    Raises:
        Problem: 403 when this person may not, 422 when nobody outside is named.
    """
    if row.ended_at is not None:
        return False
    word = may_end(
        MayEnd(row.may_end),
        person.id,
        at_desk=person.has(Role.DUTY_OFFICER) or (row.exercise is not None and person.has(Role.TRAINER)),
        leads=leads,
        put_by=row.put_by["id"],
        authority=authority,
    )
    if not word.allowed:
        zh, en = WORDS[Kind(row.kind)]
        if word.code == "no-authority":
            raise invalid("authority", f"{zh} / {en}: somebody outside decides that", word.why)
        raise Problem(403, word.code, f"{zh} ({en}): {word.why}.")
    row.ended_at = docket.now
    row.ended_by, row.end_reason = {"id": actor.id, "name": actor.name}, reason
    row.end_authority = authority or None
    await docket.session.flush()
    params = {"measure": row.id, "kind": row.kind, "place": row.place, "reason": reason, "authority": authority}
    seconds = round((docket.now - row.since).total_seconds())
    docket.write(incident, "measure_ended", actor, params | {"seconds": seconds}, occurred_at=at)
    await renew(docket, incident)
    docket.changes.append(Change(incident, "joined"))
    return True


async def page(session: AsyncSession, person: Person, *, state: str, limit: int) -> list[tuple[Measure, Incident]]:
    """Measures within a person's sight, the longest in force first."""
    both = select(Measure, Incident).join(Incident, Incident.id == Measure.incident_id)
    query = in_sight(cast("Select[Any]", both), person).order_by(Measure.since, Measure.id)
    if state != "all":
        query = query.where(Measure.ended_at.is_(None) if state == "in_force" else Measure.ended_at.is_not(None))
    return [(measure, incident) for measure, incident in await session.execute(query.limit(limit))]


async def count_in_force(session: AsyncSession, person: Person) -> int:
    """Real ones within a person's sight."""
    query = select(func.count()).select_from(Measure).join(Incident, Incident.id == Measure.incident_id)
    query = in_sight(query, person).where(Measure.ended_at.is_(None), Measure.exercise.is_(None))
    return await session.scalar(query) or 0


def named(standing: Collection[Mapping[str, Any]] | None) -> str:
    """Those that keep an incident open, in words."""
    return "; ".join(f"{one['text_zh']} ({one['text_en']}) {one['place']}" for one in standing or ())
