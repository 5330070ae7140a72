"""Flat line and attenuated signal: the range of a channel over a long window, kept in stretches of time.

The test is on time, not on a number of readings, and every stretch must have a reading: a gap in constant data makes
no flat line. A stretch is a seventh of the longest window of the point; as the oldest one may have been half told when
listening began, one more is asked for: a test comes at most two stretches after its time.
"""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.condition import NEVER
from rules.link import Witnesses
from rules.memory import BUCKETS, Memory
from rules.pick import Pick
from rules.quality import Bits, Check
from rules.scan import Floats, Ints, some
from rules.tested import Windowed
from wire.quality import Quality

Singles = npt.NDArray[np.float32]


class Valued(Protocol):
    """What the windows need of a batch."""

    ts: Ints
    value: Floats
    flag: npt.NDArray[np.uint8]
    bits: Bits

    @property
    def alone(self) -> bool:
        """No row of the memory stands twice."""


class _Stretches(NamedTuple):
    """The running stretch at each row, and the finished ones of the batch."""

    window: Ints
    bucket: Ints
    low: Singles
    high: Singles
    keys: Ints  # of finished stretches in the batch, sorted
    key_low: Singles
    key_high: Singles
    order: Ints  # by row: the rank of its window in the keys
    least: int
    last: Ints  # the rows from which each window goes on


def look_back(batch: Valued, has: Windowed | None, memory: Memory, told: Witnesses | None) -> None:
    """Judge the rows that have a window, and move the windows on."""
    if has is None:
        return
    index, window, asked, kind = has.index, has.window, has.asked, has.asked.kind
    ts, value = (batch.ts, batch.value) if index is None else (index.of(batch.ts), index.of(batch.value))
    carried = window.of(memory.windows["bucket"])
    bucket = _buckets(ts, carried, asked.part)
    stretches = _stretches(window, carried, bucket, value.astype(np.float32), memory, alone=batch.alone)
    narrow = stretches.high - stretches.low < asked.least
    if told is not None:
        narrow &= asked.alone | ((told.stirred if index is None else index.of(told.stirred)) != NEVER)
    else:
        narrow &= asked.alone  # a dry road without a witness is not looked at twice
    if some(narrow):
        few = narrow.nonzero()[0]
        rows = few if index is None else index.numbers[few]
        _judge(batch, rows, few, stretches, kind if len(kind) == 1 else kind[few], memory, told)
    if len(stretches.last):
        _move_on(stretches, memory)


def _buckets(ts: Ints, carried: Ints, part: Ints) -> Ints:
    """The stretch of each reading; most are still in the one that runs, which is found without dividing."""
    begin = carried * part
    moved = ((carried == NEVER) | (ts < begin) | (ts >= begin + part)).nonzero()[0]
    if not len(moved):
        return carried
    bucket = carried.copy()
    bucket[moved] = ts[moved] // (part if len(part) == 1 else part[moved])
    return bucket


def _stretches(pick: Pick, carried: Ints, bucket: Ints, value: Singles, memory: Memory, *, alone: bool) -> _Stretches:
    same = carried == bucket
    window, low, high = pick.numbers, pick.of(memory.windows["low"]), pick.of(memory.windows["high"])
    none = np.zeros(0, dtype=np.int64)
    if alone:
        moved = (~same | (value < low) | (value > high)).nonzero()[0]
        if not len(moved):
            return _Stretches(window, bucket, low, high, none, low[:0], high[:0], none, 0, moved)
        low = np.where(same, np.minimum(low, value), value)
        high = np.where(same, np.maximum(high, value), value)
        return _Stretches(window, bucket, low, high, none, low[:0], high[:0], none, 0, moved)
    first = scan.firsts(window)
    goes_on = first & same
    mark = first.copy()
    mark[1:] |= bucket[1:] != bucket[:-1]
    lows = scan.ordinal(np.where(goes_on, np.minimum(low, value), value))
    highs = scan.ordinal(np.where(goes_on, np.maximum(high, value), value))
    low, high = scan.of_ordinal(scan.minimum_since(lows, mark)), scan.of_ordinal(scan.maximum_since(highs, mark))
    end = scan.lasts(mark)
    order = np.cumsum(first) - 1
    least = int(bucket.min())
    width = int(bucket.max()) - least + 1
    keys = order[end] * width + bucket[end] - least
    last = np.flatnonzero(scan.lasts(first))
    return _Stretches(window, bucket, low, high, keys, low[end], high[end], order * width, least, last)


