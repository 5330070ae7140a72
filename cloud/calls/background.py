"""Workers of 叫应: the dialler, and what site speakers are told."""

import asyncio

import httpx
from sqlalchemy import func, select

from cloud.calls import dialler, playing
from cloud.calls.model import Call, Play
from cloud.http_client import open_client
from cloud.services import Services

LONGEST_WAIT_S = 5.0


async def background(services: Services) -> None:
    """Until the process stops; woken by the feed, since whoever begins a call also writes to it."""
    async with open_client() as client, asyncio.TaskGroup() as group:
        group.create_task(_calls(services, client), name="dialler")
        group.create_task(_plays(services, client), name="speakers")


async def _calls(services: Services, client: httpx.AsyncClient) -> None:
    while not services.stopping.is_set():
        seen = services.feed.position
        if await dialler.place_due(services, client):
            continue
        async with services.db.reading() as session:
            at = await session.scalar(select(func.min(Call.placing_until)).where(Call.placing))
        wait_s = min(LONGEST_WAIT_S, max(0.1, (at - services.now()).total_seconds())) if at else LONGEST_WAIT_S
        await services.feed.wait_beyond(seen, wait_s)


async def _plays(services: Services, client: httpx.AsyncClient) -> None:
    while not services.stopping.is_set():
        seen = services.feed.position
        if await playing.play_due(services, client):
            continue
        async with services.db.reading() as session:
            at = await session.scalar(select(func.min(Play.due_at)).where(Play.state == "pending"))
        wait_s = min(LONGEST_WAIT_S, max(0.2, (at - services.now()).total_seconds())) if at else LONGEST_WAIT_S
        await services.feed.wait_beyond(seen, wait_s)
