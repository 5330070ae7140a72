"""Gateways that fall silent: one incident each, whatever hangs on them; devices are not accused one by one."""

from datetime import timedelta

from sqlalchemy import select

from cloud.dispatch import service as dispatch
from cloud.dispatch.service import Policy
from cloud.incidents import arrivals, places
from cloud.incidents.docket import docket
from cloud.registry import service as registry
from cloud.registry.model import Edge
from cloud.services import Services


async def look(services: Services) -> list[str]:
    """Mark silent edges as offline and open their incidents; the ids of those lost just now."""
    now = services.now()
    after_s = services.settings.edge_offline_after_s
    async with services.db.reading() as session:  # the usual case writes nothing
        late = select(Edge.id).where(Edge.online, Edge.reported_at < now - timedelta(seconds=after_s)).limit(1)
        if await session.scalar(late) is None:
            return []
    async with docket(services) as work:
        lost = await registry.lose_edges(work.session, now=now, after_s=after_s)
        for edge in lost:
            placed = await places.of_edge(work.session, edge.id)
            assert placed is not None and edge.reported_at is not None  # noqa: PT018  it was online
            silent_s = (now - edge.reported_at).total_seconds()
            await arrivals.gateway_lost(work, edge.id, placed, silent_s=silent_s, last=edge.reported_at)
        await dispatch.follow(work, Policy.of(services.settings))
        await work.finish()
        return [edge.id for edge in lost]


async def came_back(services: Services, edge_id: str) -> None:
    """Note the recovery on the gateway's incident, if there is one."""
    async with docket(services) as work:
        placed = await places.of_edge(work.session, edge_id)
        if placed is not None:
            await arrivals.gateway_back(work, edge_id, placed)
        await dispatch.follow(work, Policy.of(services.settings))
        await work.finish()
