"""Route of the telephone gateway: what became of a call, signed."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.calls import service, signing
from cloud.calls.chain import Event, told
from cloud.calls.model import Call, GatewaySignal
from cloud.dispatch import service as dispatch
from cloud.dispatch.policy import Policy
from cloud.incidents.docket import Docket, docket
from cloud.notify import service as notify
from cloud.notify import ways
from cloud.notify.model import Notification, Way
from cloud.notify.vault import vault
from cloud.problems import Problem, conflict, not_found
from cloud.retrying import retrying
from cloud.services import Services, services_of

router = APIRouter(prefix="/telephone", tags=["calls"])
Shared = Annotated[Services, Depends(services_of)]
_LOST = frozenset({"no_answer", "busy", "off", "wrong_number", "failed"})


class SignalIn(BaseModel):
    """What became of a call."""

    model_config = ConfigDict(extra="ignore")

    call: Annotated[str, Field(max_length=40)]
    event: Event
    at: AwareDatetime
    key: Annotated[str, Field(max_length=4, description="Which key was pressed, with `confirmed`")] = ""


async def signed(request: Request) -> str:
    """A dependency: the nonce of a message that the gateway signed.

    Raises (in use):
        Problem: 401.
    """
    services = services_of(request)
    body = await request.body()
    try:
        return signing.checked(
            signing.key(services.settings), body, request.headers.get(signing.HEADER, ""),
            int(services.now().timestamp()),
        )  # fmt: skip
    except signing.Unsigned as error:
        raise Problem(401, "unsigned", f"{error}.") from error


signed.guards = ("gateway",)  # type: ignore[attr-defined]


@router.post("/signals", summary="What became of a call (telephone gateway)")
async def signal(
    request: Request, nonce: Annotated[str, Depends(signed)], services: Shared, body: SignalIn
) -> dict[str, Any]:
    """Signed, with time and nonce. The same message again changes nothing; its nonce with another body is refused."""
    digest = signing.digest(await request.body())

    async def take() -> dict[str, Any]:
        async with docket(services) as work:
            session = work.session
            seen = await session.get(GatewaySignal, nonce)
            if seen is not None:
                if seen.digest != digest:
                    raise conflict("replayed", "This nonce came with another body before: use each nonce once.")
                return {"call": body.call, "repeat": True}
            old = work.now - timedelta(seconds=2 * signing.SKEW_S)
            await session.execute(delete(GatewaySignal).where(GatewaySignal.at < old))
            session.add(GatewaySignal(nonce=nonce, digest=digest, at=work.now))
            at = min(body.at, work.now)
            if body.call.startswith("msg_"):
                await _of_message(session, body, at, work.now)
            else:
                await _of_call(services, work, body, at)
            await dispatch.follow(work, Policy.of(services.settings))
            await work.finish()
        return {"call": body.call, "repeat": False}

    return await retrying(take)


async def _of_call(services: Services, work: Docket, body: SignalIn, at: datetime) -> None:
    call = await work.session.get(Call, body.call)
    if call is None:
        raise not_found("call", body.call)
    if call.placed_at is None:  # the gateway speaks of it, so it has it, whatever became of our record
        call.placed_at, call.placing, call.placing_until = at, False, None
    if body.event == "ringing":
        call.ringing_at = call.ringing_at or at
        return
    after = told(service.stamps_of(call), body.event, at)
    settings = services.settings
    await service.apply(work, settings, vault(settings), call, after, at=at)


async def _of_message(session: AsyncSession, body: SignalIn, at: datetime, now: datetime) -> None:
    """A call of the outbox to a person: answered is delivered, the key is taken; else the next way, at once."""
    row = await session.get(Notification, body.call)
    if row is None:
        raise not_found("call", body.call)
    if body.event == "answered":
        await notify.said(session, row, "delivered", now=now, at=at, detail="answered")
    elif body.event == "confirmed":
        await notify.said(session, row, "acknowledged", now=now, at=at, detail=f"key {body.key}")
        await ways.test_came(session, row, now)
    elif body.event in _LOST:
        await notify.add_receipt(session, row.id, "failed", now=now, detail=body.event, at=at)
        way = await session.get(Way, row.way_id) if row.way_id else None
        if way is not None and body.event in ("wrong_number", "off"):
            way.failed_at, way.failure = now, body.event
        if row.message_id is not None:
            await notify.next_way(session, row.message_id, now, f"voice: {body.event}")
