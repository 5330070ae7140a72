"""Plays a source of publications on a timeline: sleeps until the next is due, follows pauses and new rates at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from simulators.sensor import Publication
from wire.time import Timeline, now_ms

SHORTEST_SLEEP_S = 0.005
"""Publications closer together than this leave together."""


class Source(Protocol):
    """A world or a recording."""

    def step(self, until_ms: int) -> list[Publication]:
        """What leaves up to and including this scenario time."""

    def next_ms(self) -> int | None:
        """When the next one leaves; None at the end."""


class Clock:
    """The timeline that is played on; `set` takes effect at once."""

    def __init__(self, timeline: Timeline) -> None:
        """Start on a timeline."""
        self.timeline = timeline
        self.changed = asyncio.Event()

    def set(self, timeline: Timeline) -> None:
        """Follow another set of segments."""
        if timeline != self.timeline:
            self.timeline = timeline
            self.changed.set()

    def now_ms(self) -> int:
        """Scenario time now."""
        return self.timeline.scenario(now_ms())

    async def until(self, scenario_ms: int | None) -> None:
        """Return when the clock shows a scenario time, or when it was changed; None waits for a change."""
        wall = None if scenario_ms is None else self.timeline.wall(scenario_ms)
        timeout = None if wall is None else max((wall - now_ms()) / 1000, SHORTEST_SLEEP_S)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.changed.wait(), timeout)
            self.changed.clear()


async def play(source: Source, clock: Clock, send: Callable[[Publication], None]) -> None:
    """Send every publication when the clock shows its time; return at the source's end, or run until cancelled."""
    while (due := source.next_ms()) is not None:
        if due > clock.now_ms():
            await clock.until(due)
        for publication in source.step(clock.now_ms()):
            send(publication)
        await asyncio.sleep(0)
