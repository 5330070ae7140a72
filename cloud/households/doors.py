"""The doors of a building: every household card, and every flat that has none. Reads the registry and cards."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.households import cards
from cloud.households.model import Household
from cloud.households.order import Door
from cloud.incidents.model import Incident
from cloud.registry.model import Building, Zone

_FLAT = re.compile(r"(\d+[A-Za-z]?)\s*(?:室|户|号铺|号)$")
"""A zone that is somebody's door ends so (301室, 12号铺); landings, mouths and façade fields do not."""


@dataclass(frozen=True, slots=True)
class Known:
    """A door with its card, if it has one."""

    door: Door
    building: str  # its name
    household: Household | None


async def of_buildings(session: AsyncSession, building_ids: Collection[str]) -> list[Known]:
    """All doors of some buildings; a card and the zone of the same flat are one door."""
    names = {
        row.id: row.name for row in await session.scalars(select(Building).where(Building.id.in_(list(building_ids))))
    }
    flats: dict[tuple[str, str, str], Zone] = {}
    for zone in await session.scalars(select(Zone).where(Zone.building_id.in_(list(building_ids)))):
        if (number := flat_number(zone.name)) and zone.building_id:
            flats[(zone.building_id, zone.section or "", number)] = zone
    found = []
    for card in await cards.of_buildings(session, list(building_ids)):
        flat = flats.pop((card.building_id, card.section, card.door), None)
        door = Door(card.building_id, card.section, card.floor, card.door, flat.id if flat else None, tuple(card.flags))
        found.append(Known(door, names[card.building_id], card))
    for (building, section, number), zone in flats.items():
        found.append(Known(Door(building, section, zone.floor or 1, number, zone.id), names[building], None))
    return found


def flat_number(name: str) -> str | None:
    """The number of a flat from its zone's name; None for a zone that is no flat."""
    match = _FLAT.search(name)
    return match.group(1) if match else None


async def buildings_of(session: AsyncSession, incident: Incident, asked: Collection[str]) -> list[str]:
    """Whose doors are in question: those that a person names, else the incident's building, else its site's."""
    if asked:
        query = select(Building.id).where(Building.id.in_(list(asked)))
        return list(await session.scalars(query if incident.site_id is None else query.order_by(Building.id)))
    if incident.building_id:
        return [incident.building_id]
    if incident.site_id:
        return list(await session.scalars(select(Building.id).where(Building.site_id == incident.site_id)))
    return []
