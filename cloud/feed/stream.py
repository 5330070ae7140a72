"""Entries of the log as server-sent events."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence

import anyio
import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent

from cloud.feed.service import Entry, Feed, Reset

SEND_TIMEOUT_S = 30.0
"""A listener that takes nothing for so long is cut off; it resumes where it was."""
MAX_LISTENERS = 2000
_CHUNK_BYTES = 256 * 1024
"""About so much is handed to a connection at once."""
_STATES = frozenset({"incident", "assignment", "device", "edge"})
"""Kinds whose entries say all there is to say of their thing: of several that wait, the newest does."""


def response(events: AsyncIterator[ServerSentEvent | bytes]) -> EventSourceResponse:
    """An endless answer; the events bring their own heartbeat."""
    return EventSourceResponse(
        events, ping=0, send_timeout=SEND_TIMEOUT_S, shutdown_event=anyio.Event(), headers={"Cache-Control": "no-store"}
    )


async def events(
    feed: Feed,
    after: int,
    *,
    chosen: Callable[[Sequence[Entry]], Awaitable[Iterable[bytes]]],
    reset: Callable[[Reset], ServerSentEvent],
    heartbeat: Callable[[], Awaitable[ServerSentEvent | None]],
    heartbeat_s: float,
    goes_on: Callable[[Reset], bool],
    kind: str | None = None,
) -> AsyncIterator[ServerSentEvent | bytes]:
    """Follow the log from a position until the listener goes, or the heartbeat says None.

    Args:
        feed: the log.
        after: position already seen.
        chosen: the events of a page of entries, without those that this listener may not or need not see.
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
                due = (loop_time() // heartbeat_s + 1) * heartbeat_s  # everybody's together
            reached = feed.position
            page = await feed.after(after, kind=kind)
            if isinstance(page, Reset):
                yield reset(page)
                if not goes_on(page):
                    return
                after = page.position
                continue
            if page:
                for chunk in chunks(await chosen(page)):
                    yield chunk
                after = page[-1].position
            else:
                after = max(after, reached)
                await feed.wait_beyond(after, max(0.0, due - loop_time()))
    finally:
        feed.listeners -= 1


def chunks(events: Iterable[bytes]) -> Iterator[bytes]:
    """Events joined, a chunk of a bounded size at a time."""
    waiting: list[bytes] = []
    size = 0
    for event in events:
        waiting.append(event)
        size += len(event)
        if size >= _CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


def newest_states(entries: Sequence[Entry]) -> list[Entry]:
    """Entries in order, without states that a later one of these replaces. Pure."""
    last = {(entry.kind, entry.key): entry.position for entry in entries if entry.kind in _STATES}
    return [entry for entry in entries if last.get((entry.kind, entry.key), entry.position) == entry.position]


def event_of(entry: Entry) -> bytes:
    """An entry as people's screens get it, written out once for all of them."""
    if entry.event is None:
        data = {"kind": entry.kind, "key": entry.key, "at": entry.at.isoformat(), "value": entry.value}
        if entry.exercise:
            data["exercise"] = entry.exercise
        head = f"id: {entry.position}\r\nevent: {entry.kind}\r\ndata: "
        entry.event = head.encode() + msgspec.json.encode(data) + b"\r\n\r\n"
    return entry.event
