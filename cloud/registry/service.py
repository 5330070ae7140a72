"""Devices, edges and what goes down to each edge: the only writer of these tables.

For other domains: `places` (where a thing is), `record_device_report`, `record_edge_report`, `record_rejection`,
`record_decision_report` (what edges say), `send_decision`, `push_drill`, `put_timeline` (what edges are told).
"""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import bcrypt
import msgspec
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.people import service as people
from cloud.people.model import Area
from cloud.problems import Problem, ProblemError, conflict, invalid, not_found
from cloud.registry import checks, places, timelines
from cloud.registry.downlink import (
    config,
    document,
    edge_ids,
    enter,
    exercise_clock,
    is_issued,
    push,
    push_drill,
    put_timeline,
    revision,
    send_decision,
)
from cloud.registry.model import (
    DecisionRow,
    Device,
    DeviceState,
    Edge,
    RejectionRow,
    Site,
    Zone,
)
from wire.configuration import DecisionReport
from wire.report import DeviceReport, EdgeReport, Rejection
from wire.time import REAL
from wire.topics import is_identifier

__all__ = [
    "document",
    "edge_ids",
    "exercise_clock",
    "is_issued",
    "push_drill",
    "put_timeline",
    "revision",
    "send_decision",
]

_BCRYPT_COST = 4
"""The secret has 128 random bits: no guessing to slow down, and a gateway checks thousands at a reconnect storm."""
REJECTION_LIMIT = 100_000
"""Rows of the side table that are kept."""


# ---------------------------------------------------------------- what edges say


async def record_decision_report(session: AsyncSession, edge_id: str, report: DecisionReport) -> DecisionRow | None:
    """What became of a decision; None when this edge was never given it. The first report stands."""
    row = await session.get(DecisionRow, report.decision)
    if row is None or row.edge_id != edge_id:
        return None
    if row.result is None:
        row.result, row.reason, row.reported_at = report.result, report.reason[:1000], report.reported_at
        await session.flush()
    return row


async def record_device_report(session: AsyncSession, edge_id: str, report: DeviceReport) -> bool:
    """Device health; False when the device is not one of this edge. An exercise changes no device's state."""
    device = await session.get(Device, report.device)
    if device is None or device.edge_id != edge_id:
        return False
    if report.exercise is not None:
        return True
    state = await session.get(DeviceState, device.id)
    before = state.status if state else None
    if state is None:
        state = DeviceState(device_id=device.id, status=report.status, values={}, reported_at=_reported(report))
        session.add(state)
    state.status = report.status
    state.last_seen = max(filter(None, (state.last_seen, report.last_seen)), default=None)
    state.values = {**(state.values or {}), **report.values}
    state.reported_at = _reported(report)
    await session.flush()
    if before != report.status:
        await _announce(session, device, "device", await device_out(session, device, state))
    return True


def _reported(report: DeviceReport) -> datetime:
    from cloud.services import wall_clock

    return report.last_seen or wall_clock()


async def record_edge_report(session: AsyncSession, report: EdgeReport, *, now: datetime) -> bool:
    """A heartbeat; True when the edge was offline before. Only what changed for people enters the feed."""
    edge = await session.get(Edge, report.edge)
    if edge is None:
        return False
    came_back = not edge.online
    before = _visible(edge)
    edge.online, edge.reported_at, edge.report = True, now, msgspec.to_builtins(report)
    await session.flush()
    if _visible(edge) != before:
        await announce_edge(session, edge)
    return came_back


def _visible(edge: Edge) -> tuple[Any, ...]:
    report = edge.report or {}
    keys = (
        "version",
        "revision",
        "refused_revision",
        "refused_why",
        "broker_connected",
        "clock_trusted",
        "devices",
        "notes",
    )
    return (edge.online, *(str(report.get(key)) for key in keys))


async def lose_edges(session: AsyncSession, *, now: datetime, after_s: float) -> list[Edge]:
    """Mark edges without a heartbeat for `after_s` as offline; returns those that were online until now."""
    late = select(Edge).where(Edge.online, Edge.reported_at < now - timedelta(seconds=after_s))
    lost = list(await session.scalars(late))
    for edge in lost:
        edge.online = False
    await session.flush()
    for edge in lost:
        await announce_edge(session, edge)
    return lost


async def announce_edge(session: AsyncSession, edge: Edge) -> None:
    """Put an edge as the API shows it into the feed."""
    value = await edge_out(session, edge)
    await feed.append(session, kind="edge", key=edge.id, value=value, grid_path=edge.area_path, exercise=None)


