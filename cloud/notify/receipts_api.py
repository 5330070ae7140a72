"""Routes: what was told to one, receipts of devices, and what is wrong with reaching people."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud.notify import faults, service, ways
from cloud.notify.model import Notification
from cloud.notify.service import Said
from cloud.notify.vault import vault
from cloud.people.access import Person, Role, person_by_token, require, token_of
from cloud.problems import Problem, not_found
from cloud.retrying import retrying
from cloud.services import Services, services_of

router = APIRouter(prefix="/notifications", tags=["notification"])
Shared = Annotated[Services, Depends(services_of)]
Anyone = Annotated[Person, Depends(require())]
Overseer = Annotated[Person, Depends(require(Role.DUTY_OFFICER, Role.ADMINISTRATOR))]
TOKEN = "X-Receipt-Token"  # noqa: S105  a header's name


class ReceiptIn(BaseModel):
    """What the device has to say."""

    model_config = ConfigDict(extra="forbid")

    result: Said
    at: AwareDatetime | None = Field(None, description="When it happened on the device")


async def who_received(notification_id: str, request: Request) -> str | None:
    """A dependency: the signed-in person; None for the phone that shows the token that came with the message.

    A push arrives when yesterday's session is long over: the token says for this one message that it came, no more.

    Raises (in use):
        Problem: 401.
    """
    services = services_of(request)
    given = request.headers.get(TOKEN, "")
    if given and vault(services.settings).is_token("receipt", notification_id, given):
        return None
    token = token_of(request)
    person = await person_by_token(services, token) if token else None
    if person is None:
        raise Problem(401, "not-signed-in", f"Sign in, or send the message's own token in {TOKEN}.")
    return person.id


who_received.guards = ("receiver",)  # type: ignore[attr-defined]
Receiver = Annotated[str | None, Depends(who_received)]


@router.post("/{notification_id}/receipts", summary="It came, was seen, was taken (签收)")
async def receipt(notification_id: str, receiver: Receiver, services: Shared, body: ReceiptIn) -> dict[str, Any]:
    """By the phone (its push token) or the person; the same again changes nothing, the earlier of two times stands."""

    async def write() -> dict[str, Any]:
        async with services.db.transaction() as session:
            row = await session.get(Notification, notification_id)
            if row is None or (receiver is not None and row.person_id != receiver):
                raise not_found("notification", notification_id)
            now = services.now()
            fresh = await service.said(session, row, body.result, now=now, at=body.at)
            if fresh:
                await ways.test_came(session, row, now)
            return notification_json(row) | {"new": fresh}

    return await retrying(write)


@router.get("/mine", summary="What was told to one")
async def mine(person: Anyone, services: Shared, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> dict[str, Any]:
    """The newest first, each message once."""
    query = (
        select(Notification)
        .where(Notification.person_id == person.id, Notification.channel == "feed")
        .order_by(Notification.created_at.desc(), Notification.id)
        .limit(limit)
    )
    async with services.db.reading() as session:
        rows = [row for row in await session.scalars(query) if row.exercise is None or row.exercise in person.exercises]
    return {"items": [notification_json(row) for row in rows], "next": None}


@router.get("/faults", summary="What is wrong with reaching people")
async def list_faults(_person: Overseer, services: Shared) -> dict[str, Any]:
    """Channels that are down, a heartbeat that did not come through, a telephone gateway that does not answer."""
    async with services.db.reading() as session:
        return {"items": [faults.fault_json(row) for row in await faults.standing(session)], "next": None}


def notification_json(row: Notification) -> dict[str, Any]:
    """A message on one way, without any address."""

    def said(at: Any) -> str | None:
        return at.isoformat() if at else None

    return {
        "id": row.id,
        "message_id": row.message_id,
        "person_id": row.person_id,
        "channel": row.channel,
        "turn": row.turn,
        "why": row.why or "",
        "kind": row.kind,
        "level": row.level,
        "incident_id": row.incident_id,
        "exercise": row.exercise,
        "text_zh": row.body.get("text_zh"),
        "text_en": row.body.get("text_en"),
        "state": row.state,
        "attempts": row.attempts,
        "silent": bool(row.silent),
        "bundled_into": row.bundled_into,
        "created_at": row.created_at.isoformat(),
        "due_at": row.due_at.isoformat(),
        "sent_at": said(row.sent_at),
        "delivered_at": said(row.delivered_at),
        "seen_at": said(row.seen_at),
        "acknowledged_at": said(row.acknowledged_at),
    }
