"""Hands calls to the telephone gateway: side by side, with time-outs, outside of any transaction.

At least once: a process that dies between the order and its record orders again, with the same `call` and
`Idempotency-Key`; the gateway makes one call of it.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import or_, select

from cloud.calls import service, signing
from cloud.calls.model import Call, Chain
from cloud.dispatch.messages import HAZARDS, LEVELS, LEVELS_EN
from cloud.incidents.docket import SYSTEM, docket
from cloud.incidents.model import Incident
from cloud.notify import faults
from cloud.notify import service as notify
from cloud.notify.channels import NotSent
from cloud.notify.vault import vault
from cloud.retrying import retrying
from cloud.services import Services
from wire.alert import Hazard
from wire.level import Level

TIMEOUT_S = 5.0
LEASE = timedelta(seconds=10)
AGAIN = timedelta(seconds=2)
AT_ONCE = 20
DOWN = "telephone_gateway_down"
CONFIRM_KEY = "1"


async def order(services: Services, client: httpx.AsyncClient, call: str, body: dict[str, Any]) -> str:
    """Order one call; what the gateway said.

    Raises:
        NotSent: it did not take it.
    """
    url = services.settings.telephone_gateway_url
    if url is None:
        raise NotSent("no telephone gateway is set up: an administrator sets telephone_gateway_url")
    content = json.dumps({"call": call, "callback": callback(services)} | body, ensure_ascii=False).encode()
    stamp = signing.signature(signing.key(services.settings), content, int(services.now().timestamp()))
    try:
        answer = await client.post(
            url,
            content=content,
            headers={"Content-Type": "application/json", "Idempotency-Key": call, signing.HEADER: stamp},
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )
    except httpx.HTTPError as error:
        raise NotSent(f"{type(error).__name__}: the telephone gateway is not reached") from error
    if not answer.is_success:
        raise NotSent(f"HTTP {answer.status_code} of the telephone gateway")
    return f"HTTP {answer.status_code}"


def callback(services: Services) -> str:
    """Where the gateway says what became of a call."""
    settings = services.settings
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    return f"{base}/api/v1/telephone/signals"


def script(incident: Incident) -> tuple[str, str]:
    """What the callee hears, twice; it asks for the key."""
    zh, en = HAZARDS[Hazard(incident.hazard)]
    level, place = Level(incident.level), incident.place["text"]
    said_zh = f"{place}发生{zh}，级别{LEVELS[level]}。能到场请按 {CONFIRM_KEY}。"
    said_en = f"{en} at {place}, {LEVELS_EN[level]}. Press {CONFIRM_KEY} if you are on your way."
    return notify.framed(said_zh, incident.exercise), notify.framed(said_en, incident.exercise)


async def place_due(services: Services, client: httpx.AsyncClient) -> int:
    """Place what waits, all of it at the same time; how many were tried."""
    now = services.now()
    async with services.db.reading() as session:  # the usual case takes no lock
        waiting = select(Call.id).where(Call.placing, or_(Call.placing_until.is_(None), Call.placing_until <= now))
        if await session.scalar(waiting.limit(1)) is None:
            return 0
    async with services.db.transaction() as session:
        query = (
            select(Call)
            .where(Call.placing, or_(Call.placing_until.is_(None), Call.placing_until <= now))
            .order_by(Call.began_at)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        rows = list(await session.scalars(query))
        for row in rows:
            row.placing_until = now + LEASE
        orders = [(row.id, await _order(services, session, row)) for row in rows]
    await asyncio.gather(*(_place(services, client, call, body) for call, body in orders))
    return len(orders)


async def _order(services: Services, session: Any, call: Call) -> dict[str, Any]:
    chain = await session.get_one(Chain, call.chain_id)
    incident = await session.get_one(Incident, call.incident_id)
    contact = service.opened(vault(services.settings), chain)[call.turn].contact
    zh, en = script(incident)
    return {
        "number": contact.number,
        "purpose": "alarm",
        "text_zh": zh,
        "text_en": en,
        "repeat": 2,
        "confirm_key": CONFIRM_KEY,
        "ring_s": services.settings.call_ring_s,
    }


async def _place(services: Services, client: httpx.AsyncClient, call_id: str, body: dict[str, Any]) -> None:
    failure: NotSent | None = None
    try:
        await order(services, client, call_id, body)
    except NotSent as error:
        failure = error

    async def write() -> None:
        async with docket(services) as work:
            call = await work.session.get(Call, call_id)
            if call is None or not call.placing:
                return  # passed over, or the chain is done
            if failure is None:
                call.placing, call.placing_until, call.placed_at = False, None, work.now
                await faults.end(work.session, DOWN, "gateway", work.now)
            else:
                call.placing_until, call.detail = work.now + AGAIN, str(failure)[:300]
                fresh = await faults.open_one(work.session, DOWN, "gateway") is None
                await faults.begin(work.session, DOWN, "gateway", str(failure), work.now)
                if fresh:
                    incident = await work.session.get_one(Incident, call.incident_id)
                    params = {"code": "telephone_gateway_down", "text": "电话网关不通，请人工拨打", "call": call.id}
                    work.write(incident, "note", SYSTEM, params | {"detail": str(failure)})
            await work.finish()

    await retrying(write)
