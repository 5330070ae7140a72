"""Routes of the registry: places, devices, their import and export, profiles, the map, edges, the side table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed.api import with_position
from cloud.people.access import EVERYONE, STAFF, Person, Role, may_see, require
from cloud.problems import Problem, ProblemError, invalid, not_found
from cloud.registry import (
    actions_api,
    addresses,
    checks,
    downlink,
    edge_api,
    found_api,
    gateways_api,
    import_table,
    imports,
    layers,
    maintenance_api,
    places,
    service,
    views,
)
from cloud.registry.model import Device, DeviceState, Edge, Site
from cloud.services import Services, services_of
from wire.time import REAL

router = APIRouter(tags=["registry"])
router.include_router(edge_api.router)
router.include_router(gateways_api.router)
router.include_router(found_api.router)
router.include_router(maintenance_api.router)
router.include_router(actions_api.router)
Shared = Annotated[Services, Depends(services_of)]
AnyPerson = Annotated[Person, Depends(require(*EVERYONE))]
Staff = Annotated[Person, Depends(require(*STAFF))]
Keeper = Annotated[Person, Depends(require(Role.PROPERTY_MANAGER, Role.ADMINISTRATOR))]
Id = Annotated[str, Path(max_length=64)]
_Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
_Key = Annotated[str, Field(min_length=1, max_length=64)]


class DeviceIn(BaseModel):
    """A device as a person describes it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=100)]
    site_id: _Key
    zone_id: _Key
    profile: Annotated[str, Field(max_length=128, description="vendor/model, see GET /profiles")]
    edge_id: _Key
    address: Annotated[
        str | None,
        Field(max_length=320, description="`<source>:<address>` of a device on another convention; null: native"),
    ] = None
    parameters: Annotated[
        dict[_Key, Annotated[float, Field(allow_inf_nan=False)]],
        Field(max_length=50, description="mounting_height_m …"),
    ] = {}
    rules: Annotated[
        dict[_Key, dict[str, Any] | None], Field(max_length=50, description="Over the profile's; null takes one away")
    ] = {}
    quality: Annotated[
        dict[_Key, dict[str, Any] | None] | None,
        Field(max_length=50, description="Tests by point, over the profile's; left out or null: as they are"),
    ] = None
    timeline: _Key = REAL
    enabled: bool = True
    why: Annotated[str, Field(max_length=500, description="Reason of other rules or tests; kept with them")] = ""


class NewDeviceIn(DeviceIn):
    """A device to be registered."""

    id: _Identifier


class PlaceOut(BaseModel):
    """Where something is."""

    site_id: str
    site: str
    building_id: str | None
    building: str | None
    zone_id: str | None
    zone: str | None
    floor: int | None
    section: str | None
    text: str
    lon: float
    lat: float
    grid_id: str
    grid: str
    grid_path: str


class LinkOut(BaseModel):
    """How well a device is heard, in whatever measure its convention gives."""

    rssi_dbm: float | None = None
    snr_db: float | None = None
    lqi: float | None = Field(None, description="Link quality of Zigbee, 0 to 255")
    margin_db: float | None = Field(None, description="Of the last downlink, LoRaWAN")


class DeviceOut(BaseModel):
    """A device with what its edge last said of it."""

    id: str
    name: str
    site_id: str
    zone_id: str
    profile: str
    hazard: str | None
    edge_id: str
    address: str | None
    parameters: dict[str, float]
    rules: dict[str, dict[str, Any] | None]
    quality: dict[str, dict[str, Any] | None]
    maintenance_until: datetime | None = Field(description="Somebody works on it until then; past: nobody does")
    maintenance_by: str | None
    maintenance_why: str | None
    timeline: str
    enabled: bool
    registered_at: datetime
    updated_at: datetime
    place: PlaceOut | None
    status: str
    last_seen: datetime | None
    values: dict[str, float | str | None]
    link: LinkOut | None = Field(description="How its radio is heard, as of the newest message that said so")
    battery_percent: float | None = Field(description="Said by its network, else its point `battery`")
    joined_at: datetime | None = Field(description="When it last joined its network")


class NewestValue(BaseModel):
    """The latest reading of one point."""

    point: str
    unit: str
    ts: int = Field(description="Event time, epoch ms, on the device's timeline")
    value: float | None
    flag: int
    tests: str = Field("", description="Quality tests that spoke of it, by comma")


class DeviceDetail(DeviceOut):
    """A device with its newest readings and the configuration revision its edge should run."""

    newest: list[NewestValue]
    revision: int = Field(description="Of the last change meant for its edge")
    edge_revision: int | None = Field(description="That the edge says it runs")


