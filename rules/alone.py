"""The condition machine where each rule has one reading in the batch, and that in order: no scans are needed.

This is what a batch of many devices looks like. Level by level, only the rows that are high, held, or newly low are
looked at; of the others nothing but bits moves.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

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
from rules.scan import Bools, Ints, every, some

Bytes = npt.NDArray[np.uint8]


class _Level(NamedTuple):
    """One level of all rows."""

    number: int
    rows: Rows
    state: State
    settings: Settings
    kind: Ints  # one entry where all rows are of one rule
    elapsed: Ints
    newer: Bools  # than the reading judged before
    rank: Bytes


def judge_alone(rows: Rows, state: State, settings: Settings, happenings: list[Happening]) -> None:
    """Carry the state over rows of the first lane, no slot twice."""
    slot, kind = rows.slot, rows.kind
    before = state.judged[slot]
    elapsed = rows.ts - before
    newer = elapsed > 0
    if int(kind.min()) == int(kind.max()):
        kind = kind[:1]
    elapsed[(before == NEVER) | (elapsed > settings.max_gap_ms[kind])] = 0
    state.judged[slot] = rows.ts
    rank = state.rank[slot]
    some_bad, some_barred = some(rows.bad), some(rows.barred)
    for number in range(LEVELS):
        enter = settings.enter[number, kind]
        if every(np.isnan(enter)):
            continue
        level = _Level(number, rows, state, settings, kind, elapsed, newer, rank)
        high = rows.signal >= enter
        if some_barred:
            high &= ~rows.barred
        low = rows.signal < settings.exit[number, kind]
        if some_bad:
            low &= ~rows.bad
        bits = state.bits[number, slot]
        fresh = np.zeros(len(slot), dtype=np.uint8)
        held = np.flatnonzero(high | (((bits & HELD) != 0) & ~low))
        if len(held):
            _hold(level, held, high[held], bits[held], fresh, happenings)
        _clear(level, low, bits, fresh, happenings)
        state.bits[number, slot] = fresh


def _of(values: Ints, level: _Level, row: Ints) -> Ints:
    """A threshold of some rows."""
    return values[level.kind] if len(level.kind) == 1 else values[level.kind[row]]


def _hold(level: _Level, row: Ints, high: Bools, was: Bytes, fresh: Bytes, happenings: list[Happening]) -> None:
    """Rows whose hold is on now: time, samples, doubt, and those that are fulfilled for the first time."""
    rows, state, settings, number = level.rows, level.state, level.settings, level.number
    start = (was & HELD) == 0
    slot = rows.slot[row]
    hold_ms = _of(settings.hold_ms[number], level, row)
    held_ms = state.run_ms[number, slot] + level.elapsed[row]
    held_ms[start] = 0
    known = state.hold_rows(slot)
    samples = state.holds.samples[number, known] + (high & level.newer[row])
    samples[start] = 1
    now = was & (HELD | MET | DOUBT)
    now[start] = HELD
    dubious = rows.bad[row]
    if some(dubious):
        now[dubious & high & ~rows.unsure[row]] |= DOUBT
    reached = high & (held_ms >= hold_ms) & (samples >= _of(settings.min_samples[number], level, row))
    reached &= ((now & MET) == 0) | (_of(settings.cooldown_ms, level, row) > 0)  # may have met while cooling down
    now[reached] |= MET
    state.run_ms[number, slot] = np.minimum(held_ms, LONGEST_MS)
    state.holds.samples[number, known] = np.minimum(samples, MANY)
    state.holds.since[number, known[start]] = rows.arrival[row[start]]
    fresh[row] = now
    reached &= number + 1 > level.rank[row]  # what reaches no further than the alarm is says nothing new
    if some(reached):
        doubt = ((now & DOUBT) != 0) | dubious
        emit(happenings, rows, row[reached], number + 1, leaves=False, late=False, doubt=doubt[reached],
             held_ms=held_ms[reached], samples=samples[reached], aligned=True)  # fmt: skip


def _clear(level: _Level, low: Bools, bits: Bytes, fresh: Bytes, happenings: list[Happening]) -> None:
    """Rows that are low now: time below exit, and the levels that are left."""
    rows, state, number = level.rows, level.state, level.number
    settled = low & ((bits & CLEARED) != 0)
    fresh[settled] = CLEARING | CLEARED
    leaves = settled & (level.rank > number)
    row = np.flatnonzero(low & ~settled)
    if len(row):
        slot = rows.slot[row]
        clear_hold_ms = _of(level.settings.clear_ms, level, row)
        clear_ms = state.run_ms[number, slot] + level.elapsed[row]
        clear_ms[(bits[row] & CLEARING) == 0] = 0
        done = clear_ms >= clear_hold_ms
        state.run_ms[number, slot] = np.minimum(clear_ms, clear_hold_ms)
        fresh[row] = CLEARING | done * CLEARED
        leaves[row] = done & (level.rank[row] > number)
    if some(leaves):
        told = leaves.nonzero()[0]
        clear = state.run_ms[number, rows.slot[told]].astype(np.int64)
        emit(happenings, rows, told, number + 1, leaves=True, late=False, doubt=rows.bad[told], held_ms=clear,
             samples=np.zeros(len(told), dtype=np.int64), aligned=True)  # fmt: skip
