"""What goes down to each edge: its whole configuration as a list, and every change in the feed log."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.feed.model import FeedEntry
from cloud.registry import layers, timelines
from cloud.registry.model import ActionRow, DecisionRow, Device, Edge, IssuedExercise, Zone
from wire.action import ActionConfig
from wire.alert import Hazard
from wire.configuration import Decision, DeviceConfig, DrillConfig, EdgeDocument, RuleLayer
from wire.time import Segment, Timeline


async def push(
    session: AsyncSession, edge_id: str, kind: str, key: str, value: Any, *, exercise: str | None = None
) -> int:
    """Tell one edge of a change (None = gone); returns the revision. Call it last in a transaction."""
    row = await enter(session, edge_id, kind, key, value, exercise=exercise)
    await session.flush()
    return row.position


async def enter(
    session: AsyncSession, edge_id: str, kind: str, key: str, value: Any, *, exercise: str | None = None
) -> FeedEntry:
    """As `push`, but written with the next flush: for many at once."""
    body = None if value is None else msgspec.to_builtins(value)
    # only appends: a row of the edge updated after the log's lock could wait for a heartbeat that waits for the log
    return await feed.enter(
        session,
        kind=f"{feed.EDGE_KIND}{edge_id}",
        key=key,
        value={"kind": kind, "value": body},
        grid_path=None,
        exercise=exercise,
    )


async def revision(session: AsyncSession, edge_id: str) -> int:
    """Position of the last change that is meant for an edge; 0 when there is none (any more)."""
    query = select(func.max(FeedEntry.position)).where(FeedEntry.kind == f"{feed.EDGE_KIND}{edge_id}")
    return await session.scalar(query) or 0


async def document(session: AsyncSession, edge_id: str, *, now: datetime) -> EdgeDocument:
    """The list: everything an edge needs. Its revision is read first, so a change in between only comes twice."""
    newest = await feed.position(session)
    devices = list(await session.scalars(select(Device).where(Device.edge_id == edge_id).order_by(Device.id)))
    places_of = {zone.id: zone for zone in await session.scalars(select(Zone))}
    pending = await session.scalars(
        select(DecisionRow).where(
            DecisionRow.edge_id == edge_id, DecisionRow.result.is_(None), DecisionRow.expires_at > now
        )
    )
    exercises = await session.scalars(select(IssuedExercise).order_by(IssuedExercise.id))
    over = await layers.book(session, {device.site_id for device in devices})
    return EdgeDocument(
        edge=edge_id,
        revision=newest,
        devices=[config(device, places_of.get(device.zone_id)) for device in devices],
        timelines=await timelines.all_timelines(session),
        drills=[_drill_config(row) for row in exercises],
        decisions=[msgspec.convert(row.decision, Decision) for row in pending],
        layers=[layer for of_site in over.values() for layer in of_site],
        actions=[
            msgspec.convert(row.config, ActionConfig)
            for row in await session.scalars(select(ActionRow).where(ActionRow.edge_id == edge_id))
        ],
    )


def config(device: Device, zone: Zone | None) -> DeviceConfig:
    """A device as its edge must know it."""
    return DeviceConfig(
        id=device.id,
        site=device.site_id,
        profile=device.profile,
        name=device.name,
        building=zone.building_id if zone else None,
        zone=device.zone_id,
        hazard=Hazard(device.hazard) if device.hazard else None,
        timeline=device.timeline,
        enabled=device.enabled,
        parameters=device.parameters,
        rules=device.rules,
        quality=device.quality or {},
        maintenance_until=device.maintenance_until,
        credential=device.credential,
        address=device.address,
    )


async def edges_at(session: AsyncSession, site_id: str) -> list[str]:
    """The edges that have devices at a site."""
    query = select(Device.edge_id).where(Device.site_id == site_id).distinct().order_by(Device.edge_id)
    return list(await session.scalars(query))


async def introduce(session: AsyncSession, edge_id: str, site_id: str, but: Collection[str]) -> None:
    """Tell an edge of a site's layers if these devices are the first that it has there; before it hears of them."""
    others = select(Device.id).where(Device.edge_id == edge_id, Device.site_id == site_id).limit(len(but) + 1)
    if set(await session.scalars(others)) - set(but):
        return
    for layer in (await layers.book(session, [site_id])).get(site_id, ()):
        await push_layer(session, edge_id, layer.scope, layer.id, layer)


async def push_layer(session: AsyncSession, edge_id: str, scope: str, place_id: str, value: RuleLayer | None) -> int:
    """Tell an edge of a layer (None = gone); returns the revision of its configuration."""
    return await push(session, edge_id, "layer", f"{scope}:{place_id}", value)


async def edge_ids(session: AsyncSession) -> list[str]:
    """Every edge."""
    return list(await session.scalars(select(Edge.id).order_by(Edge.id)))


def _drill_config(row: IssuedExercise) -> DrillConfig:
    clock = Timeline(name=row.id, segments=tuple(msgspec.convert(row.segments, list[Segment])))
    return msgspec.convert({"id": row.id, "state": row.state, "timeline": clock}, DrillConfig, from_attributes=True)


async def is_issued(session: AsyncSession, exercise: str) -> bool:
    """Whether an exercise id was ever given out here; one that never was is treated as real and flagged."""
    return await session.get(IssuedExercise, exercise) is not None


async def exercise_clock(session: AsyncSession, exercise: str) -> Timeline | None:
    """The clock of an issued exercise."""
    row = await session.get(IssuedExercise, exercise)
    return _drill_config(row).timeline if row else None


async def push_drill(session: AsyncSession, drill: DrillConfig, *, name: str, now: datetime) -> None:
    """Keep a drill's state and clock, and tell every edge: its id is exercise for good."""
    segments = [msgspec.to_builtins(segment) for segment in drill.timeline.segments]
    row = await session.get(IssuedExercise, drill.id)
    if row is None:
        session.add(IssuedExercise(id=drill.id, name=name, state=drill.state, segments=segments, issued_at=now))
    else:
        row.state, row.segments = drill.state, segments
    await session.flush()
    for edge_id in await edge_ids(session):
        await push(session, edge_id, "drill", drill.id, drill, exercise=drill.id)


async def put_timeline(session: AsyncSession, value: Timeline, *, label_zh: str = "", label_en: str = "") -> None:
    """Set a named clock and tell every edge.

    Raises:
        Problem: see `timelines.write`.
    """
    await timelines.write(session, value, label_zh=label_zh, label_en=label_en)
    for edge_id in await edge_ids(session):
        await push(session, edge_id, "timeline", value.name, value)
    await feed.append(
        session,
        kind="registry",
        key=f"timeline:{value.name}",
        value={"kind": "timeline", "timeline": msgspec.to_builtins(value)},
        grid_path=None,
        exercise=None,
    )


async def send_decision(session: AsyncSession, edge_id: str, decision: Decision, *, exercise: str | None) -> None:
    """Hand a person's decision to an edge; a repeat of the same id changes nothing."""
    if await session.get(DecisionRow, decision.id) is not None:
        return
    session.add(
        DecisionRow(
            id=decision.id,
            edge_id=edge_id,
            alarm_id=decision.alarm_id,
            exercise=exercise,
            decision=msgspec.to_builtins(decision),
            issued_at=decision.issued_at,
            expires_at=decision.expires_at,
            result=None,
            reason="",
            reported_at=None,
        )
    )
    await push(session, edge_id, "decision", decision.id, decision, exercise=exercise)
