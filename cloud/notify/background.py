"""The outbox worker."""

import httpx

from cloud.notify import outbox
from cloud.notify.channels import Channel, FeedChannel, LogFileChannel, WebhookChannel
from cloud.services import Services

LONGEST_WAIT_S = 5.0


async def background(services: Services) -> None:
    """Send what is due; woken by the feed, since whoever queues a message also writes to it."""
    async with httpx.AsyncClient() as client:
        channels = channels_of(services, client)
        while not services.stopping.is_set():
            seen = services.feed.position
            async with services.db.reading() as session:
                at = await outbox.next_due(session)
            now = services.now()
            if at is not None and at <= now and await outbox.send_due(services.db, channels, now):
                continue
            wait_s = min(LONGEST_WAIT_S, max(0.2, (at - now).total_seconds())) if at else LONGEST_WAIT_S
            await services.feed.wait_beyond(seen, wait_s)


def channels_of(services: Services, client: httpx.AsyncClient) -> dict[str, Channel]:
    """The channels that are set up."""
    channels: dict[str, Channel] = {
        "feed": FeedChannel(services.db),
        "log": LogFileChannel(services.settings.data_dir / "notifications.jsonl"),
    }
    url = services.settings.notify_webhook_url
    if url:
        channels["webhook"] = WebhookChannel(url, client)
    return channels