async def record_rejection(session: AsyncSession, edge_id: str, rejection: Rejection, *, now: datetime) -> None:
    """One row of the side table, with the grid of the device where it is a known one of this edge."""
    grid_path = None
    if rejection.device:
        grid_path = await session.scalar(
            select(Site.grid_path)
            .join(Device, Device.site_id == Site.id)
            .where(Device.id == rejection.device, Device.edge_id == edge_id)
        )
    if grid_path is None:
        grid_path = await session.scalar(select(Edge.area_path).where(Edge.id == edge_id))
    session.add(
        RejectionRow(
            edge_id=edge_id,
            device=rejection.device[:64] if rejection.device else None,
            grid_path=grid_path,
            topic=rejection.topic[:1000],
            reason=rejection.reason,
            detail=rejection.detail[:2000],
            point=rejection.point[:64] if rejection.point else None,
            payload_b64=rejection.payload_b64[:2000],
            count=rejection.count,
            received_at=rejection.received_at,
            recorded_at=now,
        )
    )
    await session.flush()


# ---------------------------------------------------------------- devices


class NewDevice(msgspec.Struct, frozen=True, kw_only=True):
    """What a person says of a device."""

    id: str
    name: str
    site_id: str
    zone_id: str
    profile: str
    edge_id: str
    parameters: dict[str, float] = {}
    rules: dict[str, dict[str, Any] | None] = {}
    timeline: str = REAL
    enabled: bool = True


def make_secret() -> tuple[str, str]:
    """A device's password (128 random bits, shown once) and its bcrypt hash."""
    secret = secrets.token_urlsafe(16)
    return secret, bcrypt.hashpw(secret.encode(), bcrypt.gensalt(_BCRYPT_COST)).decode()


async def faults_of(session: AsyncSession, device: NewDevice) -> list[ProblemError]:
    """Everything that is wrong with a device as given; nothing is written."""
    faults: list[ProblemError] = []
    if not is_identifier(device.id):
        faults.append(_fault("id", f"'{device.id:.80}' is not an id", "letters, digits, '-', '_', at most 64"))
    if not device.name.strip() or len(device.name) > 100:
        faults.append(_fault("name", "needs 1 to 100 characters"))
    zone = await session.get(Zone, device.zone_id)
    if await session.get(Site, device.site_id) is None:
        faults.append(_fault("site_id", f"there is no site '{device.site_id:.80}'", "take one of GET /sites"))
    elif zone is None or zone.site_id != device.site_id:
        what = f"site '{device.site_id}' has no zone '{device.zone_id:.80}'"
        faults.append(_fault("zone_id", what, "take one of GET /sites"))
    if await session.get(Edge, device.edge_id) is None:
        faults.append(_fault("edge_id", f"there is no edge '{device.edge_id:.80}'", "take one of GET /edges"))
    if await timelines.timeline(session, device.timeline) is None:
        faults.append(_fault("timeline", f"there is no timeline '{device.timeline:.80}'", "an administrator sets it"))
    return faults + checks.faults_of_model(device.profile, device.parameters, device.rules)


def _fault(where: str, what: str, fix: str = "") -> ProblemError:
    return ProblemError(where=where, what=what, fix=fix)


async def register(session: AsyncSession, new: NewDevice, *, now: datetime) -> tuple[Device, str]:
    """Register a device and tell its edge; returns it with its password, which is kept nowhere.

    Raises:
        Problem: 422 with every fault, 409 when the id is taken.
    """
    await feed.hold(session)
    faults = await faults_of(session, new)
    if faults:
        raise Problem(422, "invalid", "The device cannot be registered so.", errors=faults)
    if await session.get(Device, new.id) is not None:
        raise conflict("id-taken", f"There is a device '{new.id}' already.")
    secret, hashed = make_secret()
    device = Device(**msgspec.structs.asdict(new), hazard=None, credential=hashed, registered_at=now, updated_at=now)
    device.hazard = checks.hazard_of(new.profile)
    session.add(device)
    await session.flush()
    await _tell(session, device)
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
        raise conflict("id-taken", f"There is a device '{min(taken)}' since a moment ago: run the table again.")
    found = []
    for new in judged:
        secret, hashed = make_secret()
        device = Device(
            **msgspec.structs.asdict(new), hazard=None, credential=hashed, registered_at=now, updated_at=now
        )
        device.hazard = checks.hazard_of(new.profile)
        found.append((device, secret))
    session.add_all(device for device, _ in found)
    await session.flush()
    zones = {zone.id: zone for zone in await session.scalars(select(Zone))}
    sites = {site.id: site for site in await session.scalars(select(Site))}
    places_of = {zone_id: await places.of_zone(session, zone_id) for zone_id in {new.zone_id for new in judged}}
    for device, _ in found:
        await enter(session, device.edge_id, "device", device.id, config(device, zones.get(device.zone_id)))
        await feed.enter(
            session, kind="registry", key=device.id, value=device_json(device, None, places_of[device.zone_id]),
            exercise=None, site=device.site_id, grid_path=sites[device.site_id].grid_path,
        )  # fmt: skip
    await session.flush()
    return found


