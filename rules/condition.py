"""The condition machine that level and rate rules share: hysteresis, hold, samples, clear hold – all rows at once.

For each level of a rule a row of the judged signal is *high* (at or past enter), *low* (short of exit) or between.

- The condition of a level is held from a high row until a low one. It is *fulfilled* at a high row when the hold,
  counted in event time, and the number of samples are reached. Time across a gap longer than `max_gap` does not
  count: the gap freezes the hold.
- A level is left after rows that are all low for the clear hold, again in event time and without gaps.
- Rows run in two lanes. The first is what arrives in order. The second is what may raise and escalate but never end
  or interrupt anything: late rows (older than the newest of the same point) and rows that are not counted
  (a repeat that cannot be told from its original). A run of the second lane is broken by a low row or by a gap, its
  length is the stretch of event time that it spans.
- A row with a bad flag is passed over unless it is high; what rests on one is suspect.

The scan finds the few rows at which something happens; `rules.episode` makes changes of them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rules import scan
from rules.scan import Bools, Floats, Ints

NEVER = -(2**62)
"""Stands for 'no such instant' in arrays."""
LEVELS = 4
MANY = 1_000_000

STATE = np.dtype(
    [
        ("newest", "i8"),  # newest event time of a counted row
        ("judged", "i8"),  # event time of the newest judged row of the first lane
        ("opened", "i8"),  # of the episode that is on, or was last
        ("closed", "i8"),  # event time of the row that ended the last episode
        ("late_at", "i8"),  # event time of the last row of the second lane
        ("used", "i8"),  # silence: grace used up
        ("since", "i8", LEVELS),  # arrival of the row that began the hold
        ("held_ms", "i8", LEVELS),
        ("clear_ms", "i8", LEVELS),
        ("late_low", "i8", LEVELS),
        ("late_high", "i8", LEVELS),
        ("samples", "i4", LEVELS),
        ("late_samples", "i4", LEVELS),
        ("held", "?", LEVELS),
        ("met", "?", LEVELS),  # fulfilled in this run
        ("doubt", "?", LEVELS),  # a bad flag in this run
        ("clearing", "?", LEVELS),
        ("cleared", "?", LEVELS),  # below exit for the clear hold
        ("late_held", "?", LEVELS),
        ("late_met", "?", LEVELS),
        ("late_doubt", "?", LEVELS),
        ("rank", "u1"),  # level now, 0 = none
        ("highest", "u1"),
        ("suspect", "?"),
    ],
    align=True,
)

SETTINGS = np.dtype(
    [
        ("enter", "f8", LEVELS),  # of the signed signal: always 'above'; NaN = no such level
        ("exit", "f8", LEVELS),
        ("hold_ms", "i8", LEVELS),
        ("min_samples", "i4", LEVELS),
        ("lowest", "f8"),  # the mildest enter
        ("clear_ms", "i8"),
        ("max_gap_ms", "i8"),
        ("verify_ms", "i8"),
        ("sign", "f8"),
        ("scale", "f8"),  # signal = sign * (value * scale + shift)
        ("shift", "f8"),
        ("at_least", "f8"),  # rate: -inf = no floor
        ("window_ms", "i8"),
        ("ring", "i4"),  # rate: row of the ring of kept readings; -1 = a level rule
    ],
    align=True,
)

State = npt.NDArray[np.void]
Settings = npt.NDArray[np.void]


def blank(count: int) -> State:
    """State rows of rules that have seen nothing."""
    state = np.zeros(count, dtype=STATE)
    for name in ("newest", "judged", "opened", "closed", "late_at"):
        state[name] = NEVER
    return state


def taken(table: npt.NDArray[np.void], slots: Ints) -> npt.NDArray[np.void]:
    """Copies of rows, byte by byte: numpy copies structured rows field by field, ten times slower."""
    return table.view(np.dtype((np.void, table.dtype.itemsize)))[slots].view(table.dtype)


def put(table: npt.NDArray[np.void], slots: Ints, rows: npt.NDArray[np.void]) -> None:
    """Write copies back."""
    raw = np.dtype((np.void, table.dtype.itemsize))
    table.view(raw)[slots] = rows.view(raw)


class Rows(NamedTuple):
    """Judged rows, sorted by slot, in order of arrival inside a slot."""

    slot: Ints
    ts: Ints
    arrival: Ints
    signal: Floats
    bad: Bools
    counted: Bools
    row: Ints  # index of the reading in the batch

    def only(self, keep: Bools) -> "Rows":
        """The rows that are kept."""
        return Rows(
            self.slot[keep], self.ts[keep], self.arrival[keep], self.signal[keep], self.bad[keep], self.counted[keep],
            self.row[keep],
        )  # fmt: skip


class Happening(NamedTuple):
    """One row at which a level was fulfilled or left."""

    row: int
    slot: int
    rank: int
    leaves: bool  # the level is left; otherwise it is fulfilled
    late: bool  # of the second lane
    ts: int
    doubt: bool
    signal: float
    held_s: float
    samples: int


@dataclass(slots=True)
class Calm:
    """Which slots lie still: the many rows that only say that nothing happens are passed by on two comparisons."""

    quiet: Bools  # by slot: `is_quiet` held after the last row, and nothing touched the slot since
    below: Floats  # by slot: signal under which every level is low

    def stirring(self, rows: Rows, ordered: Bools) -> Bools:
        """True for all rows of the slots that must be looked at."""
        still = self.quiet[rows.slot] & ordered & (rows.signal < self.below[rows.slot])
        if still.all():
            return ~still
        first = scan.firsts(rows.slot)
        moved = np.logical_or.reduceat(~still, np.flatnonzero(first))
        return np.asarray(moved[np.cumsum(first) - 1], dtype=np.bool_)


def is_quiet(state: State, settings: Settings) -> Bools:
    """True where nothing is on or held and everything is cleared: only the newest times of such a row still move."""
    absent = np.isnan(settings["enter"])
    settled = (state["cleared"] | absent).all(axis=1) & ~state["held"].any(axis=1) & ~state["late_held"].any(axis=1)
    return np.asarray(settled & (state["rank"] == 0) & (state["newest"] != NEVER), dtype=np.bool_)


def lanes(rows: Rows, state: State) -> Bools:
    """True for rows of the first lane; notes the newest event time in the state."""
    first = scan.firsts(rows.slot)
    known = state["newest"][rows.slot]
    oldest = int(rows.ts.min())
    floor = np.where(known == NEVER, oldest, known)
    times = np.where(rows.counted, rows.ts, floor)
    times = np.where(first, np.maximum(times, floor), times)
    newest = scan.maximum_since(times, first)
    ordered = rows.counted & (rows.ts >= newest)
    last = scan.lasts(first)
    any_counted = np.add.reduceat(rows.counted.astype(np.int64), np.flatnonzero(first)) > 0
    update = np.flatnonzero(last)[any_counted]
    state["newest"][rows.slot[update]] = newest[update]
    return ordered


def judge(rows: Rows, ordered: Bools, state: State, settings: Settings, calm: "Calm") -> list[Happening]:
    """Carry the state over all rows; the happenings in order of arrival."""
    useful = ~np.isnan(rows.signal)
    if rows.bad.any():
        useful &= ~rows.bad | (rows.signal >= settings["lowest"][rows.slot])
    if not useful.all():
        rows, ordered = rows.only(useful), ordered[useful]
    if len(rows.slot):
        stirring = calm.stirring(rows, ordered)
        if not stirring.all():
            still = ~stirring
            last = scan.lasts(scan.firsts(rows.slot[still]))
            state["judged"][rows.slot[still][last]] = rows.ts[still][last]
            rows, ordered = rows.only(stirring), ordered[stirring]
    if not len(rows.slot):
        return []
    heads = rows.slot[scan.firsts(rows.slot)]
    happenings: list[Happening] = []
    raised_before = None
    if not ordered.all():
        second = ~ordered
        raised = _second_lane(rows.only(second), state, settings, happenings)
        flags = np.zeros(len(rows.slot), dtype=np.int64)
        flags[np.flatnonzero(second)[raised]] = 1
        raised_before = np.cumsum(flags)[ordered]
        rows = rows.only(ordered)
    if len(rows.slot):
        _first_lane(rows, raised_before, state, settings, happenings)
    calm.quiet[heads] = is_quiet(taken(state, heads), taken(settings, heads))
    happenings.sort(key=lambda each: (each.row, each.slot, not each.leaves, each.rank if each.leaves else -each.rank))
    return happenings


def _emit(
    happenings: list[Happening],
    rows: Rows,
    where: Bools,
    rank: int,
    *,
    leaves: bool,
    late: bool,
    doubt: Bools,
    held_ms: Ints,
    samples: Ints,
) -> None:
    happenings.extend(
        Happening(
            row=int(rows.row[index]),
            slot=int(rows.slot[index]),
            rank=rank,
            leaves=leaves,
            late=late,
            ts=int(rows.ts[index]),
            doubt=bool(doubt[index]),
            signal=float(rows.signal[index]),
            held_s=float(held_ms[index]) / 1000,
            samples=int(samples[index]),
        )
        for index in np.flatnonzero(where).tolist()
    )


def _first_lane(
    rows: Rows, raised_before: Ints | None, state: State, settings: Settings, happenings: list[Happening]
) -> None:
    slot = rows.slot
    first = scan.firsts(slot)
    last = scan.lasts(first)
    segment = np.cumsum(first) - 1
    heads = slot[first]
    was, now, rule = taken(state, heads), taken(state, heads), taken(settings, heads)
    before = scan.previous(rows.ts, first, was["judged"][segment])
    fresh = rows.ts > before
    elapsed = np.where(before == NEVER, 0, rows.ts - np.where(before == NEVER, 0, before))
    elapsed = np.where(elapsed > rule["max_gap_ms"][segment], 0, elapsed)
    on = was["rank"][segment] > 0
    again = first & on
    if raised_before is not None:
        shifted = np.concatenate(([0], raised_before[:-1]))
        again = again | (~first & (raised_before > shifted)) | (first & (raised_before > 0))
    clear_hold_ms = rule["clear_ms"][segment]
    leaving: list[tuple[int, Bools, Ints]] = []
    for level in range(LEVELS):
        enter, exit_ = rule["enter"][:, level][segment], rule["exit"][:, level][segment]
        high = rows.signal >= enter
        low = (rows.signal < exit_) & ~rows.bad
        carried = was["held"][:, level][segment]
        hold_ms = rule["hold_ms"][:, level][segment]
        # the hold
        decided = high | low | first
        held = np.where(high, True, np.where(low, False, carried))[scan.marked_before(decided)]
        start = held & ~scan.previous(held, first, carried)
        mark = start | first
        held_ms = scan.sums_since(elapsed, mark, np.where(start, 0, was["held_ms"][:, level][segment] + elapsed))
        sample = (high & (fresh | start)).astype(np.int64)
        samples = scan.sums_since(sample, mark, np.where(start, 1, was["samples"][:, level][segment] + sample))
        dubious = (high & rows.bad).astype(np.int64)
        doubt = scan.sums_since(dubious, mark, np.where(start, dubious, was["doubt"][:, level][segment] + dubious)) > 0
        reached = high & (held_ms >= hold_ms) & (samples >= rule["min_samples"][:, level][segment])
        reaching = reached.astype(np.int64)
        times = scan.sums_since(reaching, mark, np.where(start, reaching, was["met"][:, level][segment] + reaching))
        event = reached & (times == 1)
        if event.any():
            _emit(happenings, rows, event, level + 1, leaves=False, late=False, doubt=doubt, held_ms=held_ms,
                  samples=samples)  # fmt: skip
        since = np.where(start, rows.arrival, was["since"][:, level][segment])[scan.marked_before(mark)]
        # the clear hold
        low_before = scan.previous(low, first, was["clearing"][:, level][segment])
        clear_start = low & ~low_before
        clear_mark = clear_start | first
        clear_ms = scan.sums_since(
            elapsed, clear_mark, np.where(clear_start, 0, was["clear_ms"][:, level][segment] + elapsed)
        )
        cleared = low & (clear_ms >= clear_hold_ms)
        cleared_before = scan.previous(cleared, first, was["cleared"][:, level][segment])
        leaving.append((level, cleared & (~cleared_before | again), clear_ms))
        # what is carried on
        now["held"][:, level] = held[last]
        now["held_ms"][:, level] = np.where(held, np.minimum(held_ms, hold_ms), 0)[last]
        now["samples"][:, level] = np.where(held, np.minimum(samples, MANY), 0)[last]
        now["doubt"][:, level] = (held & doubt)[last]
        now["met"][:, level] = (held & (times > 0))[last]
        now["since"][:, level] = np.where(held, since, 0)[last]
        now["clearing"][:, level] = low[last]
        now["clear_ms"][:, level] = np.where(low, np.minimum(clear_ms, clear_hold_ms), 0)[last]
        now["cleared"][:, level] = cleared[last]
    now["judged"] = rows.ts[last]
    put(state, heads, now)
    told = np.array([each.slot for each in happenings], dtype=np.int64)
    watched = on | np.isin(heads, told)[segment]
    if watched.any():
        for level, event, clear_ms in leaving:
            _emit(happenings, rows, event & watched, level + 1, leaves=True, late=False, doubt=rows.bad,
                  held_ms=clear_ms, samples=np.zeros(len(slot), dtype=np.int64))  # fmt: skip


def _second_lane(rows: Rows, state: State, settings: Settings, happenings: list[Happening]) -> Bools:
    slot = rows.slot
    first = scan.firsts(slot)
    last = scan.lasts(first)
    end = slot[last]
    before = scan.previous(rows.ts, first, state["late_at"][slot])
    gap = (before == NEVER) | (
        np.abs(rows.ts - np.where(before == NEVER, rows.ts, before)) > settings["max_gap_ms"][slot]
    )
    raised = np.zeros(len(slot), dtype=np.bool_)
    for level in range(LEVELS):
        high = rows.signal >= settings["enter"][slot, level]
        low = (rows.signal < settings["exit"][slot, level]) & ~rows.bad
        carried = state["late_held"][slot, level] & ~gap
        decided = high | low | first | gap
        held = np.where(high, True, np.where(low | (gap & ~first), False, carried))[scan.marked_before(decided)]
        start = held & (~scan.previous(held, first, carried) | gap)
        mark = start | first
        lowest = np.where(first & ~start, np.minimum(rows.ts, state["late_low"][slot, level]), rows.ts)
        highest = np.where(first & ~start, np.maximum(rows.ts, state["late_high"][slot, level]), rows.ts)
        # outside a run the bounds carried on are stale: keep them near, they are not read
        outside = first & ~start & ~carried
        lowest, highest = np.where(outside, rows.ts, lowest), np.where(outside, rows.ts, highest)
        low_ts, high_ts = scan.minimum_since(lowest, mark), scan.maximum_since(highest, mark)
        low_before = scan.previous(low_ts, first, state["late_low"][slot, level])
        high_before = scan.previous(high_ts, first, state["late_high"][slot, level])
        sample = (high & rows.counted & ((rows.ts < low_before) | (rows.ts > high_before) | start)).astype(np.int64)
        samples = scan.sums_since(sample, mark, np.where(start, sample, state["late_samples"][slot, level] + sample))
        dubious = (high & rows.bad).astype(np.int64)
        doubt = scan.sums_since(dubious, mark, np.where(start, dubious, state["late_doubt"][slot, level] + dubious)) > 0
        reached = (
            high
            & (high_ts - low_ts >= settings["hold_ms"][slot, level])
            & (np.maximum(samples, 1) >= settings["min_samples"][slot, level])
        )
        reaching = reached.astype(np.int64)
        times = scan.sums_since(reaching, mark, np.where(start, reaching, state["late_met"][slot, level] + reaching))
        event = reached & (times == 1)
        raised |= event
        _emit(happenings, rows, event, level + 1, leaves=False, late=True, doubt=doubt, held_ms=high_ts - low_ts,
              samples=samples)  # fmt: skip
        state["late_held"][end, level] = held[last]
        state["late_low"][end, level] = np.where(held, low_ts, 0)[last]
        state["late_high"][end, level] = np.where(held, high_ts, 0)[last]
        state["late_samples"][end, level] = np.where(held, np.minimum(samples, MANY), 0)[last]
        state["late_doubt"][end, level] = (held & doubt)[last]
        state["late_met"][end, level] = (held & (times > 0))[last]
    state["late_at"][end] = rows.ts[last]
    return raised
