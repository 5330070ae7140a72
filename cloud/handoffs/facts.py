"""Gathers what a card says: place, sensors, people at the doors, measures, who is there. Reads; writes nothing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.proposal import haversine_m
from cloud.handoffs.card import AtRisk, Facts, Said
from cloud.handoffs.model import ExternalHandOff, SiteAccess
from cloud.households import doors as doors_of
from cloud.households import knock
from cloud.households.order import WORDS, Flag, Origin, Outcome, choose, need
from cloud.incidents.model import Incident
from cloud.incidents.views import alarms_of
from cloud.people import service as people
from cloud.people.model import Account, Area
from cloud.registry.model import Building, MapFeature
from wire.alert import Hazard

NEAR_M = 250.0
"""A road farther away says nothing of where a place is."""
_HAZARDS: Mapping[Hazard, Said] = {
    Hazard.SMOKE: ("烟感报警", "smoke alarm"),
    Hazard.WATER_LEVEL: ("积水", "standing water"),
    Hazard.CURTAIN_WALL: ("幕墙面板松动，有坠落危险", "loose façade panel, may fall"),
    Hazard.DEVICE: ("大面积停电或设备离线", "outage, devices silent"),
    Hazard.GATEWAY: ("停电或断网", "power or network down"),
}


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts, and how many household cards they rest on (a read that is audited)."""

    facts: Facts
    cards: int
    access: SiteAccess | None


async def gather(
    session: AsyncSession,
    incident: Incident,
    now: datetime,
    *,
    caller: str = "",
    details: Mapping[str, str] | None = None,
) -> Gathered:
    """What is known of an incident now, as the cards need it."""
    place = incident.place
    access = await session.get(SiteAccess, incident.site_id) if incident.site_id else None
    building = await session.get(Building, incident.building_id) if incident.building_id else None
    risk = await _at_risk(session, incident)
    stairwell = place.get("section") or ""
    facts = Facts(
        hazard=Hazard(incident.hazard),
        areas=await _areas(session, incident.grid_path),
        address=access.address if access else "",
        address_en=access.address_en if access else "",
        site=place.get("site") or "",
        building=place.get("building") or "",
        stairwell=f"{stairwell.rsplit('-s', 1)[-1]}单元" if "-s" in stairwell else "",
        floor=place.get("floor"),
        floors=building.floors if building else None,
        room=_room(place),
        place_text=place.get("text") or "",
        near=await _nearest_road(session, place.get("lon"), place.get("lat")),
        lon=place.get("lon"),
        lat=place.get("lat"),
        what=said_of(incident.headline, Hazard(incident.hazard)),
        sensors=await _sensors(session, incident),
        minutes=max(0, math.floor((now - (incident.happened_from or incident.opened_at)).total_seconds() / 60)),
        doors=risk.doors,
        persons=risk.persons,
        doors_without_card=risk.without_card,
        at_risk=risk.at_risk,
        no_answer=risk.no_answer,
        hazards=access.hazards if access else "",
        gate=access.gate if access else "",
        lane=access.lane if access else "",
        hydrant=access.hydrant if access else "",
        power_room=access.power_room if access else "",
        gas_valve=access.gas_valve if access else "",
        keys=access.keys if access else "",
        measures=[
            (f"{one['text_zh']} {one['place']}", f"{one['text_en']} {one['place']}") for one in incident.measures or ()
        ],
        on_scene=[one["responder"]["name"] for one in incident.assignments if one["state"] == "on_scene"],
        meets="、".join(
            one["responder"]["name"]
            for one in incident.assignments
            if one.get("task") == "meet_engine" and one["state"] in ("acknowledged", "en_route", "on_scene")
        ),
        caller=caller,
        callback=await _callback(session, incident, access),
        details=await known_details(session, incident.id) | dict(details or {}),
    )
    return Gathered(facts, risk.cards, access)


async def known_details(session: AsyncSession, incident_id: str) -> dict[str, str]:
    """What people have said on any call of this incident: nothing is asked twice; the later word stands."""
    query = select(ExternalHandOff).where(ExternalHandOff.incident_id == incident_id)
    found: dict[str, str] = {}
    for row in await session.scalars(query.order_by(ExternalHandOff.called_at)):
        found |= {code: str(text) for code, text in row.details.items() if text}
    return found


async def _areas(session: AsyncSession, path: str) -> tuple[str, ...]:
    """District and street, as an address begins."""
    rows = {row.path: row for row in await session.scalars(select(Area).where(Area.path.in_(people.chain(path))))}
    return tuple(
        row.name for row in sorted(rows.values(), key=lambda row: row.path) if row.tier in ("district", "street")
    )


def _room(place: Mapping[str, Any]) -> str:
    """The flat, where the place is one; else where on its floor (a landing)."""
    zone = place.get("zone") or ""
    number = doors_of.flat_number(zone)
    if number:
        return f"{number}室"
    return "楼道" if zone.endswith("楼道") else ""


