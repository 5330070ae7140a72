"""Place cards of the demonstration neighbourhood: addresses and gates that do not exist."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.handoffs.model import SiteAccess
from cloud.registry.seed_map import at

_KNOWN = {
    "wanghuyuan": {
        "address": "望湖路18号", "address_en": "18 Wanghu Road", "gate": "望湖路南门，进门左转50米",
        "gate_at": (-200, 196), "lane": "7幢南侧，登高面在北侧草坪", "hydrant": "7幢与8幢之间，南门内1个",
        "power_room": "6幢地下室东侧", "gas_valve": "每单元一楼外墙", "keys": "南门保安室",
        "hazards": "7幢东侧电动自行车棚", "callback": "0000-1801",
    },
    "shuinan": {
        "address": "水南路66号", "address_en": "66 Shuinan Road", "gate": "水南路北门", "gate_at": (-250, -249),
        "lane": "12幢与15幢之间，常有车占道", "hydrant": "北门外10米", "power_room": "15幢一楼西侧",
        "gas_valve": "每单元一楼外墙", "keys": "门卫", "hazards": "15幢一楼小吃店两只煤气瓶", "callback": "0000-1802",
    },
    "liuyin-underpass": {
        "address": "柳荫路铁路下穿", "address_en": "Liuyin Road under the railway", "gate": "东口，铁东路来",
        "gate_at": (210, -60), "power_room": "泵房在东口南侧", "keys": "泵房钥匙在街道值班室",
        "hazards": "最低点配电柜", "callback": "0000-1800",
    },
    "linjiang": {
        "address": "滨江路9号", "address_en": "9 Riverside Road", "gate": "滨江路正门，地下室入口在东侧",
        "gate_at": (350, 208), "lane": "环形车道", "hydrant": "每座两个水泵接合器", "power_room": "B座地下一层",
        "keys": "消防控制室", "callback": "0000-1803",
    },
}  # fmt: skip


async def demo(session: AsyncSession, *, now: datetime) -> int:
    """Write them into the caller's transaction where there are none; how many."""
    written = 0
    for site_id, known in _KNOWN.items():
        if await session.get(SiteAccess, site_id) is None:
            east, north = known["gate_at"]
            lon, lat = at(float(east), float(north))
            texts = {key: str(value) for key, value in known.items() if key != "gate_at"}
            session.add(
                SiteAccess(
                    site_id=site_id, gate_lon=lon, gate_lat=lat, updated_at=now, updated_by="per_manager", **texts
                )
            )
            written += 1
    await session.flush()
    return written
