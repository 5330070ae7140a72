"""The registry as people look at it: the tree of places, the map, the profile library."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people import service as people
from cloud.people.access import Person, Role, may_see, within
from cloud.people.force import place_of
from cloud.people.model import Area
from cloud.registry.model import Building, Device, DeviceState, MapFeature, Site, Zone
from device_profiles.profile import Profile


class ZoneOut(BaseModel):
    """部位."""

    id: str
    name: str
    name_en: str
    floor: int | None
    section: str | None
    lon: float
    lat: float


class BuildingOut(BaseModel):
    """A building with its zones."""

    id: str
    name: str
    name_en: str
    floors: int
    outline: dict[str, Any] | None
    lon: float
    lat: float
    zones: list[ZoneOut]


class SiteOut(BaseModel):
    """A site with its buildings; zones outside any building stand beside them."""

    id: str
    name: str
    name_en: str
    lon: float
    lat: float
    grid_path: str
    buildings: list[BuildingOut]
    zones: list[ZoneOut]


class PointOut(BaseModel):
    """One quantity of a model."""

    name: str
    unit: str
    label_zh: str
    label_en: str


class ParameterOut(BaseModel):
    """A number that a device of this model needs."""

    name: str
    unit: str
    label_zh: str
    label_en: str
    default: float | None


class ProfileOut(BaseModel):
    """A model of device."""

    name: str
    vendor_zh: str
    vendor_en: str
    model_zh: str
    model_en: str
    hazard: str
    cadence_s: float
    points: list[PointOut]
    parameters: list[ParameterOut]


class FeatureCollection(BaseModel):
    """GeoJSON."""

    type: str = "FeatureCollection"
    features: list[dict[str, Any]]


class MapOut(BaseModel):
    """What the map shows; no tiles."""

    grids: FeatureCollection
    buildings: FeatureCollection
    devices: FeatureCollection
    responders: FeatureCollection
    roads: FeatureCollection
    railways: FeatureCollection
    water: FeatureCollection
    blocks: FeatureCollection


async def site_tree(session: AsyncSession, in_scope: Callable[[Site], bool]) -> list[SiteOut]:
    """Sites within scope with buildings and zones."""
    sites = [site for site in await session.scalars(select(Site).order_by(Site.id)) if in_scope(site)]
    ids = [site.id for site in sites]
    zones: dict[str, list[ZoneOut]] = {}
    for zone in await session.scalars(select(Zone).where(Zone.site_id.in_(ids)).order_by(Zone.floor, Zone.id)):
        zones.setdefault(zone.building_id or f"site:{zone.site_id}", []).append(_model(ZoneOut, zone))
    buildings: dict[str, list[BuildingOut]] = {}
    for building in await session.scalars(select(Building).where(Building.site_id.in_(ids)).order_by(Building.id)):
        out = BuildingOut(
            id=building.id,
            name=building.name,
            name_en=building.name_en,
            floors=building.floors,
            outline=building.outline,
            lon=building.lon,
            lat=building.lat,
            zones=zones.get(building.id, []),
        )
        buildings.setdefault(building.site_id, []).append(out)
    return [
        SiteOut(
            id=site.id,
            name=site.name,
            name_en=site.name_en,
            lon=site.lon,
            lat=site.lat,
            grid_path=site.grid_path,
            buildings=buildings.get(site.id, []),
            zones=zones.get(f"site:{site.id}", []),
        )
        for site in sites
    ]


def _model(kind: type[ZoneOut], row: Zone) -> ZoneOut:
    return kind.model_validate(row, from_attributes=True)


def profile_out(profile: Profile) -> ProfileOut:
    """A profile as a form needs it."""
    return ProfileOut(
        name=profile.name,
        vendor_zh=profile.vendor_zh,
        vendor_en=profile.vendor_en,
        model_zh=profile.model_zh,
        model_en=profile.model_en,
        hazard=profile.hazard,
        cadence_s=profile.cadence_s,
        points=[
            PointOut(name=point.name, unit=point.unit, label_zh=point.label_zh, label_en=point.label_en)
            for point in profile.points
        ],
        parameters=[
            ParameterOut(
                name=one.name, unit=one.unit, label_zh=one.label_zh, label_en=one.label_en, default=one.default
            )
            for one in profile.parameters
        ],
    )


async def map_of(session: AsyncSession, person: Person, now: datetime) -> MapOut:
    """GeoJSON collections within a person's sight; of responders, where they share that they are, else their posts."""
    grids = [
        _feature(area.outline, path=area.path, id=area.path.rsplit("/", 1)[-1], name=area.name, name_en=area.name_en)
        for area in await session.scalars(select(Area).where(Area.tier == "grid").order_by(Area.path))
        if area.outline and _near(person, area.path)
    ]
    sites = {
        site.id: site
        for site in await session.scalars(select(Site))
        if may_see(person, site.grid_path, None, site=site.id)
    }
    buildings = [
        _feature(b.outline, id=b.id, name=b.name, name_en=b.name_en, floors=b.floors, site_id=b.site_id)
        for b in await session.scalars(select(Building).where(Building.site_id.in_(sites)).order_by(Building.id))
        if b.outline
    ]
    found = await session.execute(
        select(Device, Zone.lon, Zone.lat, DeviceState.status)
        .join(Zone, Zone.id == Device.zone_id)
        .outerjoin(DeviceState, DeviceState.device_id == Device.id)
        .where(Device.site_id.in_(sites))
        .order_by(Device.id)
    )
    devices = [
        _feature(_point(lon, lat), id=d.id, name=d.name, hazard=d.hazard, zone_id=d.zone_id, status=status or "unknown")
        for d, lon, lat, status in found
    ]
    responders = []
    if person.has(Role.DUTY_OFFICER, Role.TRAINER, Role.ADMINISTRATOR):
        for who in await people.responders(session):
            lon, lat, _ = place_of(who, now)
            if lon is not None and lat is not None and within(person.area_path, who.area_path):
                said = {"id": who.id, "name": who.name, "name_en": who.name_en, "kind": who.kind, "role": who.role}
                responders.append(_feature(_point(lon, lat), **said))
    ground: dict[str, list[dict[str, Any]]] = {}
    for one in await session.scalars(select(MapFeature).order_by(MapFeature.id)):
        if _near(person, one.area_path):
            label = [one.lon, one.lat] if one.lon is not None and one.lat is not None else None
            shown = _feature(
                one.geometry, id=one.id, name=one.name, name_en=one.name_en, width_m=one.width_m, label=label
            )
            ground.setdefault(one.kind, []).append(shown)
    return MapOut(
        grids=FeatureCollection(features=grids),
        buildings=FeatureCollection(features=buildings),
        devices=FeatureCollection(features=devices),
        responders=FeatureCollection(features=responders),
        roads=FeatureCollection(features=ground.get("road", [])),
        railways=FeatureCollection(features=ground.get("railway", [])),
        water=FeatureCollection(features=ground.get("water", [])),
        blocks=FeatureCollection(features=ground.get("block", [])),
    )


def _near(person: Person, area_path: str) -> bool:
    """Whether an area lies within a person's, or holds it."""
    return within(person.area_path, area_path) or within(area_path, person.area_path)


def _point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def _feature(geometry: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "id": properties["id"], "geometry": geometry, "properties": properties}
