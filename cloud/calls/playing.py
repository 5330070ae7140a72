"""Tells speakers what to play: by their gateway's webhook, or by an action of an edge."""

import asyncio
import json
from datetime import timedelta

import httpx
from sqlalchemy import or_, select

from cloud.calls import dialler, signing, speakers
from cloud.calls.model import Play, Speaker
from cloud.notify.channels import NotSent
from cloud.notify.outbox import pause_after
from cloud.notify.vault import vault
from cloud.registry import actions
from cloud.registry.layers import Author
from cloud.retrying import retrying
from cloud.services import Services

TIMEOUT_S = 5.0
LEASE = timedelta(seconds=15)
AT_ONCE = 20
MOST_ATTEMPTS = 5
EXPIRES_S = 60.0


async def play_due(services: Services, client: httpx.AsyncClient) -> int:
    """What is due, all at the same time; how many were tried."""
    now = services.now()
    due = (Play.state == "pending", Play.due_at <= now, or_(Play.leased_until.is_(None), Play.leased_until <= now))
    async with services.db.reading() as session:
        if await session.scalar(select(Play.id).where(*due).limit(1)) is None:
            return 0
    async with services.db.transaction() as session:
        query = select(Play).where(*due).order_by(Play.due_at).limit(AT_ONCE).with_for_update(skip_locked=True)
        rows = list(await session.scalars(query))
        for row in rows:
            row.leased_until, row.attempts = now + LEASE, row.attempts + 1
    await asyncio.gather(*(_play(services, client, row.id) for row in rows))
    return len(rows)


async def _play(services: Services, client: httpx.AsyncClient, play_id: str) -> None:
    failure, detail = "", ""
    try:
        detail = await tell(services, client, play_id)
    except NotSent as error:
        failure = str(error)

    async def write() -> None:
        async with services.db.transaction() as session:
            row = await session.get(Play, play_id)
            if row is None or row.state != "pending":
                return
            row.leased_until, row.detail = None, (failure or detail)[:300]
            if not failure:
                row.state, row.done_at = "handed_over", services.now()
            elif row.attempts >= MOST_ATTEMPTS:
                row.state, row.done_at = "failed", services.now()
            else:
                row.due_at = services.now() + pause_after(row.attempts)

    await retrying(write)


async def tell(services: Services, client: httpx.AsyncClient, play_id: str) -> str:
    """Hand one order over.

    Raises:
        NotSent: with the reason.
    """
    async with services.db.transaction() as session:
        row = await session.get_one(Play, play_id)
        speaker = await session.get_one(Speaker, row.speaker_id)
        if speaker.gateway_url is None:
            assert speaker.edge_id is not None  # one of the two, checked when it was declared
            by = Author("system", "系统", f"广播 {row.kind}")
            action = speaker.actions.get(row.kind, "")
            decision = await actions.decide(
                session, speaker.edge_id, action, "switch_on", until=None, by=by, expires_s=EXPIRES_S,
                now=services.now(),
            )  # fmt: skip
            return f"action {action} by edge {speaker.edge_id}, decision {decision.id}"
        clips = await speakers.clips_for(session, speaker, row.kind)
        base = dialler.callback(services).removesuffix("/telephone/signals")
        body = {
            "play": row.id,
            "speaker": speaker.id,
            "kind": row.kind,
            "repeat": row.repeat,
            "clips": [
                {
                    "language": clip.language,
                    "media_type": clip.media_type,
                    "sha256": clip.digest,
                    "text": clip.text,
                    "url": f"{base}/speakers/clips/{clip.id}/content"
                    f"?token={vault(services.settings).token('clip', clip.id)}",
                }
                for clip in clips
            ],
        }
        url = speaker.gateway_url
    content = json.dumps(body, ensure_ascii=False).encode()
    stamp = signing.signature(signing.key(services.settings), content, int(services.now().timestamp()))
    headers = {"Content-Type": "application/json", "Idempotency-Key": play_id, signing.HEADER: stamp}
    try:
        answer = await client.post(url, content=content, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)
    except httpx.HTTPError as error:
        raise NotSent(f"{type(error).__name__}: the speaker's gateway is not reached") from error
    if not answer.is_success:
        raise NotSent(f"HTTP {answer.status_code} of the speaker's gateway")
    return f"HTTP {answer.status_code}"
