"""交接班: the sheet, the two taps, refusing, the leader's signature; notes that go from shift to shift."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.dispatch.acts import once as on_incidents
from cloud.dispatch.policy import Policy
from cloud.handover import log_api, notes, printing, service
from cloud.handover.model import DeskNote, DutyLog, Handover
from cloud.handover.service import Desk, handover_json
from cloud.handover.sheet import note_json, sheet
from cloud.idempotency import Did, once
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket
from cloud.people.access import Person, Role, may_see, require, within
from cloud.people.model import Area
from cloud.problems import Problem, not_found
from cloud.services import Services, services_of

router = APIRouter(tags=["hand-over"])
router.include_router(log_api.router)
Shared = Annotated[Services, Depends(services_of)]
Officer = Annotated[Person, Depends(require(Role.DUTY_OFFICER))]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
Answering = Callable[[], Awaitable[Did]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime | None = Field(None, description="When it happened on the device (offline taps)")


class GiveIn(_Body):
    """交班."""

    to: Id | None = Field(None, description="Left out: whoever comes next by the rota")
    remarks: Words = ""


class BecauseIn(_Body):
    """Why."""

    reason: Reason


class NoteIn(_Body):
    """A note of the desk."""

    text: Reason
    due_at: AwareDatetime | None = Field(None, description="A promise: whoever is on hears of it then")
    incident_id: Id | None = None
    area_path: Annotated[str, Field(max_length=300)] | None = Field(None, description="Left out: one's own desk")


async def _area(session: AsyncSession, person: Person, wanted: str | None, services: Services) -> Area:
    path = wanted or (await service.desk_of(session, person, services.now())).area
    area = await session.get(Area, path)
    if area is None or not may_see(person, path, None):
        raise Problem(403, "outside-area", "This desk is not one that you see.")
    return area


@router.get("/handover/sheet", summary="交接班单, as it is now")
async def now_sheet(
    person: Officer, services: Shared, area: Annotated[str | None, Query(max_length=300)] = None
) -> dict[str, Any]:
    """Made by the system, nothing typed.

    Open incidents with owner and running clocks, measures, promises with times, alarms that are quiet, devices out of
    service, silent gateways, modes, faults of channels, gaps in the rotas, drills, notes.
    """
    async with services.db.snapshot() as session:
        found = await _area(session, person, area, services)
        desk = await service.desk_of(session, person, services.now())
        content = await sheet(session, found, person, services.now())
        follows = await service.incoming(session, Desk(found.path, desk.post), person.id, services.now())
    return content | {"post": desk.post, "next": {"id": follows.id, "name": follows.name} if follows else None}


@router.get("/handover/read-in", summary="接班前阅读: what one comes into")
async def read_in(person: Officer, services: Shared) -> dict[str, Any]:
    """What waits for one, the desk as it is now, the last hand-over of it with its remarks, the last signed log."""
    now = services.now()
    async with services.db.snapshot() as session:
        area = await _area(session, person, None, services)
        content = await sheet(session, area, person, now)
        waiting = select(Handover).where(Handover.state.in_(service.OPEN), Handover.to_person == person.id)
        rows = list(await session.scalars(waiting.order_by(Handover.created_at)))
        query = select(Handover).where(Handover.area_path == area.path, Handover.state == "taken")
        last = (await session.scalars(query.order_by(Handover.answered_at.desc()).limit(1))).first()
        signed = select(DutyLog).where(DutyLog.area_path == area.path, DutyLog.signed_at.is_not(None))
        log = (await session.scalars(signed.order_by(DutyLog.since.desc()).limit(1))).first()
    return {
        "waiting": [handover_json(row) for row in rows],
        "sheet": content,
        "last": handover_json(last) if last else None,
        "last_log": {"id": log.id, "from": log.since.isoformat(), "to": log.until.isoformat()} if log else None,
    }


@router.get("/handovers", summary="交接班 of one's desk and area")
async def list_handovers(
    person: Officer,
    services: Shared,
    state: Annotated[Literal["open", "all"], Query()] = "all",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """The newest first; refused, overdue and forgotten ones stay to be seen. `open` are those not taken."""
    async with services.db.reading() as session:
        path = person.area_path.rstrip("/")
        inside = or_(
            Handover.area_path == path,
            Handover.area_path.startswith(path + "/", autoescape=True),
            Handover.from_person == person.id,
            Handover.to_person == person.id,
        )
        query = select(Handover).where(inside).order_by(Handover.created_at.desc(), Handover.id).limit(limit)
        query = query.where(Handover.state.in_(service.OPEN)) if state == "open" else query
        items = [handover_json(row, whole=False) for row in await session.scalars(query)]
    return {"items": items, "next": None}


@router.get("/handovers/{handover_id}", summary="One hand-over, with its sheet")
async def one_handover(handover_id: str, person: Officer, services: Shared) -> dict[str, Any]:
    """As it was given, what went over, what stayed."""
    async with services.db.reading() as session:
        return handover_json(await service.find(session, handover_id, person))


@router.get("/handovers/{handover_id}/print", summary="交接班单, to print", response_class=HTMLResponse)
async def print_handover(handover_id: str, person: Officer, services: Shared) -> HTMLResponse:
    """A page that loads nothing; three lines to sign."""
    zone = ZoneInfo(services.settings.time_zone)
    async with services.db.reading() as session:
        row = await service.find(session, handover_id, person)
    if row.sheet is None:
        raise not_found("sheet of hand-over", handover_id)
    signed = row.countersigned_by or {}
    heads = [
        f"交班人：{row.from_name}  接班人：{row.to_name or ''}  状态：{_STATES.get(row.state, row.state)}",
        f"交班时间：{printing.local(row.given_at, zone)}  接班时间：{printing.local(row.answered_at, zone)}",
        f"交班说明：{row.remarks or '无'}",
    ]
    signs = [f"交班人：{row.from_name}", f"接班人：{row.to_name or ''}", f"带班领导：{signed.get('name', '')}"]
    title = f"交接班单 {row.sheet['area']}"
    body = printing.page(title, heads, printing.sheet_sections(row.sheet, zone), signs)
    return HTMLResponse(body, headers=printing.HEADERS)


_STATES = {"given": "待接班", "taken": "已接班", "refused": "拒接", "withdrawn": "已撤回", "forgotten": "未交班"}


@router.post("/handovers", summary="交班 (outgoing)", status_code=201)
async def give(request: Request, person: Officer, given: GiveIn | None = None) -> JSONResponse:
    """The first tap. The sheet is frozen as it stands; everything stays with the outgoing until it is taken."""
    services = services_of(request)
    body = given or GiveIn(at=None, to=None)

    async def act(work: Docket) -> Answering:
        within_ = timedelta(seconds=services.settings.take_over_within_s)
        row = await service.give(work, person, to=body.to, remarks=body.remarks, take_over_within=within_)

        async def answer() -> Did:
            return 201, handover_json(row)

        return answer

    return await on_incidents(request, person, act)


@router.post("/handovers/{handover_id}/take", summary="接班 (incoming)")
async def take(request: Request, handover_id: str, person: Officer, given: _Body | None = None) -> JSONResponse:
    """The second tap: every open incident of the outgoing is one's own, in one transaction; no clock stops or restarts.

    One that was forgotten is taken in the same way. What one may not have stays, and is named in `left`.
    """
    policy = Policy.of(services_of(request).settings)

    async def act(work: Docket) -> Answering:
        row = await service.find(work.session, handover_id, person)
        await service.take(work, policy, row, person, at=given.at if given else None)

        async def answer() -> Did:
            return 200, handover_json(row)

        return answer

    return await on_incidents(request, person, act)


async def _end(
    request: Request, handover_id: str, person: Person, word: Literal["refused", "withdrawn"], reason: str
) -> JSONResponse:
    async def act(work: Docket) -> Answering:
        row = await service.find(work.session, handover_id, person)
        await service.end(work, row, person, word, reason=reason)

        async def answer() -> Did:
            return 200, handover_json(row)

        return answer

    return await on_incidents(request, person, act)


@router.post("/handovers/{handover_id}/refuse", summary="拒绝接班")
async def refuse(request: Request, handover_id: str, person: Officer, given: BecauseIn) -> JSONResponse:
    """Everything stays with the outgoing; they and the duty leader hear why."""
    return await _end(request, handover_id, person, "refused", given.reason)


@router.post("/handovers/{handover_id}/withdraw", summary="撤回交班")
async def withdraw(request: Request, handover_id: str, person: Officer, given: BecauseIn) -> JSONResponse:
    """The outgoing takes it back before it was taken."""
    return await _end(request, handover_id, person, "withdrawn", given.reason)


@router.post("/handovers/{handover_id}/countersign", summary="带班领导签字")
async def countersign(request: Request, handover_id: str, person: Officer) -> JSONResponse:
    """Of one that was taken, by the duty leader on shift."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        row = await service.find(session, handover_id, person)
        await service.countersign(session, row, person, services.now())
        return 200, handover_json(row)

    return await once(request, person, act)


