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
from rules.memory import KEPT, MINUTE_MS, Memory
from rules.quality import TIMING, Bits, Check
from rules.scan import Bools, Floats, Ints
from rules.window import look_back
from wire.quality import Quality

_COUNTS = np.arange(2 * KEPT)
_NEXT, _NEWEST = _COUNTS % KEPT, (_COUNTS - 1) % KEPT
_GROWN = np.where(_COUNTS + 1 == 2 * KEPT, KEPT, _COUNTS + 1).astype(np.uint8)
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
    pace: Floats | None = None  # how fast the timeline runs; None: as real

    def kinds(self, memory: Memory) -> Ints:
        """The limits of each row; one entry where all rows have the same."""
        kind = memory.kind[self.at].astype(np.int64)
        return kind[:1] if int(kind.min()) == int(kind.max()) else kind

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
    sound = fresh & np.isfinite(batch.value) & _trusted(batch)
    _user_range(batch, memory)
    part, where = batch, None
    if not sound.all():
        where = np.flatnonzero(sound)
        part = _only(batch, where)
    if len(part.at):
        told = ask_links(part, memory, net) if net is not None else None
        look_back(part, memory, told)
        _spikes_and_rates(part, memory, told)
        if where is not None:
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
    count = len(memory.of_channel)
    if not count or not len(channel):
        return None
    if int(channel.min()) >= 0 and int(channel.max()) < count:
        at: Ints = memory.of_channel[channel].astype(np.int64)
    else:
        inside = (channel >= 0) & (channel < count)
        at = np.where(inside, memory.of_channel[np.where(inside, channel, 0)], -1).astype(np.int64)
    index: Ints | slice = slice(None)
    if int(at.min()) < 0:
        index = np.flatnonzero(at >= 0)
        if not len(index):
            return None
        at = at[index]
    alone = memory.alone(at)
    if not alone:
        order = np.argsort(at, kind="stable")
        at, index = at[order], order if isinstance(index, slice) else index[order]
    whole = isinstance(index, slice)
    return Batch(
        at=at,
        index=index,
        ts=columns.ts[index],
        arrival=columns.arrival[index],
        value=columns.value[index],
        flag=columns.flag[index].copy() if whole else columns.flag[index],
        counted=columns.counted[index],
        clock=columns.clock[index],
        bits=columns.tests[index].copy() if whole else columns.tests[index],
        alone=alone,
    )


def _only(batch: Batch, where: Ints) -> Batch:
    index = np.arange(len(batch.at)) if isinstance(batch.index, slice) else batch.index
    return Batch(
        at=batch.at[where], index=index[where], ts=batch.ts[where], arrival=batch.arrival[where],
        value=batch.value[where], flag=batch.flag[where], counted=batch.counted[where], clock=batch.clock[where],
        bits=batch.bits[where], alone=batch.alone,
    )  # fmt: skip


def _trusted(batch: Batch) -> Bools:
    """Whether nobody has doubted the value so far."""
    good = batch.flag < Quality.SUSPECT
    if good.all():
        return good
    excused = (batch.flag == Quality.SUSPECT) & batch.clock & ((batch.bits & ~np.uint16(TIMING)) == 0)
    return np.asarray(good | excused)


def _order(batch: Batch, memory: Memory) -> Bools:
    """Which rows are newer than all before; gap, order and duplicate are told."""
    known = memory.rows["newest"][batch.at]
    if batch.alone:
        before = known
        ordered = batch.counted & (batch.ts >= known)
        memory.rows["newest"][batch.at] = np.where(ordered, batch.ts, known)
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
    gap_ms = (memory.kinds.value("gap_s") * 1000).astype(np.int64)
    late = fresh & (batch.ts - before > gap_ms[batch.kinds(memory)]) & (before != NEVER)
    if late.any():
        batch.bits[late] |= np.uint16(Check.GAP)
    if not fresh.all():
        batch.bits[batch.counted & (batch.ts == before)] |= np.uint16(Check.DUPLICATE)
        batch.bits[batch.counted & (batch.ts < before)] |= np.uint16(Check.ORDER)
    return fresh


def _user_range(batch: Batch, memory: Memory) -> None:
    low, high = memory.kinds.value("user_low"), memory.kinds.value("user_high")
    if np.isnan(low).all() and np.isnan(high).all():
        return
    kind = batch.kinds(memory)
    low, high = low[kind], high[kind]
    if np.isnan(low).all() and np.isnan(high).all():
        return
    outside = (batch.value < low) | (batch.value > high)
    if outside.any():
        batch.bits[outside] |= np.uint16(Check.USER_RANGE)
        batch.flag[outside] = np.maximum(batch.flag[outside], Quality.SUSPECT)
    inside = (batch.flag == Quality.UNKNOWN) & (batch.value >= low) & (batch.value <= high)
    batch.flag[inside] = Quality.GOOD