async def _nearest_road(session: AsyncSession, lon: float | None, lat: float | None) -> str:
    """The name of the nearest road of the map within `NEAR_M`."""
    if lon is None or lat is None:
        return ""
    best: tuple[float, str] = (NEAR_M, "")
    for road in await session.scalars(select(MapFeature).where(MapFeature.kind == "road")):
        points = (road.geometry or {}).get("coordinates") or []
        nearest = min((haversine_m(lon, lat, x, y) for x, y in points), default=math.inf)
        if nearest < best[0] and road.name:
            best = (nearest, road.name)
    return best[1]


def said_of(headline: Mapping[str, Any], hazard: Hazard) -> Said:
    """The headline as one says it on the telephone: no units that a dispatcher would have to ask about. Pure."""
    params = headline.get("params") or {}
    text = str(params.get("text") or "")
    zh, en = _HAZARDS[hazard]
    if text:
        return text, text
    value, rate = params.get("value"), params.get("rate")
    if params.get("unit") not in (None, "m"):
        return zh, en
    if headline.get("code") == "water_deep" and isinstance(value, int | float):
        return f"积水约{round(value * 100)}厘米", f"water about {round(value * 100)} cm deep"
    if headline.get("code") == "water_rising" and isinstance(rate, int | float):
        depth = f"，水深约{round(value * 100)}厘米" if isinstance(value, int | float) else ""
        return (
            f"积水每分钟上涨约{round(rate * 100, 1)}厘米{depth}",
            f"water rising about {round(rate * 100, 1)} cm a minute",
        )
    return zh, en


async def _sensors(session: AsyncSession, incident: Incident) -> Said | None:
    """How many detectors call, and since when the first did."""
    alarms = (await alarms_of(session, [incident.id]))[incident.id]
    devices = {row.device for row in alarms if row.facts.get("active") or row.facts.get("latched")}
    if not devices:
        return None
    return f"{len(devices)}个探测器报警", f"{len(devices)} detectors in alarm"


@dataclass(frozen=True, slots=True)
class _Risk:
    doors: int | None = None
    persons: int | None = None
    without_card: int = 0
    at_risk: Sequence[AtRisk] = ()
    no_answer: Sequence[str] = ()
    cards: int = 0


async def _at_risk(session: AsyncSession, incident: Incident) -> _Risk:
    """From the knock list where there is one; else from the cards of the doors that it would have."""
    row = await knock.of_incident(session, incident.id)
    if row is not None:
        doors = await knock.doors_in(session, row)
        left = [door for door in doors if door.flags and knock.door_open(door)]
        left.sort(key=lambda door: -need(door.flags))
        return _Risk(
            doors=len(doors),
            persons=sum(door.persons or 0 for door in doors if door.card) if any(door.card for door in doors) else None,
            without_card=sum(door.persons is None for door in doors),
            at_risk=[_named(knock.named(door), door.flags, door.outcome) for door in left],
            no_answer=[knock.named(door) for door in doors if door.outcome == Outcome.NO_ANSWER],
            cards=sum(door.card for door in doors),
        )
    place = incident.place
    known = await doors_of.of_buildings(session, await doors_of.buildings_of(session, incident, ()))
    origin = Origin(incident.building_id, place.get("section"), place.get("zone_id"), place.get("floor"))
    chosen = choose(Hazard(incident.hazard), origin, [one.door for one in known]).doors if known else ()
    if not chosen:
        return _Risk()
    by_door = {one.door: one for one in known}
    cards = [card for one in chosen if (card := by_door[one.door].household) is not None]
    named = [
        _named(f"{by_door[one.door].building}{_stairwell(one.door.section)}{one.door.number}", one.door.flags, None)
        for one in chosen
        if one.door.flags
    ]
    return _Risk(
        doors=len(chosen),
        persons=sum(card.persons or 0 for card in cards) if cards else None,
        without_card=sum(by_door[one.door].household is None for one in chosen),
        at_risk=named,
        cards=len(cards),
    )


def _stairwell(section: str) -> str:
    return f"{section.rsplit('-s', 1)[-1]}单元" if "-s" in section else ""


def _named(door: str, flags: Sequence[str], outcome: str | None) -> AtRisk:
    words = [WORDS[Flag(flag)] for flag in flags if flag in set(Flag)]
    return AtRisk(door, "、".join(zh for zh, _ in words), ", ".join(en for _, en in words), outcome)


async def _callback(session: AsyncSession, incident: Incident, access: SiteAccess | None) -> str:
    """Whom they ring back: the owner's telephone, else the site's control room."""
    if incident.owner is not None:
        account = await session.get(Account, incident.owner["id"])
        if account is not None and account.phone:
            return account.phone
    return access.callback if access else ""
