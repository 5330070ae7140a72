"""值班日志: one log a shift, printed from the timelines; as JSON, as a page, as text, as a table."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.handover import log, printing
from cloud.handover.model import DutyLog
from cloud.idempotency import Did, once
from cloud.incidents.docket import lock
from cloud.people.access import Person, Role, require, within
from cloud.problems import not_found
from cloud.services import Services, services_of

router = APIRouter(tags=["hand-over"])
Shared = Annotated[Services, Depends(services_of)]
Officer = Annotated[Person, Depends(require(Role.DUTY_OFFICER))]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class LogIn(BaseModel):
    """Which span."""

    model_config = ConfigDict(extra="forbid")
    area_path: Annotated[str, Field(max_length=300)] | None = Field(None, description="Left out: one's own desk")
    since: AwareDatetime | None = Field(None, alias="from", description="Left out: the shift that runs, or ran last")
    until: AwareDatetime | None = Field(None, alias="to")


class LogNoteIn(BaseModel):
    """In a person's own words."""

    model_config = ConfigDict(extra="forbid")
    text: Text
    at: AwareDatetime | None = None


async def _find(session: AsyncSession, log_id: str, person: Person) -> DutyLog:
    row = await session.get(DutyLog, log_id)
    if row is None or not within(person.area_path, row.area_path):
        raise not_found("duty log", log_id)
    return row


@router.get("/duty-logs", summary="值班日志 of one's area")
async def list_logs(
    person: Officer, services: Shared, limit: Annotated[int, Query(ge=1, le=366)] = 60
) -> dict[str, Any]:
    """The newest first."""
    async with services.db.reading() as session:
        query = select(DutyLog).order_by(DutyLog.since.desc(), DutyLog.id)
        rows = [row for row in await session.scalars(query.limit(5_000)) if within(person.area_path, row.area_path)]
    return {"items": [log.log_json(row) for row in rows[:limit]], "next": None}


@router.post("/duty-logs", summary="Open the log of a shift")
async def begin(request: Request, person: Officer, given: LogIn | None = None) -> JSONResponse:
    """Of the shift that runs (or ran last), or of a span; the same shift has one log, whoever asks."""
    services = services_of(request)
    wanted = given or LogIn(**{"from": None, "to": None})

    async def act(session: AsyncSession) -> Did:
        now = services.now()
        row = await log.begin(
            session, person, area_path=wanted.area_path, since=wanted.since, until=wanted.until, now=now
        )
        return 200, log.printed_json(await log.printed(session, row, now))

    return await once(request, person, act)


async def _printed(log_id: str, person: Person, services: Services) -> dict[str, Any]:
    async with services.db.snapshot() as session:
        row = await _find(session, log_id, person)
        return log.printed_json(await log.printed(session, row, services.now()))


@router.get("/duty-logs/{log_id}", summary="A duty log")
async def one_log(log_id: str, person: Officer, services: Shared) -> dict[str, Any]:
    """Every line of its span from the timelines, who was on, notes; `intact` says whether a signed one still stands."""
    return await _printed(log_id, person, services)


def _heads(found: dict[str, Any], zone: ZoneInfo) -> tuple[str, list[str], list[str]]:
    signed = found["signed_by"]
    state = f"已签：{signed['name']} {printing.local(found['signed_at'], zone)}" if signed else "未签（草稿）"
    if found["intact"] is False:
        state += "  【校验不符】"
    heads = [
        f"时段：{printing.local(found['from'], zone)} 至 {printing.local(found['to'], zone)}",
        state + (f"  摘要 {found['digest'][:16]}" if found["digest"] else ""),
    ]
    return f"值班日志 {found['area']}", heads, [f"值班员：{signed['name'] if signed else ''}", "带班领导："]


@router.get("/duty-logs/{log_id}/print", summary="A duty log, to print", response_class=HTMLResponse)
async def as_page(log_id: str, person: Officer, services: Shared) -> HTMLResponse:
    """A page that loads nothing and runs nothing."""
    zone = ZoneInfo(services.settings.time_zone)
    found = await _printed(log_id, person, services)
    title, heads, signs = _heads(found, zone)
    body = printing.page(title, heads, printing.log_sections(found, zone), signs)
    return HTMLResponse(body, headers=printing.HEADERS)


@router.get("/duty-logs/{log_id}/text", summary="A duty log as plain text", response_class=PlainTextResponse)
async def as_text(log_id: str, person: Officer, services: Shared) -> PlainTextResponse:
    """For a message or a fax."""
    zone = ZoneInfo(services.settings.time_zone)
    found = await _printed(log_id, person, services)
    title, heads, signs = _heads(found, zone)
    return PlainTextResponse(printing.text(title, heads, printing.log_sections(found, zone), signs))


@router.get("/duty-logs/{log_id}/csv", summary="A duty log as a table", response_class=Response)
async def as_table(log_id: str, person: Officer, services: Shared) -> Response:
    """For a spreadsheet; no cell is a formula."""
    found = await _printed(log_id, person, services)
    body = printing.table(found, ZoneInfo(services.settings.time_zone))
    headers = {
        "Content-Disposition": f'attachment; filename="duty-log-{log_id}.csv"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/duty-logs/{log_id}/notes", summary="补记; after the signature, 附录", status_code=201)
async def add_note(request: Request, log_id: str, person: Officer, given: LogNoteIn) -> JSONResponse:
    """A note while it is open; once signed it stays as it is, and this is an appendix with its own name and time."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        row = await _find(session, log_id, person)
        note = await log.add_note(session, row, person, text=given.text, at=given.at, now=services.now())
        return 201, log.note_json(note)

    return await once(request, person, act)


@router.post("/duty-logs/{log_id}/sign", summary="签字")
async def sign(request: Request, log_id: str, person: Officer) -> JSONResponse:
    """By who was on duty in its span. Its digest goes to the audit chain; nothing of it changes from then on."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        row = await _find(session, log_id, person)
        await lock(session)  # whatever happened before this moment is written by now
        now = services.now()
        await log.sign(session, row, person, now)
        return 200, log.printed_json(await log.printed(session, row, now))

    return await once(request, person, act)
