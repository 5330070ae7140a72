"""The quality tests that remember: clock, gap, order, duplicate, spike, rate, flat line, attenuation, neighbours.

All channels of a batch at once, no Python loop over readings; what is decided does not depend on how a stream is cut.
Equations and defaults: `docs/rules.md`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.clock import judge_clocks
from rules.columns import Columns
from rules.condition import NEVER
from rules.link import Net, Witnesses, ask_links
from rules.memory import KEPT, MINUTE_MS, Memory, Tested, Windowed
from rules.quality import TIMING, Bits, Check
from rules.scan import Bools, Floats, Ints, every, inside, some
from rules.window import look_back, windowed
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
    """Rows of tested channels, sorted by row of the memory, in order of arrival inside one; as they came if alone."""

    at: Ints  # row of the memory
    index: Ints | slice  # of the reading in the columns
    ts: Ints
    arrival: Ints
    value: Floats
    flag: npt.NDArray[np.uint8]
    counted: Bools
    clock: Bools
    bits: Bits
    alone: bool  # no memory row stands twice
    kind: npt.NDArray[np.int32]  # the limits of each row; one entry where all rows have the same
    pace: Floats | None = None  # how fast the timeline runs; None: as real
    windowed: Windowed | None = None  # of all rows; None: to be found

    def firsts(self) -> Bools:
        """True at the first row of each memory row."""
        return np.ones(len(self.at), dtype=np.bool_) if self.alone else scan.firsts(self.at)


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
    _user_range(batch, memory)
    if every(sound):
        told = ask_links(batch, memory, net) if net is not None else None
        look_back(batch, memory, told)
        _look(batch, memory, told)
    elif net is None:
        look_back(batch, memory, None, sound)
        _look(batch, memory, None, sound)
    elif some(sound):
        where = sound.nonzero()[0]
        part = _only(batch, where)
        told = ask_links(part, memory, net)
        look_back(part, memory, told)
        _look(part, memory, told)
        batch.bits[where], batch.flag[where] = part.bits, part.flag
    memory.touched[batch.at] = True
    assert columns.tests is not None
    assert columns.clock is not None
    if isinstance(batch.index, slice):
        return columns._replace(ts=batch.ts, flag=batch.flag, clock=batch.clock, tests=batch.bits)
    ts, flag, clock, tests = columns.ts.copy(), columns.flag.copy(), columns.clock.copy(), columns.tests.copy()
    ts[batch.index], flag[batch.index] = batch.ts, batch.flag
    clock[batch.index], tests[batch.index] = batch.clock, batch.bits
    return columns._replace(ts=ts, flag=flag, clock=clock, tests=tests)


def _batch(columns: Columns, memory: Memory) -> Batch | None:
    assert columns.tests is not None
    assert columns.clock is not None
    channel = columns.channel
    if not len(memory.of_channel) or not len(channel):
        return None
    tested = memory.tested.get(channel)
    if tested is None:
        tested = memory.tested.keep(channel, _tested(channel, memory))
    index = tested.index
    if not len(tested.at):
        return None
    whole = isinstance(index, slice)
    return Batch(
        at=tested.at,
        index=index,
        ts=columns.ts[index],
        arrival=columns.arrival[index],
        value=columns.value[index],
        flag=columns.flag[index].copy() if whole else columns.flag[index],
        counted=columns.counted[index],
        clock=columns.clock[index],
        bits=columns.tests[index].copy() if whole else columns.tests[index],
        alone=tested.alone,
        kind=tested.kind,
        windowed=tested.windowed,
    )


def _tested(channel: npt.NDArray[np.int32], memory: Memory) -> Tested:
    count = len(memory.of_channel)
    if inside(channel, count):
        at: Ints = memory.of_channel[channel].astype(np.int64)
    else:
        known = (channel >= 0) & (channel < count)
        at = np.where(known, memory.of_channel[np.where(known, channel, 0)], -1).astype(np.int64)
    index: Ints | slice = slice(None)
    if some(at < 0):
        index = (at >= 0).nonzero()[0]
        at = at[index]
    alone = memory.alone(at)
    if not alone:
        order = np.argsort(at, kind="stable")
        at, index = at[order], order if isinstance(index, slice) else index[order]
    kind = memory.kind[at]
    at.flags.writeable = False
    return Tested(
        at, index, alone, kind[:1] if len(kind) and every(kind == kind[0]) else kind, windowed(at, memory, None)
    )


def _only(batch: Batch, where: Ints) -> Batch:
    index = np.arange(len(batch.at)) if isinstance(batch.index, slice) else batch.index
    return Batch(
        at=batch.at[where], index=index[where], ts=batch.ts[where], arrival=batch.arrival[where],
        value=batch.value[where], flag=batch.flag[where], counted=batch.counted[where], clock=batch.clock[where],
        bits=batch.bits[where], alone=batch.alone, kind=batch.kind if len(batch.kind) == 1 else batch.kind[where],
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
    known = memory.rows["newest"][batch.at]
    if batch.alone:
        before = known
        ordered = batch.counted & (batch.ts >= known)
        memory.rows["newest"][batch.at] = batch.ts if every(ordered) else np.where(ordered, batch.ts, known)
    else:
        first = batch.firsts()
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
        memory.rows["newest"][batch.at[last]] = newest[last]
    fresh = ordered & (batch.ts > before)
    late = fresh & (batch.ts - before > memory.kinds.gap_ms[batch.kind]) & (before != NEVER)
    if some(late):
        batch.bits[late] |= np.uint16(Check.GAP)
    if not every(fresh):
        batch.bits[batch.counted & (batch.ts == before)] |= np.uint16(Check.DUPLICATE)
        batch.bits[batch.counted & (batch.ts < before)] |= np.uint16(Check.ORDER)
    return fresh


def _user_range(batch: Batch, memory: Memory) -> None:
    kinds = memory.kinds
    if not (kinds.has("user_low") or kinds.has("user_high")):
        return
    low, high = kinds.value("user_low")[batch.kind], kinds.value("user_high")[batch.kind]
    outside = (batch.value < low) | (batch.value > high)
    if some(outside):
        batch.bits[outside] |= np.uint16(Check.USER_RANGE)
        batch.flag[outside] = np.maximum(batch.flag[outside], SUSPECT)
    unknown = batch.flag == UNKNOWN
    if some(unknown):
        batch.flag[unknown & (batch.value >= low) & (batch.value <= high)] = GOOD


def _look(batch: Batch, memory: Memory, told: Witnesses | None, sound: Bools | None = None) -> None:
    """The tests that look at the last few readings, of those rows that have them."""
    looks = memory.kinds.looks[batch.kind]
    if sound is not None:
        looks = looks & sound
    believed = told.corroborated if told is not None else None
    if every(looks):
        _spikes_and_rates(batch, memory, believed)
    elif some(looks):
        where = looks.nonzero()[0]
        part = _only(batch, where)
        _spikes_and_rates(part, memory, None if believed is None else believed[where])
        batch.bits[where], batch.flag[where] = part.bits, part.flag


def _spikes_and_rates(batch: Batch, memory: Memory, believed: Bools | None) -> None:
    """Spike: beyond `least` and `mad` scaled deviations of the median of the last five. Rate: change over time."""
    kinds, looks, kind = memory.kinds, memory.looks, batch.kind
    at: Ints = memory.look[batch.at].astype(np.int64)
    first = batch.firsts()
    carried, carried_code = looks["sound"][at], looks["sign"][at]
    before = carried if batch.alone else scan.previous(batch.ts, first, carried)
    anew = batch.ts - before > kinds.gap_ms[kind]  # NEVER is long ago
    last = slice(None) if batch.alone else scan.lasts(first)
    five = _last_five(batch, at, memory, first, anew)
    sign = _signs(five, kinds.value("spike")[kind], kinds.value("spike_mad")[kind])
    looks["sound"][at[last]] = batch.ts[last]
    candidate = after = None
    if some(sign != 0) or some(carried_code != 0):
        sign_before = np.sign(carried_code) if batch.alone else scan.previous(sign, first, np.sign(carried_code))
        candidate = (sign != 0) & (anew | (sign_before != sign))
        if believed is not None:
            candidate &= ~believed
        code = sign + sign * candidate
        code_before = carried_code if batch.alone else scan.previous(code, first, carried_code)
        after = ~anew & (np.abs(code_before) == 2) & (sign_before != sign)
        looks["sign"][at[last]] = code[last]
    if kinds.has("rate"):
        tested = ~(anew | np.isnan(kinds.value("rate")[kind]))
        if candidate is not None and after is not None:
            tested &= ~(candidate | after)
        if believed is not None:
            tested &= ~(believed & (sign != 0))
        _rates(batch, tested.nonzero()[0], before, five.previous, memory)
    unknown = batch.flag == UNKNOWN
    if some(unknown):
        batch.flag[unknown & five.full & ~np.isnan(kinds.value("spike")[kind])] = GOOD
    if candidate is not None and some(candidate):
        batch.bits[candidate] |= np.uint16(Check.SPIKE)
        batch.flag[candidate] = np.maximum(batch.flag[candidate], UNKNOWN)
    if after is not None and some(after):
        batch.bits[after] |= np.uint16(Check.AFTER_SPIKE)


def _rates(batch: Batch, rows: Ints, before: Ints, previous: Singles, memory: Memory) -> None:
    """Changes that are faster than the quantity can, against the reading before."""
    if not len(rows):
        return
    most = memory.kinds.value("rate")[batch.kind if len(batch.kind) == 1 else batch.kind[rows]]
    minutes = (batch.ts[rows] - before[rows]) / MINUTE_MS
    value = batch.value[rows].astype(np.float32)  # as it is kept
    fast = rows[np.abs(value - previous[rows]) > most * minutes]
    batch.bits[fast] |= np.uint16(Check.RATE)
    batch.flag[fast] = np.maximum(batch.flag[fast], SUSPECT)


class _Five(NamedTuple):
    """The readings before each reading, to seven digits as they are kept."""

    value: Singles  # the reading
    window: Singles  # (KEPT, rows), in no order; sense only where full
    previous: Singles  # the newest of them
    full: Bools


def _signs(five: _Five, least: Floats, mad: Floats) -> npt.NDArray[np.int8]:
    """Whether, and to which side, a reading lies beyond the spike threshold."""
    sign = np.zeros(len(five.full), dtype=np.int8)
    median = _median_of_five(five.window)
    deviation = five.value - median
    beyond = (five.full & (np.abs(deviation) > least)).nonzero()[0]
    if len(beyond):
        scatter = _median_of_five(np.abs(five.window[:, beyond] - median[beyond]))
        mad = mad if len(mad) == 1 else mad[beyond]
        far = np.abs(deviation[beyond]) > mad * MAD_SCALE * scatter
        sign[beyond[far]] = np.sign(deviation[beyond[far]])
    return sign


def _last_five(batch: Batch, at: Ints, memory: Memory, first: Bools, anew: Bools) -> _Five:
    """The five sound readings before each, and the memory moved on; after a gap they are gathered anew."""
    kept, counts = memory.kept, memory.looks["kept"]
    value = batch.value.astype(np.float32)
    if batch.alone:
        had = counts[at]
        if some(anew):
            had[anew] = 0
        flat, base = kept.reshape(-1), at * KEPT
        window = np.ascontiguousarray(kept[at].T)
        previous = flat[base + _NEWEST[had]]
        flat[base + _NEXT[had]] = value
        counts[at] = _GROWN[had]
        return _Five(value, window, previous, had >= KEPT)
    count = counts[at].astype(np.int64)
    steps = np.arange(KEPT)
    start = first | anew
    group = np.cumsum(start) - 1
    heads = start.nonzero()[0]
    carried = np.where(anew[heads], 0, np.minimum(count[heads], KEPT))
    place = np.arange(len(at)) + KEPT * (group + 1)
    values = np.zeros(len(at) + KEPT * len(heads), dtype=np.float32)
    values[place] = value
    old = kept[at[heads][:, None], (count[heads][:, None] + steps) % KEPT]
    values[(place[heads] - KEPT)[:, None] + steps] = old
    so_far = carried[group] + np.arange(len(at)) - heads[group]
    last = scan.lasts(first)
    total = np.minimum(so_far[last] + 1, KEPT)
    newest = values[np.minimum((place[last] - total + 1)[:, None] + steps, len(values) - 1)]
    kept[at[last]] = newest
    counts[at[last]] = total
    return _Five(value, values[place[None, :] - 1 - steps[:, None]], values[place - 1], so_far >= KEPT)


def _median_of_five(window: Singles) -> Singles:
    """The median over the first axis by comparing, seven times faster than sorting."""
    a, b, c, d, e = window
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.asarray(np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e)))
