"""Edge gateways: entered by an administrator, heard by their heartbeats, lost when these stay away."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.feed import service as feed
from cloud.people import service as people
from cloud.people.model import Area
from cloud.problems import conflict, invalid, not_found
from cloud.registry.downlink import revision
from cloud.registry.model import Edge
from wire.report import EdgeReport
from wire.topics import is_identifier


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
