"""值班表: who stands on which post when; entered, revised, a day given by itself; who is on call at an instant."""

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.idempotency import Did, once
from cloud.people.access import Person, Role, may_see, require, within
from cloud.people.model import Area
from cloud.problems import Problem, invalid
from cloud.rotas import bodies, changes_api, cover_api, force_api, loading, pattern, service, views
from cloud.rotas.model import CalendarDay, RotaRow
from cloud.rotas.pattern import Pattern
from cloud.services import Services, services_of

router = APIRouter(tags=["rotas"])
router.include_router(changes_api.router)
router.include_router(cover_api.router)
router.include_router(force_api.router)
Shared = Annotated[Services, Depends(services_of)]
Anyone = Annotated[Person, Depends(require())]
Keeper = Annotated[Person, Depends(require(Role.ADMINISTRATOR, Role.DUTY_OFFICER, Role.PROPERTY_MANAGER))]
Administrator = Annotated[Person, Depends(require(Role.ADMINISTRATOR))]
LONGEST_LOOK = timedelta(days=62)


def _near(person: Person, area_path: str) -> bool:
    return may_see(person, area_path, None) or within(area_path, person.area_path)


@router.get("/rotas", summary="值班表")
async def list_rotas(
    person: Anyone, services: Shared, area: Annotated[str | None, Query(max_length=300)] = None
) -> dict[str, Any]:
    """Of one's area and of those above it; each with the pattern in force and who stands there now."""
    now = services.now()
    async with services.db.reading() as session:
        query = select(RotaRow).order_by(RotaRow.area_path, RotaRow.post, RotaRow.id)
        rows = [row for row in await session.scalars(query) if _near(person, row.area_path)]
        if area is not None:
            rows = [row for row in rows if within(area, row.area_path)]
        items = await views.rotas(session, rows, now)
    return {"items": items, "next": None}


@router.get("/rotas/{rota_id}", summary="One rota, with everything decided about it")
async def one_rota(rota_id: str, person: Anyone, services: Shared) -> dict[str, Any]:
    """Revisions with who, when and why; days given by themselves; leave, swaps, stand-ins that are about it."""
    async with services.db.reading() as session:
        row = await service.get(session, rota_id, person)
        return await views.whole(session, row, services.now())


def _pattern(given: bodies.RotaIn | bodies.RevisionIn, zone: str) -> Pattern | None:
    if given.pattern is not None and given.rotation is not None:
        raise invalid("rotation", "comes beside a pattern", "give one of the two")
    wanted = given.pattern or given.rotation
    if wanted is None:
        return None
    try:
        return wanted.pattern(zone)
    except ValueError as error:
        raise invalid("rotation", str(error)) from None


@router.post("/rotas", status_code=201, summary="Enter a rota")
async def enter(request: Request, given: bodies.RotaIn, person: Keeper) -> JSONResponse:
    """In force from now or later; its shifts stand at once, and what it leaves uncovered is looked for."""
    services = services_of(request)
    service.refuse_unless_keeper(person, given.area_path, given.post)
    wanted = _pattern(given, services.settings.time_zone)
    if wanted is None:
        raise invalid("pattern", "is missing", "give a pattern or a rotation")

    async def act(session: AsyncSession) -> Did:
        now = services.now()
        row = await service.enter(
            session,
            person,
            area_path=given.area_path,
            post=given.post,
            name=given.name,
            wanted=wanted,
            since=given.since or now,
            reason=given.reason,
            now=now,
        )
        return 201, await views.whole(session, row, now)

    return await once(request, person, act)


