"""The time that an edge lives by: it runs on with the machine, and is set only by somebody who is to be believed.

A gateway's wall clock jumps: to 1970 at a start without a battery, by an hour by a wrong hand, back again by NTP. Were
each reading judged by it, devices whose clocks are right would seem to speak from the future or the past, and alarms
would be lost. So time is counted from the machine's start, and a jump of the wall clock is taken over only if the
cloud's time does not speak against it. The cloud's word goes before the wall clock's; without a cloud the wall clock
is believed, unless it says a time before `PLAUSIBLE_MS`.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

NEAR_MS = 30_000
"""So far a clock may be from the cloud's and still count as right."""
FOLLOW_MS = 1_000
"""A smaller difference is no jump: clocks are steered so."""
PLAUSIBLE_MS = 1_704_067_200_000  # 2024-01-01
KEEP_MS = 5_000
WORD_WITHIN_MS = 60_000
"""After a start with a clock that went back, the cloud has so long to speak before the wall clock is believed."""
MOST_STEPS = 16


def wall_ms() -> int:
    """What this machine's clock shows."""
    return time.time_ns() // 1_000_000


def since_boot_ms() -> int:
    """Time since the machine was started, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


class SteadyClock:
    """Counts on from an anchor.

    Args:
        kept: a file in which the time is noted, so that a restart does not begin in the past; None: none.
        wall: the machine's clock.
        since_boot: never set, never going back.
    """

    def __init__(
        self, kept: Path | None = None, wall: Callable[[], int] = wall_ms, since_boot: Callable[[], int] = since_boot_ms
    ) -> None:
        self._kept = kept
        self._wall = wall
        self._since_boot = since_boot
        self._cloud_ms: int | None = None  # the cloud's time minus time since boot
        self._steps: list[tuple[int, int]] = []  # what was shown before and after each jump that was taken over
        self._started = since_boot()
        now = wall()
        floor = _read(kept)
        self._floored = floor is not None and now < floor - NEAR_MS
        if self._floored and floor is not None:
            log.warning("this machine's clock went back %.0f s while we were away; waiting for the cloud's word",
                        (floor - now) / 1000)  # fmt: skip
            now = floor
        self._anchor = now - self._started
        self._noted = 0

    def now_ms(self) -> int:
        """Now."""
        return self._anchor + self._since_boot()

    def cloud_said(self, cloud_ms: int) -> None:
        """The cloud told its time, in an answer that it gave to us."""
        self._cloud_ms = cloud_ms - self._since_boot()
        self.look()

    def look(self) -> None:
        """Compare with the machine's clock and the cloud's; to be called every second or so."""
        now, wall = self.now_ms(), self._wall()
        right = self._believed(now, wall)
        if right != now:
            if abs(right - now) > FOLLOW_MS:
                log.warning("the time was set by %.1f s", (right - now) / 1000)
                self._steps = [*self._steps[-MOST_STEPS:], (now, right)]
            self._anchor += right - now
            now = right
        if self._kept is not None and abs(now - self._noted) >= KEEP_MS and now >= PLAUSIBLE_MS:
            self._noted = now
            with contextlib.suppress(OSError):  # a full disk is told elsewhere
                self._kept.write_text(str(now), encoding="ascii")

    def _believed(self, now: int, wall: int) -> int:
        if self._cloud_ms is not None:
            self._floored = False
            cloud = self._cloud_ms + self._since_boot()
            if abs(wall - cloud) <= NEAR_MS:
                return wall
            return now if abs(now - cloud) <= NEAR_MS else cloud
        if wall < PLAUSIBLE_MS <= now:
            return now
        if self._floored and self._since_boot() - self._started < WORD_WITHIN_MS:
            return now
        self._floored = False
        return wall

    def age_ms(self, at: int) -> int:
        """How long ago something was stamped, jumps of the time since then left out."""
        now = self.now_ms()
        age = 0
        for before, after in reversed(self._steps):
            if after <= at <= now:
                break  # stamped since this jump
            if at <= before or before > after:
                age += max(0, now - after)
                now = before
        return age + max(0, now - at)


def _read(kept: Path | None) -> int | None:
    if kept is None:
        return None
    try:
        return int(kept.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