async def standing(session: AsyncSession, ids: Sequence[str]) -> dict[str, Device]:
    """The registered devices among some ids."""
    found: dict[str, Device] = {}
    for start in range(0, len(ids), 500):
        query = select(Device).where(Device.id.in_(ids[start : start + 500]))
        found |= {device.id: device for device in await session.scalars(query)}
    return found


async def change(session: AsyncSession, new: NewDevice, *, now: datetime) -> Device:
    """Change a device and tell its edge (both edges when it moves). Its timeline never changes.

    Raises:
        Problem: 404, 422 with every fault, 409 for another timeline.
    """
    await feed.hold(session)
    device = await session.get(Device, new.id)
    if device is None:
        raise not_found("device", new.id)
    if new.timeline != device.timeline:
        raise conflict("other-timeline", "A device stays on the timeline it was registered on: register another one.")
    faults = await faults_of(session, new)
    if faults:
        raise Problem(422, "invalid", "The device cannot be changed so.", errors=faults)
    moved_from = device.edge_id if device.edge_id != new.edge_id else None
    for key, value in msgspec.structs.asdict(new).items():
        setattr(device, key, value)
    device.hazard = checks.hazard_of(new.profile)
    device.updated_at = now
    await session.flush()
    if moved_from:
        await push(session, moved_from, "device", device.id, None)
    await _tell(session, device)
    return device


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


async def _tell(session: AsyncSession, device: Device) -> None:
    await push(session, device.edge_id, "device", device.id, config(device, await session.get(Zone, device.zone_id)))
    await _announce(session, device, "registry", await device_out(session, device))


async def _announce(session: AsyncSession, device: Device, kind: str, value: dict[str, Any]) -> None:
    site = await session.get(Site, device.site_id)
    await feed.append(
        session, kind=kind, key=device.id, value=value, exercise=None, site=device.site_id,
        grid_path=site.grid_path if site else None,
    )  # fmt: skip


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
        "parameters": device.parameters,
        "rules": device.rules,
        "timeline": device.timeline,
        "enabled": device.enabled,
        "registered_at": device.registered_at.isoformat(),
        "updated_at": device.updated_at.isoformat(),
        "place": place.as_dict() if place else None,
        "status": state.status if state else "unknown",
        "last_seen": state.last_seen.isoformat() if state and state.last_seen else None,
        "values": state.values if state else {},
    }


# ---------------------------------------------------------------- edges


async def add_edge(
    session: AsyncSession, edge_id: str, name: str, area_path: str, *, now: datetime
) -> tuple[Edge, str]:
    """Enter an edge; returns it with its token, which is kept nowhere.

    Raises:
        Problem: for a bad or taken id, an unknown area.
    """
    if not is_identifier(edge_id):
        raise invalid("id", f"'{edge_id:.80}' is not an id", "letters, digits, '-', '_', at most 64")
    if await session.get(Area, area_path) is None:
        raise invalid("area", f"there is no area '{area_path:.80}'", "take one of GET /areas")
    if await session.get(Edge, edge_id) is not None:
        raise conflict("id-taken", f"There is an edge '{edge_id}' already.")
    edge = Edge(id=edge_id, name=name, area_path=area_path, created_at=now)
    session.add(edge)
    await session.flush()
    token = await people.issue_edge_token(session, edge_id, now=now)
    await announce_edge(session, edge)
    return edge, token


async def renew_edge_token(session: AsyncSession, edge_id: str, *, now: datetime) -> str:
    """End every token of an edge and give it a new one.

    Raises:
        Problem: 404.
    """
    if await session.get(Edge, edge_id) is None:
        raise not_found("edge", edge_id)
    await people.revoke_edge_tokens(session, edge_id, now=now)
    return await people.issue_edge_token(session, edge_id, now=now)


async def edge_out(session: AsyncSession, edge: Edge) -> dict[str, Any]:
    """An edge as the API shows it. `revision` is what is meant for it; the report says what it runs."""
    return {
        "id": edge.id,
        "name": edge.name,
        "area_path": edge.area_path,
        "online": edge.online,
        "revision": await revision(session, edge.id),
        "reported_at": edge.reported_at.isoformat() if edge.reported_at else None,
        "report": edge.report,
    }


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
