"""Is a device's clock right? By the lower envelope of its delays: what arrives fastest shows how far its clock is off.

A delay is arrival minus event time. A reading within five seconds of its arrival ends all doubt. Without one, at most a
hundred readings make an envelope; once it spans a minute of arrivals, delays that all lie within half a minute of
each other are a clock that is off, while those of a backlog that is caught up shrink and are not. On a timeline that
runs faster than real all of this counts in real seconds: the way of a message takes as long as ever.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.memory import Memory
from rules.quality import Bits, Check
from rules.quality_defaults import (
    ENOUGH_MS,
    ENOUGH_READINGS,
    ENVELOPE_READINGS,
    SKEW_MS,
    STEADY_MS,
    WRONG_MS,
    ZONE_MS,
    ZONE_TOLERANCE_MS,
)
from rules.scan import Bools, Floats, Ints, every, some
from rules.tested import Tested
from wire.quality import Quality

RIGHT, OFF, WRONG, ZONE = 0, 1, 2, 3
_MOST_MS = 2**31 - 1


class Timed(Protocol):
    """What the clock test needs of a batch."""

    tested: Tested
    ts: Ints
    arrival: Ints
    flag: npt.NDArray[np.uint8]
    counted: Bools
    clock: Bools
    bits: Bits
    pace: Floats | None


def judge_clocks(batch: Timed, memory: Memory) -> None:
    """Tell skew; take the arrival for the time where a clock is steadily wrong."""
    if some(batch.clock):
        batch.bits[batch.clock] |= np.uint16(Check.CLOCK)
    rows = memory.rows
    delay = batch.arrival - batch.ts
    if batch.pace is not None:
        delay = (delay / batch.pace).astype(np.int64)
    calm = np.abs(delay) <= SKEW_MS
    if every(calm) and not some(batch.tested.at.of(rows["count"]) != 0):
        return
    eligible = batch.counted & ~batch.clock
    if not some(eligible):
        return
    index = eligible.nonzero()[0]
    at, calm, arrival = batch.tested.at.numbers[index], calm[index], batch.arrival[index]
    delay = np.clip(delay[index], -_MOST_MS, _MOST_MS)
    first = scan.firsts(at)
    doubtful = (~calm).astype(np.int64)
    count = rows["count"][at].astype(np.int64)
    place = scan.sums_since(doubtful, calm | first, np.where(calm, 0, count + 1))
    start = ~calm & ((place - 1) % ENVELOPE_READINGS == 0)
    mark = calm | start | first
    goes_on = first & ~calm & ~start
    low, high = rows["lo"][at].astype(np.int64), rows["hi"][at].astype(np.int64)
    least = scan.minimum_since(np.where(goes_on, np.minimum(delay, low), delay), mark)
    most = scan.maximum_since(np.where(goes_on, np.maximum(delay, high), delay), mark)
    begun = np.where(goes_on, rows["begun"][at], arrival)[scan.marked_before(mark)]
    number = np.where(calm, 0, (place - 1) % ENVELOPE_READINGS + 1)
    enough_ms = ENOUGH_MS if batch.pace is None else ENOUGH_MS * batch.pace[index]
    enough = ~calm & (number >= ENOUGH_READINGS) & (arrival - begun >= enough_ms)
    found = np.where(enough & (most - least <= STEADY_MS), np.where(least >= WRONG_MS, WRONG, OFF), RIGHT)
    found[(found == WRONG) & (np.abs(least - ZONE_MS) <= ZONE_TOLERANCE_MS)] = ZONE
    told = calm | enough
    verdict = np.where(told, found, rows["verdict"][at])[scan.marked_before(told | first)]
    last = scan.lasts(first)
    end = at[last]
    rows["count"][end], rows["verdict"][end] = number[last], verdict[last]
    rows["lo"][end], rows["hi"][end], rows["begun"][end] = least[last], most[last], begun[last]
    batch.bits[index[verdict == OFF]] |= np.uint16(Check.SKEW)
    wrong = index[verdict >= WRONG]
    if len(wrong):
        batch.bits[wrong] |= np.uint16(Check.CLOCK)
        batch.bits[index[verdict == ZONE]] |= np.uint16(Check.ZONE)
        batch.ts, batch.clock = batch.ts.copy(), batch.clock.copy()  # they may be the caller's
        batch.clock[wrong] = True
        batch.ts[wrong] = batch.arrival[wrong]
        batch.flag[wrong] = np.maximum(batch.flag[wrong], Quality.SUSPECT)
