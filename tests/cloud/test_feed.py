"""The feed: commit order, resuming without a hole or a repeat, scope, re-listing."""

import asyncio
import json
from contextlib import aclosing, suppress
from datetime import timedelta

import httpx
from httpx_sse import aconnect_sse
from sqlalchemy import select

from cloud.feed import service as feed
from cloud.feed.model import FeedEntry
from cloud.feed.service import Audience, Feed, Reset
from cloud.people import service as people
from cloud.registry import seed


async def _append(database, key="k", *, grid=seed.GRID_02, kind="incident", exercise=None, audience=None):
    async with database.transaction() as session:
        return await feed.append(
            session, kind=kind, key=key, value={"n": key}, grid_path=grid, exercise=exercise, audience=audience
        )


class Listening:
    """An open feed: `await next_key()` passes over clocks."""

    def __init__(self, stream):
        self._events = stream.aiter_sse()
        self.last_id = None

    async def event(self, *, clocks=False):
        async with asyncio.timeout(15):
            while True:
                event = await anext(self._events)
                if event.id:
                    self.last_id = event.id
                if clocks or event.event != "clock":
                    return event

    async def key(self):
        return json.loads((await self.event()).data)["key"]


def _token(client):
    return {"Authorization": client.headers["Authorization"]}


async def test_positions_follow_the_order_of_commits(database):
    """A transaction that took its position first must not become visible after a later one."""
    holding, commit = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.transaction() as session:
            await feed.append(session, kind="incident", key="slow", value=None, grid_path=None, exercise=None)
            holding.set()
            await commit.wait()

    first = asyncio.create_task(slow())
    await holding.wait()
    second = asyncio.create_task(_append(database, "quick"))
    await asyncio.sleep(0.3)
    async with database.reading() as session:
        assert await feed.reading(session, 0) == []  # the quick one waits: its position would lie above a hole
    commit.set()
    await asyncio.gather(first, second)
    async with database.reading() as session:
        entries = await feed.reading(session, 0)
    assert [entry.key for entry in entries] == ["slow", "quick"]
    assert entries[0].position < entries[1].position


async def test_what_is_rolled_back_was_never_told(database):
    async def failing() -> None:
        async with database.transaction() as session:
            await feed.append(session, kind="incident", key="gone", value=None, grid_path=None, exercise=None)
            raise RuntimeError("after the append")

    with suppress(RuntimeError):
        await failing()
    await _append(database, "stays")
    async with database.reading() as session:
        assert [entry.key for entry in await feed.reading(session, 0)] == ["stays"]


async def test_a_follower_sees_every_entry_once_whatever_it_resumes_from(database):
    """Through memory and through the database, with a ring far smaller than the log."""
    log = Feed(database, ring=8)
    task = asyncio.create_task(log.run())
    try:
        written = [await _append(database, str(number)) for number in range(40)]
        async with asyncio.timeout(20):
            await log.wait_beyond(written[-1] - 1, 15)
        for start in (0, written[10], written[35], written[38]):
            seen, after = [], start
            while page := await log.after(after):
                assert not isinstance(page, Reset)
                seen += [entry.position for entry in page]
                after = page[-1].position
            assert seen == [position for position in written if position > start]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_old_entries_go_and_who_stands_before_them_lists_again(database):
    log = Feed(database, ring=2)
    task = asyncio.create_task(log.run())
    try:
        written = [await _append(database, str(number)) for number in range(6)]
        await log.wait_beyond(written[-1] - 1, 15)
        async with database.reading() as session:
            newest = await session.get(FeedEntry, written[-1])
        late = newest.at + timedelta(days=8)
        assert await log.prune(keep=timedelta(days=7), rows=1000, now=late) == 5
        assert await log.after(written[0]) == Reset(written[-1])
        assert [entry.key for entry in await log.after(written[4])] == ["5"]
        assert isinstance(await log.after(written[-1] + 1000), Reset)  # a position of another database
        assert await log.prune(keep=timedelta(days=7), rows=1000, now=late) == 0  # the newest stays
        assert await _append(database, "next") > written[-1]  # positions are never used twice
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_stream_resumes_after_the_last_event_id_without_hole_or_repeat(served, sign_in, database):
    duty = await sign_in("duty")
    async with httpx.AsyncClient(base_url=served, headers=_token(duty), timeout=30) as client:
        position = (await client.get("/api/v1/feed/position")).json()["position"]
        async with aconnect_sse(client, "GET", f"/api/v1/feed?after={position}") as stream:
            listening = Listening(stream)
            assert (await listening.event(clocks=True)).event == "clock"
            await _append(database, "one")
            await _append(database, "two")
            assert [await listening.key(), await listening.key()] == ["one", "two"]
            last = listening.last_id
        await _append(database, "three")
        headers = {"Last-Event-ID": last}
        async with aconnect_sse(client, "GET", f"/api/v1/feed?after={position}", headers=headers) as stream:
            listening = Listening(stream)
            await _append(database, "four")
            assert [await listening.key(), await listening.key()] == ["three", "four"]


