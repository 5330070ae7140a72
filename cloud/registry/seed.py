"""The demonstration neighbourhood: 澄江市柳荫街道, a fictional place with invented people.

Writes areas, the map (`seed_map`), sites, buildings, zones, accounts, responders, rotas and one edge;
devices are registered through the API by whoever simulates them. Running it again changes nothing that stands and
renews the shifts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people import service as people
from cloud.people.access import Role
from cloud.people.model import Account, Area, Responder, ResponderMember
from cloud.registry.model import Building, Edge, Site, Zone
from cloud.registry.seed_map import ORIGIN_LAT, ORIGIN_LON, at, box, features, polygon
from cloud.rotas import seed as rotas

CITY = "/chengjiang"
DISTRICT = f"{CITY}/liuyin"
STREET = f"{DISTRICT}/liuyin-street"
WANGHU = f"{STREET}/wanghu"
SHUINAN = f"{STREET}/shuinan"
GRID_02, GRID_03, GRID_05 = f"{WANGHU}/grid-02", f"{WANGHU}/grid-03", f"{SHUINAN}/grid-05"
EDGE_ID = "gw-liuyin"


@dataclass(frozen=True, slots=True)
class _Person:
    username: str
    name: str
    name_en: str
    roles: tuple[Role, ...]
    area: str
    post: people.Post | None = None
    responder: str | None = None  # role as a responder
    skills: tuple[str, ...] = ()
    position: tuple[float, float] | None = None
    deputy_of: str | None = None  # B 角 of that one


PEOPLE = (
    _Person("duty", "林知远", "Lin Zhiyuan", (Role.DUTY_OFFICER,), STREET, "duty_officer"),
    _Person("leader", "王海燕", "Wang Haiyan", (Role.DUTY_OFFICER,), STREET, "duty_leader"),
    _Person("deputy", "何清", "He Qing", (Role.DUTY_OFFICER,), STREET, "standby", deputy_of="duty"),
    _Person("district", "程立新", "Cheng Lixin", (Role.DUTY_OFFICER,), DISTRICT, "duty_officer"),
    _Person("city", "苏敬之", "Su Jingzhi", (Role.DUTY_OFFICER,), CITY, "duty_officer"),
    _Person("manager", "赵敏", "Zhao Min", (Role.PROPERTY_MANAGER,), STREET),
    _Person("trainer", "顾言", "Gu Yan", (Role.TRAINER,), STREET),
    _Person("admin", "系统管理员", "Administrator", (Role.ADMINISTRATOR,), CITY),
    _Person("zhou", "周启明", "Zhou Qiming", (Role.RESPONDER,), GRID_02, None, "grid_worker",
            ("first_aid", "fire"), (-160, 60)),
    _Person("shen", "沈雨桐", "Shen Yutong", (Role.RESPONDER,), GRID_03, None, "grid_worker",
            ("flood", "traffic"), (190, -90)),
    _Person("lu", "陆建国", "Lu Jianguo", (Role.RESPONDER,), GRID_05, None, "grid_worker",
            ("fire", "flood"), (-120, -330)),
    _Person("han", "韩雪", "Han Xue", (Role.RESPONDER,), GRID_03, None, "building_inspector",
            ("facade", "height"), (330, 120)),
    _Person("mfs", "望湖微型消防站", "Wanghu micro fire station", (Role.RESPONDER,), WANGHU),
    _Person("guard", "马涛", "Ma Tao", (Role.RESPONDER,), GRID_02, None, "security_guard",
            ("fire", "keys"), (-210, 130)),
)  # fmt: skip
TEAM_ID = "rsp_wanghu-mfs"


@dataclass(frozen=True, slots=True)
class _Building:
    id: str
    name: str
    name_en: str
    floors: int
    outline: dict[str, Any]
    middle: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Site:
    id: str
    name: str
    name_en: str
    grid: str
    middle: tuple[float, float]
    buildings: tuple[_Building, ...] = field(default=())


SITES = (
    _Site("wanghuyuan", "望湖苑", "Wanghu Garden", GRID_02, (-190, 110), (
        _Building("wh-7", "7幢", "Building 7", 6, box(-260, 120, -200, 134), (-230, 127)),
        _Building("wh-8", "8幢", "Building 8", 6, box(-260, 80, -200, 94), (-230, 87)),
        _Building("wh-9", "9幢", "Building 9", 6, box(-170, 100, -156, 160), (-163, 130)),
    )),
    _Site("shuinan", "水南新村", "Shuinan New Village", GRID_05, (-150, -300), (
        _Building("sn-12", "12幢", "Building 12", 6, box(-190, -300, -130, -287), (-160, -293)),
        _Building("sn-15", "15幢", "Building 15", 6, box(-190, -350, -130, -337), (-160, -343)),
    )),
    _Site("liuyin-underpass", "柳荫路铁路下穿", "Liuyin Road railway underpass", GRID_03, (160, -60)),
    _Site("linjiang", "临江中心", "Linjiang Centre", GRID_03, (330, 140), (
        _Building("lj-a", "A座", "Tower A", 12, box(260, 110, 300, 145), (280, 127)),
        _Building("lj-b", "B座", "Tower B", 18, polygon((330, 120), (372, 120), (380, 150), (338, 156)), (355, 137)),
    )),
)  # fmt: skip
_NUMERALS = {"e": ("东立面", "east façade"), "n": ("北立面", "north façade"), "s": ("南立面", "south façade"),
             "w": ("西立面", "west façade")}  # fmt: skip


def areas() -> Iterator[Area]:
    """The responsibility tree, parents first."""
    nodes: tuple[tuple[str, str, str, dict[str, Any] | None], ...] = (
        (CITY, "澄江市", "Chengjiang", None),
        (DISTRICT, "柳荫区", "Liuyin District", None),
        (STREET, "柳荫街道", "Liuyin Street", box(-420, -480, 520, 420)),
        (WANGHU, "望湖社区", "Wanghu neighbourhood", None),
        (SHUINAN, "水南社区", "Shuinan neighbourhood", None),
        (GRID_02, "望湖网格02", "Wanghu grid 02", polygon((-400, 0), (20, 0), (40, 210), (-30, 400), (-400, 400))),
        (GRID_03, "柳荫桥网格03", "Liuyin Bridge grid 03",
         polygon((20, 0), (40, -200), (500, -200), (500, 400), (-30, 400), (40, 210))),
        (GRID_05, "水南网格05", "Shuinan grid 05", polygon((-400, 0), (20, 0), (40, -200), (60, -460), (-400, -460))),
    )  # fmt: skip
    for path, name, name_en, outline in nodes:
        parent = path.rsplit("/", 1)[0] or None
        tier = people.TIERS[path.count("/") - 1]
        ring = outline["coordinates"][0][:-1] if outline else []
        lon = sum(point[0] for point in ring) / len(ring) if ring else ORIGIN_LON
        lat = sum(point[1] for point in ring) / len(ring) if ring else ORIGIN_LAT
        yield Area(path=path, name=name, name_en=name_en, tier=tier, parent_path=parent, outline=outline,
                   lon=lon, lat=lat)  # fmt: skip


def zones() -> Iterator[Zone]:
    """Landings of every stairwell and two flats a floor, the underpass, façade fields."""
    for site in SITES:
        for building in site.buildings:
            yield from _facade(site, building) if site.id == "linjiang" else _dwelling(site, building)
    for number, (zone_id, name, name_en) in enumerate(
        (("up-west", "西口", "west mouth"), ("up-low", "最低点", "lowest point"), ("up-east", "东口", "east mouth"))
    ):
        lon, lat = at(110 + 50 * number, -60)
        yield Zone(id=zone_id, site_id="liuyin-underpass", name=name, name_en=name_en, section="up", lon=lon, lat=lat)


def _dwelling(site: _Site, building: _Building) -> Iterator[Zone]:
    for stairwell in (1, 2):
        east, north = building.middle
        lon, lat = at(east + (-14 if stairwell == 1 else 14), north)
        section = f"{building.id}-s{stairwell}"
        where, where_en = f"{building.name}{stairwell}单元", f"{building.name_en} stairwell {stairwell}"
        common = {"site_id": site.id, "building_id": building.id, "section": section, "lon": lon, "lat": lat}
        for floor in range(1, building.floors + 1):
            yield Zone(id=f"{section}-{floor}f", name=f"{where}{floor}层楼道", floor=floor,
                       name_en=f"{where_en} floor {floor} landing", **common)  # fmt: skip
            for flat in (1, 2):
                number = f"{floor}{flat:02d}"
                yield Zone(id=f"{section}-{number}", name=f"{where}{number}室", floor=floor,
                           name_en=f"{where_en} flat {number}", **common)  # fmt: skip


def _facade(site: _Site, building: _Building) -> Iterator[Zone]:
    lon, lat = at(*building.middle)
    for side, (name, name_en) in _NUMERALS.items():
        for floor in range(1, building.floors + 1):
            yield Zone(
                id=f"{building.id}-{floor}-{side}", site_id=site.id, building_id=building.id, floor=floor,
                name=f"{building.name}{floor}层{name}", name_en=f"{building.name_en} floor {floor} {name_en}",
                section=f"{building.id}-{side}", lon=lon, lat=lat,
            )  # fmt: skip


async def demo(session: AsyncSession, *, now: datetime, password: Callable[[str], str]) -> list[tuple[_Person, str]]:
    """Write the neighbourhood into the caller's transaction.

    Args:
        session: the transaction.
        now: rotas are laid out from it.
        password: the password of a new account, by username.

    Returns:
        The accounts that were opened, with their passwords; empty when all of them stood already.
    """
    for area in areas():
        await people.add_area(session, area)
    for feature in features(STREET):
        await session.merge(feature)
    for site in SITES:
        lon, lat = at(*site.middle)
        await session.merge(
            Site(id=site.id, name=site.name, name_en=site.name_en, grid_path=site.grid, lon=lon, lat=lat)
        )
    await session.flush()
    for site in SITES:
        for building in site.buildings:
            lon, lat = at(*building.middle)
            await session.merge(
                Building(id=building.id, site_id=site.id, name=building.name, name_en=building.name_en,
                         floors=building.floors, outline=building.outline, lon=lon, lat=lat)
            )  # fmt: skip
    await session.flush()
    if await session.get(Zone, "up-low") is None:
        session.add_all(zones())
    if await session.get(Edge, EDGE_ID) is None:
        session.add(Edge(id=EDGE_ID, name="柳荫街道网关", area_path=STREET, created_at=now))
    await session.flush()
    opened = [one for person in PEOPLE if (one := await _person(session, person, now, password))]
    await _team(session)
    await rotas.plant(session, _rotas(), [f"per_{one.username}" for one in PEOPLE], [(WANGHU, "micro_fire_station")],
                      now=now)  # fmt: skip
    return opened


async def _person(
    session: AsyncSession, person: _Person, now: datetime, password: Callable[[str], str]
) -> tuple[_Person, str] | None:
    person_id = f"per_{person.username}"
    opened = None
    if await session.get(Account, person_id) is None:
        secret = password(person.username)
        await people.add_person(
            session, username=person.username, password=secret, name=person.name, name_en=person.name_en,
            roles=person.roles, area_path=person.area, now=now, person_id=person_id,
        )  # fmt: skip
        opened = (person, secret)
    if person.responder:
        lon, lat = at(*person.position) if person.position else (None, None)
        await session.merge(
            Responder(id=f"rsp_{person.username}", name=person.name, name_en=person.name_en, kind="person",
                      role=person.responder, area_path=person.area, skills=list(person.skills),
                      post_lon=lon, post_lat=lat, active=True)
        )  # fmt: skip
        await session.flush()
        await session.merge(ResponderMember(responder_id=f"rsp_{person.username}", person_id=person_id))
    await session.flush()
    return opened


async def _team(session: AsyncSession) -> None:
    lon, lat = at(-120, 40)
    await session.merge(
        Responder(id=TEAM_ID, name="望湖微型消防站", name_en="Wanghu micro fire station", kind="team",
                  role="micro_fire_station", area_path=WANGHU, skills=["fire", "evacuation", "first_aid"],
                  equipment=["灭火器", "消防斧", "过滤式自救呼吸器"], vehicle="微型消防车",
                  post_lon=lon, post_lat=lat, active=True)
    )  # fmt: skip
    await session.flush()
    for username in ("mfs", "guard"):
        await session.merge(ResponderMember(responder_id=TEAM_ID, person_id=f"per_{username}"))
    await session.flush()


_POSTS = {"duty_officer": "值班员", "duty_leader": "带班领导", "standby": "备勤"}


def _rotas() -> tuple[rotas.Planted, ...]:
    """Who stands where: posts of 24 hours with a B 角 where there is one, the force by day and by night."""
    names = {area.path: area.name for area in areas()}
    deputies = {person.deputy_of: f"per_{person.username}" for person in PEOPLE if person.deputy_of}
    found = [rotas.Planted("rta_demo-team", WANGHU, "responder", "望湖微型消防站", rotas.day_and_night(TEAM_ID))]
    for person in PEOPLE:
        name, who = f"rta_demo-{person.username}", f"per_{person.username}"
        if person.post == "standby":
            turns = rotas.nights_and_days_off(who)
            found.append(rotas.Planted(name, person.area, "standby", f"{names[person.area]}备勤", turns))
        elif person.post:
            turns = rotas.around_the_clock(who, deputies.get(person.username))
            called = f"{names[person.area]}{_POSTS[person.post]}"
            found.append(rotas.Planted(name, person.area, person.post, called, turns))
        elif person.responder:
            turns = rotas.day_and_night(f"rsp_{person.username}")
            found.append(rotas.Planted(name, person.area, "responder", f"{names[person.area]} {person.name}", turns))
    return tuple(found)
