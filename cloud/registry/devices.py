"""Devices: registered, changed, removed; every change goes to their edge and into the feed."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import bcrypt
import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.problems import Problem, ProblemError, not_found
from cloud.registry import addresses, checks, layers, places, timelines
from cloud.registry import found as found_devices
from cloud.registry.downlink import config, enter, introduce, push
from cloud.registry.model import Device, DeviceState, Edge, Site, Zone
from wire.time import REAL
from wire.topics import is_identifier

_BCRYPT_COST = 4
"""The secret has 128 random bits: no guessing to slow down, and a gateway checks thousands at a reconnect storm."""


class NewDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a device."""

    id: str
    name: str
    site_id: str
    zone_id: str
    profile: str
    edge_id: str
    address: str | None = None  # `<source>:<address>`, normalised; None = native
    parameters: dict[str, float] = {}
    rules: dict[str, dict[str, Any] | None] = {}
    quality: dict[str, dict[str, Any] | None] = {}
    timeline: str = REAL
    enabled: bool = True


def make_secret() -> tuple[str, str]:
    """A device's password (128 random bits, shown once) and its bcrypt hash."""
    secret = secrets.token_urlsafe(16)
    return secret, bcrypt.hashpw(secret.encode(), bcrypt.gensalt(_BCRYPT_COST)).decode()


Addressed = Mapping[tuple[str, str], str]
"""Who has an address: (edge, address) to device."""


async def addressed(session: AsyncSession) -> Addressed:
    """Every address that is taken, in one question: for judging many devices."""
    query = select(Device.edge_id, Device.address, Device.id).where(Device.address.is_not(None))
    return {(edge, address): device for edge, address, device in await session.execute(query) if address}


async def faults_of(
    session: AsyncSession, device: NewDevice, *, among: Addressed | None = None, book: layers.Book | None = None
) -> list[ProblemError]:
    """Everything that is wrong with a device as given; nothing is written.

    `among` saves asking for its address, `book` for the layers of its site.
    """
    faults: list[ProblemError] = []
    if not is_identifier(device.id):
        what, fix = f"'{device.id:.80}' is not an id", "letters, digits, '-', '_', at most 64"
        faults.append(_fault("id", "id_form", what, fix, value=device.id[:80]))
    if not device.name.strip() or len(device.name) > 100:
        faults.append(_fault("name", "name_length", "needs 1 to 100 characters"))
    zone = await session.get(Zone, device.zone_id)
    if await session.get(Site, device.site_id) is None:
        what = f"there is no site '{device.site_id:.80}'"
        faults.append(_fault("site_id", "no_site", what, "take one of GET /sites", value=device.site_id[:80]))
    elif zone is None or zone.site_id != device.site_id:
        what = f"site '{device.site_id}' has no zone '{device.zone_id:.80}'"
        more = {"value": device.zone_id[:80], "site": device.site_id}
        faults.append(_fault("zone_id", "no_zone", what, "take one of GET /sites", **more))
    if await session.get(Edge, device.edge_id) is None:
        what = f"there is no edge '{device.edge_id:.80}'"
        faults.append(_fault("edge_id", "no_edge", what, "take one of GET /edges", value=device.edge_id[:80]))
    if await timelines.timeline(session, device.timeline) is None:
        what = f"there is no timeline '{device.timeline:.80}'"
        faults.append(_fault("timeline", "no_timeline", what, "an administrator sets it", value=device.timeline[:80]))
    if device.address is not None:
        faults += await _faults_of_address(session, device, among)
    if book is None:
        book = await layers.book(session, [device.site_id])
    over = layers.over(book, device.site_id, zone)
    return faults + checks.faults_of_model(device.profile, device.parameters, device.rules, device.quality, over)


