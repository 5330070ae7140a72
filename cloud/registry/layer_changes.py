"""Layers of rules, changed: the table of those that hold, the record of the change, and what edges are told."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.registry import layers
from cloud.registry.downlink import edges_at, push_layer
from cloud.registry.model import Device, RuleLayerRevision, RuleLayerRow, Site, Zone
from wire.configuration import RuleLayer


async def put(
    session: AsyncSession,
    layer: RuleLayer,
    *,
    by: layers.Author,
    now: datetime,
    act: Literal["put", "revert", "delete"] = "put",
    eased: Sequence[Mapping[str, Any]] = (),
) -> tuple[RuleLayerRevision, dict[str, int]]:
    """Set a layer that was judged before; with nothing in it, it is taken away.

    The caller holds the log (`feed.hold`).

    Returns:
        The record, and by edge the revision of its configuration that has the change.
    """
    row = await session.get(RuleLayerRow, (layer.scope, layer.id))
    before = None if row is None else {"rules": row.rules, "quality": row.quality}
    gone = act == "delete" or not (layer.rules or layer.quality)
    after = None if gone else {"rules": layer.rules, "quality": layer.quality}
    record = await layers.record(
        session, layer.scope, layer.id, layer.site, act=act, before=before, after=after, by=by, now=now, eased=eased
    )
    if gone:
        if row is not None:
            await session.delete(row)
    elif row is None:
        row = RuleLayerRow(
            scope=layer.scope, place_id=layer.id, site_id=layer.site, rules=layer.rules, quality=layer.quality,
            revision=record.revision,
        )  # fmt: skip
        session.add(row)
    else:
        row.rules, row.quality, row.revision = layer.rules, layer.quality, record.revision
    await session.flush()
    value = None if gone or row is None else layers.told(row)
    revisions = {}
    for edge_id in await edges_at(session, layer.site):
        revisions[edge_id] = await push_layer(session, edge_id, layer.scope, layer.id, value)
    await announce(session, record)
    return record, revisions


async def announce(session: AsyncSession, record: RuleLayerRevision) -> None:
    """Tell people: who changed which rules, and why."""
    site = await session.get(Site, record.site_id)
    value = {
        "kind": "rules",
        "scope": record.scope,
        "id": record.place_id,
        "revision": record.revision,
        "act": record.act,
        "by": {"id": record.by, "name": record.by_name},
        "why": record.why,
    }
    await feed.append(
        session, kind="registry", key=f"rules:{record.scope}:{record.place_id}", value=value, exercise=None,
        site=record.site_id, grid_path=site.grid_path if site else None,
    )  # fmt: skip


async def devices_under(session: AsyncSession, scope: str, place_id: str) -> list[tuple[Device, Zone]]:
    """The devices that a layer lies over, with their zones."""
    query = select(Device, Zone).join(Zone, Zone.id == Device.zone_id).order_by(Device.id)
    column = {"site": Device.site_id, "building": Zone.building_id, "zone": Device.zone_id, "device": Device.id}[scope]
    return [(device, zone) for device, zone in await session.execute(query.where(column == place_id))]
