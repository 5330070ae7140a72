"""The quality tests that remember: clock, gap, order, duplicate, spike, rate, flat line, attenuation, neighbours.

All channels of a batch at once, no Python loop over readings; what is decided does not depend on how a stream is cut.
Equations and defaults: `docs/rules.md`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.clock import judge_clocks
from rules.columns import Columns
from rules.condition import NEVER
from rules.link import Net, Witnesses, ask_links
from rules.memory import KEPT, MINUTE_MS, Memory
from rules.pick import Pick
from rules.quality import TIMING, Bits, Check
from rules.scan import Bools, Floats, Ints, every, some
from rules.tested import Look, Looked, Tested, find, looked, windowed
from rules.window import look_back
from wire.quality import Quality

Singles = npt.NDArray[np.float32]

GOOD, UNKNOWN, SUSPECT = (np.uint8(each) for each in (Quality.GOOD, Quality.UNKNOWN, Quality.SUSPECT))
_COUNTS = np.arange(2 * KEPT)
_NEXT, _NEWEST = _COUNTS % KEPT, (_COUNTS - 1) % KEPT
_GROWN = np.where(_COUNTS + 1 == 2 * KEPT, KEPT, _COUNTS + 1).astype(np.uint8)
MOST = 1e38
"""What is larger is no reading: seven digits of it could not be kept."""
MAD_SCALE = 1.4826
"""Median absolute deviation to standard deviation, for a normal distribution."""


@dataclass(slots=True)
class Batch:
    """Rows of tested channels, sorted by row of the memory, in order of arrival inside one; in any order if alone."""

    tested: Tested
    ts: Ints
    arrival: Ints
    value: Floats
    flag: npt.NDArray[np.uint8]
    counted: Bools
    clock: Bools
    bits: Bits
    pace: Floats | None = None  # how fast the timeline runs; None: as real

    @property
    def at(self) -> Ints:
        """Row of the memory."""
        return self.tested.at.numbers

    @property
    def index(self) -> Ints | slice:
        """Of the reading in the columns."""
        return slice(None) if self.tested.index is None else self.tested.index.numbers

    @property
    def alone(self) -> bool:
        """No memory row stands twice."""
        return self.tested.alone


@dataclass(slots=True)
class Part:
    """Some rows of a batch, as links see it."""

    at: Ints
    index: Ints | slice
    ts: Ints
    value: Floats
    flag: npt.NDArray[np.uint8]
    bits: Bits
    alone: bool


def examine(columns: Columns, memory: Memory, net: Net | None = None, pace: Floats | None = None) -> Columns:
    """The columns, assessed by `quality.assess`, with the flags and tests that memory allows; the memory moves on.

    Args:
        columns: with `clock` and `tests` set.
        memory: rows of the tested channels.
        net: their links.
        pace: how fast the timeline of each reading runs; None: as real.
    """
    batch = _batch(columns, memory)
    if batch is None:
        return columns
    if pace is not None:
        batch.pace = pace[batch.index]
    judge_clocks(batch, memory)
    fresh = _order(batch, memory)
    sound = fresh & (np.abs(batch.value) < MOST) & _trusted(batch)
    _user_range(batch)
    if every(sound):
        told = ask_links(batch, memory, net) if net is not None else None
        look_back(batch, batch.tested.windowed, memory, told)
        _look(batch, batch.tested.looked, memory, told)
    elif net is None:
        where = sound.nonzero()[0]
        look_back(batch, windowed(batch.at, where, memory), memory, None)
        _look(batch, looked(batch.at, where, memory), memory, None)
    elif some(sound):
        where = sound.nonzero()[0]
        part = _only(batch, where)
        told = ask_links(part, memory, net)
        look_back(part, windowed(part.at, None, memory), memory, told)
        _look(part, looked(part.at, None, memory), memory, told)
        batch.bits[where], batch.flag[where] = part.bits, part.flag
    batch.tested.at.put(memory.touched, True)
    assert columns.tests is not None
    assert columns.clock is not None
    index = batch.tested.index
    if index is None:
        return columns._replace(ts=batch.ts, flag=batch.flag, clock=batch.clock, tests=batch.bits)
    flag, tests = columns.flag.copy(), columns.tests.copy()
    index.put(flag, batch.flag)
    index.put(tests, batch.bits)
    if not some(batch.clock):
        return columns._replace(flag=flag, tests=tests)
    ts, clock = columns.ts.copy(), columns.clock.copy()
    index.put(ts, batch.ts)
    index.put(clock, batch.clock)
    return columns._replace(ts=ts, flag=flag, clock=clock, tests=tests)


def _batch(columns: Columns, memory: Memory) -> Batch | None:
    assert columns.tests is not None
    assert columns.clock is not None
    channel = columns.channel
    if not len(memory.of_channel) or not len(channel):
        return None
    tested = memory.tested.get(channel)
    if tested is None:
        tested = memory.tested.keep(channel, find(channel, memory))
    index = tested.index
    if not len(tested.at):
        return None
    if index is None:
        return Batch(
            tested, columns.ts, columns.arrival, columns.value, columns.flag.copy(), columns.counted, columns.clock,
            columns.tests.copy(),
        )  # fmt: skip
    return Batch(
        tested, index.of(columns.ts), index.of(columns.arrival), index.of(columns.value), index.of(columns.flag),
        index.of(columns.counted), index.of(columns.clock), index.of(columns.tests),
    )  # fmt: skip


def _only(batch: Batch, where: Ints) -> Part:
    index = np.arange(len(batch.at)) if isinstance(batch.index, slice) else batch.index
    return Part(
        batch.at[where], index[where], batch.ts[where], batch.value[where], batch.flag[where], batch.bits[where],
        batch.alone,
    )  # fmt: skip


def _trusted(batch: Batch) -> Bools:
    """Whether nobody has doubted the value so far."""
    good = batch.flag < SUSPECT
    if every(good):
        return good
    excused = (batch.flag == SUSPECT) & batch.clock & ((batch.bits & ~np.uint16(TIMING)) == 0)
    return np.asarray(good | excused)


def _order(batch: Batch, memory: Memory) -> Bools:
    """Which rows are newer than all before; gap, order and duplicate are told."""
    newest_of, at = memory.rows["newest"], batch.tested.at
    known = at.of(newest_of)
    if batch.alone:
        before = known
        ordered = batch.counted & (batch.ts >= known)
        at.put(newest_of, batch.ts if every(ordered) else np.where(ordered, batch.ts, known))
    else:
        first = scan.firsts(batch.at)
        floor = np.where(known == NEVER, int(batch.ts.min()), known)
        times = np.where(batch.counted, batch.ts, floor)
        times = np.where(first, np.maximum(times, floor), times)
        newest = scan.maximum_since(times, first)
        heard = np.cumsum(batch.counted)
        since: Ints = heard - (heard[first] - batch.counted[first])[np.cumsum(first) - 1]
        newest = np.where((since == 0) & (known == NEVER), NEVER, newest)
        before = scan.previous(newest, first, known)
        ordered = batch.counted & (batch.ts >= newest)
        last = scan.lasts(first)
        newest_of[batch.at[last]] = newest[last]
    fresh = ordered & (batch.ts > before)
    far = batch.ts - before > batch.tested.asked.gap_ms  # NEVER is long ago
    if some(far):
        late = fresh & far & (before != NEVER)
        batch.bits[late] |= np.uint16(Check.GAP)
    if not every(fresh):
        batch.bits[batch.counted & (batch.ts == before)] |= np.uint16(Check.DUPLICATE)
        batch.bits[batch.counted & (batch.ts < before)] |= np.uint16(Check.ORDER)
    return fresh


def _user_range(batch: Batch) -> None:
    asked = batch.tested.asked.range
    if asked is None:
        return
    index, low, high = asked.index, asked.low, asked.high
    value = batch.value if index is None else index.of(batch.value)
    outside = (value < low) | (value > high)
    if some(outside):
        rows = outside.nonzero()[0] if index is None else index.numbers[outside]
        batch.bits[rows] |= np.uint16(Check.USER_RANGE)
        batch.flag[rows] = np.maximum(batch.flag[rows], SUSPECT)
    if int(UNKNOWN) in batch.flag.tobytes():
        unknown = (batch.flag if index is None else index.of(batch.flag)) == UNKNOWN
        known = unknown & (value >= low) & (value <= high)
        batch.flag[known.nonzero()[0] if index is None else index.numbers[known]] = GOOD


def _look(batch: Batch | Part, has: Looked | None, memory: Memory, told: Witnesses | None) -> None:
    """The tests that look at the last few readings, of those rows that have them.

    Spike: beyond `least` and `mad` scaled deviations of the median of the last five. Rate: change over time.
    """
    if has is None:
        return
    looks, look, index, asked = memory.looks, has.look, has.index, has.asked
    ts, value = (batch.ts, batch.value) if index is None else (index.of(batch.ts), index.of(batch.value))
    believed = None
    if told is not None:
        believed = told.corroborated if index is None else index.of(told.corroborated)
    at = look.numbers
    carried, carried_code = look.of(looks["sound"]), look.of(looks["sign"])
    first = None if batch.alone else scan.firsts(at)
    before = carried if first is None else scan.previous(ts, first, carried)
    anew = ts - before > asked.gap_ms  # NEVER is long ago
    last = None if first is None else scan.lasts(first)
    five = _last_five(value, look, memory, first, anew)
    sign = _signs(five, asked)
    if last is None:
        look.put(looks["sound"], ts)
    else:
        looks["sound"][at[last]] = ts[last]
    candidate = after = None
    if some(sign != 0) or some(carried_code != 0):
        sign_before = np.sign(carried_code) if first is None else scan.previous(sign, first, np.sign(carried_code))
        candidate = (sign != 0) & (anew | (sign_before != sign))
        if believed is not None:
            candidate &= ~believed
        code = sign + sign * candidate
        code_before = carried_code if first is None else scan.previous(code, first, carried_code)
        after = ~anew & (np.abs(code_before) == 2) & (sign_before != sign)
        if last is None:
            look.put(looks["sign"], code)
        else:
            looks["sign"][at[last]] = code[last]
    if len(asked.rated):
        out = anew if candidate is None or after is None else anew | candidate | after
        if believed is not None:
            out = out | (believed & (sign != 0))
        _rates(batch, has, out, ts, before, five)
    _tell(batch, has, five, candidate, after)


def _tell(batch: Batch | Part, has: Looked, five: "_Five", candidate: Bools | None, after: Bools | None) -> None:
    """Flags and bits of what was found; the fifth reading that a spike test sees is known to be good."""
    index = has.index
    if int(UNKNOWN) in batch.flag.tobytes():
        known = (batch.flag if index is None else index.of(batch.flag)) == UNKNOWN
        known &= five.full & has.asked.spiked
        batch.flag[_rows(index, known)] = GOOD
    if candidate is not None and some(candidate):
        rows = _rows(index, candidate)
        batch.bits[rows] |= np.uint16(Check.SPIKE)
        batch.flag[rows] = np.maximum(batch.flag[rows], UNKNOWN)
    if after is not None and some(after):
        batch.bits[_rows(index, after)] |= np.uint16(Check.AFTER_SPIKE)


def _rows(index: Pick | None, which: Bools) -> Ints:
    """Rows of the batch of some that are looked at."""
    return which.nonzero()[0] if index is None else index.numbers[which]


def _rates(batch: Batch | Part, has: Looked, out: Bools, ts: Ints, before: Ints, five: "_Five") -> None:
    """Changes that are faster than the quantity can, against the reading before; `out`: rows that are not tested."""
    rows, most = has.asked.rated, has.asked.rate
    if len(rows) < len(out):
        ts, before, out = ts[rows], before[rows], out[rows]
    fast = np.abs(five.value[rows] - five.previous(rows)) > most * ((ts - before) / MINUTE_MS)
    fast &= ~out
    if some(fast):
        index = rows[fast] if has.index is None else has.index.numbers[rows[fast]]
        batch.bits[index] |= np.uint16(Check.RATE)
        batch.flag[index] = np.maximum(batch.flag[index], SUSPECT)


class _Five:
    """The readings before each reading, to seven digits as they are kept."""

    __slots__ = ("_before", "_place", "full", "value", "window")

    def __init__(self, value: Singles, window: Singles, full: Bools, before: Singles, place: Ints) -> None:
        """The newest of those before the reading n is `before.reshape(-1)[place[n]]`."""
        self.value = value
        self.window = window  # (KEPT, rows), in no order; sense only where full
        self.full = full
        self._before, self._place = before, place

    def previous(self, rows: Ints) -> Singles:
        """The reading before some."""
        return self._before.reshape(-1)[self._place[rows]]


def _signs(five: _Five, asked: Look) -> npt.NDArray[np.int8]:
    """Whether, and to which side, a reading lies beyond the spike threshold."""
    sign = np.zeros(len(five.full), dtype=np.int8)
    median = _median_of_five(five.window)
    deviation = five.value - median
    beyond = five.full & (np.abs(deviation) > asked.spike)
    if some(beyond):
        rows = beyond.nonzero()[0]
        scatter = _median_of_five(np.abs(five.window[:, rows] - median[rows]))
        mad = asked.mad if len(asked.mad) == 1 else asked.mad[rows]
        far = np.abs(deviation[rows]) > mad * MAD_SCALE * scatter
        sign[rows[far]] = np.sign(deviation[rows[far]])
    return sign


def _last_five(given: Floats, look: Pick, memory: Memory, first: Bools | None, anew: Bools) -> _Five:
    """The five sound readings before each, and the memory moved on; after a gap they are gathered anew."""
    kept, counts, at = memory.kept, memory.looks["kept"], look.numbers
    value = given.astype(np.float32)
    if first is None:
        had = look.of(counts)
        if some(anew):
            had[anew] = 0
        window = look.across(kept)
        count = had.tolist()[0]
        if every(had == count):
            look.put(kept[_NEXT[count]], value)
            look.put(counts, _GROWN[count])
            place = np.arange(len(had)) + int(_NEWEST[count]) * len(had)
        else:
            kept.reshape(-1)[at + kept.shape[1] * _NEXT[had]] = value
            look.put(counts, _GROWN[had])
            place = np.arange(len(had)) + _NEWEST[had] * len(had)
        return _Five(value, window, had >= KEPT, window, place)
    count = counts[at].astype(np.int64)
    steps = np.arange(KEPT)
    start = first | anew
    group = np.cumsum(start) - 1
    heads = start.nonzero()[0]
    carried = np.where(anew[heads], 0, np.minimum(count[heads], KEPT))
    place = np.arange(len(at)) + KEPT * (group + 1)
    values = np.zeros(len(at) + KEPT * len(heads), dtype=np.float32)
    values[place] = value
    old = kept[(count[heads][:, None] + steps) % KEPT, at[heads][:, None]]
    values[(place[heads] - KEPT)[:, None] + steps] = old
    so_far = carried[group] + np.arange(len(at)) - heads[group]
    last = scan.lasts(first)
    total = np.minimum(so_far[last] + 1, KEPT)
    newest = values[np.minimum((place[last] - total + 1)[:, None] + steps, len(values) - 1)]
    kept[:, at[last]] = newest.T
    counts[at[last]] = total
    return _Five(value, values[place[None, :] - 1 - steps[:, None]], so_far >= KEPT, values, place - 1)


def _median_of_five(window: Singles) -> Singles:
    """The median over the first axis by comparing, seven times faster than sorting."""
    a, b, c, d, e = window
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.asarray(np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e)))