async def test_a_position_that_is_no_longer_kept_gets_a_reset_and_then_the_news(served, sign_in, database, services):
    duty = await sign_in("duty")
    for number in range(5):
        await _append(database, str(number))
    await services.feed.prune(keep=timedelta(0), rows=1, now=services.now() + timedelta(seconds=5))
    services.feed._ring.clear()  # as after a restart
    services.feed._ring_floor = services.feed.position
    async with (
        httpx.AsyncClient(base_url=served, headers=_token(duty), timeout=30) as client,
        aconnect_sse(client, "GET", "/api/v1/feed?after=1") as stream,
    ):
        listening = Listening(stream)
        event = await listening.event()
        assert event.event == "reset"
        assert json.loads(event.data)["position"] == int(event.id)
        await _append(database, "after the reset")
        assert await listening.key() == "after the reset"


async def test_each_entry_is_checked_against_the_scope_of_its_listener(served, sign_in, database):
    """Own grid, assigned elsewhere, another grid, another role, an exercise of others, an edge's own changes."""
    zhou = await sign_in("zhou")
    async with (
        httpx.AsyncClient(base_url=served, headers=_token(zhou), timeout=30) as client,
        aconnect_sse(client, "GET", "/api/v1/feed?after=0") as stream,
    ):
        listening = Listening(stream)
        await _append(database, "other grid", grid=seed.GRID_05)
        await _append(database, "no place", grid=None)
        await _append(database, "for officers", audience=Audience(roles=("duty_officer",)))
        await _append(database, "exercise of others", exercise="drl-1")
        await _append(database, "for an edge", kind="edge:gw-liuyin")
        mine = Audience(persons=("per_zhou",), roles=("duty_officer",))
        await _append(database, "assigned elsewhere", grid=seed.GRID_05, audience=mine)
        await _append(database, "exercise, not taking part", exercise="drl-1", audience=mine)
        await _append(database, "own grid")
        assert [await listening.key(), await listening.key()] == ["assigned elsewhere", "own grid"]
        async with database.transaction() as session:
            await people.take_part(session, "drl-1", ["per_zhou"])
            await feed.append(session, kind="drill", key="drl-1", value={}, grid_path=seed.GRID_02, exercise="drl-1")
        await _append(database, "exercise, taking part", exercise="drl-1")
        assert [await listening.key(), await listening.key()] == ["drl-1", "exercise, taking part"]


async def test_a_stream_ends_when_its_session_does(served, sign_in, services):
    duty = await sign_in("duty")
    object.__setattr__(services.settings, "feed_clock_s", 0.2)
    async with httpx.AsyncClient(base_url=served, headers=_token(duty), timeout=30) as client:
        async with aconnect_sse(client, "GET", "/api/v1/feed") as stream:
            events = stream.aiter_sse()
            async with asyncio.timeout(15), aclosing(events):
                await anext(events)
                assert services.feed.listeners == 1
                assert (await duty.delete("/api/v1/session")).status_code == 204
                async for _ in events:
                    pass
        assert (await client.get("/api/v1/feed")).status_code == 401
    for _ in range(200):
        if services.feed.listeners == 0:
            break
        await asyncio.sleep(0.05)
    assert services.feed.listeners == 0


async def test_many_listeners_cost_one_query_a_commit(database):
    """The log is followed once for a process: pages of listeners at the end come from memory."""
    log = Feed(database)
    task = asyncio.create_task(log.run())
    try:
        await log.after(0)  # it has started
        await _append(database)
        await log.wait_beyond(0, 15)
        reads = 0
        plain = database.reading

        def counted():
            nonlocal reads
            reads += 1
            return plain()

        database.reading = counted
        pages = await asyncio.gather(*(log.after(0) for _ in range(200)))
        assert {len(page) for page in pages} == {1}
        assert reads == 0
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_entry_keeps_what_it_was_given(database):
    audience = Audience(persons=("p",), roles=("trainer",))
    position = await _append(database, "k", exercise="drl-9", audience=audience)
    async with database.reading() as session:
        (entry,) = await feed.reading(session, position - 1)
        assert await session.scalar(select(FeedEntry.position)) == position
    assert (entry.exercise, entry.audience, entry.value) == ("drl-9", audience, {"n": "k"})
    assert entry.at.tzinfo is not None