class MqttAccess(BaseModel):
    """How a device signs in at its broker; the password is shown this once."""

    username: str
    password: str
    topic: str = Field(description="Where it may publish; empty where a network server or bridge speaks for it")


class Registered(BaseModel):
    """A newly registered device."""

    device: DeviceOut
    mqtt: MqttAccess


class DevicePage(BaseModel):
    """Devices by id."""

    items: Sequence[DeviceOut]
    next: str | None = Field(None, description="Cursor of the next page")


class ProfilePage(BaseModel):
    """Profiles by name."""

    items: Sequence[views.ProfileOut]
    next: str | None = None


def _out(device: Device, state: DeviceState | None, place: places.Place | None) -> DeviceOut:
    return DeviceOut.model_validate(service.device_json(device, state, place))


def _site_in_scope(person: Person, site: Site) -> bool:
    return may_see(person, site.grid_path, None, site=site.id)


async def _own_device(session: AsyncSession, person: Person, device_id: str) -> Device:
    device = await session.get(Device, device_id)
    site = await session.get(Site, device.site_id) if device else None
    if device is None or site is None or not _site_in_scope(person, site):
        raise not_found("device", device_id)
    return device


async def _check_site(session: AsyncSession, person: Person, site_id: str) -> None:
    site = await session.get(Site, site_id)
    if site is not None and not _site_in_scope(person, site):
        what = f"site '{site_id}' is not yours to change"
        fault = ProblemError(where="site_id", what=what, code="other_site", params={"value": site_id})
        raise Problem(403, "other-site", f"Site '{site_id}' is not yours to change.", errors=[fault])


@router.get("/sites", summary="Sites, buildings, zones", dependencies=[Depends(with_position)])
async def list_sites(person: AnyPerson, services: Shared) -> list[views.SiteOut]:
    """The places within one's area, as a tree."""
    async with services.db.reading() as session:
        return await views.site_tree(session, lambda site: _site_in_scope(person, site))


@router.get("/devices", summary="Devices", dependencies=[Depends(with_position)])
async def list_devices(
    person: Staff,
    services: Shared,
    q: Annotated[str, Query(max_length=64, description="Looks into id and name")] = "",
    site: Annotated[str | None, Query(max_length=64)] = None,
    cursor: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> DevicePage:
    """Devices within one's area, by id."""
    async with services.db.reading() as session:
        devices = await service.find_devices(
            session,
            area_path=person.area_path,
            q=q,
            site=site,
            site_ids=sorted(person.site_ids),
            after=cursor,
            limit=limit + 1,
        )
        more = len(devices) > limit
        devices = devices[:limit]
        ids = [device.id for device in devices]
        states = {
            s.device_id: s for s in await session.scalars(select(DeviceState).where(DeviceState.device_id.in_(ids)))
        }
        where = await places.of_zones(session, {device.zone_id for device in devices})
    items = [_out(device, states.get(device.id), where.get(device.zone_id)) for device in devices]
    return DevicePage(items=items, next=ids[-1] if more else None)


@router.post("/devices", status_code=201, summary="Register a device")
async def register_device(new: NewDeviceIn, person: Keeper, services: Shared, response: Response) -> Registered:
    """Its edge knows it within seconds. The password is shown this once; the registry keeps its hash."""
    response.headers["Cache-Control"] = "no-store"
    async with services.db.transaction() as session:
        await _check_site(session, person, new.site_id)
        device, secret = await service.register(
            session, _new(new.id, new, {}), now=services.now(), by=layers.Author(person.id, person.name, new.why)
        )
        out = _out(device, None, await places.of_zone(session, device.zone_id))
    return Registered(device=out, mqtt=_mqtt(device, secret))


def _new(device_id: str, given: DeviceIn, quality: dict[str, Any]) -> service.NewDevice:
    fields = given.model_dump(exclude={"id", "why"})
    fields["quality"] = quality if given.quality is None else given.quality
    profile = checks.profile_of(given.profile)
    fields["profile"] = profile.name if profile else given.profile
    fields["address"] = addresses.in_form(given.address)
    return service.NewDevice(id=device_id, **fields)


def _mqtt(device: Device, secret: str) -> MqttAccess:
    topics = [f"sensors/{device.site_id}/{device.id}/telemetry"]
    if device.address is not None:
        topics = addresses.own_topics(device.address)
    return MqttAccess(username=device.id, password=secret, topic=topics[0] if topics else "")


@router.get("/devices/import/template.csv", summary="An empty table", response_class=Response)
async def import_template(_person: Keeper) -> Response:
    """The columns of an import; further parameters are written `param_<name>`."""
    return _csv(import_table.template(), "devices-template.csv")


@router.get("/devices/export.csv", summary="The registry as a table", response_class=Response)
async def export_devices(person: Keeper, services: Shared) -> Response:
    """Every device within one's area, in the form that an import takes. Passwords are nowhere kept."""
    async with services.db.reading() as session:
        devices = await service.find_devices(
            session,
            area_path=person.area_path,
            q="",
            site=None,
            site_ids=sorted(person.site_ids),
            after="",
            limit=100_000,
        )
    return _csv(import_table.write([service.device_json(device, None, None) for device in devices]), "devices.csv")


def _csv(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.encode(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/devices/import", summary="Register devices from a table", openapi_extra={
    "requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}, "multipart/form-data": {
        "schema": {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}}}}}})  # fmt: skip