def _earlier(rows: Ints, back: int, stretches: _Stretches, memory: Memory) -> tuple[Singles, Singles]:
    """Lowest and highest of the stretch that lies `back` before the one of each row; NaN where nothing was heard."""
    window, wanted = stretches.window[rows], stretches.bucket[rows] - back
    carried = memory.windows["bucket"][window]
    place = wanted % BUCKETS
    kept = memory.buckets[window, place], memory.buckets[window, place + BUCKETS]
    usable = (carried != NEVER) & (wanted < carried) & (wanted >= carried - BUCKETS)
    is_running = wanted == carried
    running = memory.windows["low"][window], memory.windows["high"][window]
    low, high = (
        np.where(is_running, now, np.where(usable, old, np.float32(np.nan)))
        for now, old in zip(running, kept, strict=True)
    )
    if len(stretches.keys):
        target = stretches.order[rows] + wanted - stretches.least
        at = np.minimum(np.searchsorted(stretches.keys, target), len(stretches.keys) - 1)
        here = (stretches.keys[at] == target) & (wanted >= stretches.least)
        low, high = np.where(here, stretches.key_low[at], low), np.where(here, stretches.key_high[at], high)
    return low, high


def _judge(
    batch: Valued, rows: Ints, few: Ints, stretches: _Stretches, kind: Ints, memory: Memory, told: Witnesses | None
) -> None:
    kinds = memory.kinds
    low, high = stretches.low[few], stretches.high[few]
    band, least = kinds.value("flat_band")[kind], kinds.value("attenuated")[kind]
    _, over, suspect, fail = kinds.spans[:, kind]
    found = np.zeros((3, len(few)), dtype=np.bool_)
    for back in range(1, BUCKETS + 1):
        before = _earlier(few, back, stretches, memory)
        low, high = np.minimum(low, before[0]), np.maximum(high, before[1])  # NaN stays
        span = high - low
        found[0] |= (back == over) & (span < least)
        found[1] |= (back == suspect) & (span < band)
        found[2] |= (back == fail) & (span < band)
    reach = kinds.spans[0, kind] * BUCKETS
    stirred = np.zeros(len(few), dtype=np.bool_)
    if told is not None:
        stirred = told.stirred[rows] >= batch.ts[rows] - reach
    found[0] &= stirred | (kinds.value("attenuated_witnessed")[kind] == 0)
    found[1:] &= stirred | (kinds.value("flat_witnessed")[kind] == 0)
    batch.bits[rows[found[0]]] |= np.uint16(Check.ATTENUATED)
    batch.bits[rows[found[1] | found[2]]] |= np.uint16(Check.FLAT)
    worse = np.where(found[2], Quality.FAIL, np.where(found[0] | found[1], Quality.SUSPECT, 0)).astype(np.uint8)
    batch.flag[rows] = np.maximum(batch.flag[rows], worse)


def _move_on(stretches: _Stretches, memory: Memory) -> None:
    last = stretches.last
    rolled = last[memory.windows["bucket"][stretches.window[last]] != stretches.bucket[last]]
    if len(rolled):
        kept = np.empty((len(rolled), 2 * BUCKETS), dtype=np.float32)
        line = np.arange(len(rolled))
        for back in range(1, BUCKETS + 1):
            place = (stretches.bucket[rolled] - back) % BUCKETS
            kept[line, place], kept[line, place + BUCKETS] = _earlier(rolled, back, stretches, memory)
        memory.buckets[stretches.window[rolled]] = kept
    end = stretches.window[last]
    memory.windows["bucket"][end] = stretches.bucket[last]
    memory.windows["low"][end], memory.windows["high"][end] = stretches.low[last], stretches.high[last]
