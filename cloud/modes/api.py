"""平急转换: begin, extend, end; which modes are on, where, until when, and what they lack."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.idempotency import Did, once
from cloud.modes import service
from cloud.modes.model import Mode
from cloud.modes.service import Kind, Wanted, mode_json
from cloud.people.access import Person, Role, may_see, require, within
from cloud.people.model import Area
from cloud.problems import Problem, invalid, not_found
from cloud.services import Services, services_of
from wire.level import Level

router = APIRouter(prefix="/modes", tags=["modes"])
Shared = Annotated[Services, Depends(services_of)]
Anyone = Annotated[Person, Depends(require())]
Officer = Annotated[Person, Depends(require(Role.DUTY_OFFICER))]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
_Key = Annotated[str, Field(min_length=1, max_length=64)]


class Threshold(BaseModel):
    """Values laid over a place's rules while the mode is on."""

    model_config = ConfigDict(extra="forbid")

    scope: Literal["area", "site", "building", "zone"] = Field(description="area: every site of the mode's area")
    id: Annotated[str, Field(max_length=64)] = ""
    rules: Annotated[dict[_Key, dict[str, Any]], Field(max_length=50)] = {}
    quality: Annotated[dict[_Key, dict[str, Any]], Field(max_length=50)] = {}


class BeginIn(BaseModel):
    """启动."""

    model_config = ConfigDict(extra="forbid")

    area_path: Annotated[str, Field(max_length=300)]
    kind: Kind
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    reason: Reason
    ends_at: AwareDatetime = Field(description="It ends by itself then, at most 200 days away; it can be extended")
    response: Level | None = Field(None, description="应急响应 Ⅳ→Ⅰ, where one was ordered")
    thresholds: Annotated[list[Threshold], Field(max_length=200)] = []
    staffing: dict[_Key, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {}, description="How many of a post or role must be on duty in the area"
    )
    tell: Annotated[list[_Key], Field(max_length=100)] = Field(
        [], description="Person ids who also hear of every urgent incident in the area"
    )


class ExtendIn(BaseModel):
    """Another end."""

    model_config = ConfigDict(extra="forbid")

    ends_at: AwareDatetime
    reason: Reason


class EndIn(BaseModel):
    """解除."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


def _sees(person: Person, mode: Mode) -> bool:
    above = mode.exercise is None and within(mode.area_path, person.area_path)
    return above or may_see(person, mode.area_path, mode.exercise)


async def _shown(session: AsyncSession, mode: Mode, services: Services) -> dict[str, Any]:
    now = services.now()
    gaps = [] if mode.ended_at else await service.staffing_gaps(session, mode, now)
    lacking = [{"post": gap.post, "wanted": gap.wanted, "have": gap.have} for gap in gaps]
    return mode_json(mode, now) | {"staffing_gaps": lacking}


async def _commanded(session: AsyncSession, person: Person, mode_id: str) -> Mode:
    mode = await session.get(Mode, mode_id)
    if mode is None or not _sees(person, mode):
        raise not_found("mode", mode_id)
    if not within(person.area_path, mode.area_path):
        raise Problem(403, "outside-area", "It is for a larger area than the one that you are responsible for.")
    return mode


@router.get("", summary="平急状态 that concern one")
async def list_modes(
    person: Anyone, services: Shared, state: Annotated[Literal["on", "all"], Query()] = "on"
) -> dict[str, Any]:
    """Each with its end, the seconds until it, and which posts are short."""
    async with services.db.reading() as session:
        query = select(Mode).order_by(Mode.began_at.desc(), Mode.id).limit(500)
        rows = await session.scalars(query if state == "all" else query.where(Mode.ended_at.is_(None)))
        items = [await _shown(session, row, services) for row in list(rows) if _sees(person, row)]
    return {"items": items, "next": None}


@router.post("", summary="启动应急模式", status_code=201)
async def begin(request: Request, given: BeginIn, person: Officer, services: Shared) -> JSONResponse:
    """A recorded decision with an end; thresholds are judged as the rulebook judges them, all or nothing.

    The same kind for the same area is on once: another one is refused (409); the same `Idempotency-Key` again gets
    the same answer.
    """
    if not within(person.area_path, given.area_path):
        raise Problem(403, "outside-area", "It lies outside the area that you are responsible for.")
    wanted = [Wanted(one.scope, one.id, one.rules, one.quality) for one in given.thresholds]

    async def act(session: AsyncSession) -> Did:
        area = await session.get(Area, given.area_path)
        if area is None:
            raise invalid("area_path", f"there is no area '{given.area_path:.80}'", "take a path from GET /areas")
        mode = await service.begin(
            session,
            area,
            person,
            kind=given.kind,
            name=given.name,
            reason=given.reason,
            ends_at=given.ends_at,
            now=services.now(),
            response=given.response,
            layers=wanted,
            staffing=given.staffing,
            tell=given.tell,
        )
        return 201, await _shown(session, mode, services)

    return await once(request, person, act)


@router.get("/{mode_id}", summary="One")
async def get_mode(mode_id: str, person: Anyone, services: Shared) -> dict[str, Any]:
    """With what it changes."""
    async with services.db.reading() as session:
        mode = await session.get(Mode, mode_id)
        if mode is None or not _sees(person, mode):
            raise not_found("mode", mode_id)
        return await _shown(session, mode, services)


@router.post("/{mode_id}/extend", summary="延长 / 改期")
async def extend(request: Request, mode_id: str, given: ExtendIn, person: Officer, services: Shared) -> JSONResponse:
    """Another end; the same twice changes nothing."""

    async def act(session: AsyncSession) -> Did:
        mode = await _commanded(session, person, mode_id)
        await service.extend(session, mode, person, ends_at=given.ends_at, reason=given.reason, now=services.now())
        return 200, await _shown(session, mode, services)

    return await once(request, person, act)


@router.post("/{mode_id}/end", summary="解除应急模式")
async def end(request: Request, mode_id: str, given: EndIn, person: Officer, services: Shared) -> JSONResponse:
    """Thresholds go back to what they were, but for what somebody changed meanwhile; a second end changes nothing."""

    async def act(session: AsyncSession) -> Did:
        mode = await _commanded(session, person, mode_id)
        by = {"id": person.id, "name": person.name}
        await service.end(session, mode, by=by, reason=given.reason, now=services.now())
        return 200, await _shown(session, mode, services)

    return await once(request, person, act)
