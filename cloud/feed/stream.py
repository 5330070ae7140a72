"""Entries of the log as server-sent events."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent

from cloud.feed.service import Entry, Feed, Reset

SEND_TIMEOUT_S = 30.0
"""A listener that takes nothing for so long is cut off; it resumes where it was."""
MAX_LISTENERS = 2000


def response(events: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    """An endless answer; the events bring their own heartbeat."""
    return EventSourceResponse(
        events, ping=0, send_timeout=SEND_TIMEOUT_S, shutdown_event=anyio.Event(), headers={"Cache-Control": "no-store"}
    )


async def events(
    feed: Feed,
    after: int,
    *,
    chosen: Callable[[Entry], Awaitable[ServerSentEvent | None]],
    reset: Callable[[Reset], ServerSentEvent],
    heartbeat: Callable[[], Awaitable[ServerSentEvent | None]],
    heartbeat_s: float,
    goes_on: Callable[[Reset], bool],
    kind: str | None = None,
) -> AsyncIterator[ServerSentEvent]:
    """Follow the log from a position until the listener goes, or the heartbeat says None.

    Args:
        feed: the log.
        after: position already seen.
        chosen: makes an event of an entry, or None when this listener may not or need not see it.
        reset: what to say when the position is too old.
        heartbeat: what to say every `heartbeat_s`; None ends the stream.
        heartbeat_s: see there.
        goes_on: whether to continue after a reset.
        kind: follow only entries of this kind.
    """
    feed.listeners += 1
    try:
        loop_time = anyio.current_time
        due = loop_time()
        while True:
            if loop_time() >= due:
                beat = await heartbeat()
                if beat is None:
                    return
                yield beat
                due = loop_time() + heartbeat_s
            reached = feed.position
            page = await feed.after(after, kind=kind)
            if isinstance(page, Reset):
                yield reset(page)
                if not goes_on(page):
                    return
                after = page.position
                continue
            for entry in page:
                after = entry.position
                event = await chosen(entry)
                if event is not None:
                    yield event
            if not page:
                after = max(after, reached)
                await feed.wait_beyond(after, max(0.0, due - loop_time()))
    finally:
        feed.listeners -= 1


def event_of(entry: Entry) -> ServerSentEvent:
    """An entry as people's screens get it."""
    data = {"kind": entry.kind, "key": entry.key, "at": entry.at.isoformat(), "value": entry.value}
    if entry.exercise:
        data["exercise"] = entry.exercise
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=entry.kind, id=str(entry.position))