async def _faults_of_address(session: AsyncSession, device: NewDevice, among: Addressed | None) -> list[ProblemError]:
    address = addresses.normalised(device.address or "")
    if not isinstance(address, addresses.Address):
        source, _, rest = (device.address or "").partition(":")
        if address.code != "no_source" or not await found_devices.is_heard(session, device.edge_id, source):
            return [address]
        address = addresses.Address(source, rest)  # a source of the edge's own: its file is not known here
    if among is None:
        query = select(Device.id).where(Device.edge_id == device.edge_id, Device.address == str(address))
        holder = await session.scalar(query)
    else:
        holder = among.get((device.edge_id, str(address)))
    if holder is None or holder == device.id:
        return []
    what = f"{address} is the address of device '{holder}' at this edge"
    fix = "a device is registered once: correct the address, or change that device"
    return [_fault("address", "address_taken", what, fix, value=str(address), device=holder)]


def _fault(where: str, code: str, what: str, fix: str = "", **params: str) -> ProblemError:
    return ProblemError(where=where, what=what, fix=fix, code=code, params=dict(params))


def _id_taken(device_id: str, detail: str) -> Problem:
    fault = _fault("id", "id_taken", f"there is a device '{device_id}' already", "take another id", value=device_id)
    return Problem(409, "id-taken", detail, errors=[fault])


async def register(
    session: AsyncSession, new: NewDevice, *, now: datetime, by: layers.Author = layers.NOBODY
) -> tuple[Device, str]:
    """Register a device and tell its edge; returns it with its password, which is kept nowhere.

    Raises:
        Problem: 422 with every fault, 409 when the id is taken.
    """
    await feed.hold(session)
    faults = await faults_of(session, new)
    if faults:
        raise Problem(422, "invalid", "The device cannot be registered so.", errors=faults)
    if await session.get(Device, new.id) is not None:
        raise _id_taken(new.id, f"There is a device '{new.id}' already.")
    secret, hashed = make_secret()
    device = Device(**msgspec.structs.asdict(new), hazard=None, credential=hashed, registered_at=now, updated_at=now)
    device.hazard = checks.hazard_of(new.profile)
    session.add(device)
    await session.flush()
    await _note_rules(session, device, None, by, now)
    await introduce(session, device.edge_id, device.site_id, [device.id])
    await _tell(session, device)
    await found_devices.forget(session, [(device.edge_id, device.address)])
    return device, secret


async def register_all(
    session: AsyncSession, judged: Sequence[NewDevice], *, now: datetime
) -> list[tuple[Device, str]]:
    """Register devices that `faults_of` found nothing wrong with, in few statements: the write lock is short.

    Raises:
        Problem: 409 when one of the ids was taken meanwhile.
    """
    if not judged:
        return []
    await feed.hold(session)
    taken = await standing(session, [new.id for new in judged])
    if taken:
        raise _id_taken(min(taken), f"There is a device '{min(taken)}' since a moment ago: run the table again.")
    among = await addressed(session)
    for new in judged:
        if new.address is not None and (new.edge_id, new.address) in among:
            raise Problem(
                409, "address-taken", f"{new.address} was registered a moment ago: run the table again.",
                errors=await _faults_of_address(session, new, among),
            )  # fmt: skip
    registered = []
    for new in judged:
        secret, hashed = make_secret()
        device = Device(
            **msgspec.structs.asdict(new), hazard=None, credential=hashed, registered_at=now, updated_at=now
        )
        device.hazard = checks.hazard_of(new.profile)
        registered.append((device, secret))
    session.add_all(device for device, _ in registered)
    await session.flush()
    zones = {zone.id: zone for zone in await session.scalars(select(Zone))}
    sites = {site.id: site for site in await session.scalars(select(Site))}
    places_of = await places.of_zones(session, {new.zone_id for new in judged})
    for edge_id, site_id in sorted({(device.edge_id, device.site_id) for device, _ in registered}):
        news = [device.id for device, _ in registered if (device.edge_id, device.site_id) == (edge_id, site_id)]
        await introduce(session, edge_id, site_id, news)
    for device, _ in registered:
        await enter(session, device.edge_id, "device", device.id, config(device, zones.get(device.zone_id)))
        await feed.enter(
            session, kind="registry", key=device.id, value=device_json(device, None, places_of.get(device.zone_id)),
            exercise=None, site=device.site_id, grid_path=sites[device.site_id].grid_path,
        )  # fmt: skip
    await session.flush()
    await found_devices.forget(session, [(device.edge_id, device.address) for device, _ in registered])
    return registered