def _spikes_and_rates(batch: Batch, memory: Memory, told: Witnesses | None) -> None:
    """Spike: beyond `least` and `mad` scaled deviations of the median of the last five. Rate: change over time."""
    rows, kinds = memory.rows, memory.kinds
    kind = batch.kinds(memory)
    first = batch.firsts()
    carried, carried_code = rows["sound"][batch.at], rows["sign"][batch.at]
    before = carried if batch.alone else scan.previous(batch.ts, first, carried)
    gap_ms = (kinds.value("gap_s") * 1000).astype(np.int64)[kind]
    anew = (before == NEVER) | (batch.ts - before > gap_ms)
    last = slice(None) if batch.alone else scan.lasts(first)
    five = _last_five(batch, memory, first, anew)
    sign = _signs(batch, five, kinds.value("spike")[kind], kinds.value("spike_mad")[kind])
    sign_before = np.sign(carried_code) if batch.alone else scan.previous(sign, first, np.sign(carried_code))
    believed = told.corroborated if told is not None else np.zeros(1, dtype=np.bool_)
    candidate = (sign != 0) & (anew | (sign_before != sign)) & ~believed
    code = sign + sign * candidate
    code_before = carried_code if batch.alone else scan.previous(code, first, carried_code)
    after = ~anew & (np.abs(code_before) == 2) & (sign_before != sign)
    rows["sound"][batch.at[last]] = batch.ts[last]
    rows["sign"][batch.at[last]] = code[last]
    most = kinds.value("rate")[kind]
    tested = ~(anew | candidate | after | np.isnan(most) | (believed & (sign != 0)))
    if not np.isnan(most).all() and tested.any():
        minutes = (batch.ts - np.where(tested, before, 0)) / MINUTE_MS
        fast = tested & (np.abs(batch.value - five.previous) > most * minutes)
        batch.bits[fast] |= np.uint16(Check.RATE)
        batch.flag[fast] = np.maximum(batch.flag[fast], Quality.SUSPECT)
    unknown = batch.flag == Quality.UNKNOWN
    if unknown.any():
        batch.flag[unknown & five.full & ~np.isnan(kinds.value("spike")[kind])] = Quality.GOOD
    if candidate.any():
        batch.bits[candidate] |= np.uint16(Check.SPIKE)
        batch.flag[candidate] = np.maximum(batch.flag[candidate], Quality.UNKNOWN)
    if after.any():
        batch.bits[after] |= np.uint16(Check.AFTER_SPIKE)


class _Five(NamedTuple):
    """The readings before each reading."""

    window: Floats  # (KEPT, rows), in no order; sense only where full
    previous: Floats  # the newest of them
    full: Bools


def _signs(batch: Batch, five: _Five, least: Floats, mad: Floats) -> npt.NDArray[np.int8]:
    """Whether, and to which side, a reading lies beyond the spike threshold."""
    sign = np.zeros(len(batch.at), dtype=np.int8)
    median = _median_of_five(five.window)
    deviation = batch.value - median
    least, mad = np.broadcast_to(least, median.shape), np.broadcast_to(mad, median.shape)
    beyond = np.flatnonzero(five.full & (np.abs(deviation) > least))
    if len(beyond):
        scatter = _median_of_five(np.abs(five.window[:, beyond] - median[beyond]))
        far = np.abs(deviation[beyond]) > mad[beyond] * MAD_SCALE * scatter
        sign[beyond[far]] = np.sign(deviation[beyond[far]])
    return sign


def _last_five(batch: Batch, memory: Memory, first: Bools, anew: Bools) -> _Five:
    """The five sound readings before each, and the memory moved on; after a gap they are gathered anew."""
    kept, counts = memory.kept, memory.rows["kept"]
    if batch.alone:
        had = counts[batch.at]
        had[anew] = 0
        window = np.ascontiguousarray(np.take(kept, batch.at, axis=0).T)
        flat, base = kept.reshape(-1), batch.at * KEPT
        previous = flat[base + _NEWEST[had]]
        flat[base + _NEXT[had]] = batch.value
        counts[batch.at] = _GROWN[had]
        return _Five(window, previous, had >= KEPT)
    count = counts[batch.at].astype(np.int64)
    steps = np.arange(KEPT)
    start = first | anew
    group = np.cumsum(start) - 1
    heads = np.flatnonzero(start)
    carried = np.where(anew[heads], 0, np.minimum(count[heads], KEPT))
    place = np.arange(len(batch.at)) + KEPT * (group + 1)
    values = np.zeros(len(batch.at) + KEPT * len(heads))
    values[place] = batch.value
    old = kept[batch.at[heads][:, None], (count[heads][:, None] + steps) % KEPT]
    values[(place[heads] - KEPT)[:, None] + steps] = old
    so_far = carried[group] + np.arange(len(batch.at)) - heads[group]
    last = scan.lasts(first)
    total = np.minimum(so_far[last] + 1, KEPT)
    newest = values[np.minimum((place[last] - total + 1)[:, None] + steps, len(values) - 1)]
    kept[batch.at[last]] = newest
    counts[batch.at[last]] = total
    return _Five(values[place[None, :] - 1 - steps[:, None]], values[place - 1], so_far >= KEPT)


def _median_of_five(window: Floats) -> Floats:
    """The median over the first axis by comparing, seven times faster than sorting."""
    a, b, c, d, e = window
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.asarray(np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e)))
