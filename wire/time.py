"""Instants and timelines.

Inside, an instant is an integer: milliseconds since the Unix epoch, UTC. On the wire it is RFC 3339 with an
offset, or the same integer. A *timeline* is the clock a device lives on: real, or a named one (exercise, replay)
made of segments; `ts` is scenario time on that clock.
"""

import time
from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

REAL = "real"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last instant RFC 3339 can say


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


_lived_by: list[Callable[[], int]] = [_wall_ms]


def now_ms() -> int:
    """Wall time now."""
    return _lived_by[0]()


def live_by(clock: Callable[[], int] | None) -> None:
    """Have this process live by another clock than the machine's (an edge does); None: by the machine's again."""
    _lived_by[0] = clock or _wall_ms


def parse_instant(value: Any) -> int:
    """An instant as sent by a device or a program.

    Args:
        value: RFC 3339 text with an offset, or epoch milliseconds as a number.

    Raises:
        ValueError: for text without an offset, for a number that is not finite or outside 1970..9999.
    """
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"'{value[:40]}' is not an RFC 3339 instant") from None
        if parsed.tzinfo is None:
            raise ValueError(f"'{value[:40]}' has no offset: write Z or +08:00")
        return to_ms(parsed)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LAST_MS:
        return int(value)
    raise ValueError(f"{value!r:.40} is neither RFC 3339 text nor epoch milliseconds")


def to_datetime(ms: int) -> datetime:
    """Aware UTC."""
    return EPOCH + timedelta(milliseconds=ms)


def to_ms(instant: datetime) -> int:
    """Epoch milliseconds of an aware datetime; exact, where floating-point seconds are not."""
    since = instant - EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + round(since.microseconds / 1000)


def format_instant(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, as `2026-11-22T06:32:51.250Z`."""
    return to_datetime(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Segment(msgspec.Struct, frozen=True):
    """From `wall_ms` on, scenario time runs from `scenario_ms` at `rate` (0 = paused)."""

    wall_ms: int
    scenario_ms: int
    rate: float


class Timeline(msgspec.Struct, frozen=True):
    """A named clock; before its first segment it stands still. Without segments it is wall time."""

    name: str = REAL
    segments: tuple[Segment, ...] = ()

    def scenario(self, wall_ms: int) -> int:
        """Scenario time at a wall time."""
        if not self.segments:
            return wall_ms
        index = bisect_right(self.segments, wall_ms, key=lambda segment: segment.wall_ms) - 1
        segment = self.segments[max(index, 0)]
        return segment.scenario_ms + round(max(0, wall_ms - segment.wall_ms) * segment.rate)

    def wall(self, scenario_ms: int) -> int | None:
        """The first wall time at which the clock shows (or has passed) a scenario time; None while it never does."""
        if not self.segments:
            return scenario_ms
        for index, segment in enumerate(self.segments):
            end = self.segments[index + 1].wall_ms if index + 1 < len(self.segments) else None
            if scenario_ms <= segment.scenario_ms:
                return segment.wall_ms
            if segment.rate > 0:
                reached = segment.wall_ms + round((scenario_ms - segment.scenario_ms) / segment.rate)
                if end is None or reached < end:
                    return reached
        return None

    def rate(self, wall_ms: int) -> float:
        """Scenario seconds per wall second at a wall time."""
        if not self.segments:
            return 1.0
        index = bisect_right(self.segments, wall_ms, key=lambda segment: segment.wall_ms) - 1
        return self.segments[index].rate if index >= 0 else 0.0