async def standing(session: AsyncSession, ids: Sequence[str]) -> dict[str, Device]:
    """The registered devices among some ids."""
    found: dict[str, Device] = {}
    for start in range(0, len(ids), 500):
        query = select(Device).where(Device.id.in_(ids[start : start + 500]))
        found |= {device.id: device for device in await session.scalars(query)}
    return found


async def change(session: AsyncSession, new: NewDevice, *, now: datetime, by: layers.Author = layers.NOBODY) -> Device:
    """Change a device and tell its edge (both edges when it moves). Its timeline never changes.

    Other rules or tests than before are a revision of the device's own layer.

    Raises:
        Problem: 404, 422 with every fault, 409 for another timeline.
    """
    await feed.hold(session)
    device = await session.get(Device, new.id, populate_existing=True)
    if device is None:
        raise not_found("device", new.id)
    if new.timeline != device.timeline:
        what = "A device stays on the timeline it was registered on: register another one."
        raise Problem(409, "other-timeline", what, errors=[_fault("timeline", "other_timeline", what)])
    faults = await faults_of(session, new)
    if faults:
        raise Problem(422, "invalid", "The device cannot be changed so.", errors=faults)
    moved_from = device.edge_id if device.edge_id != new.edge_id else None
    before, stayed = layers.content(device), (device.edge_id, device.site_id) == (new.edge_id, new.site_id)
    for key, value in msgspec.structs.asdict(new).items():
        setattr(device, key, value)
    device.hazard = checks.hazard_of(new.profile)
    device.updated_at = now
    await session.flush()
    await _note_rules(session, device, before, by, now)
    if moved_from:
        await push(session, moved_from, "device", device.id, None)
    if not stayed:
        await introduce(session, device.edge_id, device.site_id, [device.id])
    await _tell(session, device)
    await found_devices.forget(session, [(device.edge_id, device.address)])
    return device


async def set_rules(
    session: AsyncSession,
    device: Device,
    content: Mapping[str, Any],
    *,
    by: layers.Author,
    now: datetime,
    act: Literal["put", "revert", "delete"] = "put",
    eased: Sequence[Mapping[str, Any]] = (),
) -> int:
    """A device's own rules and tests, judged before; returns the revision of its edge's configuration."""
    before = layers.content(device)
    device.rules, device.quality, device.updated_at = dict(content["rules"]), dict(content["quality"]), now
    await session.flush()
    await layers.record(
        session, "device", device.id, device.site_id, act=act, before=before, after=layers.content(device), by=by,
        now=now, eased=eased,
    )  # fmt: skip
    return await _tell(session, device)


async def _note_rules(
    session: AsyncSession, device: Device, before: dict[str, Any] | None, by: layers.Author, now: datetime
) -> None:
    after = layers.content(device)
    if after != (before or {"rules": {}, "quality": {}}):
        eased = checks.eased(device.profile, device.rules, await layers.over_device(session, device))
        await layers.record(
            session, "device", device.id, device.site_id, act="put", before=before, after=after, by=by, now=now,
            eased=eased,
        )  # fmt: skip


async def renew_credential(session: AsyncSession, device_id: str, *, now: datetime) -> tuple[Device, str]:
    """A new password for a device; the old one ends when the edge has heard of it.

    Raises:
        Problem: 404.
    """
    await feed.hold(session)
    device = await session.get(Device, device_id)
    if device is None:
        raise not_found("device", device_id)
    secret, device.credential = make_secret()
    device.updated_at = now
    await session.flush()
    await _tell(session, device)
    return device, secret