async def import_devices(
    request: Request,
    response: Response,
    person: Keeper,
    services: Shared,
    dry_run: Annotated[bool, Query(description="Judge only")] = True,
) -> imports.ImportResult:
    """A verdict per row. Nothing is applied if any row is wrong; running the same table again changes nothing."""
    data = await _uploaded(request)
    response.headers["Cache-Control"] = "no-store"
    async with services.db.reading() as session:
        judged = await imports.judge(session, data, in_scope=lambda site: _site_in_scope(person, site))
    if dry_run or judged.result.counts["error"]:
        return judged.result
    async with services.db.transaction() as session:
        return await imports.apply(session, judged, now=services.now())


async def _uploaded(request: Request) -> bytes:
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=5) as form:
        file = form.get("file")
        if file is None or isinstance(file, str):
            raise invalid("file", "is missing", "send the table in a form field named file")
        return await file.read()


@router.get("/devices/{device_id}", summary="One device")
async def get_device(device_id: Id, person: Staff, services: Shared) -> DeviceDetail:
    """With its newest readings, and whether its edge runs its newest configuration."""
    async with services.db.reading() as session:
        device = await _own_device(session, person, device_id)
        out = await service.device_out(session, device)
        edge = await session.get(Edge, device.edge_id)
        revision = await downlink.revision(session, device.edge_id)
    newest = [msgspec.to_builtins(one) for one in await services.telemetry.newest(device_id)]
    running = (edge.report or {}).get("revision") if edge else None
    return DeviceDetail.model_validate(out | {"newest": newest, "revision": revision, "edge_revision": running})


@router.put("/devices/{device_id}", summary="Change a device")
async def change_device(device_id: Id, given: DeviceIn, person: Keeper, services: Shared) -> DeviceOut:
    """Replaces what a person says of it; its timeline and password stay."""
    async with services.db.transaction() as session:
        standing = await _own_device(session, person, device_id)
        await _check_site(session, person, given.site_id)
        new, by = _new(device_id, given, standing.quality or {}), layers.Author(person.id, person.name, given.why)
        device = await service.change(session, new, now=services.now(), by=by)
        return DeviceOut.model_validate(await service.device_out(session, device))


@router.post("/devices/{device_id}/credential", summary="Give a device a new password")
async def renew_credential(device_id: Id, person: Keeper, services: Shared, response: Response) -> MqttAccess:
    """The old one ends when the edge has heard of it. Shown this once."""
    response.headers["Cache-Control"] = "no-store"
    async with services.db.transaction() as session:
        await _own_device(session, person, device_id)
        device, secret = await service.renew_credential(session, device_id, now=services.now())
    return _mqtt(device, secret)


@router.delete("/devices/{device_id}", status_code=204, summary="Take a device out of the registry")
async def remove_device(device_id: Id, person: Keeper, services: Shared) -> None:
    """Its incidents and readings stay."""
    async with services.db.transaction() as session:
        await _own_device(session, person, device_id)
        await service.remove(session, device_id)


@router.get("/profiles", summary="Models of devices")
async def list_profiles(_person: Staff) -> ProfilePage:
    """The profile library."""
    return ProfilePage(items=[views.profile_out(profile) for profile in checks.library()])


@router.get("/map", summary="The neighbourhood as GeoJSON", dependencies=[Depends(with_position)])
async def get_map(person: AnyPerson, services: Shared) -> views.MapOut:
    """Feature collections within one's area; responders only for duty officers, trainers and administrators."""
    async with services.db.reading() as session:
        return await views.map_of(session, person, services.now())
