"""Kind `rate`: rise over a window of event time, in unit per minute.

The rise is taken against the oldest reading that is kept within the window and at least half a window old; without one
(after a gap, at the start) the rate is unknown and nothing is judged; nor at a row that is late or has come again: what
it was to be compared with may be gone. One reading is kept in each sixteenth of
a window, so that a fast sensor costs no more memory than a slow one.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER, Rows, Settings
from rules.scan import Bools, Floats, Ints, roomy, some

PARTS = 16
KEPT = PARTS + 2

RING = np.dtype([("count", "i4"), ("ts", "i8", KEPT), ("value", "f8", KEPT)], align=True)
"""One ring as it is exported: oldest first."""


class Rings:
    """Readings kept for rates. A reading lies at its part of time modulo KEPT: the one sought is found there."""

    def __init__(self) -> None:
        self.newest = np.zeros(0, dtype=np.int64)  # number of the newest part
        self.ts = np.zeros((0, KEPT), dtype=np.int64)
        self.value = np.zeros((0, KEPT))
        self._free: list[int] = []
        self._end = 0

    def allot(self) -> int:
        """A ring that keeps nothing yet."""
        if self._free:
            ring = self._free.pop()
        else:
            ring, self._end = self._end, self._end + 1
            self.newest = roomy(self.newest, self._end, NEVER)
            self.ts, self.value = roomy(self.ts, self._end, NEVER), roomy(self.value, self._end, 0.0)
        self.newest[ring], self.ts[ring], self.value[ring] = NEVER, NEVER, 0.0
        return ring

    def release(self, ring: int) -> None:
        """Give a ring back."""
        self._free.append(ring)

    def in_order(self, rings: Ints, part: Ints) -> tuple[Ints, Floats, Bools]:
        """What rings hold, oldest first, and which places hold something."""
        newest = self.newest[rings]
        place = (newest[:, None] + 1 + np.arange(KEPT)) % KEPT
        ts = self.ts[rings[:, None], place]
        held = ts >= ((newest - KEPT + 1) * part)[:, None]
        return ts, self.value[rings[:, None], place], held & (newest != NEVER)[:, None]

    def keep(self, rings: Ints, bucket: Ints, ts: Ints, value: Floats) -> None:
        """Take readings in; of a ring in order of time."""
        self.ts[rings, bucket % KEPT] = ts
        self.value[rings, bucket % KEPT] = value
        self.newest[rings] = bucket

    def pack_many(self, rings: Ints, window_ms: int) -> npt.NDArray[Any]:
        """Rings of one window, for export."""
        ts, value, held = self.in_order(rings, np.array([part_of(window_ms)]))
        rows = np.zeros(len(rings), dtype=RING)
        rows["count"] = held.sum(axis=1)
        first = np.argsort(~held, axis=1, kind="stable")  # what is held to the front
        held = np.take_along_axis(held, first, axis=1)
        rows["ts"] = np.where(held, np.take_along_axis(ts, first, axis=1), 0)
        rows["value"] = np.where(held, np.take_along_axis(value, first, axis=1), 0.0)
        return rows

    def unpack_many(self, rings: Ints, window_ms: int, packed: npt.NDArray[Any]) -> None:
        """Take what `pack_many` gave."""
        held = np.arange(KEPT) < packed["count"][:, None]
        ts = packed["ts"][held]
        ring = np.repeat(rings, held.sum(axis=1))
        self.keep(ring, ts // part_of(window_ms), ts, packed["value"][held])


def part_of(window_ms: int) -> int:
    """Of each stretch of so many milliseconds one reading is kept."""
    return max(window_ms // PARTS, 1)


def signal(
    rows: Rows, value: Floats, ordered: Bools, ring: Ints, settings: Settings, rings: Rings, *, alone: bool
) -> Floats:
    """The rate at each row (signed, NaN = unknown, -inf = under the floor); the rings take the batch in.

    Args:
        rows: of rate rules only, sorted by slot unless `alone`.
        value: the readings.
        ordered: rows of the first lane; only those with a good flag are kept.
        ring: of each row.
        settings: by kind.
        rings: move on.
        alone: no slot stands twice.
    """
    window = settings.window_ms[rows.kind]
    part = np.maximum(window // PARTS, 1)
    usable = ordered & ~rows.bad
    bucket = np.where(usable, rows.ts // part, NEVER)
    then, before = (
        _alone(rows, value, bucket, ring, window, part, rings)
        if alone
        else _among(rows, value, bucket, ring, window, part, rings)
    )
    span = rows.ts - then
    known = (then != NEVER) & (span * 2 >= window)
    minutes = np.where(known, span, 1) / 60_000
    rate = np.where(known, (value - before) / minutes, np.nan)
    rate *= settings.sign[rows.kind]
    rate = np.where(value < settings.at_least[rows.kind], -np.inf, rate)
    return np.where(ordered, rate, np.nan)


def _alone(
    rows: Rows, value: Floats, bucket: Ints, ring: Ints, window: Ints, part: Ints, rings: Rings
) -> tuple[Ints, Floats]:
    """Time and value of the oldest kept reading within the window of each row; NEVER where there is none to use."""
    kept = np.flatnonzero(bucket > rings.newest[ring])
    if len(kept):
        rings.keep(ring[kept], bucket[kept], rows.ts[kept], value[kept])
    target = np.maximum(rows.ts - window, (rings.newest[ring] - KEPT + 1) * part)
    sought = (rows.ts - window) // part
    then, before = np.full(len(ring), NEVER), np.zeros(len(ring))
    left = np.arange(len(ring))
    for step in range(PARTS // 2 + 2):  # what is younger than half a window is of no use
        place = (sought[left] + step) % KEPT
        ts = rings.ts[ring[left], place]
        found = (ts >= target[left]) & (ts <= rows.ts[left])
        here = left[found]
        then[here], before[here] = ts[found], rings.value[ring[here], place[found]]
        left = left[~found]
        if not len(left):
            break
    return then, before


def _among(
    rows: Rows, value: Floats, bucket: Ints, ring: Ints, window: Ints, part: Ints, rings: Rings
) -> tuple[Ints, Floats]:
    """As `_alone`, of rows of which some share a slot."""
    count = len(rows.slot)
    first = scan.firsts(rows.slot)
    segment = np.cumsum(first) - 1
    heads = ring[first]
    # which readings are kept: the first of each part of a window
    running = scan.previous(_running(bucket, first), first, np.full(count, NEVER))
    kept = bucket > np.maximum(running, rings.newest[heads][segment])
    # one sorted stretch for each slot: what its ring holds, then what the batch adds
    old_ts, old_value, old = rings.in_order(heads, part[first])
    held = old.sum(axis=1)
    so_far = np.cumsum(kept)
    added = so_far - (so_far[first] - kept[first])[segment]  # kept in this slot up to and including the row
    total = held + added[scan.lasts(first)]
    stops = np.cumsum(total)
    starts = stops - total
    length = int(stops[-1])
    times, values = np.empty(length, dtype=np.int64), np.empty(length)
    place = np.repeat(starts, held) + scan.spread(held)[1]
    times[place], values[place] = old_ts[old], old_value[old]
    place = (starts + held)[segment[kept]] + added[kept] - 1
    times[place], values[place] = rows.ts[kept], value[kept]
    rings.keep(ring[kept], bucket[kept], rows.ts[kept], value[kept])
    if not length:
        return np.full(count, NEVER), np.zeros(count)
    high = (starts + held)[segment] + added
    newest = times[np.maximum(high - 1, 0)] // part
    target = np.maximum(rows.ts - window, (newest - KEPT + 1) * part)  # what a ring holds, however batches are cut
    found = scan.first_not_below(times, starts[segment].astype(np.int64), high.astype(np.int64), target)
    at = np.minimum(found, length - 1)
    return np.where(found < high, times[at], NEVER), values[at]


def _running(bucket: npt.NDArray[np.int64], first: Bools) -> npt.NDArray[np.int64]:
    """Running maximum within segments of values that may hold NEVER."""
    usable = bucket != NEVER
    if not some(usable):
        return bucket
    floor = int(bucket[usable].min()) - 1
    result = scan.maximum_since(np.where(usable, bucket, floor), first)
    return np.where(result == floor, NEVER, result)
