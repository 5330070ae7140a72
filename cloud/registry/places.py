"""Where a thing is, said in full: site, building, zone, grid."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people.model import Area
from cloud.registry.model import Building, Device, Site, Zone

_MANY = 500  # more zones than this are asked for as all of them


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A place as incidents and devices show it; `section` is what folds together (a stairwell, a façade, a road)."""

    site_id: str
    site: str
    building_id: str | None = None
    building: str | None = None
    zone_id: str | None = None
    zone: str | None = None
    floor: int | None = None
    section: str | None = None
    text: str
    lon: float
    lat: float
    grid_id: str
    grid: str
    grid_path: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able, as the API shows it."""
        return {field: getattr(self, field) for field in self.__struct_fields__}


async def of_zone(session: AsyncSession, zone_id: str) -> Place | None:
    """The place of a zone."""
    zone = await session.get(Zone, zone_id)
    if zone is None:
        return None
    building = await session.get(Building, zone.building_id) if zone.building_id else None
    return await _place(session, zone.site_id, building, zone)


async def of_zones(session: AsyncSession, zone_ids: Collection[str]) -> dict[str, Place]:
    """The places of zones, in a few questions however many; unknown ones are left out."""
    if not zone_ids:
        return {}
    many = len(zone_ids) > _MANY
    query = (
        select(Zone, Building, Site, Area)
        .join(Site, Site.id == Zone.site_id)
        .outerjoin(Building, Building.id == Zone.building_id)
        .outerjoin(Area, Area.path == Site.grid_path)
    )
    rows = (await session.execute(query if many else query.where(Zone.id.in_(zone_ids)))).all()
    return {zone.id: _said(site, grid, building, zone) for zone, building, site, grid in rows if zone.id in zone_ids}


async def of_site(session: AsyncSession, site_id: str) -> Place | None:
    """The place of a whole site."""
    return await _place(session, site_id, None, None)


async def of_device(session: AsyncSession, device_id: str) -> Place | None:
    """The place of a device."""
    zone_id = await session.scalar(select(Device.zone_id).where(Device.id == device_id))
    return await of_zone(session, zone_id) if zone_id else None


async def of_point(session: AsyncSession, lon: float, lat: float) -> Area | None:
    """The grid whose outline holds a point (even-odd rule on its outer ring); None outside all of them."""
    for area in await session.scalars(select(Area).where(Area.tier == "grid").order_by(Area.path)):
        rings = (area.outline or {}).get("coordinates") or []
        if rings and inside(lon, lat, rings[0]):
            return area
    return None


def inside(lon: float, lat: float, ring: list[list[float]]) -> bool:
    """Even-odd rule. Pure."""
    odd = False
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
        if (y1 > lat) != (y2 > lat) and lon < (x2 - x1) * (lat - y1) / (y2 - y1) + x1:
            odd = not odd
    return odd


async def _place(session: AsyncSession, site_id: str, building: Building | None, zone: Zone | None) -> Place | None:
    site = await session.get(Site, site_id)
    if site is None:
        return None
    return _said(site, await session.get(Area, site.grid_path), building, zone)


def _said(site: Site, grid: Area | None, building: Building | None, zone: Zone | None) -> Place:
    nearest: Zone | Building | Site = zone or building or site
    names = [site.name, building.name if building else None]
    if zone is not None:
        # a zone's name mostly begins with its building's: say it once
        repeats = building is not None and zone.name.startswith(building.name)
        names = [site.name, zone.name] if repeats else [*names, zone.name]
    return Place(
        site_id=site.id,
        site=site.name,
        building_id=building.id if building else None,
        building=building.name if building else None,
        zone_id=zone.id if zone else None,
        zone=zone.name if zone else None,
        floor=zone.floor if zone else None,
        section=zone.section if zone else None,
        text=" ".join(name for name in names if name),
        lon=nearest.lon,
        lat=nearest.lat,
        grid_id=site.grid_path.rsplit("/", 1)[-1],
        grid=grid.name if grid else site.grid_path,
        grid_path=site.grid_path,
    )
