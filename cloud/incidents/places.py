"""Where devices and edges are, as an incident shows and folds it. Reads the registry; writes nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.incidents.folding import Spot
from cloud.people.model import Area
from cloud.registry import places
from cloud.registry.model import Building, Device, Edge, Site, Zone
from cloud.registry.places import Place


@dataclass(frozen=True, slots=True)
class Placed:
    """A place with its snapshot for the incident, and what folding needs of it."""

    place: dict[str, Any]
    spot: Spot
    grid_path: str


@dataclass(frozen=True, slots=True)
class PlacedDevice:
    """A registered device and its place."""

    id: str
    name: str
    edge_id: str
    site_id: str
    at: Placed


def _placed(place: Place) -> Placed:
    spot = Spot(site=place.site_id, building=place.building_id, section=place.section, zone=place.zone_id)
    return Placed(place.as_dict(), spot, place.grid_path)


async def of_devices(session: AsyncSession, ids: Collection[str]) -> dict[str, PlacedDevice]:
    """The registered ones among some devices."""
    found: dict[str, PlacedDevice] = {}
    zones: dict[str, Placed] = {}
    if not ids:
        return found
    devices = list(await session.scalars(select(Device).where(Device.id.in_(ids))))
    held = await _held(session, {device.zone_id for device in devices})
    for device in devices:
        if device.zone_id not in zones:
            place = await places.of_zone(session, device.zone_id)
            assert place is not None  # a foreign key says so
            zones[device.zone_id] = _placed(place)
        at = zones[device.zone_id]
        found[device.id] = PlacedDevice(device.id, device.name or device.id, device.edge_id, device.site_id, at)
    del held
    return found


async def _held(session: AsyncSession, zone_ids: Collection[str]) -> list[object]:
    """Everything that the places of some zones are made of, in four questions.

    The session forgets what nobody holds: while the caller holds this list, looking up a place asks nothing more.
    """
    zones = list(await session.scalars(select(Zone).where(Zone.id.in_(zone_ids))))
    sites = list(await session.scalars(select(Site).where(Site.id.in_({zone.site_id for zone in zones}))))
    wanted = {zone.building_id for zone in zones if zone.building_id}
    buildings = list(await session.scalars(select(Building).where(Building.id.in_(wanted))))
    areas = list(await session.scalars(select(Area).where(Area.path.in_({site.grid_path for site in sites}))))
    return [*zones, *sites, *buildings, *areas]


async def of_zone(session: AsyncSession, zone_id: str) -> Placed | None:
    """A zone as a place."""
    place = await places.of_zone(session, zone_id)
    return _placed(place) if place else None


async def of_site(session: AsyncSession, site_id: str) -> Placed | None:
    """A site as a place."""
    place = await places.of_site(session, site_id)
    return _placed(place) if place else None


async def of_edge(session: AsyncSession, edge_id: str) -> Placed | None:
    """An edge gateway as a place: the area that it serves."""
    edge = await session.get(Edge, edge_id)
    if edge is None:
        return None
    area = await session.get(Area, edge.area_path)
    return _of_area(area, edge.area_path, edge.name) if area else None


async def of_area(session: AsyncSession, path: str) -> Placed:
    """A whole area as a place: where a storm's parent incident stands."""
    area = await session.get(Area, path)
    return _of_area(area, path, area.name if area else path)


async def in_own_words(
    session: AsyncSession, text: str, lon: float | None, lat: float | None, fallback_area: str
) -> Placed:
    """A place that only a person's words (and perhaps a point on the map) name.

    It belongs to the grid that holds the point, else to the area of whoever wrote it down.
    """
    area = await places.of_point(session, lon, lat) if lon is not None and lat is not None else None
    if area is None:
        area = await session.get(Area, fallback_area)
    placed = _of_area(area, fallback_area, text)
    placed.place.update({"lon": lon, "lat": lat})
    return placed


def _of_area(area: Area | None, path: str, text: str) -> Placed:
    path = area.path if area else path
    place = dict.fromkeys(Place.__struct_fields__) | {
        "text": text,
        "lon": area.lon if area else None,
        "lat": area.lat if area else None,
        "grid_id": path.rsplit("/", 1)[-1],
        "grid": area.name if area else None,
        "grid_path": path,
    }
    return Placed(place, Spot(None), path)
