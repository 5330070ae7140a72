"""Departments of the demonstration neighbourhood, with the people who answer for some of them. All invented."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from cloud.people import service as people
from cloud.people.access import Role
from cloud.people.model import Account
from cloud.registry.seed import DISTRICT
from cloud.whistles.model import Department

NO_SITE = ("-",)
"""A department's people see what they are called for, and no other incident: they are narrowed to no site."""


@dataclass(frozen=True, slots=True)
class _Person:
    username: str
    name: str
    name_en: str
    roles: tuple[Role, ...] = (Role.RESPONDER,)


PEOPLE = (
    _Person("power", "何建平", "He Jianping"),
    _Person("power-chief", "马立群", "Ma Liqun"),
    _Person("drainage", "崔海", "Cui Hai"),
    _Person("drainage-chief", "杜雪梅", "Du Xuemei"),
)


@dataclass(frozen=True, slots=True)
class _Department:
    id: str
    name: str
    name_en: str
    trade: str
    phone: str
    liaisons: tuple[str, ...] = ()
    supervisors: tuple[str, ...] = ("per_district",)
    arbiters: tuple[str, ...] = ("per_city",)


DEPARTMENTS = (
    _Department("power", "柳荫供电所", "Liuyin power supply", "power", "0000-2001", ("per_power",),
                ("per_power-chief",), ("per_district", "per_city")),
    _Department("drainage", "柳荫排水公司", "Liuyin drainage", "drainage", "0000-2002", ("per_drainage",),
                ("per_drainage-chief",), ("per_district", "per_city")),
    _Department("traffic", "交警三中队", "Traffic police, 3rd squadron", "traffic", "0000-2003"),
    _Department("gas", "柳荫燃气", "Liuyin gas", "gas", "0000-2004"),
    _Department("housing", "区住建局", "District construction office", "housing", "0000-2005"),
)  # fmt: skip


async def demo(session: AsyncSession, *, now: datetime, password: Callable[[str], str]) -> list[tuple[_Person, str]]:
    """Write them into the caller's transaction; the accounts that were opened, with their passwords."""
    opened = []
    for person in PEOPLE:
        if await session.get(Account, f"per_{person.username}") is None:
            secret = password(person.username)
            await people.add_person(
                session, username=person.username, password=secret, name=person.name, name_en=person.name_en,
                roles=person.roles, area_path=DISTRICT, site_ids=NO_SITE, now=now, person_id=f"per_{person.username}",
            )  # fmt: skip
            opened.append((person, secret))
    for one in DEPARTMENTS:
        if await session.get(Department, one.id) is None:
            session.add(
                Department(
                    id=one.id, name=one.name, name_en=one.name_en, trade=one.trade, area_path=DISTRICT,
                    liaisons=list(one.liaisons), supervisors=list(one.supervisors), arbiters=list(one.arbiters),
                    phone=one.phone, active=True, updated_at=now,
                )
            )  # fmt: skip
    await session.flush()
    return opened
