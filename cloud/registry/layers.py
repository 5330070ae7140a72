"""Layers of rules between profile and device: which lie over a device, and the record of every change."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.registry.model import Device, RuleLayerRevision, RuleLayerRow, Zone
from wire.configuration import RuleLayer

Scope = Literal["site", "building", "zone", "device"]
SCOPES: tuple[Scope, ...] = ("site", "building", "zone")
Book = Mapping[str, Sequence[RuleLayer]]
"""Layers by site."""


class Author(msgspec.Struct, frozen=True):
    """Who changes something, and why."""

    id: str | None
    name: str
    why: str = ""


NOBODY = Author(None, "")


async def book(session: AsyncSession, site_ids: Collection[str] | None = None) -> Book:
    """The layers of sites (None: of all)."""
    query = select(RuleLayerRow).order_by(RuleLayerRow.scope, RuleLayerRow.place_id)
    if site_ids is not None:
        query = query.where(RuleLayerRow.site_id.in_(site_ids))
    found: dict[str, list[RuleLayer]] = {}
    for row in await session.scalars(query):
        found.setdefault(row.site_id, []).append(told(row))
    return found


def told(row: RuleLayerRow) -> RuleLayer:
    """A layer as edges are told it."""
    return msgspec.convert(
        {
            "scope": row.scope,
            "id": row.place_id,
            "site": row.site_id,
            "rules": row.rules,
            "quality": row.quality,
            "revision": row.revision,
        },
        RuleLayer,
    )


def over(layers: Book, site_id: str, zone: Zone | None) -> list[RuleLayer]:
    """The layers that lie over a device in a zone, the widest first."""
    named = {"site": site_id, "building": zone.building_id if zone else None, "zone": zone.id if zone else None}
    found = [layer for layer in layers.get(site_id, ()) if named[layer.scope] == layer.id]
    return sorted(found, key=lambda layer: SCOPES.index(layer.scope))


async def over_device(session: AsyncSession, device: Device) -> list[RuleLayer]:
    """The layers that lie over one device."""
    return over(await book(session, [device.site_id]), device.site_id, await session.get(Zone, device.zone_id))


async def newest_revision(session: AsyncSession, scope: str, place_id: str) -> int:
    """Of a layer or a device's own rules; 0 where nothing ever changed."""
    query = select(func.max(RuleLayerRevision.revision)).where(
        RuleLayerRevision.scope == scope, RuleLayerRevision.place_id == place_id
    )
    return await session.scalar(query) or 0


async def record(
    session: AsyncSession,
    scope: Scope,
    place_id: str,
    site_id: str,
    *,
    act: Literal["put", "revert", "delete"],
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    by: Author,
    now: datetime,
    eased: Sequence[Mapping[str, Any]] = (),
) -> RuleLayerRevision:
    """Write one change down. The caller holds the log (`feed.hold`), so revisions rise one by one."""
    row = RuleLayerRevision(
        scope=scope,
        place_id=place_id,
        site_id=site_id,
        revision=await newest_revision(session, scope, place_id) + 1,
        act=act,
        at=now,
        by=by.id,
        by_name=by.name,
        why=by.why,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        eased=[dict(one) for one in eased],
    )
    session.add(row)
    await session.flush()
    return row


def content(device: Device) -> dict[str, Any]:
    """What a device itself says of its rules and tests."""
    return {"rules": device.rules, "quality": device.quality or {}}