@router.put("/rotas/{rota_id}/pattern", summary="Revise a rota, or end it")
async def revise(request: Request, rota_id: str, given: bodies.RevisionIn, person: Keeper) -> JSONResponse:
    """A new revision from an instant on; without pattern and rotation the rota is over then. What has passed stands."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        now = services.now()
        row = await service.get(session, rota_id, person)
        service.refuse_unless_keeper(person, row.area_path, row.post)
        wanted = _pattern(given, services.settings.time_zone)
        since = given.since or now
        await service.revise(
            session, row, person, wanted=wanted, since=since, reason=given.reason, now=now, expected=given.expected
        )
        return 200, await views.whole(session, row, now)

    return await once(request, person, act)


@router.put("/rotas/{rota_id}/days/{day}", summary="A single day by itself")
async def give_day(request: Request, rota_id: str, day: date, given: bodies.DayIn, person: Keeper) -> JSONResponse:
    """Its turns instead of those that repeat and begin on that date; none: nobody works."""
    return await _day(request, rota_id, day, given, person)


@router.delete("/rotas/{rota_id}/days/{day}", summary="The day is as it repeats again")
async def clear_day(request: Request, rota_id: str, day: date, person: Keeper) -> JSONResponse:
    """Takes away what was given for a date by itself."""
    return await _day(request, rota_id, day, None, person)


async def _day(request: Request, rota_id: str, day: date, given: bodies.DayIn | None, person: Person) -> JSONResponse:
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        now = services.now()
        row = await service.get(session, rota_id, person)
        service.refuse_unless_keeper(person, row.area_path, row.post)
        turns = None if given is None else [one.turn() for one in given.turns]
        reason = given.reason if given else ""
        await service.give_day(session, row, person, day=day, turns=turns, reason=reason, now=now)
        return 200, await views.whole(session, row, now)

    return await once(request, person, act)


@router.post("/rotas/preview", summary="What a pattern would mean, before it is entered")
async def preview(
    given: bodies.RotaIn, person: Keeper, services: Shared, days: Annotated[int, Query(ge=1, le=62)] = 14
) -> dict[str, Any]:
    """Every turn of the days to come, and the pattern that a rotation makes. Writes nothing."""
    service.refuse_unless_keeper(person, given.area_path, given.post)
    wanted = _pattern(given, services.settings.time_zone)
    if wanted is None:
        raise invalid("pattern", "is missing", "give a pattern or a rotation")
    service.refuse(pattern.faults(wanted))
    now = services.now()
    async with services.db.reading() as session:
        await service.judge_turns(session, given.post, given.area_path, wanted.turns)
        book = await loading.book(session, since=now, rota_ids=[])
        found = views.previewed(book, given.area_path, given.post, wanted, given.since or now, days)
        names = await views.names(session)
    return {
        "pattern": bodies.as_builtins(wanted),
        "items": [views.duty_json(one, names) for one in found],
        "next": None,
    }


@router.get("/on-call", summary="在岗: who stands where, at an instant or over a span")
async def on_call(
    person: Anyone,
    services: Shared,
    at: AwareDatetime | None = None,
    until: Annotated[AwareDatetime | None, Query(description="Over a span instead, at most 62 days")] = None,
    area: Annotated[str | None, Query(max_length=300)] = None,
) -> dict[str, Any]:
    """Worked out from the rotas themselves, for any instant: with A 角, B 角, until when, and why it is them."""
    since = at or services.now()
    if until is not None and not since < until <= since + LONGEST_LOOK:
        raise invalid("until", f"is not within {LONGEST_LOOK.days} days after `at`", "ask for a shorter span")
    async with services.db.reading() as session:
        book = await loading.book(session, since=since)
        names = await views.names(session)
    laid = book.lay(since, until or since + timedelta(microseconds=1))
    chosen = [
        one
        for one in laid.duties
        if _near(person, one.area) and (area is None or within(area, one.area) or within(one.area, area))
    ]
    holes = [one for one in laid.holes if _near(person, one.area) and (area is None or within(area, one.area))]
    return {
        "at": since.isoformat(),
        "items": [views.duty_json(one, names) | {"rota": book.names[one.rota]} for one in chosen],
        "holes": [views.hole_json(one, names) | {"rota": book.names[one.rota]} for one in holes],
        "next": None,
    }


@router.get("/calendar", summary="Public holidays, and days worked in their place")
async def calendar(
    _person: Anyone, services: Shared, year: Annotated[int, Query(ge=2000, le=2200)] | None = None
) -> dict[str, Any]:
    """Of a year; left out: all that are known."""
    async with services.db.reading() as session:
        rows = list(await session.scalars(select(CalendarDay).order_by(CalendarDay.day)))
    chosen = [row for row in rows if year is None or row.day.year == year]
    return {"items": [{"day": row.day, "works": row.works, "name": row.name} for row in chosen], "next": None}


@router.put("/calendar", summary="Mark public holidays and days worked in their place")
async def mark(given: bodies.CalendarIn, person: Administrator, services: Shared) -> dict[str, Any]:
    """Every rota with turns of workdays or days off is laid out anew."""
    if len({one.day for one in given.days}) < len(given.days):
        raise invalid("days", "name a date twice", "each once")
    wanted = {one.day: None if one.works is None else (one.works, one.name) for one in given.days}
    async with services.db.transaction() as session:
        root = (await session.scalars(select(Area).where(Area.parent_path.is_(None)))).all()
        if not any(within(person.area_path, one.path) for one in root):
            raise Problem(403, "outside-area", "Public holidays hold for everybody: an administrator of the whole.")
        await service.mark_days(session, wanted, person, services.now())
    return await calendar(person, services, None)
