"""The edges of the storm: each sends what is due in batches, one after the other, some of them twice."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

import httpx
import msgspec

from benchmarks.storm.alerts import Sending, event

PAUSE_S = 0.25
MOST = 500
TWICE = 0.03
"""Share of batches whose answer is lost on the way: the edge sends them again."""


class Sent:
    """What the cloud answered, and how long after an alert was due."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self.verdicts: dict[str, int] = defaultdict(int)
        self.batches = 0
        self.again = 0


async def send(url: str, tokens: dict[str, str], alerts: Sequence[Sending], began: datetime, seed: int) -> Sent:
    """Send everything in its time; returns when the last is answered."""
    sent = Sent()
    by_edge: dict[str, list[Sending]] = defaultdict(list)
    for one in alerts:
        by_edge[one.place.edge].append(one)
    async with asyncio.TaskGroup() as group:
        for edge, own in by_edge.items():
            group.create_task(_edge(url, tokens[edge], own, began, random.Random(f"{seed}{edge}"), sent))
    return sent


async def _edge(url: str, token: str, own: list[Sending], began: datetime, chance: random.Random, sent: Sent) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    start = began.timestamp()
    done = 0
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        while done < len(own):
            now = time.time() - start
            due = [one for one in own[done : done + MOST] if one.due_s <= now]
            if not due:
                await asyncio.sleep(min(max(own[done].due_s - now, 0.0), PAUSE_S) + 0.001)
                continue
            body = msgspec.json.encode([event(one, began) for one in due])
            twice = chance.random() < TWICE
            for _ in range(1 + twice):
                answer = (await client.post("/api/v1/edge/events", content=body)).raise_for_status().json()
                for verdict in answer["verdicts"]:
                    sent.verdicts[verdict["status"]] += 1
            came = time.time() - start
            sent.late_ms += [(came - one.due_s) * 1e3 for one in due]
            sent.batches += 1
            sent.again += twice
            done += len(due)
            await asyncio.sleep(max(0.0, PAUSE_S - (time.time() - start - now)))
