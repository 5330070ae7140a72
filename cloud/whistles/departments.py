"""Departments: who there is to call, changed by an administrator, each change a line of the audit chain."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.audit import service as audit
from cloud.people import service as people
from cloud.people.access import Person, within
from cloud.people.model import Account, Area
from cloud.problems import Problem, ProblemError, not_found
from cloud.whistles.model import Department

TRADES = (
    "power",
    "gas",
    "water",
    "drainage",
    "traffic",
    "fire",
    "police",
    "medical",
    "housing",
    "city_management",
    "telecom",
    "other",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A department as people hand it in."""

    name: str
    name_en: str
    trade: str
    area_path: str
    liaisons: Sequence[str]
    supervisors: Sequence[str]
    arbiters: Sequence[str]
    phone: str | None
    active: bool


async def put(session: AsyncSession, department_id: str, wanted: Wanted, person: Person, now: datetime) -> Department:
    """Enter a department, or change it.

    Raises:
        Problem: 422 with every fault: an unknown area or person, nobody to rule.
    """
    errors = []
    if await session.get(Area, wanted.area_path) is None:
        errors.append(_fault("area_path", f"there is no area '{wanted.area_path:.80}'", "take one of GET /areas"))
    for field in ("liaisons", "supervisors", "arbiters"):
        for one in getattr(wanted, field):
            account = await session.get(Account, one)
            if account is None or not account.active:
                errors.append(_fault(field, f"there is no active person '{one:.80}'", "take an id of GET /people"))
    if not wanted.supervisors:
        errors.append(_fault("supervisors", "is empty", "name who hears when a limit passes"))
    if not wanted.arbiters:
        errors.append(_fault("arbiters", "is empty", "name who rules when a whistle is sent back"))
    if own := set(wanted.arbiters) & {*wanted.liaisons, *wanted.supervisors}:
        what = f"{', '.join(sorted(own))} would rule in the department's own cause"
        errors.append(_fault("arbiters", what, "name somebody who stands above both sides"))
    if errors:
        raise Problem(422, "invalid", "The department cannot be so.", errors=errors)
    row = await session.get(Department, department_id)
    if row is None:
        row = Department(id=department_id)
        session.add(row)
    for field in ("name", "name_en", "trade", "area_path", "phone", "active"):
        setattr(row, field, getattr(wanted, field))
    for field in ("liaisons", "supervisors", "arbiters"):
        setattr(row, field, list(dict.fromkeys(getattr(wanted, field))))
    row.updated_at = now
    await session.flush()
    await audit.append(
        session,
        kind="department_put",
        now=now,
        subject=department_id,
        actor=person.id,
        body={key: getattr(row, key) for key in ("area_path", "liaisons", "supervisors", "arbiters", "active")},
    )
    return row


def _fault(where: str, what: str, fix: str) -> ProblemError:
    return ProblemError(where=where, what=what, fix=fix)


async def get(session: AsyncSession, department_id: str) -> Department:
    """One that can be called.

    Raises:
        Problem: 404.
    """
    row = await session.get(Department, department_id)
    if row is None or not row.active:
        raise not_found("department", department_id)
    return row


async def serving(session: AsyncSession, grid_path: str | None = None) -> list[Department]:
    """Active ones, narrowed to those that serve a place."""
    rows = await session.scalars(select(Department).where(Department.active).order_by(Department.id))
    return [row for row in rows if grid_path is None or within(row.area_path, grid_path)]


async def acting_for(session: AsyncSession, person: Person) -> frozenset[str]:
    """Departments that a person answers for, as liaison or supervisor."""
    rows = await session.scalars(select(Department))
    return frozenset(row.id for row in rows if person.id in {*row.liaisons, *row.supervisors})


async def present(session: AsyncSession, ids: Sequence[str], exercise: str | None) -> list[str]:
    """Those of some people who can be reached for it: active accounts; in an exercise, participants only."""
    found = []
    for one in dict.fromkeys(ids):
        account = await session.get(Account, one)
        person = await people.person(session, one) if account is not None and account.active else None
        if person is not None and (exercise is None or exercise in person.exercises):
            found.append(one)
    return found


def department_json(row: Department, *, people_too: bool) -> dict[str, Any]:
    """As the API shows it; who the people are, to those who dispatch and administer."""
    shown: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "name_en": row.name_en,
        "trade": row.trade,
        "area_path": row.area_path,
        "phone": row.phone,
        "active": row.active,
    }
    if people_too:
        shown |= {"liaisons": row.liaisons, "supervisors": row.supervisors, "arbiters": row.arbiters}
    return shown
