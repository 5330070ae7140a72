"""请假, 换班, 顶班, 加班: asked for, answered, taken back."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.idempotency import Did, once
from cloud.people.access import Person, Role, require
from cloud.people.model import Account
from cloud.problems import not_found
from cloud.rotas import bodies, changes, service
from cloud.rotas.changes_said import change_json
from cloud.rotas.model import RotaChange
from cloud.services import Services, services_of

router = APIRouter(tags=["rotas"])
Shared = Annotated[Services, Depends(services_of)]
Anyone = Annotated[Person, Depends(require())]
Keeper = Annotated[Person, Depends(require(Role.ADMINISTRATOR, Role.DUTY_OFFICER, Role.PROPERTY_MANAGER))]
_SCANNED = 500


@router.get("/rota-changes", summary="Leave, swaps, stand-ins that concern one")
async def list_changes(
    person: Anyone, services: Shared, state: Annotated[str | None, Query(max_length=12)] = None
) -> dict[str, Any]:
    """The newest first: one's own, those that wait for one's word (`mine_to_answer`), those of whom one leads."""
    async with services.db.reading() as session:
        query = select(RotaChange).where(RotaChange.until > services.now()).order_by(RotaChange.order.desc())
        query = query.where(RotaChange.state == state) if state else query
        rows = [row for row in await session.scalars(query.limit(_SCANNED)) if await changes.sees(session, row, person)]
        items = [change_json(row) | {"mine_to_answer": await changes.waits_for(session, row, person)} for row in rows]
    return {"items": items, "next": None}


@router.post("/leaves", status_code=201, summary="请假")
async def leave(request: Request, given: bodies.LeaveIn, person: Anyone) -> JSONResponse:
    """For oneself it waits for whoever leads; entered by one who leads there, it is granted.

    While it holds, the B 角 stands in; where there is none, the gap is told before the night.
    """
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        of = await session.get(Account, given.person_id or person.id)
        if of is None:
            raise not_found("person", str(given.person_id))
        row = await changes.ask_leave(
            session, person, of, since=given.since, until=given.until, reason=given.reason, now=services.now()
        )
        return 201, change_json(row)

    return await once(request, person, act)


@router.post("/rotas/{rota_id}/swaps", status_code=201, summary="换班")
async def swap(request: Request, rota_id: str, given: bodies.SwapIn, person: Anyone) -> JSONResponse:
    """My turn for theirs, or only mine taken over. It counts when the other has agreed."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        rota = await service.get(session, rota_id, person)
        row = await changes.ask_swap(
            session,
            person,
            rota,
            mine=given.mine,
            other=given.other,
            theirs=given.theirs,
            reason=given.reason,
            now=services.now(),
        )
        return 201, change_json(row)

    return await once(request, person, act)


@router.post("/rotas/{rota_id}/stand-ins", status_code=201, summary="顶班 (B 角)")
async def stand_in(request: Request, rota_id: str, given: bodies.StandInIn, person: Anyone) -> JSONResponse:
    """Somebody stands in the place of somebody, from now or later.

    Said by whose turn it is, by the B 角 who takes it, or by one who keeps the rota; it counts at once.
    """
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        rota = await service.get(session, rota_id, person)
        now = services.now()
        row = await changes.stand_in(
            session,
            person,
            rota,
            who=given.who,
            by=given.by,
            since=given.since or now,
            until=given.until,
            reason=given.reason,
            now=now,
        )
        return 201, change_json(row)

    return await once(request, person, act)


@router.post("/rotas/{rota_id}/extras", status_code=201, summary="加班")
async def extra(request: Request, rota_id: str, given: bodies.ExtraIn, person: Keeper) -> JSONResponse:
    """One turn more, at most two days long."""
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        rota = await service.get(session, rota_id, person)
        row = await changes.extra_turn(
            session,
            person,
            rota,
            who=given.who,
            since=given.since,
            until=given.until,
            reason=given.reason,
            now=services.now(),
        )
        return 201, change_json(row)

    return await once(request, person, act)


async def _answer(
    request: Request, person: Person, change_id: str, word: changes.Answer, given: bodies.AnswerIn | None
) -> JSONResponse:
    services = services_of(request)

    async def act(session: AsyncSession) -> Did:
        row = await changes.find(session, change_id, person)
        await changes.answer(session, row, person, word, note=given.note if given else "", now=services.now())
        return 200, change_json(row)

    return await once(request, person, act)


@router.post("/rota-changes/{change_id}/agree", summary="同意")
async def agree(request: Request, change_id: str, person: Anyone, given: bodies.AnswerIn | None = None) -> JSONResponse:
    """The other's yes to a swap; a leader's to leave."""
    return await _answer(request, person, change_id, "agreed", given)


@router.post("/rota-changes/{change_id}/refuse", summary="不同意")
async def refuse(
    request: Request, change_id: str, person: Anyone, given: bodies.AnswerIn | None = None
) -> JSONResponse:
    """Everything stays as it is."""
    return await _answer(request, person, change_id, "refused", given)


@router.post("/rota-changes/{change_id}/withdraw", summary="撤销")
async def withdraw(
    request: Request, change_id: str, person: Anyone, given: bodies.AnswerIn | None = None
) -> JSONResponse:
    """Takes it back; of one that runs, what has passed stands."""
    return await _answer(request, person, change_id, "withdrawn", given)
