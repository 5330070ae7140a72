"""What edges say of devices: their health, the decisions they carried out, the readings they did not take."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.database import insert_into
from cloud.feed import service as feed
from cloud.registry import places
from cloud.registry.devices import device_json
from cloud.registry.model import DecisionRow, Device, DeviceState, Edge, RejectionRow, Site
from wire.configuration import DecisionReport
from wire.report import DeviceReport, Link, Rejection

REJECTION_LIMIT = 100_000
"""Rows of the side table that are kept."""
_MANY = 500  # ids in one question
_TOLD = ("status", "last_seen", "values", "link", "battery_percent", "joined_at", "reported_at")


async def record_decision_report(session: AsyncSession, edge_id: str, report: DecisionReport) -> DecisionRow | None:
    """What became of a decision; None when this edge was never given it. The first report stands."""
    row = await session.get(DecisionRow, report.decision)
    if row is None or row.edge_id != edge_id:
        return None
    if row.result is None:
        row.result, row.reason, row.reported_at = report.result, report.reason[:1000], report.reported_at
        await session.flush()
    return row


async def record_device_reports(
    session: AsyncSession, edge_id: str, reports: Sequence[DeviceReport], *, now: datetime
) -> set[str]:
    """Device health, in the order given, in a few statements however many; an exercise changes no device's state.

    A status that is another at the end than before goes into the feed.

    Returns:
        Ids that are no devices of this edge; nothing is kept of those.
    """
    ids = sorted({report.device for report in reports})
    devices = await _devices(session, edge_id, ids)
    before = await _states(session, [name for name in ids if name in devices])
    after: dict[str, dict[str, Any]] = {}
    for report in reports:
        if report.device in devices and report.exercise is None:
            known = after.get(report.device) or before.get(report.device)
            after[report.device] = _folded(known, report, now)
    if after:
        insert = insert_into(session, DeviceState)
        kept = {column: insert.excluded[column] for column in _TOLD}
        upsert = insert.on_conflict_do_update(index_elements=["device_id"], set_=kept)
        await session.execute(upsert, [{"device_id": name, **row} for name, row in after.items()])
    changed = [name for name, row in after.items() if before.get(name, {}).get("status") != row["status"]]
    await _announce(session, [(devices[name], after[name]) for name in changed])
    return {name for name in ids if name not in devices}


def _folded(known: dict[str, Any] | None, report: DeviceReport, now: datetime) -> dict[str, Any]:
    """A state with one more report; what a report does not speak of stays as it was. Pure."""
    known = known or {}
    return {
        "status": report.status,
        "last_seen": max(filter(None, (known.get("last_seen"), report.last_seen)), default=None),
        "values": {**(known.get("values") or {}), **report.values},
        "link": (known.get("link") or {}) | _measured(report.link) or None,
        "battery_percent": known.get("battery_percent") if report.battery_percent is None else report.battery_percent,
        "joined_at": max(filter(None, (known.get("joined_at"), report.joined_at)), default=None),
        "reported_at": report.last_seen or now,
    }


def _measured(link: Link | None) -> dict[str, float]:
    """What a message said of its link: a margin alone does not wipe out the strength that another one told."""
    return {key: value for key, value in msgspec.structs.asdict(link).items() if value is not None} if link else {}


async def _devices(session: AsyncSession, edge_id: str, ids: Sequence[str]) -> dict[str, Device]:
    found: dict[str, Device] = {}
    for start in range(0, len(ids), _MANY):
        query = select(Device).where(Device.edge_id == edge_id, Device.id.in_(ids[start : start + _MANY]))
        found |= {device.id: device for device in await session.scalars(query)}
    return found


async def _states(session: AsyncSession, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Rows, not objects: what an upsert writes would leave objects of a session behind."""
    found: dict[str, dict[str, Any]] = {}
    columns = [getattr(DeviceState, name) for name in ("device_id", *_TOLD)]
    for start in range(0, len(ids), _MANY):
        query = select(*columns).where(DeviceState.device_id.in_(ids[start : start + _MANY]))
        found |= {row["device_id"]: dict(row) for row in (await session.execute(query)).mappings()}
    return found


async def _announce(session: AsyncSession, changed: Sequence[tuple[Device, dict[str, Any]]]) -> None:
    where = await places.of_zones(session, {device.zone_id for device, _ in changed})
    for device, row in changed:
        place = where.get(device.zone_id)
        state = DeviceState(device_id=device.id, **{key: row[key] for key in _TOLD})
        await feed.enter(
            session, kind="device", key=device.id, value=device_json(device, state, place), exercise=None,
            site=device.site_id, grid_path=place.grid_path if place else None,
        )  # fmt: skip
    if changed:
        await session.flush()


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


async def prune_rejections(session: AsyncSession) -> None:
    """Drop the oldest rows of the side table beyond `REJECTION_LIMIT`."""
    newest = await session.scalar(select(func.max(RejectionRow.id))) or 0
    await session.execute(delete(RejectionRow).where(RejectionRow.id <= newest - REJECTION_LIMIT))
