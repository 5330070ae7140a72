"""覆盖: is every hour and every grid covered; what must be; who can be reached; who has been on for how long."""

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.idempotency import Did, once
from cloud.people import service as people
from cloud.people.access import EVERYONE, Person, Role, may_see, require, within
from cloud.people.model import Account, Area
from cloud.people.service import new_id
from cloud.problems import Problem, invalid, not_found
from cloud.rotas import bodies, needs, service, stamps, watch
from cloud.rotas.model import CoverGap, ReachCheck
from cloud.rotas.reach import PROOF_HOLDS, reached
from cloud.services import Services, services_of
from cloud.timers import service as timers

router = APIRouter(tags=["rotas"])
Shared = Annotated[Services, Depends(services_of)]
Desk = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.ADMINISTRATOR, Role.PROPERTY_MANAGER))]
Leads = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.ADMINISTRATOR))]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]
AnyPerson = Annotated[Person, Depends(require(*EVERYONE))]


@router.get("/cover", summary="值班缺口: which hours and grids nobody reachable covers")
async def cover(
    person: Desk, services: Shared, days: Annotated[int, Query(ge=1, le=31)] = watch.DAYS
) -> dict[str, Any]:
    """Of one's area, for the days to come: what is missing, in which grid, when, of which role, and why.

    `red` says that there is a gap within 24 hours. Worked out now, from the rotas as they stand.
    """
    now = services.now()
    zone = services.settings.time_zone
    async with services.db.reading() as session:
        found = await watch.look(session, zone, now, now + timedelta(days=days))
        wanted, _ = await needs.needs(session, zone)
        query = select(CoverGap).where(CoverGap.ended_at.is_(None), CoverGap.until > now)
        known = {(row.gap["need"], row.area_path, row.until): row for row in await session.scalars(query)}
    mine = [gap for gap in found.gaps if may_see(person, gap.area, None)]
    items = []
    for gap in mine:
        row = known.get((gap.need, gap.area, gap.until))
        told = {"found_at": row.found_at.isoformat() if row else None, "told": row.told if row else 0}
        items.append(watch.gap_json(gap, found.areas) | told)
    return {
        "from": found.since.isoformat(),
        "to": found.until.isoformat(),
        "red": any(gap.since < now + watch.SOON for gap in mine),
        "needs": [needs.need_json(one) for one in wanted if may_see(person, one.area, None)],
        "items": items,
        "next": None,
    }


@router.get("/cover/needs", summary="What must be covered")
async def list_needs(person: Desk, services: Shared) -> dict[str, Any]:
    """As set; a street without any has the built-in ones: an officer, a leader, somebody who can go in each grid."""
    async with services.db.reading() as session:
        found, _ = await needs.needs(session, services.settings.time_zone)
    items = [needs.need_json(one) for one in found if may_see(person, one.area, None)]
    return {"items": items, "next": None}


@router.put("/cover/needs", summary="Set what must be covered in an area")
async def put_needs(given: bodies.NeedsIn, person: Administrator, services: Shared) -> dict[str, Any]:
    """In place of what the area had; none: the built-in ones again. It is looked over at once."""
    if not within(person.area_path, given.area_path):
        raise Problem(403, "outside-area", "This area is not one that you are responsible for.")
    wanted = [_need(one, place) for place, one in enumerate(given.needs)]
    now = services.now()
    async with services.db.transaction() as session:
        area = await session.get(Area, given.area_path)
        if area is None:
            raise invalid("area_path", f"there is no area '{given.area_path:.100}'", "take a path from GET /areas")
        await needs.put(session, area, wanted, person, now)
        await timers.arm(session, service.WATCH, service.COVER, now, now=now)
    return await list_needs(person, services)


def _need(one: bodies.NeedIn, place: int) -> dict[str, Any]:
    if (one.begins is None) != (one.ends is None):
        raise invalid(f"needs.{place}", "has one of from and to", "give both, or neither")
    if one.post != "responder" and (one.role is not None or one.each_grid):
        raise invalid(f"needs.{place}", "role and each_grid are for the post responder", "leave them out")
    return {
        "post": one.post,
        "role": one.role,
        "count": one.count,
        "each_grid": one.each_grid,
        "begins": one.begins.isoformat("minutes") if one.begins else None,
        "ends": one.ends.isoformat("minutes") if one.ends else None,
    }


