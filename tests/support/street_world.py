"""A second street beside the demo's, its desk, a neighbourhood's officer, and departments that can be called."""

from datetime import datetime, timedelta

from demo_accounts import PASSWORD
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people import service as people
from cloud.people.access import Role
from cloud.people.model import Area, Shift
from cloud.registry import seed
from cloud.registry.model import Building, Site, Zone
from cloud.whistles import seed as departments

STREET = f"{seed.DISTRICT}/qingshi-street"
GRID = f"{STREET}/hedong/grid-11"
ZONE = "qs-1-s1-2f"


async def two_streets(session: AsyncSession, now: datetime) -> None:
    """Accounts `duty2` (青石街道), `hood` (望湖社区), `power`, `power-chief`, `drainage`, …; the demo's password."""
    parent = seed.DISTRICT
    for path, name in ((STREET, "青石街道"), (f"{STREET}/hedong", "河东社区"), (GRID, "河东网格11")):
        tier = people.TIERS[path.count("/") - 1]
        await people.add_area(session, Area(path=path, name=name, name_en="", tier=tier, parent_path=parent,
                                            outline=None, lon=120.31, lat=31.51))  # fmt: skip
        parent = path
    session.add(Site(id="qingshi", name="青石新村", name_en="", grid_path=GRID, lon=120.31, lat=31.51))
    await session.flush()
    session.add(Building(id="qs-1", site_id="qingshi", name="1幢", name_en="", floors=6, outline=None,
                         lon=120.31, lat=31.51))  # fmt: skip
    await session.flush()
    session.add(Zone(id=ZONE, site_id="qingshi", building_id="qs-1", name="1幢1单元2层楼道", name_en="", floor=2,
                     section="qs-1-s1", lon=120.31, lat=31.51))  # fmt: skip
    for username, name, area in (("duty2", "江澜", STREET), ("hood", "叶知秋", seed.WANGHU)):
        await people.add_person(session, username=username, password=PASSWORD, name=name, roles=[Role.DUTY_OFFICER],
                                area_path=area, now=now, person_id=f"per_{username}")  # fmt: skip
    session.add(Shift(id="shf_qs", post="duty_officer", area_path=STREET, person_id="per_duty2",
                      starts_at=now - timedelta(hours=1), ends_at=now + timedelta(days=5)))  # fmt: skip
    await departments.demo(session, now=now, password=lambda _username: PASSWORD)
