"""Kind `rate`: rise over a window of event time, in unit per minute.

The rise is taken against the oldest reading that is kept within the window and at least half a window old; without one
(after a gap, at the start) the rate is unknown and nothing is judged. One reading is kept in each sixteenth of
a window, so that a fast sensor costs no more memory than a slow one.
"""

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER, Rows, Settings, put, taken
from rules.scan import Bools, Floats

PARTS = 16
KEPT = PARTS + 2

RING = np.dtype([("count", "i4"), ("ts", "i8", KEPT), ("value", "f8", KEPT)], align=True)
Ring = npt.NDArray[np.void]


def blank(count: int) -> Ring:
    """Rings that keep nothing yet."""
    return np.zeros(count, dtype=RING)


def signal(rows: Rows, value: Floats, ordered: Bools, settings: Settings, rings: Ring) -> Floats:
    """The rate at each row (signed, NaN = unknown, -inf = under the floor); the rings take the batch in.

    Args:
        rows: of rate rules only, sorted by slot.
        value: the readings.
        ordered: rows of the first lane; only those with a good flag are kept.
        settings: by slot.
        rings: by `settings.ring`.
    """
    slot = rows.slot
    count = len(slot)
    first = scan.firsts(slot)
    segment = np.cumsum(first) - 1
    heads = slot[first]
    ring = settings["ring"][heads]
    window = settings["window_ms"][slot]
    part = np.maximum(window // PARTS, 1)
    # which readings are kept: the first of each part of a window
    usable = ordered & ~rows.bad
    was = taken(rings, ring)
    held = was["count"]
    newest = np.where(held > 0, was["ts"][np.arange(len(ring)), np.maximum(held - 1, 0)], NEVER)
    bucket = np.where(usable, rows.ts // part, NEVER)
    carried = np.where(newest == NEVER, NEVER, newest // np.maximum(settings["window_ms"][heads] // PARTS, 1))
    running = scan.previous(_running(bucket, first), first, np.full(count, NEVER))
    running = np.maximum(running, carried[segment])
    kept = usable & (bucket > running)
    # one sorted stretch for each slot: what its ring holds, then what the batch adds
    so_far = np.cumsum(kept)
    added = so_far - (so_far[first] - kept[first])[segment]  # kept in this slot up to and including the row
    total = held + added[scan.lasts(first)]
    stops = np.cumsum(total)
    starts = stops - total
    old = np.arange(KEPT)[None, :] < held[:, None]
    length = int(stops[-1]) if len(stops) else 0
    times, values = np.empty(length, dtype=np.int64), np.empty(length)
    place = (starts[:, None] + np.arange(KEPT)[None, :])[old]
    times[place], values[place] = was["ts"][old], was["value"][old]
    place = (starts + held)[segment[kept]] + added[kept] - 1
    times[place], values[place] = rows.ts[kept], value[kept]
    rate = np.full(count, np.nan)
    if len(times):
        high = (starts + held)[segment] + added
        low = np.maximum(starts[segment], high - KEPT).astype(np.int64)  # what a ring holds, however batches are cut
        found = scan.first_not_below(times, low, high.astype(np.int64), rows.ts - window)
        at = np.minimum(found, len(times) - 1)
        span = rows.ts - times[at]
        known = (found < high) & (span * 2 >= window)
        minutes = np.where(known, span, 1) / 60_000
        rate = np.where(known, (value - values[at]) / minutes, np.nan)
    if kept.any():
        newest_of = np.minimum(total, KEPT)
        valid = np.arange(KEPT)[None, :] < newest_of[:, None]
        index = np.where(valid, (stops - newest_of)[:, None] + np.arange(KEPT)[None, :], 0)
        fresh = blank(len(ring))
        fresh["count"] = newest_of
        fresh["ts"] = np.where(valid, times[index], 0)
        fresh["value"] = np.where(valid, values[index], 0.0)
        put(rings, ring, fresh)
    rate *= settings["sign"][slot]
    return np.where(value < settings["at_least"][slot], -np.inf, rate)


def _running(bucket: npt.NDArray[np.int64], first: Bools) -> npt.NDArray[np.int64]:
    """Running maximum within segments of values that may hold NEVER."""
    usable = bucket != NEVER
    if not usable.any():
        return bucket
    floor = int(bucket[usable].min()) - 1
    result = scan.maximum_since(np.where(usable, bucket, floor), first)
    return np.where(result == floor, NEVER, result)