async def remove(session: AsyncSession, device_id: str) -> None:
    """Take a device out of the registry; its incidents and readings stay.

    Raises:
        Problem: 404.
    """
    await feed.hold(session)
    device = await session.get(Device, device_id)
    if device is None:
        raise not_found("device", device_id)
    edge_id, site_id = device.edge_id, device.site_id
    await session.delete(device)
    await session.flush()
    await push(session, edge_id, "device", device_id, None)
    site = await session.get(Site, site_id)
    value = {"kind": "device", "id": device_id, "deleted": True}
    await feed.append(
        session, kind="registry", key=device_id, value=value, exercise=None, site=site_id,
        grid_path=site.grid_path if site else None,
    )  # fmt: skip


async def retell(session: AsyncSession, device: Device) -> int:
    """Tell a device's edge and the feed what it is now; returns the revision of the edge's configuration."""
    return await _tell(session, device)


async def _tell(session: AsyncSession, device: Device) -> int:
    zone = await session.get(Zone, device.zone_id)
    revision = await push(session, device.edge_id, "device", device.id, config(device, zone))
    site = await session.get(Site, device.site_id)
    value = await device_out(session, device)
    await feed.append(
        session, kind="registry", key=device.id, value=value, exercise=None, site=device.site_id,
        grid_path=site.grid_path if site else None,
    )  # fmt: skip
    return revision


async def device_out(session: AsyncSession, device: Device, state: DeviceState | None = None) -> dict[str, Any]:
    """A device as the API shows it: never its credential."""
    state = state or await session.get(DeviceState, device.id)
    place = await places.of_zone(session, device.zone_id)
    return device_json(device, state, place)


def device_json(device: Device, state: DeviceState | None, place: places.Place | None) -> dict[str, Any]:
    """A device as the API shows it. Pure."""
    return {
        "id": device.id,
        "name": device.name,
        "site_id": device.site_id,
        "zone_id": device.zone_id,
        "profile": device.profile,
        "hazard": device.hazard,
        "edge_id": device.edge_id,
        "address": device.address,
        "parameters": device.parameters,
        "rules": device.rules,
        "quality": device.quality or {},
        "maintenance_until": device.maintenance_until.isoformat() if device.maintenance_until else None,
        "maintenance_by": device.maintenance_by,
        "maintenance_why": device.maintenance_why,
        "timeline": device.timeline,
        "enabled": device.enabled,
        "registered_at": device.registered_at.isoformat(),
        "updated_at": device.updated_at.isoformat(),
        "place": place.as_dict() if place else None,
        "status": state.status if state else "unknown",
        "last_seen": state.last_seen.isoformat() if state and state.last_seen else None,
        "values": state.values if state else {},
        "link": state.link if state else None,
        "battery_percent": _battery_percent(state) if state else None,
        "joined_at": state.joined_at.isoformat() if state and state.joined_at else None,
    }


def _battery_percent(state: DeviceState) -> float | None:
    """What the edge says, else the point `battery` (edges before 0.2 say no more)."""
    if state.battery_percent is not None:
        return state.battery_percent
    point = (state.values or {}).get("battery")
    return float(point) if isinstance(point, int | float) and not isinstance(point, bool) else None


async def find_devices(
    session: AsyncSession, *, area_path: str, q: str, site: str | None, site_ids: Sequence[str], after: str, limit: int
) -> list[Device]:
    """Devices of an area by id, a page after a cursor; `q` looks into id and name."""
    query = select(Device).join(Site, Site.id == Device.site_id).where(Device.id > after)
    area = area_path.rstrip("/")
    query = query.where(or_(Site.grid_path == area, Site.grid_path.startswith(area + "/", autoescape=True)))
    if site:
        query = query.where(Device.site_id == site)
    if site_ids:
        query = query.where(Device.site_id.in_(site_ids))
    if q:
        contains = (Device.id.icontains(q, autoescape=True), Device.name.icontains(q, autoescape=True))
        query = query.where(or_(*contains))
    return list(await session.scalars(query.order_by(Device.id).limit(limit)))
