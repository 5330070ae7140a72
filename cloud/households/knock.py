"""逐户敲门: the list of an incident, its parts, and what it keeps open. With taps.py the only writer of its tables."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch import roster
from cloud.dispatch.messages import tell
from cloud.households import doors as doors_of
from cloud.households.model import KnockDoor, KnockList, KnockTap
from cloud.households.order import Chosen, Door, Origin, Outcome, choose, is_open, need, parts
from cloud.incidents.docket import SYSTEM, Actor, Docket
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER, State
from cloud.people.service import new_id
from cloud.problems import conflict, invalid
from cloud.registry.model import Building, Site
from cloud.timers import service as timers
from wire.alert import Hazard
from wire.level import Level

MOST_DOORS = 2_000
_Key = tuple[str, str, str]  # building, stairwell, door
SLOW = "knock_slow"
SLOW_AFTER = timedelta(minutes=8)
"""Drill scenario 1, O4: all 重点人群 reached, or reported to the fire brigade, within 8 minutes."""


# ---------------------------------------------------------------- reading


async def of_incident(session: AsyncSession, incident_id: str) -> KnockList | None:
    """The list of an incident."""
    return (await session.scalars(select(KnockList).where(KnockList.incident_id == incident_id))).first()


async def the_list(session: AsyncSession, incident: Incident) -> KnockList:
    """The list of an incident.

    Raises:
        Problem: 409 when there is none.
    """
    row = await of_incident(session, incident.id)
    if row is None:
        raise conflict("no-list", f"Incident {incident.number} has no knock list: POST …/knock-list makes it.")
    return row


async def doors_in(session: AsyncSession, row: KnockList) -> list[KnockDoor]:
    """Its doors in order."""
    query = select(KnockDoor).where(KnockDoor.list_id == row.id).order_by(KnockDoor.position)
    return list(await session.scalars(query))


def door_open(door: KnockDoor) -> bool:
    """Whether a door keeps its incident open."""
    return is_open(door.outcome, door.flags, excused=door.excused is not None)


def named(door: KnockDoor) -> str:
    """A door in words: 7幢 1单元 502, as people say it."""
    stairwell = door.section.rsplit("-s", 1)[-1] + "单元" if "-s" in door.section else door.section
    return " ".join(filter(None, (door.building, stairwell, door.door)))


# ---------------------------------------------------------------- making a list


async def make(
    docket: Docket, incident: Incident, actor: Actor, *, buildings: Collection[str] = (), whole_building: bool = False
) -> KnockList:
    """Make the list of an incident, or add doors to it: a wider scope keeps every tap that there is.

    Raises:
        Problem: 409 when the incident is over, 422 when there is no door to knock on.
    """
    if State(incident.state) in OVER:
        raise conflict("over", f"Incident {incident.number} is {incident.state}: reopen it first.")
    session = docket.session
    wanted = await doors_of.buildings_of(session, incident, buildings)
    if unknown := sorted(set(buildings) - set(wanted)):
        raise invalid("buildings", f"there is no building '{unknown[0]:.64}'", "take ids of GET /sites")
    for one in buildings:
        await _in_sight(session, incident, one)
    known = await doors_of.of_buildings(session, wanted)
    place = incident.place
    origin = Origin(incident.building_id, place.get("section"), place.get("zone_id"), place.get("floor"))
    wide = whole_building or bool(set(buildings) - {incident.building_id})
    chosen = choose(Hazard(incident.hazard), origin, [one.door for one in known], whole_building=wide)
    if not chosen.doors:
        what = f"no door lies in question at {place['text']}"
        raise invalid("buildings", what, "name the buildings whose doors are to be knocked on")
    if len(chosen.doors) > MOST_DOORS:
        raise invalid("buildings", f"{len(chosen.doors)} doors", f"at most {MOST_DOORS}: name fewer buildings")
    row = await of_incident(session, incident.id)
    if row is None:
        row = KnockList(
            id=new_id("knl"),
            incident_id=incident.id,
            rule=chosen.rule,
            buildings=sorted(wanted),
            made_at=docket.now,
            made_by=actor.json(),
            cleared_at=None,
            exercise=incident.exercise,
        )
        session.add(row)
        await session.flush()
    else:
        row.rule, row.buildings = chosen.rule, sorted({*row.buildings, *wanted})
    by_key = {(one.door.building, one.door.section, one.door.number): one for one in known}
    added = await _add(session, row, chosen, by_key)
    await session.flush()
    if added:
        listed = await doors_in(session, row)
        vulnerable = sum(bool(door.flags) for door in listed)
        text = f"逐户敲门：{len(listed)} 户，其中重点人群 {vulnerable} 户"
        params = {"code": "list_made", "text": text, "doors": len(listed), "vulnerable": vulnerable, "added": added}
        english = f"knock list: {len(listed)} doors, {vulnerable} of them vulnerable"
        docket.write(incident, "knock", actor, params | {"list": row.id, "rule": row.rule, "text_en": english})
        if vulnerable:
            await _arm_slow(docket, incident, row, 0)
    await renew(docket, incident, row)
    return row


async def _add(session: AsyncSession, row: KnockList, chosen: Chosen, known: Mapping[_Key, doors_of.Known]) -> int:
    """Add the chosen doors that the list does not have, and put all in order; how many are new."""
    standing: dict[_Key, KnockDoor] = {
        (one.building_id, one.section, one.door): one for one in await doors_in(session, row)
    }
    before = len(standing)
    order: dict[_Key, int] = {}
    for listed in chosen.doors:
        key = (listed.door.building, listed.door.section, listed.door.number)
        order[key] = len(order)
        if key in standing:
            continue
        card = known[key].household
        standing[key] = KnockDoor(
            id=new_id("knd"),
            list_id=row.id,
            position=len(standing),
            building_id=listed.door.building,
            building=known[key].building,
            section=listed.door.section,
            floor=listed.door.floor,
            door=listed.door.number,
            why=listed.why,
            card=card is not None,
            persons=card.persons if card else None,
            flags=list(listed.door.flags),
            key_with=card.key_with if card else "",
            note=card.note if card else "",
            part=None,
            outcome=None,
            outcome_at=None,
            outcome_by=None,
            excused=None,
        )
        session.add(standing[key])
    for position, door in enumerate(sorted(standing.values(), key=lambda one: _rank(order, one))):
        door.position = position
    await session.flush()
    return len(standing) - before


def _rank(order: Mapping[_Key, int], door: KnockDoor) -> tuple[int, int]:
    """Doors of the newest scope in its order, then those that an earlier one had."""
    key = (door.building_id, door.section, door.door)
    return order.get(key, len(order)), door.position


async def _in_sight(session: AsyncSession, incident: Incident, building_id: str) -> None:
    """Other buildings must lie in the incident's own grid: a list is no way to read another's cards."""
    building = await session.get_one(Building, building_id)
    site = await session.get_one(Site, building.site_id)
    if building.site_id != incident.site_id and site.grid_path != incident.grid_path:
        raise invalid("buildings", f"{building.name} lies in another grid", "its own desk makes its list")


# ---------------------------------------------------------------- parts


async def give(docket: Docket, incident: Incident, row: KnockList, responder_id: str, door_ids: Sequence[str]) -> int:
    """Give doors to somebody; doors that are theirs already stay. How many are new to them.

    Raises:
        Problem: 422 for a door that is not of this list.
    """
    found = {door.id: door for door in await doors_in(docket.session, row)}
    if unknown := sorted(set(door_ids) - found.keys()):
        raise invalid("door_ids", f"'{unknown[0]:.40}' is no door of this list")
    given = 0
    for one in door_ids:
        given += found[one].part != responder_id
        found[one].part = responder_id
    await renew(docket, incident, row)
    return given


async def split(docket: Docket, incident: Incident, row: KnockList, responder_ids: Sequence[str]) -> dict[str, int]:
    """Split the doors that have no outcome among some people: neighbouring doors, about the same work each."""
    rest = [door for door in await doors_in(docket.session, row) if door_open(door)]
    walk = [Door(door.building_id, door.section, door.floor, door.door, None, tuple(door.flags)) for door in rest]
    shares = parts(walk, len(responder_ids))
    for responder, share in zip(responder_ids, shares, strict=True):
        for index in share:
            rest[index].part = responder
    await renew(docket, incident, row)
    return {responder: len(share) for responder, share in zip(responder_ids, shares, strict=True)}


# ---------------------------------------------------------------- what the incident carries


async def renew(docket: Docket, incident: Incident, row: KnockList) -> None:
    """Renew what the incident carries of its list."""
    await docket.session.flush()
    found = await doors_in(docket.session, row)
    waiting = [door for door in found if door_open(door)]
    incident.knock_list = {
        "id": row.id,
        "doors": len(found),
        "open": len(waiting),
        "vulnerable_open": sum(bool(door.flags) for door in waiting),
        "no_answer": sum(door.outcome == Outcome.NO_ANSWER for door in found),
        "rule": row.rule,
    }
    docket.touch(incident)


# ---------------------------------------------------------------- who hears


async def desk(docket: Docket, incident: Incident) -> list[str]:
    """The owner, the first desk, and the duty leader above it."""
    first = (await roster.desks(docket.session, incident, docket.now))[0].desk.person
    owner = incident.owner["id"] if incident.owner else None
    people = [owner, first, *await roster.leaders(docket.session, incident, docket.now)]
    return list(dict.fromkeys(one for one in people if one is not None))


# ---------------------------------------------------------------- the clock of the vulnerable doors


async def _arm_slow(docket: Docket, incident: Incident, row: KnockList, rounds: int) -> None:
    await timers.arm(
        docket.session,
        SLOW,
        row.id,
        docket.now + SLOW_AFTER,
        now=docket.now,
        subject=row.id,
        urgency=4 - Level(incident.level).rank,
        data={"round": rounds},
    )


async def slow(docket: Docket, row: KnockList, *, origin: str, rounds: int) -> None:
    """Vulnerable doors are without an outcome after the limit: the desk hears, and again until none is."""
    incident = await docket.heir(await docket.session.get_one(Incident, row.incident_id))
    waiting = [door for door in await doors_in(docket.session, row) if door.flags and door_open(door)]
    if State(incident.state) in OVER or not waiting:
        return
    worst = sorted(waiting, key=lambda door: -need(door.flags))[:5]
    names = "、".join(named(door) for door in worst)
    text = (
        f"逐户敲门超时：{len(waiting)} 户重点人群没有结果",
        f"{len(waiting)} vulnerable doors have no outcome in time",
    )
    params = {"code": "slow", "text": text[0], "text_en": text[1], "doors": names, "set_off_by": origin}
    docket.write(incident, "knock", SYSTEM, params)
    for person in await desk(docket, incident):
        message = (f"{text[0]}（{incident.number}）", f"{text[1]} ({incident.number})")
        await tell(docket, incident, person, "escalated", f"knock-slow:{row.id}:{rounds}", message)
    await _arm_slow(docket, incident, row, rounds + 1)


# ---------------------------------------------------------------- what is personal goes


async def clear(session: AsyncSession, row: KnockList, now: datetime) -> None:
    """Forget who was vulnerable behind which door; what was done at it stays."""
    for door in await doors_in(session, row):
        door.flags, door.key_with, door.note, door.persons = [], "", "", None
        for one in list(await session.scalars(select(KnockTap).where(KnockTap.door_id == door.id))):
            one.note = ""
    row.cleared_at = now
    await session.flush()


def door_json(door: KnockDoor, *, shown: bool) -> dict[str, Any]:
    """A door; who is behind it only to whoever may see that."""
    seen = {
        "id": door.id,
        "position": door.position,
        "building_id": door.building_id,
        "building": door.building,
        "section": door.section,
        "floor": door.floor,
        "door": door.door,
        "text": named(door),
        "why": door.why,
        "card": door.card,
        "vulnerable": bool(door.flags),
        "part": door.part,
        "outcome": door.outcome,
        "outcome_at": door.outcome_at.isoformat() if door.outcome_at else None,
        "outcome_by": door.outcome_by,
        "excused": door.excused,
        "open": door_open(door),
    }
    if shown:
        seen |= {"persons": door.persons, "flags": door.flags, "key_with": door.key_with, "note": door.note}
    return seen
