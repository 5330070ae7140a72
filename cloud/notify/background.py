"""The outbox worker."""

import asyncio
import contextlib

import httpx

from cloud.http_client import open_client
from cloud.notify.by_apprise import AppriseChannel, SmsChannel
from cloud.notify.channels import Channel, FeedChannel, LogFileChannel, WebhookChannel
from cloud.notify.outbox import Outbox, next_due
from cloud.notify.webpush import WebPushChannel
from cloud.services import Services

LONGEST_WAIT_S = 5.0


async def background(services: Services) -> None:
    """Send what is due; woken by the feed, since whoever queues a message also writes to it."""
    async with open_client() as client:
        outbox = Outbox(services, channels_of(services, client))
        try:
            while not services.stopping.is_set():
                seen = services.feed.position
                async with services.db.reading() as session:
                    at = await next_due(session)
                now = services.now()
                if at is not None and at <= now and await outbox.start_due():
                    continue
                wait_s = min(LONGEST_WAIT_S, max(0.2, (at - now).total_seconds())) if at else LONGEST_WAIT_S
                await _woken(services, outbox, seen, wait_s)
        finally:
            await outbox.stop()


async def _woken(services: Services, outbox: Outbox, seen: int, wait_s: float) -> None:
    """By the feed, by a hand-over that is done (its channel has a hand free), or by the time."""
    waiting = asyncio.create_task(services.feed.wait_beyond(seen, wait_s))
    try:
        await asyncio.wait([waiting, *outbox.freed()], timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting


def channels_of(services: Services, client: httpx.AsyncClient) -> dict[str, Channel]:
    """The channels that are set up."""
    settings = services.settings
    channels: dict[str, Channel] = {
        "feed": FeedChannel(services.db),
        "log": LogFileChannel(settings.data_dir / "notifications.jsonl"),
        "webpush": WebPushChannel(settings, client),
        "sms": SmsChannel(settings, client),
    }
    channels |= {kind: AppriseChannel(kind, settings) for kind in ("wecom", "dingtalk", "feishu", "email", "apprise")}
    if settings.notify_webhook_url:
        channels["webhook"] = WebhookChannel(settings.notify_webhook_url, client)
    return channels | {name: make(services) for name, make in services.ways.items()}
