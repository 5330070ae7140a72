"""The neighbourhood that the storm strikes: sites, stairwells, devices and their edges, and who listens."""

from datetime import UTC, datetime, timedelta

from benchmarks.storm.alerts import EDGES, places
from cloud import migrations
from cloud.app import load_models
from cloud.database import Database
from cloud.people import service as people
from cloud.people.access import Role
from cloud.registry import seed
from cloud.registry.gateways import add_edge
from cloud.registry.model import Building, Device, Site, Zone

LIFETIME = timedelta(hours=6)


async def settle(url: str, listeners: int) -> tuple[dict[str, str], list[str]]:
    """Fill an empty database; the edges' tokens by edge, and a session's token for each listener."""
    load_models()
    db = Database(url)
    await migrations.upgrade(db)
    now = datetime.now(UTC)
    try:
        async with db.transaction() as session:
            await seed.demo(session, now=now, password=lambda _name: "benchmark-only")
            tokens = {}
            for number in range(EDGES):
                _, tokens[f"gw-storm-{number}"] = await add_edge(
                    session, f"gw-storm-{number}", f"暴雨网关{number}", seed.STREET, now=now
                )
            await session.flush()
            spots = list(places())
            common = {"lon": 120.3, "lat": 31.5}
            sites = sorted({one.site for one in spots})
            session.add_all(Site(id=one, name=one, grid_path=seed.GRID_02, **common) for one in sites)
            await session.flush()
            buildings = sorted({(one.building, one.site) for one in spots})
            session.add_all(Building(id=one, site_id=site, name=one, floors=10, **common) for one, site in buildings)
            await session.flush()
            zones = {one.zone: one for one in spots}
            session.add_all(
                Zone(id=one.zone, site_id=one.site, building_id=one.building, name=one.zone, section=one.section,
                     floor=1, **common)
                for one in zones.values()
            )  # fmt: skip
            await session.flush()
            session.add_all(
                Device(
                    id=one.device, name=one.device, site_id=one.site, zone_id=one.zone, edge_id=one.edge,
                    profile="shouwang/smoke", hazard="smoke", parameters={}, rules={}, timeline="real", enabled=True,
                    credential=None, registered_at=now, updated_at=now,
                )
                for one in spots
            )  # fmt: skip
            sessions = []
            for number in range(listeners):
                account = await people.add_person(
                    session, username=f"watch-{number:03}", password=f"benchmark-only-{number}",
                    name=f"值守{number:03}", roles=(Role.DUTY_OFFICER,), area_path=seed.STREET, now=now,
                )  # fmt: skip
                token = await people.open_session(session, account, now=now, lifetime=LIFETIME, client="storm bench")
                sessions.append(token)
        return tokens, sessions
    finally:
        await db.close()
