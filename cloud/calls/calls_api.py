"""Routes: the calls of an incident, result buttons, what went out for it and why the next way was taken."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloud.calls import service, speakers
from cloud.calls.chain import After, ByHand, Result, Stamps
from cloud.calls.model import Call, Chain, Play
from cloud.dispatch.acts import Did, on_incident, once
from cloud.incidents import service as incidents
from cloud.incidents.docket import Docket, assigned_persons, by
from cloud.incidents.model import Incident
from cloud.incidents.states import OVER, State
from cloud.notify import service as notify
from cloud.notify.model import Notification, Receipt
from cloud.notify.receipts_api import notification_json
from cloud.notify.vault import vault
from cloud.people.access import Person, Role, require
from cloud.people.model import Account
from cloud.problems import conflict, not_found
from cloud.services import Services, services_of

router = APIRouter(tags=["calls"])
Shared = Annotated[Services, Depends(services_of)]
Anyone = Annotated[Person, Depends(require())]
Hands = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.RESPONDER, Role.PROPERTY_MANAGER, Role.TRAINER))]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime | None = Field(None, description="When it happened on the device (offline taps)")


class DialledIn(_Body):
    """A result button: 已接通 / 无人接听 / 关机 / 号码错 / 占线."""

    contact_id: Annotated[str, Field(max_length=40)]
    result: ByHand
    on_duty: bool = Field(False, description="已到岗: and they are on their way or on their post")


class StopIn(_Body):
    """Why nobody need be called any more."""

    reason: Reason


class Act(_Body):
    """Nothing to say but when."""


def responds(person: Person, incident: Incident) -> bool:
    """Whether somebody is shown names and numbers: the desk that sees the incident, and who is on it."""
    return person.has(Role.DUTY_OFFICER) or person.id in assigned_persons(incident)


@router.get("/incidents/{incident_id}/calls", summary="叫应 of an incident")
async def of_incident(person: Anyone, services: Shared, incident_id: str) -> dict[str, Any]:
    """Each chain with its contacts in order (numbers to those who respond), its calls, and who is next."""
    async with services.db.reading() as session:
        incident = await incidents.get(session, incident_id, person)
        rows = await service.chains_of(session, incident.id)
        items = [await _chain_out(services, session, one, incident, responds(person, incident)) for one in rows]
    return {"items": items, "next": None}


async def _chain_out(
    services: Services, session: AsyncSession, chain: Chain, incident: Incident, full: bool
) -> dict[str, Any]:
    found = service.opened(vault(services.settings), chain)
    calls = await service.calls_of(session, chain.id)
    over = chain.state in service.RUNNING and State(incident.state) in OVER
    return {
        "id": chain.id,
        "round": chain.round,
        "state": "over" if over else chain.state,
        "level": chain.level,
        "began_at": chain.began_at.isoformat(),
        "ended_at": chain.ended_at.isoformat() if chain.ended_at else None,
        "contacts": [(one.contact.open() if full else one.contact.masked()) | {"scope": one.scope} for one in found],
        "next_contact": found[chain.next].contact.id if chain.next < chain.total and not chain.ended_at else None,
        "calls": [call_json(call) for call in calls],
    }


def call_json(call: Call) -> dict[str, Any]:
    """A call without its number."""

    def said(at: Any) -> str | None:
        return at.isoformat() if at else None

    return {
        "id": call.id,
        "contact_id": call.contact_id,
        "turn": call.turn + 1,
        "attempt": call.attempt,
        "way": call.way,
        "began_at": call.began_at.isoformat(),
        "placed_at": said(call.placed_at),
        "ringing_at": said(call.ringing_at),
        "answered_at": said(call.answered_at),
        "on_duty_at": said(call.on_duty_at),
        "ended_at": said(call.ended_at),
        "result": call.result,
        "detail": call.detail,
        "by": call.by,
    }


@router.post("/incidents/{incident_id}/calls", summary="A result button after dialling", status_code=201)
async def dialled(request: Request, person: Hands, incident_id: str, body: DialledIn) -> JSONResponse:
    """One tap dials (`tel:`), one says what came of it. *Answered* and *on duty* are two receipts."""
    settings = services_of(request).settings

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        incident = await incidents.get(work.session, incident_id, person)
        call = await service.dialled(
            work, settings, vault(settings), incident, person, body.contact_id, body.result, on_duty=body.on_duty,
            at=body.at,
        )  # fmt: skip

        async def answer() -> Did:
            return 201, call_json(call)

        return answer

    return await once(request, person, run)


@router.post("/incidents/{incident_id}/calls/begin", summary="Begin to call people")
async def begin(request: Request, person: Hands, incident_id: str, body: Act | None = None) -> JSONResponse:
    """By hand, at any level, or another round. The incident; 409 when nobody is kept for its place."""
    del body
    settings = services_of(request).settings

    async def act(work: Docket, incident: Incident) -> None:
        if await service.running(work.session, incident.id) is None:
            chain = await service.begin(work, settings, vault(settings), incident, actor=by(person), again=True)
            if chain is None:
                raise conflict("no-contacts", f"No contacts are kept for the place of incident {incident.number}.")

    return await on_incident(request, person, incident_id, act)


@router.post("/incidents/{incident_id}/calls/stop", summary="Call nobody any more")
async def stop(request: Request, person: Hands, incident_id: str, body: StopIn) -> JSONResponse:
    """With the reason; again changes nothing. The incident."""

    async def act(work: Docket, incident: Incident) -> None:
        await service.stop(work, incident, person, body.reason)

    return await on_incident(request, person, incident_id, act)


@router.post("/calls/{call_id}/on-duty", summary="已到岗: the second receipt")
async def on_duty(request: Request, person: Hands, call_id: str, body: Act | None = None) -> JSONResponse:
    """Who answered is on their way or on their post: the chain is done."""
    settings = services_of(request).settings

    async def run(work: Docket) -> Callable[[], Awaitable[Did]]:
        call = await work.session.get(Call, call_id)
        incident = await work.session.get(Incident, call.incident_id) if call else None
        if call is None or incident is None or not incidents.sees(person, incident):
            raise not_found("call", call_id)
        at = body.at if body else None
        stamp = min(at or work.now, work.now)
        after = After(
            Stamps(call.answered_at or stamp, stamp, call.ended_at or stamp, Result.ON_DUTY), changed=True, reached=True
        )
        if call.on_duty_at is None:
            await service.apply(work, settings, vault(settings), call, after, actor=by(person), at=at)

        async def answer() -> Did:
            return 200, call_json(call)

        return answer

    return await once(request, person, run)


# ---------------------------------------------------------------- what went out


@router.get("/incidents/{incident_id}/notifications", summary="What was sent to whom, by which way, and why")
async def outbox_of(person: Anyone, services: Shared, incident_id: str) -> dict[str, Any]:
    """Message by message: every way in turn, each try, each receipt, and why the next way was taken. No addresses."""
    async with services.db.reading() as session:
        incident = await incidents.get(session, incident_id, person)
        query = select(Notification).where(Notification.incident_id == incident.id)
        rows = list(await session.scalars(query.order_by(Notification.created_at, Notification.turn, Notification.id)))
        receipts: dict[str, list[dict[str, Any]]] = {}
        wanted = select(Receipt).join(Notification, Notification.id == Receipt.notification_id)
        for one in await session.scalars(wanted.where(Notification.incident_id == incident.id).order_by(Receipt.id)):
            receipts.setdefault(one.notification_id, []).append(_receipt_json(one))
        names = {
            account.id: account.name
            for account in await session.scalars(select(Account).where(Account.id.in_({row.person_id for row in rows})))
        }
        plays = await session.scalars(select(Play).where(Play.incident_id == incident.id).order_by(Play.at))
        played = [speakers.play_json(one) for one in plays]
    messages: dict[str, list[Notification]] = {}
    for row in rows:
        messages.setdefault(row.message_id or row.id, []).append(row)
    items = [
        {
            "message_id": message,
            "person": {"id": ways[0].person_id, "name": names.get(ways[0].person_id, "")},
            "kind": ways[0].kind,
            "level": ways[0].level,
            "text_zh": ways[0].body.get("text_zh"),
            "text_en": ways[0].body.get("text_en"),
            "heard": notify.heard(ways),
            "ways": [notification_json(way) | {"receipts": receipts.get(way.id, [])} for way in ways],
        }
        for message, ways in messages.items()
    ]
    return {"items": items, "speakers": played, "next": None}


def _receipt_json(row: Receipt) -> dict[str, Any]:
    return {
        "at": row.at.isoformat(),
        "occurred_at": row.occurred_at.isoformat() if row.occurred_at else None,
        "result": row.result,
        "detail": row.detail,
    }
