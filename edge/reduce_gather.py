"""Held readings, when their time is over: in full for devices that stirred since, as aggregates for the others."""

import asyncio
from collections.abc import Sequence

import msgspec
import numpy as np

from edge import reduce
from edge.journal import Journal
from edge.lane import Lane, Outgoing, Waiting
from edge.metrics import AGGREGATED
from edge.reduce_live import Stirring
from wire.event import Type
from wire.time import now_ms

BEFORE_MS = 120_000
"""At least so long before a device stirs its readings go up in full; up to a minute more."""
EVERY_S = 5.0
MOST_BYTES = 32 << 20


def gathered(held: Sequence[Waiting], stirring: Stirring, started_ms: int) -> list[Outgoing]:
    """What goes up in the place of held rows of one minute of arrival.

    Args:
        held: rows of the journal.
        stirring: knows which devices stirred since.
        started_ms: what is older than this process goes up in full: nobody remembers what stirred then.
    """
    first = held[0]
    blocks = reduce.decoded([each.data for each in held])
    table, rows = reduce.flatten(blocks)
    if first.born_ms < started_ms:
        keep = np.ones(len(rows.start), dtype=np.bool_)
    else:
        keep = stirring.since(table, first.born_ms)[rows.series]
    left, fewer = reduce.reduced(rows, keep)
    AGGREGATED.inc(fewer)
    block = reduce.encode(table, left)
    return [
        Outgoing(
            id=f"{first.id}/held",  # of the first row, which is gone in the same transaction
            lane=Lane.TELEMETRY,
            type=Type.TELEMETRY_RECORDED,
            data=msgspec.json.encode(block),
            born_ms=first.born_ms,
            items=len(block.ts),
        )
    ]


class Gatherer:
    """Lets held readings go, minute by minute; what it reads and writes is a short turn of the journal each.

    Args:
        journal: holds them.
        stirring: see `gathered`.
        wake: told that there is something to send.
    """

    def __init__(self, journal: Journal, stirring: Stirring) -> None:
        self._journal = journal
        self._stirring = stirring
        self._started_ms = now_ms()

    async def run(self) -> None:
        """Gather for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.gather(now_ms())

    async def gather(self, at: int) -> int:
        """Everything that is due; how many held rows went."""
        done = 0
        due = (at - BEFORE_MS) // reduce.MINUTE_MS * reduce.MINUTE_MS
        while held := await self._journal.held(due, MOST_BYTES):
            minute = held[0].born_ms // reduce.MINUTE_MS
            some = [each for each in held if each.born_ms // reduce.MINUTE_MS == minute]
            events = await asyncio.to_thread(gathered, some, self._stirring, self._started_ms)
            await self._journal.gathered([each.position for each in some], events)
            done += len(some)
        return done