# ---------------------------------------------------------------- notes of the desk


@router.get("/desk-notes", summary="交办记录 of one's desk")
async def list_notes(
    person: Officer,
    services: Shared,
    area: Annotated[str | None, Query(max_length=300)] = None,
    state: Annotated[Literal["open", "all"], Query()] = "open",
) -> dict[str, Any]:
    """The oldest first; done ones only with `all`."""
    async with services.db.reading() as session:
        found = await _area(session, person, area, services)
        query = select(DeskNote).where(DeskNote.area_path == found.path).order_by(DeskNote.at, DeskNote.id).limit(500)
        query = query.where(DeskNote.done_at.is_(None)) if state == "open" else query
        return {"items": [note_json(row) for row in await session.scalars(query)], "next": None}


@router.post("/desk-notes", summary="记一条交办、回访", status_code=201)
async def add_note(request: Request, person: Officer, given: NoteIn) -> JSONResponse:
    """Goes from shift to shift until it is done; with `due_at` whoever is on hears of it then."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        area = await _area(session, person, given.area_path, services)
        if given.incident_id is not None:
            await incidents.get(session, given.incident_id, person)
        row = await notes.add(
            session,
            person,
            area.path,
            text=given.text,
            due_at=given.due_at,
            incident_id=given.incident_id,
            now=services.now(),
        )
        return 201, note_json(row)

    return await once(request, person, act)


@router.post("/desk-notes/{note_id}/done", summary="已办")
async def note_done(request: Request, note_id: str, person: Officer) -> JSONResponse:
    """By anybody at the desk."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        row = await session.get(DeskNote, note_id)
        if row is None or not within(person.area_path, row.area_path):
            raise not_found("note", note_id)
        await notes.done(session, row, person, services.now())
        return 200, note_json(row)

    return await once(request, person, act)
