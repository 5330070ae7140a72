"""The condition machine over a batch: lanes, calm rows passed by, and the segmented scans of `rules.condition`."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rules import scan
from rules.alone import judge_alone
from rules.condition import (
    CLEARED,
    CLEARING,
    DOUBT,
    HELD,
    LEVELS,
    LONGEST_MS,
    MANY,
    MET,
    NEVER,
    Happening,
    Rows,
    Settings,
    State,
    emit,
)
from rules.pick import Pick
from rules.scan import Bools, Floats, Ints, every, some


@dataclass(slots=True)
class Calm:
    """Which slots lie still: the many rows that only say that nothing happens are passed by on two comparisons."""

    quiet: Bools  # by slot: `is_quiet` held after the last row, and nothing touched the slot since

    def stirring(
        self, rows: Rows, ordered: Bools, useful: Bools, below: Floats, slot: Pick | None, *, alone: bool
    ) -> Bools:
        """The useful rows of slots that must be looked at; the others lie still."""
        stirs = rows.signal >= below
        stirs |= ~(self.quiet[rows.slot] if slot is None else slot.of(self.quiet))
        if not every(ordered):
            stirs |= ~ordered
        stirs &= useful
        if not alone and some(stirs):
            first = scan.firsts(rows.slot)
            moved = np.logical_or.reduceat(stirs, first.nonzero()[0])
            stirs = useful & moved[np.cumsum(first) - 1]
        return stirs


def is_quiet(state: State, settings: Settings, slots: Ints, kind: Ints) -> Bools:
    """True where nothing is on or held and everything is cleared: only the newest times of such a slot still move."""
    bits = np.take(state.bits, slots, axis=1)
    if len(kind) and int(kind.min()) == int(kind.max()):
        kind = kind[:1]
    settled = ((bits & CLEARED) != 0) | np.isnan(settings.enter[:, kind])
    quiet = settled.all(axis=0) & ~((bits & HELD) != 0).any(axis=0)
    quiet &= (state.rank[slots] == 0) & (state.newest[slots] != NEVER)
    late = state.late_row[slots]
    if some(late >= 0):
        quiet &= (late < 0) | ~((state.late.bits[:, late] & HELD) != 0).any(axis=0)
    return np.asarray(quiet)


def lanes(rows: Rows, state: State, known: Ints, slot: Pick | None = None, *, alone: bool) -> Bools:
    """True for rows of the first lane; notes the newest event time in the state.

    Args:
        rows: sorted by slot, unless `alone`.
        state: moves on.
        known: the newest time of each slot before the batch.
        slot: the slots, where they are known for long.
        alone: no slot stands twice.
    """
    if alone:
        ordered = rows.counted & (rows.ts >= known)
        newest = rows.ts if every(ordered) else np.where(ordered, rows.ts, known)
        if slot is None:
            state.newest[rows.slot] = newest
        else:
            slot.put(state.newest, newest)
        return ordered
    first = scan.firsts(rows.slot)
    floor = np.where(known == NEVER, int(rows.ts.min()), known)
    times = np.where(rows.counted, rows.ts, floor)
    times = np.where(first, np.maximum(times, floor), times)
    newest = scan.maximum_since(times, first)
    ordered = rows.counted & (rows.ts >= newest)
    last = scan.lasts(first)
    any_counted = np.add.reduceat(rows.counted.astype(np.int64), first.nonzero()[0]) > 0
    update = last.nonzero()[0][any_counted]
    state.newest[rows.slot[update]] = newest[update]
    return ordered


def fresh(rows: Rows, ordered: Bools, known: Ints, *, alone: bool) -> Bools:
    """Rows of the first lane that are newer than all before; `known`: the newest time of each slot before the batch."""
    if alone:
        return ordered & (rows.ts > known)
    where = ordered.nonzero()[0]
    ts, first = rows.ts[where], scan.firsts(rows.slot[where])
    newer = np.zeros(len(ordered), dtype=np.bool_)
    newer[where] = ts > scan.previous(ts, first, known[where])
    return newer


class Sight(NamedTuple):
    """What is known of rows before they come: their slots, and the thresholds that wake a rule."""

    slot: Pick
    below: Floats
    lowest: Floats


def judge(
    rows: Rows,
    ordered: Bools,
    state: State,
    settings: Settings,
    calm: "Calm",
    *,
    alone: bool = False,
    sight: Sight | None = None,
) -> list[Happening]:
    """Carry the state over all rows; the happenings in order of arrival.

    Args:
        rows: sorted by slot, unless `alone`.
        ordered: which of them are of the first lane.
        state: moves on.
        settings: by `rows.kind`.
        calm: moves on.
        alone: no slot stands twice.
        sight: what is known of these rows already.
    """
    if not len(rows.slot):
        return []
    useful = ~np.isnan(rows.signal)
    slot, below = (None, settings.below[rows.kind]) if sight is None else (sight.slot, sight.below)
    if some(rows.bad):
        lowest = settings.lowest[rows.kind] if sight is None else sight.lowest
        useful &= ~rows.bad | ((rows.signal >= lowest) & ~rows.barred)
    stirs = calm.stirring(rows, ordered, useful, below, slot, alone=alone)
    stirring = stirs.nonzero()[0]
    if alone and slot is not None and 2 * len(stirring) < len(stirs):
        # all of it is written, and what was not to be is put back
        keeps = stirs if every(useful) else stirs | ~useful
        back = stirring if keeps is stirs else keeps.nonzero()[0]
        kept = state.judged[rows.slot[back]]
        slot.put(state.judged, rows.ts)
        state.judged[rows.slot[back]] = kept
    else:
        still = (useful & ~stirs).nonzero()[0]
        if len(still):
            of, ts = rows.slot[still], rows.ts[still]
            if not alone:
                last = scan.lasts(scan.firsts(of))
                of, ts = of[last], ts[last]
            state.judged[of] = ts
    if len(stirring) < len(rows.slot):
        if not len(stirring):
            return []
        rows, ordered = rows.only(stirring), ordered[stirring]
    happenings: list[Happening] = []
    if alone and every(ordered):
        judge_alone(rows, state, settings, happenings)
        calm.quiet[rows.slot] = is_quiet(state, settings, rows.slot, rows.kind)
    else:
        _judge_lanes(rows, ordered, state, settings, happenings, alone=alone)
        first = np.ones(len(rows.slot), dtype=np.bool_) if alone else scan.firsts(rows.slot)
        heads = rows.slot[first]
        calm.quiet[heads] = is_quiet(state, settings, heads, rows.kind[first])
    happenings.sort(key=lambda each: (each.row, each.slot, not each.leaves, each.rank if each.leaves else -each.rank))
    return happenings


def _judge_lanes(
    rows: Rows, ordered: Bools, state: State, settings: Settings, happenings: list[Happening], *, alone: bool
) -> None:
    raised_before = None
    if not every(ordered):
        second = ~ordered
        raised = _second_lane(rows.only(second), state, settings, happenings)
        flags = np.zeros(len(rows.slot), dtype=np.int64)
        flags[second.nonzero()[0][raised]] = 1
        raised_before = np.cumsum(flags)[ordered]
        rows = rows.only(ordered)
    if alone and len(rows.slot):
        judge_alone(rows, state, settings, happenings)
    elif len(rows.slot):
        _first_lane(rows, raised_before, state, settings, happenings)


def _first_lane(
    rows: Rows, raised_before: Ints | None, state: State, settings: Settings, happenings: list[Happening]
) -> None:
    slot = rows.slot
    first = scan.firsts(slot)
    last = scan.lasts(first)
    segment = np.cumsum(first) - 1
    heads, kind = slot[first], rows.kind[first]
    before = scan.previous(rows.ts, first, state.judged[heads][segment])
    fresh = rows.ts > before
    elapsed = np.where(before == NEVER, 0, rows.ts - np.where(before == NEVER, 0, before))
    elapsed = np.where(elapsed > settings.max_gap_ms[kind][segment], 0, elapsed)
    on = state.rank[heads][segment] > 0
    again = first & on
    if raised_before is not None:
        shifted = np.concatenate(([0], raised_before[:-1]))
        again = again | (~first & (raised_before > shifted)) | (first & (raised_before > 0))
    clear_hold_ms = settings.clear_ms[kind][segment]
    reaching: list[_Reaching] = []
    leaving: list[tuple[int, Bools, Ints]] = []
    for level in range(LEVELS):
        enter = settings.enter[level, kind]
        if every(np.isnan(enter)):
            continue
        bits, known = state.bits[level, heads][segment], state.hold_row[heads]
        high = (rows.signal >= enter[segment]) & ~rows.barred
        low = (rows.signal < settings.exit[level, kind][segment]) & ~rows.bad
        carried = (bits & HELD) != 0
        hold_ms = settings.hold_ms[level, kind][segment]
        # the hold
        decided = high | low | first
        held = np.where(high, True, np.where(low, False, carried))[scan.marked_before(decided)]
        start = held & ~scan.previous(held, first, carried)
        mark = start | first
        held_ms = scan.sums_since(elapsed, mark, np.where(start, 0, state.run_ms[level, heads][segment] + elapsed))
        sample = (high & (fresh | start)).astype(np.int64)
        samples = scan.sums_since(
            sample, mark, np.where(start, 1, state.holds.samples[level, known][segment].astype(np.int64) + sample)
        )
        dubious = (high & rows.bad & ~rows.unsure).astype(np.int64)
        doubt = scan.sums_since(dubious, mark, np.where(start, dubious, ((bits & DOUBT) != 0) + dubious)) > 0
        reached = high & (held_ms >= hold_ms) & (samples >= settings.min_samples[level, kind][segment])
        often = reached.astype(np.int64)
        times = scan.sums_since(often, mark, np.where(start, often, ((bits & MET) != 0) + often))
        reaching.append(_Reaching(level, reached, reached & (times == 1), doubt, held_ms, samples))
        since = np.where(start, rows.arrival, state.holds.since[level, known][segment])[scan.marked_before(mark)]
        # the clear hold
        clear_start = low & ~scan.previous(low, first, (bits & CLEARING) != 0)
        clear_ms = scan.sums_since(
            elapsed,
            clear_start | first,
            np.where(clear_start, 0, state.run_ms[level, heads][segment] + elapsed),
        )
        clear_ms = np.minimum(clear_ms, clear_hold_ms)
        cleared = low & (clear_ms >= clear_hold_ms)
        cleared_before = scan.previous(cleared, first, (bits & CLEARED) != 0)
        leaving.append((level, cleared & (~cleared_before | again), clear_ms))
        # what is carried on
        run_ms = np.where(low, clear_ms, 0)
        state.run_ms[level, heads] = np.where(held, np.minimum(held_ms, LONGEST_MS), run_ms)[last]
        kept = np.where(held, since, 0)[last], np.where(held, np.minimum(samples, MANY), 0)[last]
        state.keep_holds(level, heads, *kept)
        state.bits[level, heads] = (
            held * HELD | (held & (times > 0)) * MET | (held & doubt) * DOUBT | low * CLEARING | cleared * CLEARED
        )[last]
    state.judged[heads] = rows.ts[last]
    if some(settings.cooldown_ms[kind] != 0):
        ends = _ends(rows, first, leaving, state, settings)
        for each in reaching:
            _after_cooldown(each, ends)
    for each in reaching:
        emit(happenings, rows, each.event.nonzero()[0], each.level + 1, leaves=False, late=False,
             doubt=each.doubt | rows.bad, held_ms=each.held_ms, samples=each.samples)  # fmt: skip
    told = np.array([each.slot for each in happenings], dtype=np.int64)
    watched = on | np.isin(heads, told)[segment]
    if some(watched):
        for level, event, clear_ms in leaving:
            emit(happenings, rows, np.flatnonzero(event & watched), level + 1, leaves=True, late=False,
                 doubt=rows.bad, held_ms=clear_ms, samples=np.zeros(len(slot), dtype=np.int64))  # fmt: skip


class _Reaching(NamedTuple):
    """Where the hold of a level is fulfilled, row by row."""

    level: int
    reached: Bools
    event: Bools  # for the first time, or again after a cooldown
    doubt: Bools
    held_ms: Ints
    samples: Ints


class _Ends(NamedTuple):
    """Ends of cooldowns: from the first row that is not before, what is reached opens an episode."""

    row: Ints
    stop: Ints  # of the slot's rows


def _ends(
    rows: Rows,
    first: Bools,
    leaving: list[tuple[int, Bools, Ints]],
    state: State,
    settings: Settings,
) -> _Ends:
    """Where cooldowns may end: those that were carried, and those of episodes that may end in the batch."""
    start = first.nonzero()[0]
    stop = np.append(start[1:], len(first))
    segment = np.cumsum(first) - 1
    cooldown_ms = settings.cooldown_ms[rows.kind]
    left = np.zeros(len(first), dtype=np.bool_)
    for _, event, _ in leaving:
        left |= event
    row = np.flatnonzero(left & (cooldown_ms > 0))
    heads = start[cooldown_ms[start] > 0]
    closed = state.closed[rows.slot[heads]]
    until = np.concatenate((closed + cooldown_ms[heads], rows.ts[row] + cooldown_ms[row]))
    begin, end = np.concatenate((heads, row)), stop[segment[np.concatenate((heads, row))]]
    return _Ends(scan.first_not_below(rows.ts, begin, end, until), end)


def _after_cooldown(each: _Reaching, ends: _Ends) -> None:
    """What is fulfilled already is told again at the first row after a cooldown: what could not open then does."""
    count = len(each.reached)
    following = np.where(each.reached, np.arange(count), count)
    following = np.append(np.minimum.accumulate(following[::-1])[::-1], count)
    row = following[ends.row]
    each.event[row[row < ends.stop]] = True


def _second_lane(rows: Rows, state: State, settings: Settings, happenings: list[Happening]) -> Bools:
    first = scan.firsts(rows.slot)
    last = scan.lasts(first)
    kind = rows.kind
    end = state.late_rows(rows.slot[first])
    at = end[np.cumsum(first) - 1]
    late = state.late
    before = scan.previous(rows.ts, first, late.late_at[at])
    gap = (before == NEVER) | (np.abs(rows.ts - np.where(before == NEVER, rows.ts, before)) > settings.max_gap_ms[kind])
    raised = np.zeros(len(rows.slot), dtype=np.bool_)
    for level in range(LEVELS):
        bits, low_so_far, high_so_far = late.bits[level, at], late.late_low[level, at], late.late_high[level, at]
        high = (rows.signal >= settings.enter[level, kind]) & ~rows.barred
        low = (rows.signal < settings.exit[level, kind]) & ~rows.bad
        carried = ((bits & HELD) != 0) & ~gap
        decided = high | low | first | gap
        held = np.where(high, True, np.where(low | (gap & ~first), False, carried))[scan.marked_before(decided)]
        start = held & (~scan.previous(held, first, carried) | gap)
        mark = start | first
        lowest = np.where(first & ~start, np.minimum(rows.ts, low_so_far), rows.ts)
        highest = np.where(first & ~start, np.maximum(rows.ts, high_so_far), rows.ts)
        # outside a run the bounds carried on are stale: keep them near, they are not read
        outside = first & ~start & ~carried
        lowest, highest = np.where(outside, rows.ts, lowest), np.where(outside, rows.ts, highest)
        low_ts, high_ts = scan.minimum_since(lowest, mark), scan.maximum_since(highest, mark)
        low_before = scan.previous(low_ts, first, low_so_far)
        high_before = scan.previous(high_ts, first, high_so_far)
        sample = (high & rows.counted & ((rows.ts < low_before) | (rows.ts > high_before) | start)).astype(np.int64)
        samples = scan.sums_since(
            sample, mark, np.where(start, sample, late.late_samples[level, at].astype(np.int64) + sample)
        )
        dubious = (high & rows.bad & ~rows.unsure).astype(np.int64)
        doubt = scan.sums_since(dubious, mark, np.where(start, dubious, ((bits & DOUBT) != 0) + dubious)) > 0
        reached = (
            high
            & (high_ts - low_ts >= settings.hold_ms[level, kind])
            & (np.maximum(samples, 1) >= settings.min_samples[level, kind])
        )
        reaching = reached.astype(np.int64)
        times = scan.sums_since(reaching, mark, np.where(start, reaching, ((bits & MET) != 0) + reaching))
        event = reached & ((times == 1) | (settings.cooldown_ms[kind] > 0))
        raised |= event
        emit(happenings, rows, event.nonzero()[0], level + 1, leaves=False, late=True, doubt=doubt | rows.bad,
             held_ms=high_ts - low_ts, samples=samples)  # fmt: skip
        late.late_low[level, end] = np.where(held, low_ts, 0)[last]
        late.late_high[level, end] = np.where(held, high_ts, 0)[last]
        late.late_samples[level, end] = np.where(held, np.minimum(samples, MANY), 0)[last]
        late.bits[level, end] = (held * HELD | (held & (times > 0)) * MET | (held & doubt) * DOUBT)[last]
    late.late_at[end] = rows.ts[last]
    return raised