@router.get("/cover/reach", summary="Who can be reached, and since when that is proven")
async def reach(person: Desk, services: Shared) -> dict[str, Any]:
    """People of one's area: the newest proof (a tested way, a message acknowledged, a call answered), or none."""
    now = services.now()
    async with services.db.reading() as session:
        found = await reached(session, now)
        accounts = [
            one for one in await people.people(session) if one.active and within(person.area_path, one.area_path)
        ]
    items = [
        {
            "person_id": one.id,
            "name": one.name,
            "area_path": one.area_path,
            "reachable": one.id in found,
            "proven_at": found[one.id].at.isoformat() if one.id in found else None,
            "by": found[one.id].by if one.id in found else None,
            "holds_until": (found[one.id].at + PROOF_HOLDS).isoformat() if one.id in found else None,
        }
        for one in accounts
    ]
    return {"items": sorted(items, key=lambda one: (one["reachable"], one["person_id"])), "next": None}


@router.post("/people/{person_id}/reach-checks", status_code=201, summary="试叫: somebody was called")
async def check(request: Request, person_id: str, given: bodies.ReachIn, person: Leads) -> JSONResponse:
    """A call that was answered proves for 35 days that somebody can be reached; one that was not takes it away."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        now = services.now()
        account = await session.get(Account, person_id)
        if account is None or not within(person.area_path, account.area_path):
            raise not_found("person", person_id)
        if given.at is not None and given.at < now - timedelta(days=2):
            raise invalid("at", "is more than two days ago", "call again")
        row = ReachCheck(
            id=new_id("rch"),
            person_id=account.id,
            at=min(given.at or now, now),
            by={"id": person.id, "name": person.name},
            way=given.way,
            reached=given.reached,
            note=given.note,
        )
        session.add(row)
        await session.flush()
        await timers.arm(session, service.WATCH, service.COVER, now, now=now)
        return 201, {
            "id": row.id,
            "person_id": row.person_id,
            "at": row.at.isoformat(),
            "by": row.by,
            "way": row.way,
            "reached": row.reached,
            "note": row.note,
        }

    return await once(request, person, act)


# ---------------------------------------------------------------- stamps


async def _stamp(request: Request, person: Person, given: bodies.StampIn | None, *, on: bool) -> JSONResponse:
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        now = services.now()
        await stamps.tap(session, person.id, on=on, at=(given.at if given else None) or now, now=now)
        return 200, await _hours_of(session, person.id, services)

    return await once(request, person, act)


async def _hours_of(session: AsyncSession, person_id: str, services: Services) -> dict[str, Any]:
    now = services.now()
    found = (await stamps.stretches(session, now, [person_id])).get(person_id)
    hours = round(found.on.total_seconds() / 3600, 1) if found else 0.0
    return {
        "person_id": person_id,
        "on": bool(found and found.on_now),
        "since": found.since.isoformat() if found and found.since else None,
        "hours": hours,
        "worked_hours": round(found.worked.total_seconds() / 3600, 1) if found else 0.0,
        "long": hours > services.settings.long_duty_hours,
    }


@router.post("/duty/on", summary="到岗")
async def on(request: Request, person: AnyPerson, given: bodies.StampIn | None = None) -> JSONResponse:
    """One's own stamp; a phone without signal sends it later, with its time."""
    return await _stamp(request, person, given, on=True)


@router.post("/duty/off", summary="离岗")
async def off(request: Request, person: AnyPerson, given: bodies.StampIn | None = None) -> JSONResponse:
    """One's own stamp. Less than eight hours off are no rest: the stretch goes on."""
    return await _stamp(request, person, given, on=False)


@router.get("/duty/hours", summary="Who has been on for how long")
async def hours(
    person: AnyPerson, services: Shared, of: Annotated[Literal["me", "all"], Query()] = "me"
) -> dict[str, Any]:
    """By their own stamps; `all` is for the desk, of one's area, the longest first. `long` is shown, never hidden."""
    async with services.db.reading() as session:
        if of == "me":
            return {"items": [await _hours_of(session, person.id, services)], "next": None}
        if not person.has(Role.DUTY_OFFICER, Role.ADMINISTRATOR, Role.PROPERTY_MANAGER):
            raise Problem(403, "wrong-role", "Of others, this is for the desk.")
        accounts = {one.id: one for one in await people.people(session) if within(person.area_path, one.area_path)}
        found = await stamps.stretches(session, services.now(), list(accounts))
        items = [
            await _hours_of(session, one, services) | {"name": accounts[one].name}
            for one, run in found.items()
            if run.since is not None
        ]
    return {"items": sorted(items, key=lambda one: (-one["hours"], one["person_id"])), "next": None}
